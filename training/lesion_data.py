"""Prepare real visits as the pipeline does, once: images, tissues and the template's maps on one grid of 1 mm.

    python training/lesion_data.py SHARED OUT

SHARED holds data/openms-mni and data/openms-raw (University of Ljubljana, CC-BY); OUT gets a folder a visit.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import nibabel as nib
import numpy as np

from bids_app import interfaces as steps
from bids_app.image.lesions import LesionInputs
from bids_app.image.register import apply
from bids_app.image.template import BUILT_IN

SEED = 0
PATIENTS = ("sub-07", "sub-26")  # imaged and with a consensus mask


def prepare(flair: Path, t1w: Path | None, folder: Path, size: float = 1.0) -> Path:
    """Run the pipeline's steps up to the first tissue segmentation; done once a folder."""
    if (folder / "wm_prior.nii").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(folder):
        head = steps.prepare_head(t1w or flair, size)
        if t1w:
            steps.align_flair(flair, head.image, head.brain, SEED)
        found = steps.align_coarsely(head.image, head.brain, BUILT_IN, SEED)
        steps.segment_unfilled(head.image, head.brain, found.inverse, BUILT_IN, size)
    return folder


def load_inputs(folder: Path, with_t1w: bool = True) -> LesionInputs:
    """Load what a lesion method gets."""
    both = (folder / "flair.nii").exists()
    names = ("brain", "gm", "wm", "csf", "wm_prior")
    images = {name: nib.load(folder / f"{name}.nii") for name in names}
    t1w = nib.load(folder / "image.nii") if both and with_t1w else None
    return LesionInputs(flair=nib.load(folder / ("flair.nii" if both else "image.nii")), t1w=t1w, **images)


def masks_of(shared: Path) -> dict[str, Path]:
    """Return the consensus lesion mask of each patient."""
    found = sorted((shared / "data/openms-mni").glob("sub-*/anat/*consensus_mask.nii.gz"))
    return {path.name.split("_")[0]: path for path in found}


def mni_scans(shared: Path, patient: str) -> tuple[Path, Path]:
    """Return FLAIR and T1w of a patient imaged in MNI space."""
    stem = shared / f"data/openms-mni/{patient}/anat/{patient}_space-MNI152NLin6Asym_res-1_desc-brain_"
    return Path(f"{stem}FLAIR.nii.gz"), Path(f"{stem}T1w.nii.gz")


def truth_on(folder: Path, mask: Path) -> np.ndarray:
    """Return a consensus mask on a visit's grid (both are in MNI mm), as bool."""
    from bids_app.image.volume import resample

    source = nib.load(mask)
    source = nib.Nifti1Image((np.asarray(source.dataobj) > 0).astype(np.uint8), source.affine)
    return np.asarray(resample(source, nib.load(folder / "brain.nii"), order=0).dataobj) > 0


def shapes_on(folder: Path, mask: Path) -> np.ndarray:
    """Return another patient's consensus mask warped from the template to a visit, 0 to 1."""
    source = nib.load(mask)
    image = nib.Nifti1Image((np.asarray(source.dataobj) > 0).astype(np.float32), source.affine)
    return np.asarray(apply(image, nib.load(folder / "brain.nii"), [folder / "inverse.h5"]).dataobj)


def main() -> None:
    """Prepare every visit."""
    shared, out = (Path(arg).absolute() for arg in sys.argv[1:3])
    for patient in PATIENTS:
        flair, t1w = mni_scans(shared, patient)
        prepare(flair, t1w, out / patient)
    for flair in sorted((shared / "data/openms-raw").glob("sub-*/ses-*/anat/*_FLAIR.nii.gz")):
        t1w = flair.with_name(flair.name.replace("FLAIR", "T1w"))
        prepare(flair, t1w, out / flair.name.removesuffix("_FLAIR.nii.gz"))
    for patient in PATIENTS:
        prepare(mni_scans(shared, patient)[0], None, out / f"{patient}-flair")


if __name__ == "__main__":
    main()

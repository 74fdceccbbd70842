"""Prepare real visits as the pipeline does, once: images, tissues and the template's maps on one grid of 1 mm.

    python training/lesion_data.py SHARED OUT [--only NAME ...] [--images]

SHARED holds data/openms-mni (University of Ljubljana, CC-BY) and data/tabriz (MS3SEG, CC BY 4.0);
OUT gets a folder a visit, and another (`-flair`) where it is prepared from its FLAIR alone.
"""

from __future__ import annotations

import argparse
import contextlib
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from bids_app import steps
from bids_app.image.lesions import LesionInputs
from bids_app.image.template import BUILT_IN
from bids_app.image.transforms import apply
from bids_app.image.volume import resample
from bids_app.steps.files import call

SEED = 0
RESOLUTION = 2.0  # of the registration
MNI = ("sub-07", "sub-26")  # of Ljubljana: imaged and with a consensus mask, stripped, 1 mm
CLINICAL = (
    "sub-101228",
    "sub-104670",
    "sub-106639",
    "sub-110218",
    "sub-112776",
)  # of Tabriz: thick slices, skull
PATIENTS = (*MNI, *CLINICAL)


@dataclass(frozen=True)
class Case:
    """A patient whose lesions experts drew on the grid of the FLAIR as acquired."""

    name: str
    flair: Path
    t1w: Path
    truth: Path


def case(shared: Path, name: str) -> Case:
    """Return the files of one of `PATIENTS`."""
    if name in MNI:
        folder = shared / "data/openms-mni" / name / "anat"
        stem = f"{name}_space-MNI152NLin6Asym_res-1"
        images = (folder / f"{stem}_desc-brain_{kind}.nii.gz" for kind in ("FLAIR", "T1w"))
        return Case(name, *images, masks_of(shared)[name])
    root = shared / "data/tabriz"
    flair, t1w = (root / name / "anat" / f"{name}_{kind}.nii.gz" for kind in ("FLAIR", "T1w"))
    truth = root / "derivatives/experts" / name / "anat" / f"{name}_space-FLAIR_label-L_mask.nii.gz"
    return Case(name, flair, t1w, truth)


def prepare_images(flair: Path, t1w: Path | None, folder: Path, size: float = 1.0) -> Path:
    """Run the pipeline's steps up to images on one grid and a brain mask; done once a folder."""
    last = folder / ("flair.nii" if t1w else "brain.nii")
    if last.exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(folder):
        head = call(steps.prepare_head, {"scan": t1w or flair, "voxel_size": size})
        if t1w:
            images = {"t1w": head["image"], "brain": head["brain"]}
            call(steps.align_flair, {"scan": flair, "seed": SEED} | images)
    return folder


def prepare(flair: Path, t1w: Path | None, folder: Path, size: float = 1.0) -> Path:
    """Run the pipeline's steps up to tissues, lesions unknown; done once a folder."""
    prepare_images(flair, t1w, folder, size)
    if (folder / "csf.nii").exists():
        return folder
    with contextlib.chdir(folder):
        images = {"image": Path("image.nii").absolute(), "brain": Path("brain.nii").absolute()}
        template = {"template": BUILT_IN, "resolution": RESOLUTION, "seed": SEED}
        found = call(steps.align_to_template, images | template)
        transforms = {"brain": images["brain"], "forward": found["forward"], "inverse": found["inverse"]}
        placed = call(steps.place_in_template, transforms | {"template": BUILT_IN, "resolution": size})
        where = {"brain": placed["brain"], "coordinates": placed["coordinates"]}
        call(steps.segment, {"image": images["image"]} | where)
    return folder


def load_inputs(folder: Path, with_t1w: bool = True) -> LesionInputs:
    """Load what a lesion method gets."""
    both = (folder / "flair.nii").exists()
    names = ("brain", "gm", "wm", "csf", "wm_prior")
    images = {name: nib.load(folder / f"{name}.nii") for name in names}
    t1w = nib.load(folder / "image.nii") if both and with_t1w else None
    return LesionInputs(flair=nib.load(folder / ("flair.nii" if both else "image.nii")), t1w=t1w, **images)


def masks_of(shared: Path) -> dict[str, Path]:
    """Return the consensus lesion mask of each patient of Ljubljana."""
    found = sorted((shared / "data/openms-mni").glob("sub-*/anat/*consensus_mask.nii.gz"))
    return {path.name.split("_")[0]: path for path in found}


def read_truth(path: Path) -> nib.Nifti1Image:
    """Return an expert mask as 0 and 1, uint8, on its own grid."""
    source = nib.load(path)
    return nib.Nifti1Image((np.asarray(source.dataobj) > 0).astype(np.uint8), source.affine)


def truth_on(folder: Path, mask: Path) -> np.ndarray:
    """Return an expert mask on a visit's working grid, as bool: where at least half a voxel is covered."""
    truth, grid = read_truth(mask), nib.load(folder / "brain.nii")
    soft = nib.Nifti1Image(np.asarray(truth.dataobj, dtype=np.float32), truth.affine)
    way = folder / "to_t1w.txt"
    moved = apply(soft, grid, [way]) if way.exists() else resample(soft, grid)
    return np.asarray(moved.dataobj) >= 0.5


def as_acquired(folder: Path, mask: nib.Nifti1Image, scan: Path) -> np.ndarray:
    """Return an image of the working grid on the grid of the FLAIR as acquired, as the pipeline writes its mask."""
    like, way = nib.load(scan), folder / "to_t1w.txt"
    if way.exists():
        moved = apply(mask, like, [way], interpolation="nearestNeighbor", inverse=[True])
    else:
        moved = resample(mask, like, order=0)
    return np.asarray(moved.dataobj)


def scans(shared: Path) -> dict[str, tuple[Path, Path | None]]:
    """Return FLAIR and T1w of every visit by the name of its folder."""
    found: dict[str, tuple[Path, Path | None]] = {}
    cases = [case(shared, name) for name in PATIENTS]
    found |= {one.name: (one.flair, one.t1w) for one in cases}
    found |= {f"{one.name}-flair": (one.flair, None) for one in cases}
    return found


def main() -> None:
    """Prepare the visits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="+", help="folders, such as sub-07 or sub-07-flair")
    parser.add_argument("--images", action="store_true", help="no tissues")
    args = parser.parse_args()
    step = prepare_images if args.images else prepare
    for name, (flair, t1w) in scans(args.shared.absolute()).items():
        if not args.only or name in args.only:
            step(flair, t1w, args.out.absolute() / name)
            print(name, flush=True)


if __name__ == "__main__":
    main()

"""Make the priors of structures from label maps of 20 heads.

    python training/fit_structures.py SHARED OUT

OUT gets a folder a head: its synthetic T1w, the transforms to the template and its structures there; and at the end the
priors as they ship. The registration is the one that a visit gets, so the priors are as blurred as it is.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage
from structure_heads import load_heads, synthetic_scan

from bids_app.image.register import align_template
from bids_app.image.structure_priors import STEM, STRUCTURES
from bids_app.image.template import BUILT_IN, load_template
from bids_app.image.transforms import apply

SEED = 1
SMOOTHING_MM = 1.0  # about the error of the registration
RESOLUTION = 2.0


def bring(structures: nib.Nifti1Image, number: int, folder: Path) -> Path:
    """Register a head by its synthetic T1w and write its structures in template space; done once a folder."""
    target = folder / "structures.nii.gz"
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    scan = synthetic_scan(structures, "T1w", number)
    nib.save(scan, folder / "T1w.nii.gz")
    alike = align_template(
        scan,
        load_template(BUILT_IN, RESOLUTION).t1w,
        folder / "forward.h5",
        folder / "inverse.h5",
        seed=SEED,
    )
    print(f"{folder.name}: correlation with the template {alike:.3f}", flush=True)
    shifted = nib.Nifti1Image(
        (np.asarray(structures.dataobj) + np.uint8(1)), structures.affine
    )  # outside is 0
    grid = load_template(BUILT_IN, 1.0).brain
    moved = apply(shifted, grid, [folder / "forward.h5"], interpolation="nearestNeighbor")
    nib.save(nib.Nifti1Image(np.asarray(moved.dataobj) - np.uint8(1), grid.affine), target)
    return target


def average(paths: list[Path]) -> nib.Nifti1Image:
    """Return the share of heads with each structure: made symmetric as the template is, smoothed, as uint8."""
    grid = nib.load(paths[0])
    out = np.zeros((*grid.shape, len(STRUCTURES)), dtype=np.float32)
    for path in paths:
        places = np.asarray(nib.load(path).dataobj)
        for place in range(len(STRUCTURES)):
            out[..., place] += places == place
    for place in range(len(STRUCTURES)):
        share = out[..., place] / len(paths)
        out[..., place] = ndimage.gaussian_filter((share + share[::-1]) / 2, SMOOTHING_MM)
    return nib.Nifti1Image(np.rint(out * 255).astype(np.uint8), grid.affine)


def main() -> None:
    """Bring every head, average them."""
    shared, out = (Path(arg).absolute() for arg in sys.argv[1:3])
    heads = load_heads(shared)
    paths = [bring(head, number, out / name) for number, (name, head) in enumerate(heads.items())]
    nib.save(average(paths), out / f"{STEM}.nii.gz")
    meta = {
        "LabelMap": [structure.name for structure in STRUCTURES],
        "Description": f"Share of {len(paths)} people with each structure, both sides averaged, smoothed by 1 mm.",
        "Units": "1/255",
    }
    (out / f"{STEM}.json").write_text(json.dumps(meta, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

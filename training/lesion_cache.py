"""Pack prepared patients for the lesion network: a file each, cropped to the brain.

    python training/lesion_cache.py SHARED PREPARED OUT

`maps` (5, x, y, z) uint8, to be divided by their `scale`: FLAIR and T1w (median of the brain 1), brain, how much of a
voxel is lesion, and how much a voxel counts (small lesions more); `thick`: whether slices are thicker than 3 mm.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cc3d
import nibabel as nib
import numpy as np
from lesion_data import PATIENTS, case, read_truth
from scipy import ndimage

from bids_app.image.transforms import apply
from bids_app.image.volume import resample

PAD = 8
SCALE = np.array([64, 64, 1, 255, 64], dtype=np.float32)  # of each map, as whole numbers up to 255
USUAL_MM3, MOST = 150.0, 3.0


def pack(folder: Path, flair_scan: Path, truth: Path) -> dict[str, np.ndarray]:
    """Return what is saved of one patient."""
    grid = nib.load(folder / "brain.nii")
    brain = np.asarray(grid.dataobj) > 0
    images = []
    for name in ("flair", "image"):
        data = np.asarray(nib.load(folder / f"{name}.nii").dataobj, dtype=np.float32)
        images.append(np.clip(data / np.median(data[brain]), 0, 6) * brain)
    drawn = read_truth(truth)
    soft = nib.Nifti1Image(np.asarray(drawn.dataobj, dtype=np.float32), drawn.affine)
    way = folder / "to_t1w.txt"
    moved = apply(soft, grid, [way]) if way.exists() else resample(soft, grid)
    lesion = np.clip(np.asarray(moved.dataobj), 0, 1) * brain
    maps = np.stack([*images, brain, lesion, weights(lesion)])
    sides = ndimage.find_objects(brain.astype(np.uint8))[0]
    box = tuple(slice(max(s.start - PAD, 0), s.stop + PAD) for s in sides)
    thick = max(nib.affines.voxel_sizes(nib.load(flair_scan).affine)) > 3
    whole = np.clip(np.round(maps[(slice(None), *box)] * SCALE[:, None, None, None]), 0, 255)
    return {"maps": whole.astype(np.uint8), "scale": SCALE, "thick": np.array(thick)}


def weights(lesion: np.ndarray) -> np.ndarray:
    """Return how much each voxel counts: 1, in small lesions up to 3."""
    labels = cc3d.connected_components(lesion >= 0.5, connectivity=26)
    size = np.bincount(labels.ravel()).astype(float)
    share = np.clip(np.sqrt(USUAL_MM3 / np.maximum(size, 1)), 1, MOST)
    share[0] = 1
    return share[labels]


def main() -> None:
    """Pack every prepared patient."""
    shared, prepared, out = (Path(arg).absolute() for arg in sys.argv[1:4])
    out.mkdir(parents=True, exist_ok=True)
    for name in PATIENTS:
        folder, one = prepared / name, case(shared, name)
        if (folder / "flair.nii").exists() and not (out / f"{name}.npz").exists():
            np.savez_compressed(out / f"{name}.npz", **pack(folder, one.flair, one.truth))
            print(name, flush=True)


if __name__ == "__main__":
    main()

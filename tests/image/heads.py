"""A synthetic head around the template's brain, and deepbet's own answer for it.

Run in an environment with `deepbet==1.0.2`, `torch` and `nilearn`, this file writes the reference that
`test_brain.py` compares with:

    python tests/image/heads.py tests/image/deepbet_reference.npz
"""

from __future__ import annotations

import sys

import nibabel as nib
import numpy as np
from nilearn.datasets import struct
from scipy import ndimage


def synthetic_head() -> tuple[nib.Nifti1Image, np.ndarray]:
    """Return a T1w-like head of 2 mm voxels (brain, dark skull, bright scalp, noise) and its true brain."""
    source = nib.load(struct.MNI152_FILE_PATH)
    brain = np.pad(np.asarray(source.dataobj)[::2, ::2, ::2].astype(np.float32), 12)
    inside = ndimage.binary_fill_holes(ndimage.binary_closing(brain > 0, iterations=2))
    away = ndimage.distance_transform_edt(~inside) * 2.0
    head = np.where(inside, brain, 0)
    head[(away > 0) & (away <= 5)] = 15
    head[(away > 5) & (away <= 11)] = 190
    head += np.random.default_rng(0).normal(0, 3, head.shape).astype(np.float32)
    affine = source.affine @ np.diag([2, 2, 2, 1])
    affine[:3, 3] -= 24
    return nib.Nifti1Image(np.maximum(head, 0).astype(np.float32), affine), inside


def main(target: str) -> None:
    """Write deepbet's own mask of the synthetic head, a bit per voxel."""
    from deepbet import BrainExtraction

    _, mask, _ = BrainExtraction(no_gpu=True).run(synthetic_head()[0])
    found = np.asarray(mask.dataobj) > 0
    np.savez_compressed(target, shape=found.shape, bits=np.packbits(found))


if __name__ == "__main__":
    main(sys.argv[1])

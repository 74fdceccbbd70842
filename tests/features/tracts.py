"""A tractogram small enough to count by hand, its regions and lesions."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd

from bids_app.features.connectome import Connectome
from bids_app.image.atlas import Atlas

SHAPE = (10, 3, 1)
LINES = [
    [[0, 0, 0], [9, 0, 0]],  # A-B
    [[9, 0, 0], [1, 0, 0]],  # B-A
    [[0, 0, 0], [4, 1, 0], [9, 2, 0]],  # A-C
    [[0, 0, 0], [1, 0, 0]],  # within A
    [[5, 1, 0], [9, 0, 0]],  # unlabelled end-B
]


def toy_atlas():
    """Regions A (x 0-1), B (x 8-9) in row 0; C (x 8-9) in row 2; D has no voxel; the rest is no region."""
    labels = np.zeros(SHAPE, np.int16)
    labels[:2, 0], labels[8:, 0], labels[8:, 2] = 1, 2, 3
    table = pd.DataFrame({"index": [1, 2, 3, 4], "name": ["A", "B", "C", "D"]})
    return Atlas("toy", nib.Nifti1Image(labels, np.eye(4)), table, "toy")


def toy(lines=None, **more):
    return Connectome.from_streamlines(
        LINES if lines is None else lines, affine=np.eye(4), shape=SHAPE, **more
    )


def lesion_at(*voxels):
    data = np.zeros(SHAPE, np.uint8)
    for voxel in voxels:
        data[voxel] = 1
    return nib.Nifti1Image(data, np.eye(4))


def by_name(found):
    return found.regions.set_index("name")

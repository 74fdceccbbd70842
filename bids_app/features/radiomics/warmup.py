"""Compile the engine ahead of its first use, for container images.

    python -m bids_app.features.radiomics.warmup

Compiled code is kept beside the source files (`__pycache__`), or where NUMBA_CACHE_DIR says.
"""

from __future__ import annotations

import warnings

import nibabel as nib
import numpy as np

from bids_app.features.radiomics.engine import extract
from bids_app.features.radiomics.settings import PAPER_SETTINGS, RadiomicsSettings

SIDE = 12  # voxels; enough for every filter, quick


def precompile() -> None:
    """Run every kernel once on a small image of each type that it meets (double, single, whole numbers)."""
    data = np.random.default_rng(0).integers(0, 200, (SIDE, SIDE, SIDE))
    labels = np.zeros(data.shape, np.uint8)
    labels[2:-2, 2:-2, 2:-2] = 1
    as_they_are = RadiomicsSettings(
        PAPER_SETTINGS.image_types, PAPER_SETTINGS.feature_classes, {"binWidth": 5}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for settings, dtype in (
            (PAPER_SETTINGS, np.float32),
            (as_they_are, np.float32),
            (as_they_are, np.int16),
        ):
            image = nib.Nifti1Image(data.astype(dtype), np.eye(4))
            extract(image, nib.Nifti1Image(labels, np.eye(4)), settings=settings)


if __name__ == "__main__":
    precompile()

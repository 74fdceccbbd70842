"""Between nibabel's images and ANTs'."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np

if TYPE_CHECKING:
    from ants.core import ANTsImage

LPS = np.diag([-1.0, -1.0, 1.0])  # ITK's axes point to the left and back


def to_ants(image: nib.Nifti1Image) -> ANTsImage:
    """Return a float32 ANTs image in the same place of the world."""
    import ants

    spacing = nib.affines.voxel_sizes(image.affine)
    direction = LPS @ image.affine[:3, :3] / spacing
    data = np.ascontiguousarray(np.asarray(image.dataobj, dtype=np.float32))
    return ants.from_numpy(
        data, origin=(LPS @ image.affine[:3, 3]).tolist(), spacing=spacing.tolist(), direction=direction
    )


def from_ants(image: ANTsImage, like: nib.Nifti1Image) -> nib.Nifti1Image:
    """Return an ANTs image as nibabel's, float32, with the affine of the image whose grid it is on."""
    return nib.Nifti1Image(image.numpy().astype(np.float32), like.affine)

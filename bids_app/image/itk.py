"""Between nibabel's images and ITK's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import SimpleITK

Array = npt.NDArray[np.float64]

LPS = np.diag([-1.0, -1.0, 1.0])  # ITK's axes point to the left and back


def place(affine: Array) -> tuple[list[float], list[float], list[float]]:
    """Return origin (mm), spacing (mm) and direction (9 cosines) of a grid as ITK has them."""
    spacing = nib.affines.voxel_sizes(affine)
    direction = LPS @ affine[:3, :3] / spacing
    return (LPS @ affine[:3, 3]).tolist(), spacing.tolist(), direction.ravel().tolist()


def to_itk(image: nib.Nifti1Image) -> SimpleITK.Image:
    """Return a float32 ITK image in the same place of the world."""
    import SimpleITK

    data = np.asarray(image.dataobj, dtype=np.float32)
    out = SimpleITK.GetImageFromArray(np.ascontiguousarray(data.T))
    origin, spacing, direction = place(image.affine)
    out.SetOrigin(origin)
    out.SetSpacing(spacing)
    out.SetDirection(direction)
    return out


def from_itk(image: SimpleITK.Image, like: nib.Nifti1Image) -> nib.Nifti1Image:
    """Return an ITK image as nibabel's, float32, with the affine of the image whose grid it is on."""
    import SimpleITK

    data = SimpleITK.GetArrayFromImage(image).T
    return nib.Nifti1Image(np.ascontiguousarray(data, dtype=np.float32), like.affine)


def from_ras(matrix: Array) -> SimpleITK.AffineTransform:
    """Return ITK's transform of a matrix of RAS mm.

    Parameters
    ----------
    matrix : ndarray, (4, 4)
        Points of the fixed image to those of the moving one.
    """
    import SimpleITK

    out = SimpleITK.AffineTransform(3)
    out.SetMatrix((LPS @ matrix[:3, :3] @ LPS).ravel().tolist())
    out.SetTranslation((LPS @ matrix[:3, 3]).tolist())
    return out


def to_ras(transform: SimpleITK.Transform) -> Array:
    """Return the matrix of RAS mm of a linear ITK transform, (4, 4)."""
    corners = np.vstack([np.zeros(3), np.eye(3)])
    moved = np.array([transform.TransformPoint(corner.tolist()) for corner in corners])
    matrix = np.eye(4)
    matrix[:3, :3] = LPS @ (moved[1:] - moved[0]).T @ LPS
    matrix[:3, 3] = LPS @ moved[0]
    return matrix

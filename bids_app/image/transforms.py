"""Transforms as ITK files: written, read, and applied to images and points."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import numpy.typing as npt

from bids_app.image.box import box_around
from bids_app.image.itk import LPS, from_itk, place, to_itk
from bids_app.image.volume import box_mean

if TYPE_CHECKING:
    import SimpleITK

Array = npt.NDArray[np.float64]

DISPLACEMENT_STEP_MM = (
    2.0**-10
)  # mm, of displacements: far below any registration's error, and files a third as large
LABELS = "nearestNeighbor"
POINTS = 3  # along each axis of a voxel of which a median is taken: 1 mm apart in voxels of 3 mm


def write(transform: SimpleITK.Transform, target: Path) -> None:
    """Write a transform, a composite one with its displacements rounded to `DISPLACEMENT_STEP_MM` and packed tightly.

    All later steps use the rounded one, so a published transform repeats their results to the bit.

    Parameters
    ----------
    transform : SimpleITK.Transform
        Linear (`.txt`) or composite (`.h5`).
    target : Path
        Its ending says the format.
    """
    import SimpleITK

    if target.suffix != ".h5":
        SimpleITK.WriteTransform(transform, str(target))
        return
    with tempfile.TemporaryDirectory() as folder:
        loose = Path(folder) / target.name
        SimpleITK.WriteTransform(transform, str(loose))
        _pack(loose, target)


def _pack(found: Path, target: Path) -> None:
    import h5py

    with h5py.File(found) as source, h5py.File(target, "w") as out:

        def put(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Group):
                out.create_group(name)
            elif item.size < 1000:
                source.copy(item, out, name)
            else:
                values = np.rint(item[()] / DISPLACEMENT_STEP_MM) * DISPLACEMENT_STEP_MM
                out.create_dataset(name, data=values.astype(np.float32), compression="gzip", shuffle=True)

        source.visititems(put)


def combined(transforms: Sequence[Path], inverse: Sequence[bool] | None = None) -> SimpleITK.Transform:
    """Read transforms as one.

    Parameters
    ----------
    transforms : sequence of Path
        ITK transforms, the last moves the image first and points last (as ANTs counts).
    inverse : sequence of bool, optional
        Which to invert (linear ones only).

    Returns
    -------
    SimpleITK.CompositeTransform
    """
    import SimpleITK

    out = SimpleITK.CompositeTransform(3)
    listed = list(zip(transforms, inverse or [False] * len(transforms), strict=True))
    for path, back in reversed(listed):  # ITK takes points through the one added last first
        one = SimpleITK.ReadTransform(str(path))
        out.AddTransform(one.GetInverse() if back else one)
    return out


def apply(
    image: nib.Nifti1Image,
    like: nib.Nifti1Image,
    transforms: Sequence[Path],
    *,
    interpolation: str = "linear",
    inverse: Sequence[bool] | None = None,
) -> nib.Nifti1Image:
    """Bring an image to another grid through transforms.

    Parameters
    ----------
    image : Nifti1Image, (x, y, z)
        What is moved.
    like : Nifti1Image, (x, y, z)
        The grid it comes to.
    transforms : sequence of Path
        ITK transforms, the last moves the image first and points last (as ANTs counts).
    interpolation : {"linear", "nearestNeighbor", "bSpline"}
        How values between voxels are found.
    inverse : sequence of bool, optional
        Which transforms to invert (linear ones only).

    Returns
    -------
    Nifti1Image
        float32; of the type of `image` where that is integer and the interpolation one of labels. 0 outside.
    """
    import SimpleITK

    kinds = {
        "linear": SimpleITK.sitkLinear,
        LABELS: SimpleITK.sitkNearestNeighbor,
        "bSpline": SimpleITK.sitkBSpline3,
    }
    moved = SimpleITK.Resample(
        to_itk(image),
        [int(edge) for edge in like.shape[:3]],
        combined(transforms, inverse),
        kinds[interpolation],
        *place(like.affine),
        0.0,
        SimpleITK.sitkFloat32,
    )
    out = from_itk(moved, like)
    kind = image.get_data_dtype()
    if interpolation == LABELS and kind.kind in "iu":
        return nib.Nifti1Image(np.rint(np.asarray(out.dataobj)).astype(kind), like.affine)
    return out


def move_points(points: Array, transforms: Sequence[Path]) -> Array:
    """Take points through transforms: those of the grid that an image comes to, to those of the image.

    Parameters
    ----------
    points : ndarray, (n, 3)
        RAS+ millimetres.
    transforms : sequence of Path
        As in `apply`.

    Returns
    -------
    ndarray, (n, 3)
        RAS+ millimetres.
    """
    whole = combined(transforms)
    moved = [whole.TransformPoint((LPS @ point).tolist()) for point in np.asarray(points, dtype=float)]
    return np.reshape(moved, (-1, 3)) @ LPS


def apply_averaged(
    image: nib.Nifti1Image, like: nib.Nifti1Image, transforms: Sequence[Path]
) -> nib.Nifti1Image:
    """Bring an image to a coarser grid, each new voxel the mean of about what it covers.

    Linear interpolation alone would pick single voxels; a box as wide as the new voxel is averaged first.

    Parameters
    ----------
    image, like : Nifti1Image, (x, y, z)
        What is moved, and the grid it comes to.
    transforms : sequence of Path
        As in `apply`.

    Returns
    -------
    Nifti1Image, float32
    """
    inner = _inner(image, like)
    data = box_mean(np.asarray(inner.dataobj), widths(image, like), mode="nearest")
    return apply(nib.Nifti1Image(data, inner.affine), like, transforms)


def apply_median(
    image: nib.Nifti1Image, like: nib.Nifti1Image, transforms: Sequence[Path]
) -> nib.Nifti1Image:
    """Bring an image to a coarser grid, each new voxel the median of what it covers.

    It is the median of the nearest voxels of 27 points of the new voxel. Whatever the threshold, it exceeds it where
    the image does at more than half of the points: the result can be thresholded as if that had been done before the
    image was brought to the grid.

    Parameters
    ----------
    image, like : Nifti1Image, (x, y, z)
        What is moved, and the grid it comes to.
    transforms : sequence of Path
        As in `apply`.

    Returns
    -------
    Nifti1Image, float32
    """
    finer = nib.affines.from_matvec(np.eye(3) / POINTS, [(1 - POINTS) / (2 * POINTS)] * 3)
    x, y, z = like.shape[:3]
    shape = (x * POINTS, y * POINTS, z * POINTS)
    grid = nib.Nifti1Image(np.broadcast_to(np.uint8(0), shape), like.affine @ finer)
    moved = apply(_inner(image, like), grid, transforms, interpolation=LABELS)
    points = np.asarray(moved.dataobj).reshape(x, POINTS, y, POINTS, z, POINTS)
    return nib.Nifti1Image(np.median(points, axis=(1, 3, 5)), like.affine)


def _inner(image: nib.Nifti1Image, like: nib.Nifti1Image) -> nib.Nifti1Image:
    """Return the part of an image that is not 0, with room for a voxel of another grid around it."""
    data = np.asarray(image.dataobj, dtype=np.float32)
    room = float(nib.affines.voxel_sizes(like.affine).max() + nib.affines.voxel_sizes(image.affine).max())
    return nib.Nifti1Image(data, image.affine).slicer[box_around(data != 0, image.affine, room)]


def widths(image: nib.Nifti1Image, like: nib.Nifti1Image) -> list[float]:
    """Return how many voxels of an image a voxel of another spans along each axis, 1 at least."""
    ratio = nib.affines.voxel_sizes(like.affine).mean() / nib.affines.voxel_sizes(image.affine)
    return [max(1.0, float(one)) for one in ratio]

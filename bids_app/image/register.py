"""Alignment of images: rigid between contrasts, SyN to the template."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from bids_app.errors import VisitError, one_line
from bids_app.image.convert import from_ants, to_ants

RIGID_ITERATIONS = (1000, 500, 250)  # shrunk by 6, 4 and 2
RIGID_FULL = 50  # on the full grid, where that is not finer than RIGID_MM
RIGID_MM = 1.5  # 4 mm alone leaves 0.9 mm of error; below 2 mm nothing is gained
DISPLACEMENT_STEP_MM = (
    2.0**-10
)  # mm, of displacements: far below any registration's error, and files a third as large
SYN_ITERATIONS = (40, 20, 0)  # at a quarter, half and all of the template's resolution; antspyx's default


def align_rigid(moving: nib.Nifti1Image, fixed: nib.Nifti1Image, target: Path, *, seed: int) -> Path:
    """Align two images of one head, whatever their contrasts (rigid, mutual information).

    Parameters
    ----------
    moving, fixed : Nifti1Image, (x, y, z)
        For example FLAIR and T1w.
    target : Path
        ITK text transform to write (`.txt`).
    seed : int
        Seed of the sampling of voxels.

    Returns
    -------
    Path
        `target`: maps points of `fixed` to `moving`, so it brings the image `moving` to `fixed`.

    Raises
    ------
    VisitError
        If the registration fails.
    """
    import ants

    coarse = float(nib.affines.voxel_sizes(fixed.affine).min()) > RIGID_MM
    with tempfile.TemporaryDirectory() as folder:
        found = _registration(
            fixed=to_ants(fixed),
            moving=to_ants(moving),
            type_of_transform="Rigid",
            aff_metric="mattes",
            aff_iterations=(*RIGID_ITERATIONS, RIGID_FULL if coarse else 0),
            outprefix=f"{folder}/rigid_",
            random_seed=seed,
        )
        ants.write_transform(ants.read_transform(found["fwdtransforms"][0]), str(target))
    return target


def align_template(
    brain: nib.Nifti1Image, template: nib.Nifti1Image, forward: Path, inverse: Path, *, seed: int
) -> float:
    """Register a brain to the template: affine, then SyN (Avants et al. 2008) with mutual information.

    Parameters
    ----------
    brain : Nifti1Image, (x, y, z)
        Skull-stripped T1w (or FLAIR), lesions filled where they are known.
    template : Nifti1Image, (x, y, z)
        Skull-stripped template; its voxel size is the resolution of the registration.
    forward, inverse : Path
        ITK composite transforms to write (`.h5`): for images to the template, and from it.
    seed : int
        Seed of the sampling of voxels.

    Returns
    -------
    float
        Correlation of the registered image with the template inside the template's brain.

    Raises
    ------
    VisitError
        If the registration fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        found = _registration(
            fixed=to_ants(template),
            moving=to_ants(brain),
            type_of_transform="SyN",
            reg_iterations=SYN_ITERATIONS,
            outprefix=f"{folder}/syn_",
            write_composite_transform=True,
            random_seed=seed,
        )
        _write_compact(_only(found["fwdtransforms"]), forward)
        _write_compact(_only(found["invtransforms"]), inverse)
        warped = found["warpedmovout"].numpy()
    reference = np.asarray(template.dataobj, dtype=np.float32)
    inside = reference > 0
    return float(np.corrcoef(warped[inside], reference[inside])[0, 1])


def _write_compact(found: str, target: Path) -> None:
    """Write an ITK composite transform with its displacements rounded to `DISPLACEMENT_STEP_MM` and packed tightly.

    All later steps use the rounded one, so a published transform repeats their results to the bit.
    """
    import h5py

    with h5py.File(found) as source, h5py.File(target, "w") as out:

        def put(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Group):
                out.create_group(name)
            elif item.chunks is None or item.size < 1000:
                source.copy(item, out, name)
            else:
                values = np.rint(item[()] / DISPLACEMENT_STEP_MM) * DISPLACEMENT_STEP_MM
                out.create_dataset(name, data=values.astype(item.dtype), compression="gzip", shuffle=True)

        source.visititems(put)


def _only(paths: str | Sequence[str]) -> str:
    return paths if isinstance(paths, str) else paths[0]


def _registration(**options: object) -> dict:
    import ants

    try:
        return ants.registration(**options)
    except Exception as error:
        raise VisitError(
            f"registration failed ({one_line(error)}); look at the images' orientation and field of view"
        ) from error


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
        ITK transforms, the last applied first (ANTs' order).
    interpolation : {"linear", "nearestNeighbor", "genericLabel", "bSpline"}
        How values between voxels are found.
    inverse : sequence of bool, optional
        Which transforms to invert (linear ones only).

    Returns
    -------
    Nifti1Image
        float32; of the type of `image` where that is integer and the interpolation one of labels.
    """
    import ants

    with tempfile.TemporaryDirectory() as folder:
        flip = inverse or [False] * len(transforms)
        paths = [
            _inverted(path, Path(folder) / f"{place}.mat") if back else path
            for place, (path, back) in enumerate(zip(transforms, flip, strict=True))
        ]
        moved = ants.apply_transforms(
            fixed=to_ants(like),
            moving=to_ants(image),
            transformlist=[str(path) for path in paths],
            interpolator=interpolation,
            whichtoinvert=[False] * len(paths),
        )
    out = from_ants(moved, like)
    kind = image.get_data_dtype()
    if interpolation in {"nearestNeighbor", "genericLabel"} and kind.kind in "iu":
        return nib.Nifti1Image(np.rint(np.asarray(out.dataobj)).astype(kind), like.affine)
    return out


def _inverted(linear: Path, target: Path) -> Path:
    """Write the inverse of a linear transform."""
    import ants

    ants.write_transform(ants.read_transform(str(linear)).invert(), str(target))
    return target


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
        ITK transforms, the last applied first (ANTs' order).

    Returns
    -------
    Nifti1Image, float32
    """
    from scipy import ndimage

    widths = _widths(image, like)
    data = ndimage.uniform_filter(np.asarray(image.dataobj, dtype=np.float32), widths, mode="nearest")
    return apply(nib.Nifti1Image(data, image.affine), like, transforms)


def apply_median(
    image: nib.Nifti1Image, like: nib.Nifti1Image, transforms: Sequence[Path]
) -> nib.Nifti1Image:
    """Bring an image to a coarser grid, each new voxel the median of about what it covers.

    Whatever the threshold, the median exceeds it where more than half of the fine voxels do: the result can be
    thresholded as if that had been done before the image was brought to the grid.

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
    from scipy import ndimage

    data = ndimage.median_filter(
        np.asarray(image.dataobj, dtype=np.float32), _widths(image, like), mode="nearest"
    )
    return apply(nib.Nifti1Image(data, image.affine), like, transforms, interpolation="nearestNeighbor")


def _widths(image: nib.Nifti1Image, like: nib.Nifti1Image) -> list[int]:
    """Return how many voxels of an image a voxel of another spans along each axis."""
    ratio = nib.affines.voxel_sizes(like.affine).mean() / nib.affines.voxel_sizes(image.affine)
    return [max(1, round(float(one))) for one in ratio]

"""Reading scans of any kind safely, and bringing them onto one kind of grid."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import numpy.typing as npt

from bids_app.errors import VisitError, one_line
from bids_app.lesion_masks import same_grid
from bids_app.spelling import percent

Array = npt.NDArray[np.float32]

VOXEL_MM = (0.1, 12.0)  # smallest and largest of any scanner in use
MIN_SLICES = 5  # fewer are a localiser; chosen by hand
MAX_VOXELS = 2**29  # 2 GB as floats: eight times a head at 0.5 mm
FLAT = 1e-3  # volume of a voxel's edges as unit vectors, below which they lie in a plane
MAX_INVALID = 0.05  # share of voxels without a number; more is refused as damage; chosen by hand
HEAD_MM = 320.0  # no head with its neck is longer


class Scan(NamedTuple):
    """An image as read: float32 voxels, 3D, with what was noticed."""

    image: nib.Nifti1Image
    notes: list[str]


def read_scan(path: Path) -> Scan:
    """Read a NIfTI scan and check that it can be a head.

    The affine is the sform where its code is set, else the qform (the NIfTI standard's rule, as nibabel
    applies it); a disagreement of the two is noted.

    Parameters
    ----------
    path : Path
        `.nii` or `.nii.gz`.

    Returns
    -------
    Scan
        The image, (x, y, z), float32, and notes.

    Raises
    ------
    VisitError
        If the file is truncated or not NIfTI, is not one 3D volume of plain numbers, has impossible voxel
        sizes or an affine that cannot be inverted, holds too many invalid numbers other than around the head, or is
        constant.
    """
    image = _open(path)
    notes = _check_geometry(path, image)
    data = _voxels(path, image)
    if data.ndim > 3:
        if any(side != 1 for side in data.shape[3:]):
            raise VisitError(f"{path}: has {data.ndim} dimensions {data.shape}; give one 3D volume")
        data = data.reshape(data.shape[:3])
        notes.append(f"{path.name}: 4D with one volume, read as 3D")
    _check_size(path, data.shape)
    invalid = ~np.isfinite(data)
    if invalid.any():
        share = float(invalid.mean())
        if share > MAX_INVALID and not _only_outside(invalid):
            raise VisitError(
                f"{path}: {percent(share)} of the voxels are NaN or infinite; export the image again"
            )
        data[invalid] = 0
        notes.append(f"{path.name}: {int(invalid.sum())} NaN or infinite voxels set to 0")
    if data.min() == data.max():
        raise VisitError(f"{path}: all voxels are {data.flat[0]:g}; the image is empty")
    return Scan(nib.Nifti1Image(data, image.affine), notes)


def _open(path: Path, kinds: tuple[type, ...] = (nib.Nifti1Image, nib.Nifti2Image)) -> nib.Nifti1Image:
    try:
        image = nib.load(path)
    except Exception as error:
        raise VisitError(
            f"{path}: not a readable NIfTI file ({one_line(error)}); copy or export it again"
        ) from error
    if not isinstance(image, kinds):
        raise VisitError(f"{path}: is {type(image).__name__}, not NIfTI; convert it")
    return image  # type: ignore[return-value]


def _voxels(path: Path, image: nib.Nifti1Image) -> Array:
    """Return the scaled voxels as float32."""
    kind = image.get_data_dtype()
    if kind.fields or kind.kind not in "iufb":
        raise VisitError(f"{path}: voxels are {kind}, not plain numbers; give a grey-scale image")
    if np.prod([int(side) for side in image.shape], dtype=object) > MAX_VOXELS:
        raise VisitError(f"{path}: {image.shape} voxels is more than any head scan; check the header")
    try:
        with np.errstate(all="ignore"):
            return np.array(image.dataobj, dtype=np.float32)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise VisitError(f"{path}: truncated or damaged ({one_line(error)}); copy it again") from error


def _check_geometry(path: Path, image: nib.Nifti1Image) -> list[str]:
    """Check affine and voxel sizes; note a disagreement of sform and qform."""
    if image.header["sform_code"] <= 0 and not _stored_zooms(image).all():
        raise VisitError(f"{path}: voxels of 0 mm in its header; correct the header (pixdim)")
    affine = image.affine
    flat = affine is None or not np.isfinite(affine).all()
    sizes = np.zeros(3) if flat else nib.affines.voxel_sizes(affine)
    flat = flat or not sizes.all() or abs(np.linalg.det(affine[:3, :3] / sizes)) < FLAT
    if flat:
        raise VisitError(f"{path}: its affine cannot be inverted; correct the header (sform or qform)")
    low, high = VOXEL_MM
    if (sizes < low).any() or (sizes > high).any():
        edges = " x ".join(f"{size:g}" for size in sizes)
        raise VisitError(
            f"{path}: voxels of {edges} mm{_other_unit(sizes)}; a head has {low:g} to {high:g} mm; correct the header"
        )
    header = image.header
    if header["sform_code"] <= 0 and header["qform_code"] <= 0:
        return [f"{path.name}: neither sform nor qform is set: left and right are assumed, check them"]
    try:
        disagree = header["sform_code"] > 0 < header["qform_code"] and not np.allclose(
            header.get_sform(), header.get_qform(), atol=0.1
        )
    except nib.spatialimages.HeaderDataError:
        return [f"{path.name}: its qform is not valid: the sform is used"]
    return [f"{path.name}: sform and qform disagree: the sform is used"] if disagree else []


def _only_outside(invalid: npt.NDArray[np.bool_]) -> bool:
    """Tell whether invalid voxels lie around the head, as masked images have them: none in the middle, no holes."""
    from scipy.ndimage import binary_fill_holes

    middle = tuple(slice(side // 4, side - side // 4) for side in invalid.shape)
    return not invalid[middle].any() and bool((binary_fill_holes(~invalid) == ~invalid).all())


def _other_unit(sizes: npt.NDArray[np.float64]) -> str:
    """Tell of a header in metres or micrometres; its field for units is seldom set, so it is not trusted."""
    low, high = VOXEL_MM
    for unit, factor in (("metres", 1000.0), ("micrometres", 0.001)):
        if (sizes * factor >= low).all() and (sizes * factor <= high).all():
            return f" (it seems to be in {unit})"
    return ""


def _stored_zooms(image: nib.Nifti1Image) -> npt.NDArray[np.float32]:
    """Return the voxel sizes as the file has them: nibabel reads 0 as 1."""
    with image.file_map["image"].get_prepare_fileobj("rb") as stream:
        return type(image.header).from_fileobj(stream, check=False)["pixdim"][1:4]


def _check_size(path: Path, shape: tuple[int, ...]) -> None:
    if len(shape) < 3 or min(shape) < MIN_SLICES:
        raise VisitError(
            f"{path}: {' x '.join(map(str, shape))} voxels; needs a 3D volume of at least {MIN_SLICES}"
        )


def read_mask(
    path: Path, like: dict[str, nib.Nifti1Image], label: int | None = None
) -> tuple[nib.Nifti1Image, str, list[str]]:
    """Read a lesion mask that came with the dataset and find out whose grid it is on.

    Parameters
    ----------
    path : Path
        NIfTI (or FreeSurfer's MGZ) file: 0 and 1, or probabilities from 0 to 1 (then 0.5 and more is lesion).
    like : dict of str to Nifti1Image
        The scans that it may belong to, by name, as acquired.
    label : int, optional
        Value of lesions where the file is a label image of the whole head.

    Returns
    -------
    mask : Nifti1Image, uint8
        0 and 1.
    name : str
        Key of `like` with the same shape and affine.
    notes : list of str
        What was noticed.

    Raises
    ------
    VisitError
        If it cannot be read, is on no scan's grid, or holds other labels.
    """
    image = _open(path, (nib.Nifti1Image, nib.Nifti2Image, nib.MGHImage))
    data = _voxels(path, image)
    if label is not None and data.max() > 1:
        data = (data == label).astype(np.float32)
    data = data.reshape(data.shape[:3]) if data.ndim > 3 and data.size == np.prod(data.shape[:3]) else data
    names = [name for name, scan in like.items() if same_grid(data.shape, image.affine, scan)]
    if not names:
        grids = ", ".join(f"{name} {scan.shape}" for name, scan in like.items())
        raise VisitError(f"{path}: shape {data.shape} and affine match no scan ({grids}); resample the mask")
    values = np.unique(data)
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
        shown = ", ".join(f"{value:g}" for value in values[:5])
        raise VisitError(f"{path}: holds {shown} ...; a lesion mask has 0 and 1 (or probabilities up to 1)")
    notes = [] if set(values) <= {0.0, 1.0} else [f"{path.name}: probabilities; lesion where 0.5 or more"]
    if not (data >= 0.5).any():
        notes.append(f"{path.name}: holds no lesion")
    return nib.Nifti1Image((data >= 0.5).astype(np.uint8), image.affine), names[0], notes


def conform(image: nib.Nifti1Image, voxel_size: float) -> nib.Nifti1Image:
    """Resample to isotropic voxels with axes to the right, front and top, keeping the whole field of view.

    Parameters
    ----------
    image : Nifti1Image, (x, y, z)
        Any orientation, oblique or anisotropic.
    voxel_size : float
        Edge in mm.

    Returns
    -------
    Nifti1Image, float32
        Cubic interpolation kept inside the range of the image, its constant background kept constant; no
        side longer than 320 mm (a longer field of view, such as the neck's, is cut below).
    """
    from nibabel.processing import resample_from_to
    from nibabel.spaces import vox2out_vox

    shape, affine = vox2out_vox(image, voxel_sizes=(voxel_size,) * 3)
    longest = int(HEAD_MM / voxel_size)
    extra = [max(0, side - longest) for side in shape]
    start = [extra[0] // 2, extra[1] // 2, extra[2]]
    affine = affine.copy()
    affine[:3, 3] += affine[:3, :3] @ np.asarray(start, dtype=float)
    affine = affine.astype(np.float32).astype(np.float64)  # exact in a NIfTI header, which ITK insists on
    shape = tuple(side - cut for side, cut in zip(shape, extra, strict=True))
    data = np.asarray(image.dataobj, dtype=np.float32)
    air = background(data)
    out = resample_from_to(
        nib.Nifti1Image(data, image.affine), (shape, affine), order=3, mode="constant", cval=0.0
    )
    clipped = np.clip(np.asarray(out.dataobj, dtype=np.float32), data.min(), data.max())
    content = nib.Nifti1Image((data != air).astype(np.float32), image.affine)
    inside = np.asarray(resample(content, out).dataobj) >= 0.5
    clipped[~inside] = air  # cubic interpolation rings where a mask ended: a stripped image must stay one
    return nib.Nifti1Image(clipped, out.affine)


def background(data: Array) -> float:
    """Return the median value of the image's corners: what masks and defacing leave outside the head."""
    corners = data[:: data.shape[0] - 1, :: data.shape[1] - 1, :: data.shape[2] - 1]
    return float(np.median(corners))


def resample(image: nib.Nifti1Image, like: nib.Nifti1Image, order: int = 1) -> nib.Nifti1Image:
    """Resample an image onto another's grid by their affines alone (order 0 keeps labels).

    Parameters
    ----------
    image : Nifti1Image, (x, y, z)
    like : Nifti1Image
        Whose grid is taken.
    order : int
        Of the splines: 0 for labels, 1 for intensities and probabilities.
    """
    from nibabel.processing import resample_from_to

    data = np.asarray(image.dataobj)
    source = nib.Nifti1Image(data if order == 0 else data.astype(np.float32), image.affine)
    out = resample_from_to(source, (like.shape, like.affine), order=order, mode="constant", cval=0.0)
    return nib.Nifti1Image(
        np.asarray(out.dataobj).astype(data.dtype if order == 0 else np.float32), like.affine
    )


def box_mean(data: Array, widths: Sequence[float], mode: str = "constant") -> Array:
    """Average over a box around each voxel's centre.

    A window of a whole, even number of voxels has no voxel in its middle and moves an image by half a voxel; here the
    voxels at the box's faces count by the part of them that is inside.

    Parameters
    ----------
    data : ndarray, (x, y, z), float32
        Image.
    widths : sequence of float, (3,)
        Edges of the box in voxels; those of less than 1 leave an axis as it is.
    mode : {"constant", "nearest"}
        What lies beyond the image: zeros, or its outermost voxels again.

    Returns
    -------
    ndarray, (x, y, z), float32
    """
    from scipy import ndimage

    for axis, width in enumerate(widths):
        reach = int(np.ceil((width - 1) / 2))
        if reach > 0:
            edges = np.clip(np.arange(-reach, reach + 2) - 0.5, -width / 2, width / 2)
            data = ndimage.correlate1d(data, np.diff(edges) / width, axis=axis, mode=mode)
    return data

"""Demyelin's lesion network: a 3D U-Net on cells of 2 x 2 x 2 voxels, run by onnxruntime.

It sees the FLAIR, the T1w where there is one, the brain and where in the brain a voxel lies: no tissues, no template.
"""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import special

from bids_app.errors import VisitError
from bids_app.image.box import box_around
from bids_app.image.inference import session
from bids_app.image.volume import box_mean, resample

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

NETWORK = "lesions/network.onnx"
GRID_MM = 1.0  # of the images that it was trained on
BRAIN_MARGIN_MM = 8.0  # round the brain, as in training
CELL = 2  # voxels along each axis, which are channels to the network
MULTIPLE = CELL * 8  # the grid of cells is halved three times
BRIGHTEST = 4.0  # of the brain's median, as in training
FARTHEST = 1.5  # half sides of the brain's box from its centre, as in training


def network_probability(
    flair: nib.Nifti1Image | None,
    t1w: nib.Nifti1Image | None,
    brain: nib.Nifti1Image,
    weights: Path | None = None,
) -> Array:
    """Return the probability of lesion by the network.

    Parameters
    ----------
    flair : Nifti1Image, (x, y, z), optional
        FLAIR corrected for non-uniformity, any unit, any orientation.
    t1w : Nifti1Image, (x, y, z), optional
        T1w on the same grid. The network knows what to do without one of the two; by the T1w alone it finds far less.
    brain : Nifti1Image, (x, y, z)
        Brain mask on the same grid.
    weights : Path, optional
        Folder whose `network.onnx` takes the place of the one that comes with Demyelin.

    Returns
    -------
    ndarray, (x, y, z), float32
        0 to 1 on the images' grid; 0 outside the brain.

    Raises
    ------
    VisitError
        If an image is dark in most of the brain.
    """
    grid = working_grid(brain)
    inside = _moved(brain, grid) >= 0.5
    bright = None if flair is None else _relative(_moved(flair, grid), inside, "FLAIR")
    dark = None if t1w is None else _relative(_moved(t1w, grid), inside, "T1w")
    channels = network_channels(bright, dark, inside)
    (logit,) = session(NETWORK, weights).run(None, {"channels": channels[None]})
    probability = _voxels(special.expit(logit[0]))[tuple(slice(length) for length in inside.shape)] * inside
    moved = _averaged(nib.Nifti1Image(probability, grid.affine), brain)
    return moved * (np.asarray(brain.dataobj) > 0)


def network_channels(flair: Array | None, t1w: Array | None, inside: Mask) -> Array:
    """Return what the network sees.

    Parameters
    ----------
    flair : ndarray, (x, y, z), or None
        Relative to the brain's median, 0 there and outside the brain.
    t1w : ndarray, (x, y, z), or None
        Likewise.
    inside : ndarray of bool, (x, y, z)
        Brain.

    Returns
    -------
    ndarray, (22, x', y', z'), float32
        Cells of 2 x 2 x 2 voxels, sides divisible by 8: eight voxels of FLAIR, eight of T1w, the share of brain, where
        in the brain's box the cell lies (-1 to 1, three axes), the brain once more where there is a T1w, and where
        there is a FLAIR.
    """
    room = [(0, -length % MULTIPLE) for length in inside.shape]
    nothing = np.zeros(inside.shape, np.float32)
    padded = [np.pad(nothing if one is None else one, room) for one in (flair, t1w)]
    brain = _cells(np.pad(inside.astype(np.float32), room)).mean(axis=0, keepdims=True)
    sides = box_around(inside, np.eye(4))
    places = []
    for axis, side in enumerate(sides):
        middle = np.arange(brain.shape[1 + axis], dtype=np.float32) * CELL + (CELL - 1) / 2
        low, high = side.start, max(side.stop - 1, side.start + 1)
        line = np.clip(2 * (middle - low) / (high - low) - 1, -FARTHEST, FARTHEST)
        places.append(np.broadcast_to(np.moveaxis(line[:, None, None], 0, axis), brain.shape[1:]))
    place = np.stack(places) * (brain > 0)
    known = [brain * np.float32(one is not None) for one in (t1w, flair)]
    return np.concatenate([_cells(padded[0]), _cells(padded[1]), brain, place, *known]).astype(np.float32)


def working_grid(brain: nib.Nifti1Image) -> nib.Nifti1Image:
    """Return an empty image around the brain: 1 mm voxels, axes to the right, front and top."""
    mask = nib.Nifti1Image((np.asarray(brain.dataobj) > 0).astype(np.uint8), brain.affine)
    canonical = nib.as_closest_canonical(mask)
    canonical = canonical.slicer[
        box_around(np.asarray(canonical.dataobj) > 0, canonical.affine, BRAIN_MARGIN_MM)
    ]
    size = nib.affines.voxel_sizes(canonical.affine)
    shape = np.ceil(np.array(canonical.shape) * size / GRID_MM - 1e-3).astype(int)
    affine = nib.affines.rescale_affine(canonical.affine, canonical.shape, GRID_MM, shape)
    return nib.Nifti1Image(np.zeros(tuple(shape), np.uint8), affine)


def _relative(image: Array, inside: Mask, name: str) -> Array:
    """Return an image relative to the median of the brain."""
    median = float(np.median(image[inside])) if inside.any() else 0.0
    if median <= 0:
        raise VisitError(f"{name}: the brain is dark; look at the brain mask and the intensities")
    return (np.clip(image / median, 0, BRIGHTEST) - 1) * inside


def _cells(image: Array) -> Array:
    """Turn (x, y, z) into (8, x/2, y/2, z/2)."""
    x, y, z = (side // CELL for side in image.shape)
    return image.reshape(x, CELL, y, CELL, z, CELL).transpose(1, 3, 5, 0, 2, 4).reshape(-1, x, y, z)


def _voxels(cells: Array) -> Array:
    """Turn (8, x/2, y/2, z/2) into (x, y, z)."""
    x, y, z = cells.shape[1:]
    return (
        cells.reshape(CELL, CELL, CELL, x, y, z)
        .transpose(3, 0, 4, 1, 5, 2)
        .reshape(x * CELL, y * CELL, z * CELL)
    )


def _moved(image: nib.Nifti1Image, grid: nib.Nifti1Image) -> Array:
    """Bring an image to the grid, linearly; NaN becomes 0."""
    source = nib.Nifti1Image(np.asarray(image.dataobj, dtype=np.float32), image.affine)
    return np.nan_to_num(np.asarray(resample(source, grid).dataobj, dtype=np.float32))


def _averaged(image: nib.Nifti1Image, like: nib.Nifti1Image) -> Array:
    """Bring an image to another grid; where that is coarser, each voxel is the mean of what it covers."""
    sizes = nib.affines.voxel_sizes(like.affine) / GRID_MM
    turn = nib.orientations.io_orientation(like.affine)[:, 0].argsort()
    data = box_mean(np.asarray(image.dataobj, dtype=np.float32), sizes[turn])
    return np.asarray(resample(nib.Nifti1Image(data, image.affine), like).dataobj, dtype=np.float32)

"""The part of a grid that something lies in, so that nothing is computed around it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Box = tuple[slice, ...]
Images = TypeVar("Images", bound="DataclassInstance")


def box_around(mask: npt.NDArray[np.bool_], affine: npt.NDArray[np.float64], margin_mm: float = 0.0) -> Box:
    """Return the smallest box around a mask, wider by a margin, within the grid.

    Parameters
    ----------
    mask : ndarray of bool, (x, y, z)
        What must lie inside; if it is empty the box is the whole grid.
    affine : ndarray, (4, 4)
        Of the grid.
    margin_mm : float
        Least distance from the mask to a side of the box, unless the grid ends there.

    Returns
    -------
    tuple of slice
        One of each axis.

    Examples
    --------
    >>> import numpy as np
    >>> from bids_app.image.box import box_around
    >>> mask = np.zeros((9, 9, 9), bool)
    >>> mask[1, 4:6, 5] = True
    >>> box_around(mask, np.diag([2, 2, 2, 1]), margin_mm=3)
    (slice(0, 4, None), slice(2, 8, None), slice(3, 8, None))
    """
    found = ndimage.find_objects(mask.astype(np.uint8))
    if not found:
        return tuple(slice(0, length) for length in mask.shape)
    room = np.ceil(margin_mm / nib.affines.voxel_sizes(affine)).astype(int)
    return tuple(
        slice(max(side.start - int(more), 0), min(side.stop + int(more), length))
        for side, more, length in zip(found[0], room, mask.shape, strict=True)
    )


def within(images: Images, box: Box) -> Images:
    """Return a dataclass with each of its images cut to a box; all must be on one grid.

    Parameters
    ----------
    images : dataclass
        Holds images, (x, y, z), among its fields.
    box : tuple of slice
        From `box_around`.
    """
    every = {name: one for name, one in vars(images).items() if isinstance(one, nib.Nifti1Image)}
    return replace(images, **{name: one.slicer[box] for name, one in every.items()})


def put_back(data: npt.NDArray[np.generic], box: Box, shape: tuple[int, ...]) -> npt.NDArray[np.generic]:
    """Return a whole grid that holds `data` in a box and 0 elsewhere.

    Parameters
    ----------
    data : ndarray, the box's shape
    box : tuple of slice
        From `box_around`.
    shape : tuple of int
        Of the grid.
    """
    whole = np.zeros(shape, data.dtype)
    whole[box] = data
    return whole

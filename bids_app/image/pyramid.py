"""Arrays on coarser and finer grids over the same box."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Array = npt.NDArray[np.float32]

SMOOTHING = 0.4  # SD in new voxels before an array is made coarser, against aliasing


def zoomed(image: Array, ratio: float) -> Array:
    """Return an image on a coarser grid with the same outer edges, each voxel a smooth mean.

    Parameters
    ----------
    image : ndarray, (x, y, z)
    ratio : float
        Voxels of the new grid to those of the old one along each axis; from 1 on the grid stays.
    """
    if ratio >= 1:
        return image.astype(np.float32)
    smooth = ndimage.gaussian_filter(image.astype(np.float32), SMOOTHING / ratio, mode="nearest")
    return resampled(smooth, [max(round(n * ratio), 2) for n in image.shape])


def resampled(data: Array, shape: Sequence[int]) -> Array:
    """Sample an array linearly at the centres of another number of voxels over the same box.

    Parameters
    ----------
    data : ndarray, (x, y, z, ...)
    shape : sequence of int
        New number of voxels along the first axes.
    """
    out = data
    for axis, new in enumerate(shape):
        old = out.shape[axis]
        at = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        low = np.minimum(at.astype(int), max(old - 2, 0))
        part = (at - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(out.ndim)])
        out = np.take(out, low, axis) * (1 - part) + np.take(out, np.minimum(low + 1, old - 1), axis) * part
    return out.astype(np.float32)

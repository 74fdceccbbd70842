"""Lesion filling: a T1w image as if its lesions were normal-appearing white matter."""

from __future__ import annotations

from functools import partial

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bids_app.errors import VisitError
from bids_app.image.box import box_around

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

# each twice the last: near tissue counts most, and the largest lesion is reached
SCALES_MM = (3.0, 6.0, 12.0, 24.0, 48.0)
ENOUGH = 0.02  # share of the kernel's weight that must be white matter; chosen by hand, not tuned


def fill_lesions(
    t1w: nib.Nifti1Image, lesions: nib.Nifti1Image, nawm: nib.Nifti1Image, *, seed: int
) -> nib.Nifti1Image:
    """Fill lesions from the intensities of the white matter around them.

    Each lesion voxel takes the Gaussian-weighted mean of the normal-appearing white matter nearby (3 mm,
    wider where there is none) plus noise with that white matter's own standard deviation and smoothness, so
    that neither a dark hole nor a flat patch remains (the idea of Chard et al. 2010, J Magn Reson
    Imaging 32:223, and Battaglini et al. 2012, Hum Brain Mapp 33:2062).

    Parameters
    ----------
    t1w : Nifti1Image, (x, y, z)
        T1w image corrected for non-uniformity, any unit.
    lesions, nawm : Nifti1Image, (x, y, z)
        Masks on the same grid; a lesion voxel is never taken as white matter.
    seed : int
        Seed of the noise.

    Returns
    -------
    Nifti1Image, (x, y, z), float32
        Equal to `t1w` outside lesions.

    Raises
    ------
    VisitError
        If there are lesions but no normal-appearing white matter within reach of one.
    """
    image = np.asarray(t1w.dataobj, dtype=np.float64)
    lesion = np.asanyarray(lesions.dataobj) > 0
    white = (np.asanyarray(nawm.dataobj) > 0) & ~lesion
    filled = image.astype(np.float32)
    if lesion.any():
        box = box_around(white | lesion, t1w.affine)
        image, lesion, white = image[box], lesion[box], white[box]
        local = _local_mean(image, white, white | lesion, nib.affines.voxel_sizes(t1w.affine))
        if np.isnan(local[lesion]).any():
            raise VisitError(
                "lesion filling: no normal-appearing white matter near a lesion; check the masks"
            )
        residual = np.where(white, image - local, 0.0)
        filled[box][lesion] = (local + _noise(residual, white, seed))[lesion]
    return nib.Nifti1Image(filled, t1w.affine, t1w.header)


def _local_mean(image: Array, white: Mask, wanted: Mask, size: Array) -> Array:
    """Return the mean of white matter around the wanted voxels, at the smallest scale that has enough."""
    out = np.full(image.shape, np.nan)
    inside = np.where(white, image, 0.0)
    blur = partial(ndimage.gaussian_filter, truncate=3, mode="constant")
    for scale in SCALES_MM:
        weight = blur(white.astype(np.float64), scale / size)
        take = wanted & np.isnan(out) & (weight > ENOUGH)
        total = blur(inside, scale / size)
        out[take] = total[take] / weight[take]
        if not np.isnan(out[wanted]).any():
            break
    return out


def _noise(residual: Array, white: Mask, seed: int) -> Array:
    """Return noise with the standard deviation and neighbour correlation of white matter's residuals."""
    values = residual[white]
    usable = white & np.isfinite(residual)
    sigmas = [_smoothness(np.nan_to_num(residual), usable, axis) for axis in range(3)]
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(residual.shape), sigmas)
    spread = 1.4826 * np.nanmedian(np.abs(values - np.nanmedian(values)))  # robust: partial volume at edges
    return noise * (spread / noise.std())


def _smoothness(residual: Array, white: Mask, axis: int) -> float:
    """Return the Gaussian sigma, in voxels, that gives white noise the residuals' neighbour correlation."""
    one, other = np.moveaxis(residual, axis, 0)[:-1], np.moveaxis(residual, axis, 0)[1:]
    both = np.moveaxis(white, axis, 0)[:-1] & np.moveaxis(white, axis, 0)[1:]
    if both.sum() < 100:
        return 0.0
    correlation = float(np.corrcoef(one[both], other[both])[0, 1])
    if not correlation > 0.02:
        return 0.0
    return float(1 / (2 * np.sqrt(-np.log(min(correlation, 0.95)))))

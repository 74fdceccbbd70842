"""Two images of one head from two sessions made equally bright, so that what differs is where tissue is.

Between sessions the field of the coil, and what its correction leaves of it, differs smoothly from place to place, and
contrast differs by a percent from tissue to tissue. Either would pass for tissue that moves: 0.5 % of brightness at
the cortex is as much as 0.2 % of the brain's volume.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bids_app.image.pyramid import resampled, zoomed

Array = npt.NDArray[np.float32]

FIELD_GRID_MM = 4.0  # the field is smooth: it is found on a coarse grid
# SD of the windows in which it is found, each from what the last one left: at the edge of the brain, where two
# corrections of one field differ most (5 %), windows down to 7 mm leave 0.4 %, these 0.2 %; narrow ones alone are noise
WINDOWS_MM = (20.0, 14.0, 10.0, 7.0, 5.0, 5.0)
LEAST_MASS = 1e-3  # of a window: no division by nothing
KNOTS = np.arange(0, 1.35, 0.1)  # of white matter's brightness, between which contrast differs linearly
TISSUE = 0.7  # of white matter's median: fluid and the blur at its border lie below, on T1w and on FLAIR
BEND_COST = (
    10.0  # voxels' worth of straightness, which carries the curve over brightnesses that no tissue has
)
DARK_COST = 1e6  # what gives no signal differs by nothing
IN_CORE = 0.9  # of a voxel


def match_intensities(first: Array, second: Array, core: Array, size: float) -> tuple[Array, Array]:
    """Take half of the difference in field and contrast out of each of two images.

    The field is a ratio; contrast is a difference that depends on brightness and is linear between tissues, as voxels
    are that two of them share. Both are found by least squares of the images' differences in `core`, each with the
    other taken out in turn (backfitting): tissues are not evenly spread, so that a field alone would take up some of
    their contrast. Exchanging the images exchanges the results.

    Parameters
    ----------
    first, second : ndarray, (x, y, z)
        White matter is about 1.
    core : ndarray, (x, y, z)
        0 to 1: inside tissue, away from its edges. There brightness depends on how sharp an image is and where exactly
        the edge lies, which must not be taken for field or contrast.
    size : float
        Edge of a voxel in mm.

    Returns
    -------
    first : ndarray, (x, y, z), float32
        The first image.
    second : ndarray, (x, y, z), float32
        The second one.
    """
    mean: Array = ((first + second) / 2).astype(np.float32)
    difference: Array = second - first
    inside = core > IN_CORE
    level, change = mean[inside].astype(np.float64), difference[inside]
    basis = _hats(level)
    bends = np.diff(np.eye(len(KNOTS)), n=2, axis=0)
    normal = basis.T @ basis + BEND_COST * bends.T @ bends
    normal += np.diag([DARK_COST] + [1e-6] * (len(KNOTS) - 1))
    ratio = size / FIELD_GRID_MM
    mass = zoomed((inside * np.square(mean)).astype(np.float32), ratio)
    field, fine, contrast = np.zeros_like(mass), np.zeros_like(mean), np.zeros(len(KNOTS))
    for window in WINDOWS_MM:
        sigma = window / max(size, FIELD_GRID_MM)
        by_brightness = np.interp(mean, KNOTS, contrast).astype(np.float32)
        rest = zoomed((inside * mean * (difference - by_brightness)).astype(np.float32), ratio)
        field = field + _blur(rest - mass * field, sigma) / (_blur(mass, sigma) + np.float32(LEAST_MASS))
        fine = resampled(field, mean.shape)
        solved = np.linalg.solve(normal, basis.T @ (change - level * fine[inside]))
        contrast = solved - KNOTS * np.interp(1.0, KNOTS, solved)  # white matter's is the field's
    one, other = (
        (image * np.exp(share * fine) + share * np.interp(image, KNOTS, contrast)).astype(np.float32)
        for image, share in ((first, 0.5), (second, -0.5))
    )
    return one, other


def match_locally(first: Array, second: Array, weight: Array, window: float) -> tuple[Array, Array]:
    """Divide out the smooth ratio of two images in grey and white matter, half from each.

    What `match_intensities` leaves is a few thousandths, but of either sign from place to place; all of the tissue, and
    not the few voxels away from its edges, tells it. Edges to fluid do not count: they are what a deformation explains.

    Parameters
    ----------
    first, second : ndarray, (x, y, z)
        White matter is about 1.
    weight : ndarray, (x, y, z)
        0 to 1: how much a voxel counts.
    window : float
        SD in voxels.

    Returns
    -------
    first : ndarray, (x, y, z), float32
        The first image.
    second : ndarray, (x, y, z), float32
        The second one.
    """
    inside = weight * ((first > TISSUE) & (second > TISSUE))
    mass = _blur(inside, window)
    means = [_blur(image * inside, window) for image in (first, second)]
    ratio = np.sqrt(means[0] / np.maximum(means[1], LEAST_MASS))
    ratio = np.where(mass > 10 * LEAST_MASS, np.clip(ratio, 0.5, 2.0), 1).astype(np.float32)
    return (first / ratio).astype(np.float32), (second * ratio).astype(np.float32)


def _hats(level: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the weights of the knots in linear interpolation at each level, (n, knots)."""
    at = np.clip(level, KNOTS[0], KNOTS[-1])
    return np.maximum(1 - np.abs(at[:, None] - KNOTS) / (KNOTS[1] - KNOTS[0]), 0)


def _blur(data: Array, sigma: float) -> Array:
    return ndimage.gaussian_filter(data, sigma, truncate=2.5, mode="constant")

"""Symmetric deformation between two visits in the space half-way between them, and what it does to volumes.

The deformation is a stationary velocity field v: points half-way map to the earlier visit by exp(-v), to the later one
by exp(v) (Arsigny et al. 2006, MICCAI, doi:10.1007/11866565_113). Both images are moved by the same amount, in
opposite directions, so that exchanging them only changes the sign of v: volume change has no favoured order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bids_app.image.intensity_match import match_intensities, match_locally
from bids_app.image.pyramid import resampled, zoomed

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

SQUARINGS = 4  # exp(v) by 2^4 compositions: displacements stay under a tenth of a voxel in each
RIDGE = 0.02  # share of the mean squared gradient: windows without edges do not move; chosen by hand
LEAST_WEIGHT = 1e-3  # of a window: no division by nothing outside the head
GAIN_WINDOWS = 3.0  # window of the local gain in windows of the deformation; chosen by hand
STEP_LIMIT = 1.0  # voxels an iteration, so that far-off edges are not jumped to


class Level(NamedTuple):
    """One level of the registration: voxel edge and window (SD of a Gaussian) in mm, and iterations."""

    size: float
    window: float
    iterations: int


# Windows shrink so that wide ones carry the field into tissue without edges and narrow ones refine it at the edges.
LEVELS = (Level(4.0, 16.0, 6), Level(2.0, 8.0, 6), Level(2.0, 5.0, 6), Level(1.0, 3.5, 3))


# for growth of lesions, which is smaller than the windows above: from their result on
LESION_LEVELS = (Level(1.0, 2.5, 4),)


def register(
    before: Array,
    after: Array,
    weight: Array,
    cores: Sequence[Array],
    size: float,
    levels: Sequence[Level] = LEVELS,
    start: Array | None = None,
) -> Array:
    """Find the velocity field that makes two images alike.

    Gauss-Newton steps on the weighted sum of squared differences in Gaussian windows (Lucas and Kanade 1981),
    coarse to fine. Before each the images as warped so far are made equally bright.

    Parameters
    ----------
    before, after : ndarray, (x, y, z)
        Images of the earlier and the later visit on one isotropic grid half-way, over the median of
        their white matter.
    weight : ndarray, (x, y, z)
        0 to 1: how much a voxel's difference counts; 0 in lesions and outside the head's inside.
    cores : sequence of two ndarray, (x, y, z)
        0 to 1: inside tissue, away from its edges, at either visit; see `intensity_match.match_intensities`.
    size : float
        Edge of a voxel in mm.
    levels : sequence of Level
        From coarse to fine.
    start : ndarray, (x, y, z, 3), optional
        Where to begin; without it nothing moves at first.

    Returns
    -------
    ndarray, (x, y, z, 3), float32
        v in voxels: the earlier visit lies at exp(-v), the later one at exp(v).
    """
    velocity = np.zeros((*before.shape, 3), np.float32) if start is None else start
    for level in levels:
        if level.size < size and level is not LEVELS[0]:
            level = level._replace(size=size)  # noqa: PLW2901  # a 2 mm grid has no 1 mm level
        first, second, counted = (zoomed(image, size / level.size) for image in (before, after, weight))
        inside = [zoomed(core, size / level.size) for core in cores]
        velocity = _resized(velocity, first.shape)
        for _ in range(level.iterations):
            velocity = _improved(velocity, first, second, counted, inside, level)
    return _resized(velocity, before.shape)


def _improved(
    velocity: Array, before: Array, after: Array, weight: Array, cores: Sequence[Array], level: Level
) -> Array:
    """Return the velocity after one Gauss-Newton step."""
    there, here = exponential(-velocity), exponential(velocity)
    first, second = warp(before, there), warp(after, here)
    counted = np.sqrt(warp(weight, there) * warp(weight, here))
    core = warp(cores[0], there) * warp(cores[1], here)
    first, second = match_intensities(first, second, core, level.size)
    first, second = match_locally(first, second, counted, GAIN_WINDOWS * level.window / level.size)
    slope = np.stack(np.gradient(first + second), axis=-1).astype(np.float32)
    step = _solved(slope, first - second, counted, level.window / level.size)
    length = np.linalg.norm(step, axis=-1, keepdims=True)
    step *= np.minimum(1, STEP_LIMIT / np.maximum(length, 1e-6))
    return velocity + step


def _solved(slope: Array, difference: Array, weight: Array, window: float) -> Array:
    """Return the least-squares step of each window: (G * w J J' + ridge) step = G * w r J."""
    pairs = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    matrix = np.empty((*difference.shape, 3, 3), np.float32)
    for i, j in pairs:
        matrix[..., i, j] = matrix[..., j, i] = _blur(weight * slope[..., i] * slope[..., j], window)
    right = np.stack([_blur(weight * difference * slope[..., i], window) for i in range(3)], axis=-1)
    energy = float((weight[..., None] * slope**2).sum() / max(weight.sum(), 1e-6)) / 3
    mass = np.maximum(_blur(weight, window), LEAST_WEIGHT)
    ridge = np.float32(RIDGE * max(energy, 1e-12)) * mass
    for i in range(3):
        matrix[..., i, i] += ridge
    return solve_symmetric(matrix.reshape(-1, 3, 3), right.reshape(-1, 3)).reshape(right.shape)


@numba.njit(cache=True)
def solve_symmetric(matrix: Array, right: Array) -> Array:
    """Solve many positive definite 3 x 3 systems by Cramer's rule.

    Parameters
    ----------
    matrix : ndarray, (n, 3, 3), float32
    right : ndarray, (n, 3), float32

    Returns
    -------
    ndarray, (n, 3), float32
    """
    out = np.zeros_like(right)
    for k in range(right.shape[0]):
        a, b, c = np.float64(matrix[k, 0, 0]), np.float64(matrix[k, 0, 1]), np.float64(matrix[k, 0, 2])
        d, e, f = np.float64(matrix[k, 1, 1]), np.float64(matrix[k, 1, 2]), np.float64(matrix[k, 2, 2])
        aa, bb, cc = d * f - e * e, c * e - b * f, b * e - c * d
        det = a * aa + b * bb + c * cc
        if det > 0:
            x, y, z = right[k, 0], right[k, 1], right[k, 2]
            dd, ee, ff = a * f - c * c, b * c - a * e, a * d - b * b
            out[k, 0] = (aa * x + bb * y + cc * z) / det
            out[k, 1] = (bb * x + dd * y + ee * z) / det
            out[k, 2] = (cc * x + ee * y + ff * z) / det
    return out


def exponential(velocity: Array) -> Array:
    """Return the displacement of exp(velocity) by scaling and squaring.

    Parameters
    ----------
    velocity : ndarray, (x, y, z, 3)
        In voxels.

    Returns
    -------
    ndarray, (x, y, z, 3), float32
        u with exp(v)(p) = p + u(p), in voxels.
    """
    moved = (velocity / 2**SQUARINGS).astype(np.float32)
    for _ in range(SQUARINGS):
        moved = moved + sample(moved, moved)
    return moved


def warp(image: Array, displacement: Array) -> Array:
    """Return an image sampled at p + u(p), linearly; beyond its edge the edge goes on.

    Parameters
    ----------
    image : ndarray, (x, y, z)
    displacement : ndarray, (x, y, z, 3)
        u in voxels.
    """
    return sample(image[..., None].astype(np.float32), displacement)[..., 0]


@numba.njit(cache=True)
def sample(field: Array, displacement: Array) -> Array:
    """Return a field of any number of components sampled at p + u(p), linearly.

    Parameters
    ----------
    field : ndarray, (x, y, z, c), float32
    displacement : ndarray, (x, y, z, 3), float32
        u in voxels.
    """
    nx, ny, nz, nc = field.shape
    out = np.empty(field.shape, np.float32)
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                x = min(max(i + displacement[i, j, k, 0], 0.0), nx - 1.0)
                y = min(max(j + displacement[i, j, k, 1], 0.0), ny - 1.0)
                z = min(max(k + displacement[i, j, k, 2], 0.0), nz - 1.0)
                x0, y0, z0 = min(int(x), nx - 2), min(int(y), ny - 2), min(int(z), nz - 2)
                fx, fy, fz = x - x0, y - y0, z - z0
                for c in range(nc):
                    low = (field[x0, y0, z0, c] * (1 - fx) + field[x0 + 1, y0, z0, c] * fx) * (1 - fy) + (
                        field[x0, y0 + 1, z0, c] * (1 - fx) + field[x0 + 1, y0 + 1, z0, c] * fx
                    ) * fy
                    high = (field[x0, y0, z0 + 1, c] * (1 - fx) + field[x0 + 1, y0, z0 + 1, c] * fx) * (
                        1 - fy
                    ) + (field[x0, y0 + 1, z0 + 1, c] * (1 - fx) + field[x0 + 1, y0 + 1, z0 + 1, c] * fx) * fy
                    out[i, j, k, c] = low * (1 - fz) + high * fz
    return out


def jacobian(displacement: Array) -> Array:
    """Return the determinant of the derivative of p + u(p): the local factor of volume, no unit.

    Parameters
    ----------
    displacement : ndarray, (x, y, z, 3)
        u in voxels.
    """
    slopes = [[np.gradient(displacement[..., i], axis=j) for j in range(3)] for i in range(3)]
    (a, b, c), (d, e, f), (g, h, i) = slopes
    a, e, i = a + 1, e + 1, i + 1
    return (a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)).astype(np.float32)


def _blur(data: Array, sigma: float) -> Array:
    return ndimage.gaussian_filter(data, sigma, truncate=3, mode="constant")


def _resized(velocity: Array, shape: tuple[int, ...]) -> Array:
    """Bring a velocity field to another grid over the same box; its values are in voxels of that grid."""
    if velocity.shape[:3] == tuple(shape):
        return velocity
    scale = [new / old for new, old in zip(shape, velocity.shape[:3], strict=True)]
    return (resampled(velocity, shape) * np.array(scale, np.float32)).astype(np.float32)

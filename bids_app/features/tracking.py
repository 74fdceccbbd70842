"""Streamlines from a fibre orientation field: deterministic tracking with fixed seeds.

Yeh et al. 2013 (PLoS ONE 8:e80713): from random points in white matter, follow the peak nearest to the way so far,
until the anisotropy is low or the turn too sharp.
"""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt

from bids_app.errors import InputError
from bids_app.features.streamlines import Tractogram

PEAKS = 3  # fibre directions that DSI Studio writes a voxel (fa0 to fa2)


@dataclass(frozen=True)
class TrackingSettings:
    """How streamlines are followed.

    Attributes
    ----------
    n_streamlines : int
    seed : int
    threshold : float
        Lowest anisotropy, as a share of the 99th percentile of the first peak's.
    step_mm, shortest_mm, longest_mm : float
    angle_deg : float
        Sharpest turn of a step.
    """

    n_streamlines: int = 150_000
    seed: int = 1
    threshold: float = 0.2
    step_mm: float = 1.0
    shortest_mm: float = 30.0
    longest_mm: float = 250.0
    angle_deg: float = 45.0


@dataclass(frozen=True)
class Field:
    """A fibre orientation field.

    Attributes
    ----------
    strength : ndarray, (x, y, z, 3), float32
        Anisotropy of each peak.
    direction : ndarray, (x, y, z, 3, 3), float32
        Unit vectors of the peaks along the voxel axes.
    affine : ndarray, (4, 4)
        Voxels to RAS mm.
    """

    strength: npt.NDArray[np.float32]
    direction: npt.NDArray[np.float32]
    affine: npt.NDArray[np.float64]


def read_field(path: Path) -> Field:
    """Read DSI Studio's `.fib.gz`.

    Raises
    ------
    InputError
        If the file is unreadable or lacks what a group-average field has.
    """
    from scipy.io import loadmat

    try:
        content = loadmat(io.BytesIO(gzip.decompress(path.read_bytes())))
        shape = tuple(int(n) for n in content["dimension"].ravel())
        vertices = content["odf_vertices"].astype(np.float32)
        peaks = [k for k in range(PEAKS) if f"fa{k}" in content]
        strength = np.stack([content[f"fa{k}"].reshape(shape, order="F") for k in peaks], axis=-1)
        direction = np.stack(
            [vertices.T[content[f"index{k}"].reshape(shape, order="F")] for k in peaks], axis=-2
        )
        affine = content["trans"].reshape(4, 4).T.astype(np.float64)
    except Exception as error:  # readers of foreign formats raise whatever damage leads to
        raise InputError(
            f"{path}: not a readable fibre field in MNI space ({type(error).__name__}); fetch it again"
        ) from error
    return Field(strength.astype(np.float32), direction.astype(np.float32), affine)


def track(field: Field, settings: TrackingSettings | None = None) -> Tractogram:
    """Follow streamlines through a field.

    Parameters
    ----------
    field : Field
    settings : TrackingSettings, optional

    Returns
    -------
    Tractogram
        `n_streamlines` of them, in RAS mm; the same for the same settings.

    Raises
    ------
    InputError
        If the field has no fibres, or too few that keep to the limits of length.
    """
    s = settings or TrackingSettings()
    size = float(np.abs(np.diag(field.affine)[:3]).mean())
    first = field.strength[..., 0]
    limit = s.threshold * float(np.percentile(first[first > 0], 99)) if (first > 0).any() else np.inf
    seeds = np.argwhere(first > limit).astype(np.float64)
    if len(seeds) == 0:
        raise InputError("fibre field: no voxel is anisotropic enough to start a streamline")
    longest = int(s.longest_mm / s.step_mm)
    points, lengths = _follow(
        field.strength,
        field.direction,
        seeds,
        s.n_streamlines,
        s.seed,
        limit,
        s.step_mm / size,
        np.cos(np.deg2rad(s.angle_deg)),
        int(s.shortest_mm / s.step_mm),
        longest,
    )
    if len(lengths) < s.n_streamlines:
        raise InputError(
            f"fibre field: {len(lengths)} streamlines of {s.shortest_mm:g} to {s.longest_mm:g} mm where "
            f"{s.n_streamlines} were wanted; ask for fewer"
        )
    mm = points @ field.affine[:3, :3].T + field.affine[:3, 3]
    return Tractogram(mm.astype(np.float32), np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


@numba.njit(cache=True)
def _onward(strength, direction, at, way, limit, new):
    """Write the direction at a point nearest to the way, interpolated over the eight voxels around; whether there."""
    base = np.floor(at).astype(np.int64)
    weight_sum = 0.0
    new[:] = 0.0
    for corner in range(8):
        x, y, z = base[0] + (corner & 1), base[1] + (corner >> 1 & 1), base[2] + (corner >> 2)
        if x < 0 or y < 0 or z < 0:
            continue
        if x >= strength.shape[0] or y >= strength.shape[1] or z >= strength.shape[2]:
            continue
        w = (1 - abs(at[0] - x)) * (1 - abs(at[1] - y)) * (1 - abs(at[2] - z))
        best, nearest = 0.5, -1
        for k in range(strength.shape[3]):
            if strength[x, y, z, k] > limit:
                cosine = 0.0
                for i in range(3):
                    cosine += direction[x, y, z, k, i] * way[i]
                if abs(cosine) > best:
                    best, nearest, sign = abs(cosine), k, 1.0 if cosine > 0 else -1.0
        if nearest >= 0:
            weight_sum += w
            for i in range(3):
                new[i] += w * sign * direction[x, y, z, nearest, i]
    norm = np.sqrt(new[0] ** 2 + new[1] ** 2 + new[2] ** 2)
    if weight_sum < 0.5 or norm == 0:
        return False
    new /= norm
    return True


@numba.njit(cache=True)
def _half(strength, direction, start, way, limit, step, cosine, out):
    """Follow one way from a point; write points and return how many."""
    at, new, n = start.copy(), np.zeros(3), 0
    while n < len(out) and _onward(strength, direction, at, way, limit, new):
        if new[0] * way[0] + new[1] * way[1] + new[2] * way[2] < cosine:
            break
        for i in range(3):
            way[i] = new[i]
            at[i] += step * new[i]
        out[n] = at
        n += 1
    return n


@numba.njit(cache=True)
def _follow(strength, direction, seeds, wanted, seed, limit, step, cosine, shortest, longest):
    np.random.seed(seed)
    points = np.empty((wanted * 90, 3), np.float32)
    lengths = np.empty(wanted, np.int64)
    forth, back = np.empty((longest + 1, 3)), np.empty((longest + 1, 3))
    found = total = 0
    for _ in range(wanted * 50):
        if found == wanted:
            break
        voxel = seeds[np.random.randint(len(seeds))]
        start = voxel + np.random.random(3) - 0.5
        first = direction[int(voxel[0]), int(voxel[1]), int(voxel[2]), 0].astype(np.float64)
        n = _half(strength, direction, start, first.copy(), limit, step, cosine, forth)
        m = _half(strength, direction, start, -first, limit, step, cosine, back)
        count = n + m + 1
        if count - 1 < shortest or count - 1 > longest:
            continue
        if total + count > len(points):
            larger = np.empty((2 * len(points), 3), np.float32)
            larger[:total] = points[:total]
            points = larger
        for k in range(m):
            points[total + k] = back[m - 1 - k]
        points[total + m] = start
        points[total + m + 1 : total + count] = forth[:n]
        lengths[found] = count
        found += 1
        total += count
    return points[:total].copy(), lengths[:found].copy()

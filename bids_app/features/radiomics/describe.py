"""All features of one region in one image: grey levels, first order, texture."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from bids_app.features.radiomics.formulas import (
    C_LOG2_C,
    N_GLCM,
    N_NGTDM,
    N_SIZE,
    entropy,
    glcm_features,
    ngtdm_features,
    size_features,
)
from bids_app.features.radiomics.matrices import DIRECTIONS, scan, shares_line, zones
from bids_app.features.radiomics.regions import Region

N_FIRST_ORDER = 18  # features of this class in pyradiomics
N_GLDM = 14  # the same
PERCENTILES = (10, 25, 50, 75, 90)  # those that first-order features are made of
# where a feature of the shared table (order of the GLRLM) goes in the other classes' alphabetical order
ZONE_ORDER = np.array([0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 13, 14, 15, 8, 11, 12])
DEPENDENCE_ORDER = np.array([8, 9, 10, 12, 0, 2, 3, 4, 5, 6, 7, 13, 14, 15])
MAX_LEVELS = 4096  # grey levels; the co-occurrence matrix of more would fill the memory


def bin_edges(
    values: npt.NDArray[np.generic], width: float, count: int | None
) -> npt.NDArray[np.floating] | npt.NDArray[np.integer]:
    """Return the edges of the grey levels: multiples of the width, or a number of equal bins.

    The arithmetic is done in the image's own type, as pyradiomics does: a value on an edge must fall on the same side.

    Parameters
    ----------
    values : ndarray, (N,)
        Intensities of the region.
    width : float
        Width of a bin; not used with `count`.
    count : int or None
        Number of bins between the smallest and the largest value.

    Returns
    -------
    ndarray, (bins + 1,)
    """
    if count is not None:
        edges = np.histogram_bin_edges(values, count)
        edges[-1] += 1  # the largest value belongs to the last bin
        return edges
    low, high = values.min(), values.max()
    return np.arange(low - (low % width), high + 2 * width, width)


@numba.njit(nogil=True, cache=True)
def _levels(values, edges):
    """Return each value's grey level: 1 in the first bin, bins open above."""
    levels = np.empty(values.size, np.int64)
    width = edges[1] - edges[0]
    last = edges.size - 1
    for v in range(values.size):
        k = min(max(int((values[v] - edges[0]) / width), 0), last)
        while edges[k] > values[v]:
            k -= 1
        while k < last and edges[k + 1] <= values[v]:
            k += 1
        levels[v] = k + 1
    return levels


@numba.njit(nogil=True, cache=True)
def _number_levels(levels):
    """Number the levels that occur; return the numbers, the levels (first entry 0) and voxels per level."""
    counts = np.bincount(levels)
    present = np.flatnonzero(counts)
    number = np.zeros(counts.size, np.uint16)
    kept = np.zeros(present.size + 1, np.int64)
    for i in range(present.size):
        number[present[i]] = i + 1
        kept[i + 1] = present[i]
    return number[levels], kept, counts[present]


@numba.njit(nogil=True, cache=True)
def _first_order(values, counts, percentiles, shift, volume, table):
    """Return the 18 first-order features, in pyradiomics' order.

    `percentiles`: 10, 25, 50, 75, 90; `volume`: of a voxel, mm3; `shift`: added before squaring (voxelArrayShift).
    """
    n = values.size
    p10, p25, p50, p75, p90 = percentiles
    mean = values.mean()
    m2, m3, m4, deviation, energy = 0.0, 0.0, 0.0, 0.0, 0.0
    inner_sum, inner = 0.0, 0
    for x in values:
        d = x - mean
        m2 += d**2
        m3 += d**3
        m4 += d**4
        deviation += abs(d)
        energy += (x + shift) ** 2
        if p10 <= x <= p90:
            inner_sum += x
            inner += 1
    robust = 0.0
    for x in values:
        if p10 <= x <= p90:
            robust += abs(x - inner_sum / inner)
    variance = m2 / n
    flat = variance == 0
    scale = 1.0 if flat else variance
    f = np.empty(N_FIRST_ORDER)
    f[0], f[1], f[2], f[3] = p10, p90, energy, entropy(counts, n, table)
    f[4], f[5] = p75 - p25, m4 / n / scale**2
    f[6], f[10] = values.max(), values.min()
    f[7], f[8], f[9] = deviation / n, mean, p50
    f[11] = f[6] - f[10]
    f[12] = robust / inner if inner else np.nan
    f[13] = np.sqrt(energy / n)
    f[14] = m3 / n / scale**1.5
    f[15] = energy * volume
    f[16] = ((counts / n) ** 2).sum()
    f[17] = variance
    return f


@numba.njit(nogil=True, cache=True)
def _mean_runs(glrlm, glcm, voxels, shape, levels, table):
    """Return the run-length features averaged over the directions in which a line meets two voxels."""
    sizes = np.arange(1, glrlm.shape[2] + 1)
    sums = np.zeros(N_SIZE)
    f = np.empty(N_SIZE)
    used = 0
    for a in range(glrlm.shape[0]):
        if np.any(glcm[a, 1:, 1:]) or shares_line(voxels, shape, DIRECTIONS[a]):
            size_features(glrlm[a], levels, sizes, table, f)
            sums += f
            used += 1
    return sums / used if used else np.full(N_SIZE, np.nan)


@numba.njit(nogil=True, cache=True)
def _texture(numbers, voxels, shape, steps, levels, counts, alpha, table):
    """Return the 74 texture features: GLCM, GLRLM, GLSZM, GLDM, NGTDM, each in pyradiomics' order."""
    grey = np.zeros(shape[0] * shape[1] * shape[2], np.uint16)
    grey[voxels] = numbers
    glcm, glrlm, gldm, difference, parent = scan(grey, voxels, steps, levels, shape.max() - 2, alpha)
    zone_table, zone_sizes = zones(grey, voxels, parent, counts.size)
    f = np.empty(N_GLCM + 2 * N_SIZE + N_GLDM + N_NGTDM)
    work = np.empty(N_SIZE)
    f[:N_GLCM] = glcm_features(glcm, levels, table)
    at = N_GLCM
    f[at : at + N_SIZE] = _mean_runs(glrlm, glcm, voxels, shape, levels, table)
    at += N_SIZE
    size_features(zone_table, levels, zone_sizes, table, work)
    f[at : at + N_SIZE] = work[ZONE_ORDER]
    at += N_SIZE
    size_features(gldm, levels, np.arange(1, gldm.shape[1] + 1), table, work)
    f[at : at + N_GLDM] = work[DEPENDENCE_ORDER]
    f[at + N_GLDM :] = ngtdm_features(counts, difference, levels)
    return f


def describe(
    image: npt.NDArray[np.generic],
    region: Region,
    *,
    voxel_volume: float,
    bin_width: float = 25,
    bin_count: int | None = None,
    shift: float = 0,
    alpha: int = 0,
) -> npt.NDArray[np.float64]:
    """Return all features of one region in one image.

    Parameters
    ----------
    image : ndarray, (z, y, x)
        Intensities on the grid that `region` was cut from.
    region : Region
    voxel_volume : float
        mm3.
    bin_width : float
        Width of a bin of grey values, in the image's units (pyradiomics' binWidth).
    bin_count : int, optional
        Number of bins instead of their width (binCount).
    shift : float
        Added to intensities before energies are computed (voxelArrayShift).
    alpha : int
        Largest difference of grey levels that still counts as dependence (gldm_a).

    Returns
    -------
    ndarray, (92,), float64
        Features in the order of `catalogue.KERNEL_ORDER`.

    Raises
    ------
    ValueError
        If the bins are so narrow that the matrices would not fit in memory.
    """
    values = image.ravel()[region.source]
    edges = bin_edges(values, bin_width, bin_count)
    numbers, levels, counts = _number_levels(_levels(values, edges))
    if counts.size > MAX_LEVELS:
        raise ValueError(f"{counts.size} grey levels: take a larger binWidth or normalize the image")
    intensities = values.astype(np.float64)
    percentiles = tuple(np.percentile(intensities, PERCENTILES).tolist())
    volume, shift = float(voxel_volume), float(shift)
    first = _first_order(intensities, counts, percentiles, shift, volume, C_LOG2_C)
    texture = _texture(
        numbers, region.voxels, region.shape, region.steps, levels, counts, int(alpha), C_LOG2_C
    )
    return np.concatenate([first, texture])

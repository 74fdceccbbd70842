"""Texture matrices of one region in a single pass over its voxels.

Definitions: van Griethuysen et al. 2017 (pyradiomics), which follows Haralick 1973 (GLCM), Galloway 1975 (GLRLM),
Thibault 2009 (GLSZM), Sun and Wee 1983 (GLDM) and Amadasun and King 1989 (NGTDM): all in 3D, at distance 1.

Every kernel works on a flat array of grey-level numbers with a margin of one zero on each side: 0 is outside the
region, 1..K count the K grey levels that occur in it.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

# z, y, x: the half of the 26 neighbours that a raster scan meets later
DIRECTIONS = np.array(
    [(dz, dy, dx) for dz in (0, 1) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dz, dy, dx) > (0, 0, 0)],
    dtype=np.int64,
)
N_DIRECTIONS = len(DIRECTIONS)
NEIGHBOURS = 2 * N_DIRECTIONS


def offsets(shape: tuple[int, ...]) -> npt.NDArray[np.uint64]:
    """Return the step of each direction in the flat array of a padded box.

    Parameters
    ----------
    shape : tuple of int, (z, y, x)
        Shape of the padded box.

    Returns
    -------
    ndarray, (13,), uint64
    """
    return (DIRECTIONS @ np.array([shape[1] * shape[2], shape[2], 1])).astype(np.uint64)


@numba.njit(nogil=True, cache=True)
def _root(parent, i):
    """Follow a voxel's links to the first voxel of its zone, shortening them on the way."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@numba.njit(nogil=True, cache=True)
def scan(grey, voxels, steps, levels, longest, alpha):
    """Count co-occurrences, runs, dependences, neighbourhood differences and zones.

    Parameters
    ----------
    grey : ndarray, (padded voxels,), uint16
        Grey-level number of each voxel.
    voxels : ndarray, (N,), uint64
        Flat indices of the region's voxels, ascending (unsigned: signed ones are checked for wrapping).
    steps : ndarray, (13,), uint64
        Steps of the directions (`offsets`).
    levels : ndarray, (K + 1,), int64
        Grey level of each number; the first entry is 0.
    longest : int
        Longest side of the box: no run is longer.
    alpha : int
        Largest difference of grey levels at which a neighbour counts as dependent.

    Returns
    -------
    glcm : ndarray, (13, K + 1, K + 1), int32
        One way only: add the transpose for the symmetric matrix. Row and column 0 are to be ignored.
    glrlm : ndarray, (13, K, longest), int32
    gldm : ndarray, (K, 27), int32
    difference : ndarray, (K,), float64
        Sum over the level's voxels of |level - mean level of the neighbours| (the NGTDM's s).
    parent : ndarray, (padded voxels,), uint32
        Link of each voxel to another of its zone; the first one links to itself.
    """
    k = levels.size
    glcm = np.zeros((steps.size, k, k), np.int32)
    glrlm = np.zeros((steps.size, k - 1, longest), np.int32)
    gldm = np.zeros((k - 1, 2 * steps.size + 1), np.int32)
    difference = np.zeros(k - 1)
    parent = np.zeros(grey.size, np.uint32)
    for here in voxels:
        g = grey[here]
        level = levels[g]
        total, count, dependent = 0, 0, 0
        root = here
        parent[here] = here
        for a in range(steps.size):
            later = grey[here + steps[a]]
            earlier = grey[here - steps[a]]
            glcm[a, g, later] += 1  # without a branch: what is outside lands in row and column 0
            total += levels[later] + levels[earlier]
            count += (later != 0) + (earlier != 0)
            dependent += (later != 0) & (abs(levels[later] - level) <= alpha)
            dependent += (earlier != 0) & (abs(levels[earlier] - level) <= alpha)
            if earlier == g:
                other = _root(parent, here - steps[a])
                if other < root:
                    parent[root] = other
                    root = other
                elif other > root:
                    parent[other] = root
            else:  # a run starts here
                length = 0
                if later == g:
                    length = 1
                    ahead = here + 2 * steps[a]
                    while grey[ahead] == g:
                        length += 1
                        ahead += steps[a]
                glrlm[a, g - 1, length] += 1
        gldm[g - 1, dependent] += 1
        if count:
            difference[g - 1] += abs(level - total / count)
    return glcm, glrlm, gldm, difference, parent


@numba.njit(nogil=True, cache=True)
def zones(grey, voxels, parent, k):
    """Count zones (26-connected voxels of one grey level) by level and size.

    Parameters
    ----------
    grey : ndarray, int
        Grey level of every voxel of the padded region, 0 outside.
    voxels : ndarray, (n,), int
        Places of the region's voxels in `grey`.
    parent : ndarray, (n,), int
        For each voxel one of its zone, as union-find leaves them.
    k : int
        Number of grey levels K.

    Returns
    -------
    table : ndarray, (K, S), int32
        Zones of each grey level and of each size that occurs.
    sizes : ndarray, (S,), int64
        The sizes, in voxels, ascending.
    """
    size = np.zeros(voxels.size, np.int32)
    rank = np.zeros(grey.size, np.int32)
    for v in range(voxels.size):
        rank[voxels[v]] = v
    largest = 0
    for v in range(voxels.size):
        first = rank[_root(parent, voxels[v])]
        size[first] += 1
        largest = max(largest, size[first])
    column = np.zeros(largest + 1, np.int32)
    for v in range(voxels.size):
        column[size[v]] = 1
    column[0] = 0
    sizes = np.flatnonzero(column)
    for s in range(sizes.size):
        column[sizes[s]] = s
    table = np.zeros((k, sizes.size), np.int32)
    for v in range(voxels.size):
        if size[v]:
            table[grey[voxels[v]] - 1, column[size[v]]] += 1
    return table, sizes


@numba.njit(nogil=True, cache=True)
def shares_line(voxels, shape, direction):
    """Tell whether any line along a direction meets two voxels of the region.

    Parameters
    ----------
    voxels : ndarray, (N,), uint64
        Flat indices in the padded box.
    shape : ndarray, (3,), int64
        Shape of the padded box.
    direction : ndarray, (3,), int64
    """
    met = set()
    for voxel in voxels.astype(np.int64):
        x = voxel % shape[2]
        y = voxel // shape[2] % shape[1]
        z = voxel // (shape[1] * shape[2])
        t = z if direction[0] else (y if direction[1] else x)  # the first step of a direction is +1
        line = (z - t * direction[0], y - t * direction[1], x - t * direction[2])
        if line in met:
            return True
        met.add(line)
    return False

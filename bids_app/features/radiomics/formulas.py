"""Features from texture matrices, averaged over directions as pyradiomics does.

Formulas: van Griethuysen et al. 2017, doi:10.1158/0008-5472.CAN-17-0339, and its documentation. Matrices stay whole
numbers as long as possible: an entropy is log2(T) - sum(c log2 c) / T for counts c of sum T, which differs from
pyradiomics' sum of p log2(p + 2.2e-16) by less than 1e-12.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

EPS = float(np.spacing(1))
N_GLCM = 23  # features of this class in pyradiomics, less MCC
N_SIZE = 16  # the same, of GLRLM and GLSZM
N_NGTDM = 5  # the same
# below this mutual information (bits), rounding would show in Imc2: follow its definition term by term
LITTLE_INFORMATION = 1e-3
_COUNTS = np.arange(1, 8192, dtype=np.float64)
C_LOG2_C: npt.NDArray[np.float64] = np.concatenate([[0.0], _COUNTS * np.log2(_COUNTS)])


@numba.njit(nogil=True, cache=True)
def c_log2_c(count, table):
    """Return c log2 c, from the table where it reaches."""
    if count < table.size:
        return table[count]
    return count * np.log2(count)


@numba.njit(nogil=True, cache=True)
def entropy(counts, total, table):
    """Return the entropy in bits of counts that add up to total.

    Parameters
    ----------
    counts : ndarray, (k,)
    total : float
        Their sum.
    table : ndarray
        c log2 c of whole numbers c, to look up (see `c_log2_c`).
    """
    s = 0.0
    for c in counts:
        s += c_log2_c(c, table)
    return np.log2(total) - s / total


@numba.njit(nogil=True, cache=True)
def _sweep(one_way, levels, marginal, sums, differences, table):
    """Fill the marginal, sum and difference histograms; return total, sum c^2, max c, sum c log2 c, cells."""
    total, squares, most, logs, cells = 0, 0.0, 0, 0.0, 0
    for i in range(marginal.size):
        for j in range(i, marginal.size):
            c = (
                one_way[i + 1, j + 1] + one_way[j + 1, i + 1]
            )  # of the symmetric matrix; it has the cell (j, i) as well
            if c == 0:
                continue
            times = 1 if i == j else 2
            total += times * c
            squares += times * float(c) * c
            most = max(most, c)
            logs += times * c_log2_c(c, table)
            cells += times
            marginal[i] += c
            if i != j:
                marginal[j] += c
            sums[levels[i + 1] + levels[j + 1]] += times * c
            differences[levels[j + 1] - levels[i + 1]] += times * c
    return total, squares, most, logs, cells


@numba.njit(nogil=True, cache=True)
def _information(one_way, marginal, total, hx, hxy, cells):
    """Return the two informational measures of correlation (Haralick's f12 and f13)."""
    if cells == 1:
        return 0.0, 0.0
    hxy1 = 2 * hx  # sum p log2(px py) over the matrix, and over the product of its marginals, is -2 H(x)
    hxy2 = hxy1
    if hxy1 - hxy < LITTLE_INFORMATION:
        hx, hxy, hxy1, hxy2 = 0.0, 0.0, 0.0, 0.0
        for i in range(marginal.size):
            px = marginal[i] / total
            hx -= px * np.log2(px + EPS)
            for j in range(marginal.size):
                p = (one_way[i + 1, j + 1] + one_way[j + 1, i + 1]) / total
                independent = px * (marginal[j] / total)
                hxy -= p * np.log2(p + EPS)
                hxy1 -= p * np.log2(independent + EPS)
                hxy2 -= independent * np.log2(independent + EPS)
    first = (hxy - hxy1) / hx if hx != 0 else 0.0
    if hxy2 == hxy:
        return first, 0.0
    information = 1 - np.exp(-2 * (hxy2 - hxy))
    return first, np.sqrt(information) if information >= 0 else np.nan


@numba.njit(nogil=True, cache=True)
def _sum_features(sums, total, mean, f):
    """Fill in what depends on the sum of the two levels alone: cluster moments and the sum's average."""
    prominence, shade, tendency, average = 0.0, 0.0, 0.0, 0.0
    for k in range(2, sums.size):
        p = sums[k] / total
        d = k - 2 * mean
        tendency += p * d**2
        shade += p * d**3
        prominence += p * d**4
        average += p * k
    f[1], f[2], f[3], f[20] = prominence, shade, tendency, average


@numba.njit(nogil=True, cache=True)
def _difference_features(differences, total, f):
    """Fill in what depends on the difference of the two levels alone."""
    ng = differences.size  # differences run from 0 to Ng - 1
    average, contrast, inverse = 0.0, 0.0, 0.0
    i_d, i_dm, i_dmn, i_dn = 0.0, 0.0, 0.0, 0.0
    for k in range(ng):
        p = differences[k] / total
        average += k * p
        contrast += p * float(k) ** 2
        i_d += p / (1 + k)
        i_dm += p / (1 + float(k) ** 2)
        i_dmn += p / (1 + float(k) ** 2 / float(ng) ** 2)
        i_dn += p / (1 + k / ng)
        if k:
            inverse += p / float(k) ** 2
    variance = 0.0
    for k in range(ng):
        variance += differences[k] / total * (k - average) ** 2
    f[4], f[6], f[8], f[15] = contrast, average, variance, inverse
    f[9], f[10], f[11], f[12] = i_d, i_dm, i_dmn, i_dn


@numba.njit(nogil=True, cache=True)
def _glcm_direction(one_way, levels, table, f):
    """Fill in the features of one direction's matrix; return False where it is empty."""
    ng = levels[-1]
    marginal = np.zeros(levels.size - 1, np.int64)
    sums = np.zeros(2 * ng + 1, np.int64)
    differences = np.zeros(ng, np.int64)
    total, squares, most, logs, cells = _sweep(one_way, levels, marginal, sums, differences, table)
    if total == 0:
        return False
    mean, variance = 0.0, 0.0
    for i in range(marginal.size):
        mean += levels[i + 1] * marginal[i] / total
    for i in range(marginal.size):
        variance += marginal[i] / total * (levels[i + 1] - mean) ** 2
    _sum_features(sums, total, mean, f)
    _difference_features(differences, total, f)
    covariance = (f[3] - f[4]) / 4  # of a symmetric matrix: (Var(i + j) - Var(i - j)) / 4
    f[0] = covariance + mean**2
    f[5] = covariance / (variance + EPS) if variance > 0 else 1.0
    f[7] = entropy(differences, total, table)
    hxy = np.log2(total) - logs / total
    f[13], f[14] = _information(one_way, marginal, total, entropy(marginal, total, table), hxy, cells)
    f[16] = mean
    f[17] = squares / float(total) ** 2
    f[18] = hxy
    f[19] = most / total
    f[21] = entropy(sums, total, table)
    f[22] = variance
    return True


@numba.njit(nogil=True, cache=True)
def glcm_features(glcm, levels, table):
    """Return the GLCM features of the symmetric matrices, averaged over the directions that are not empty.

    Parameters
    ----------
    glcm : ndarray, (13, K + 1, K + 1), int32
        One-way counts (`matrices.scan`).
    levels : ndarray, (K + 1,), int64
        Grey levels from the second entry on.
    table : ndarray, float64
        c log2 c for small c.

    Returns
    -------
    ndarray, (23,), float64
        In pyradiomics' order without MCC; NaN where no two voxels of the region touch.
    """
    sums = np.zeros(N_GLCM)
    used = np.zeros(N_GLCM)
    f = np.empty(N_GLCM)
    for a in range(glcm.shape[0]):
        if _glcm_direction(glcm[a], levels, table, f):
            for i in range(N_GLCM):
                if not np.isnan(f[i]):
                    sums[i] += f[i]
                    used[i] += 1
    return np.where(used > 0, sums / np.maximum(used, 1), np.nan)


@numba.njit(nogil=True, cache=True)
def size_features(counts, levels, sizes, table, f):
    """Fill in the features that runs, zones and dependences share: tables of grey level by size.

    Parameters
    ----------
    counts : ndarray, (K, S), int32
    levels : ndarray, (K + 1,), int64
        Grey levels from the second entry on.
    sizes : ndarray, (S,), int64
    table : ndarray, float64
        c log2 c for small c.
    f : ndarray, (16,), float64
        Result, in the order of pyradiomics' GLRLM features.
    """
    by_level = np.zeros(counts.shape[0])
    by_size = np.zeros(counts.shape[1])
    logs = 0.0
    f[:] = 0.0
    for i in range(counts.shape[0]):
        low, high = 1 / float(levels[i + 1]) ** 2, float(levels[i + 1]) ** 2
        for j in range(counts.shape[1]):
            c = counts[i, j]
            if c == 0:
                continue
            by_level[i] += c
            by_size[j] += c
            logs += c_log2_c(c, table)
            squared = float(sizes[j]) ** 2
            f[5] += c * squared * high
            f[6] += c * squared * low
            f[14] += c / squared * high
            f[15] += c / squared * low
        f[3] += by_level[i] * high
        f[7] += by_level[i] * low
    n = by_level.sum()
    voxels = (by_size * sizes).sum()
    level_mean = (by_level * levels[1:]).sum() / n
    size_mean = voxels / n
    f[4] = (by_size * sizes.astype(np.float64) ** 2).sum()
    f[13] = (by_size / sizes.astype(np.float64) ** 2).sum()
    f[0] = (by_level**2).sum()
    f[9] = (by_size**2).sum()
    for i in range(N_SIZE):
        f[i] /= n
    f[1] = f[0] / n
    f[10] = f[9] / n
    f[2] = (by_level / n * (levels[1:] - level_mean) ** 2).sum()
    f[12] = (by_size / n * (sizes - size_mean) ** 2).sum()
    f[8] = np.log2(n) - logs / n
    f[11] = n / voxels


@numba.njit(nogil=True, cache=True)
def ngtdm_features(counts, difference, levels):
    """Return busyness, coarseness, complexity, contrast and strength (Amadasun and King 1989).

    Parameters
    ----------
    counts : ndarray, (K,), int64
        Voxels per grey level.
    difference : ndarray, (K,), float64
        The NGTDM's s.
    levels : ndarray, (K + 1,), int64
        Grey levels from the second entry on.
    """
    n = counts.sum()
    k = counts.size
    p = counts / n
    weighted = (p * difference).sum()
    total = difference.sum()
    spread, busy, complexity, strength = 0.0, 0.0, 0.0, 0.0
    for i in range(k):
        for j in range(k):
            li, lj = float(levels[i + 1]), float(levels[j + 1])
            spread += p[i] * p[j] * (li - lj) ** 2
            busy += abs(li * p[i] - lj * p[j])
            complexity += abs(li - lj) * (p[i] * difference[i] + p[j] * difference[j]) / (p[i] + p[j])
            strength += (p[i] + p[j]) * (li - lj) ** 2
    f = np.empty(N_NGTDM)
    f[0] = weighted / busy if busy != 0 else 0.0
    f[1] = 1 / weighted if weighted != 0 else 1e6
    f[2] = complexity / n
    f[3] = spread * total / n / (k * (k - 1)) if k > 1 else 0.0
    f[4] = strength / total if total != 0 else 0.0
    return f

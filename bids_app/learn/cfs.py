"""Correlation-based subset selection (Hall 1999), with a numeric outcome.

M. A. Hall, Correlation-based Feature Selection for Machine Learning, PhD thesis, University of Waikato, 1999: a good
subset correlates with the outcome and not within itself. Where the thesis leaves details open (precision, ties, length
of the list of candidates), the choices here give the answers of Weka 3.9.7, which study A used.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

LEAST_GAIN = 1e-5  # by which a merit must rise to count as better
PATIENCE = 5  # expansions without a better subset, and candidates kept for expansion


def correlations(X: Array, y: Array) -> tuple[Array, Array]:
    """Return the absolute Pearson correlations that the merit is made of.

    Parameters
    ----------
    X : ndarray, (n, p)
    y : ndarray, (n,)

    Returns
    -------
    relevance : ndarray, (p,)
        Of each column with the outcome.
    redundancy : ndarray, (p, p)
        Between columns. Both rounded to single precision, as Weka's are; 0 where a column is constant.
    """
    both = np.column_stack([X, y]).astype(np.float64)
    both -= both.mean(axis=0)
    norm = np.sqrt(np.sum(both**2, axis=0))
    scaled = np.divide(both, norm, out=np.zeros_like(both), where=norm > 0)
    r = np.abs(scaled.T @ scaled).astype(np.float32).astype(np.float64)
    return r[:-1, -1], r[:-1, :-1]


def merit(subset: npt.NDArray[np.intp], relevance: Array, redundancy: Array) -> float:
    """Return Hall's merit, k r_cf / sqrt(k + k (k - 1) r_ff), of a subset of columns (0 for none).

    Parameters
    ----------
    subset : ndarray of int, (k,)
        Numbers of the columns.
    relevance : ndarray, (p,)
        Absolute correlation of each column with the outcome.
    redundancy : ndarray, (p, p)
        Absolute correlations between columns.

    References
    ----------
    Hall 1999, Correlation-based feature selection for machine learning, equation 4.2.
    """
    k = len(subset)
    if k == 0:
        return 0.0
    inside = redundancy[np.ix_(subset, subset)]
    pairs = inside.sum() - np.trace(inside)
    return float(relevance[subset].sum() / np.sqrt(k + pairs))


def best_first(relevance: Array, redundancy: Array) -> list[int]:
    """Search for the subset of highest merit, adding one column at a time, best candidate first.

    Parameters
    ----------
    relevance : ndarray, (p,)
    redundancy : ndarray, (p, p)

    Returns
    -------
    list of int
        Columns, ascending.
    """
    p = len(relevance)
    best: frozenset[int] = frozenset()
    best_merit, idle = 0.0, 0
    candidates: list[tuple[float, frozenset[int]]] = [(0.0, best)]
    while candidates and idle < PATIENCE:
        _, subset = candidates.pop(0)
        found = _merits_with_one_more(subset, relevance, redundancy)
        improved = False
        for column in range(p):
            if column in subset:
                continue
            larger = subset | {column}
            _keep_candidate(candidates, found[column], larger)
            if found[column] - best_merit > LEAST_GAIN:
                best, best_merit, improved = larger, found[column], True
        idle = 0 if improved else idle + 1
    return sorted(best)


def _merits_with_one_more(subset: frozenset[int], relevance: Array, redundancy: Array) -> Array:
    """Return the merit of a subset with each column added, (p,)."""
    inside = np.array(sorted(subset), dtype=np.intp)
    between = redundancy[np.ix_(inside, inside)]
    k = len(inside) + 1
    pairs = between.sum() - np.trace(between) + 2 * redundancy[:, inside].sum(axis=1)
    return (relevance[inside].sum() + relevance) / np.sqrt(k + pairs)


def _keep_candidate(
    candidates: list[tuple[float, frozenset[int]]], value: float, subset: frozenset[int]
) -> None:
    """Insert a candidate behind those as good as it; the list keeps `PATIENCE`."""
    place = next((i for i, (other, _) in enumerate(candidates) if value > other), len(candidates))
    candidates.insert(place, (value, subset))
    del candidates[PATIENCE:]


def add_locally_predictive(selected: list[int], relevance: Array, redundancy: Array) -> list[int]:
    """Add columns that correlate more with the outcome than with any column selected so far.

    Parameters
    ----------
    selected : list of int
    relevance : ndarray, (p,)
    redundancy : ndarray, (p, p)

    Returns
    -------
    list of int
        Columns, ascending. They are tried from the most relevant on, the first of equals first.
    """
    chosen = list(selected)
    for column in np.argsort(-relevance, kind="stable"):
        if relevance[column] == 0:
            break
        if column not in chosen and np.all(redundancy[column, chosen] <= relevance[column]):
            chosen.append(int(column))
    return sorted(chosen)

"""Which of many columns to keep so that no two correlate too much: greedy, keep-first, in bounded memory.

The columns are taken in an order of priority; each is kept unless it correlates with one kept before it. Blocks of
columns are compared with all later ones that still stand, in single precision; a pair so near the threshold that
rounding could decide is compared again in double precision, so that the outcome is that of double precision throughout.
Where even that could go either way (counts give correlations of exactly 0.8), pandas' `corr` decides.
The full correlation matrix (63 GB at study A's width) never exists.

Most pairs are settled by fewer rows than there are: a correlation is at most the part of it that the first rows make,
plus the product of the lengths of what is left of both columns (Cauchy and Schwarz). Only columns for which that could
exceed the threshold are compared in full.
"""

from __future__ import annotations

import tempfile

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Index = npt.NDArray[np.intp]

COLUMN_BLOCK = 256  # columns compared at once with all that stand
STRIP = 8192  # columns whose correlations with a block are held at once
IN_MEMORY = 600_000_000  # bytes of standardised columns; more are kept in a temporary file
BOUND_SHARE = 0.45  # share of the rows that the bound is taken from
TIE = 1e-12  # a correlation so near the threshold depends on the order of summation
MOSTLY = 0.92  # share of columns still standing below which they are moved together


def greedy_keep_first(X: Floats, order: Index, threshold: float) -> Index:
    """Return for each column the column that stands for it: itself if kept.

    Parameters
    ----------
    X : ndarray, (n, p), float32 or float64
        No missing values. Constant columns correlate with nothing.
    order : ndarray, (p,)
        Column numbers, the first to keep first.
    threshold : float
        A column goes if its absolute Pearson correlation with a kept one is strictly above.

    Returns
    -------
    ndarray, (p,)
        Column number of the representative: the first kept column, in `order`, that made it go.
    """
    columns = np.array(order, dtype=np.intp)
    representative = np.arange(X.shape[1], dtype=np.intp)
    rows, standing = _rows(X, columns), np.ones(len(columns), bool)
    while standing.any():
        block = np.flatnonzero(standing)[:COLUMN_BLOCK]
        exact = standardised(X, columns[block])
        stands_for = _thin(X, columns[block], exact, threshold)
        representative[columns[block]] = columns[block[stands_for]]
        kept = np.flatnonzero(stands_for == np.arange(len(block)))
        standing[: block[-1] + 1] = False
        for start in range(block[-1] + 1, len(columns), STRIP):
            part = slice(start, min(start + STRIP, len(columns)))
            again = _Strip(X, columns[part], rows[part], standing[part])
            hit, by = again.dropped_by(rows[block[kept]], exact[kept], columns[block[kept]], threshold)
            representative[columns[part][hit]] = columns[block[kept]][by]
            standing[part][hit] = False
        if np.count_nonzero(standing) < MOSTLY * (len(columns) - block[-1] - 1):
            rows, columns = _move_together(rows, standing), columns[standing]
            standing = np.ones(len(columns), bool)
    return representative


def standardised(X: Floats, columns: Index) -> Doubles:
    """Return columns as rows of mean 0 and length 1 (0 throughout where constant)."""
    part = X[:, columns]
    rows = np.ascontiguousarray(part.T, dtype=np.float64)
    rows -= rows.mean(axis=1, keepdims=True)
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    varies = part.max(axis=0, initial=-np.inf) > part.min(axis=0, initial=np.inf)
    rows *= np.divide(1, length, out=np.zeros_like(length), where=varies & (length > 0))[:, None]
    return rows


def _rows(X: Floats, columns: Index) -> Singles:
    """Return all columns standardised, one per row in the order given, in memory or in a temporary file."""
    shape = (len(columns), X.shape[0])
    if 4 * shape[0] * shape[1] <= IN_MEMORY:
        rows: Singles = np.empty(shape, np.float32)
    else:
        with tempfile.TemporaryFile(prefix="demyelin-") as file:
            rows = np.memmap(file, np.float32, "w+", shape=shape)
    for start in range(0, len(columns), STRIP):
        rows[start : start + STRIP] = standardised(X, columns[start : start + STRIP])
    return rows


def _move_together(rows: Singles, standing: npt.NDArray[np.bool_]) -> Singles:
    """Move the standing rows to the front, in place."""
    left = np.flatnonzero(standing)
    for start in range(0, len(left), STRIP):
        part = left[start : start + STRIP]
        rows[start : start + len(part)] = rows[part]
    return rows[: len(left)]


def _thin(X: Floats, columns: Index, exact: Doubles, threshold: float) -> Index:
    """Return for each row of a block the row of the block that stands for it."""
    r = np.abs(exact @ exact.T)
    near = r > threshold - TIE
    stands_for = np.arange(len(exact), dtype=np.intp)
    for row in range(len(exact)):
        later = np.flatnonzero(near[row, row + 1 :]) + row + 1
        if stands_for[row] == row and later.size:
            later = later[stands_for[later] == later]
            stands_for[later[_exceed(r[row, later], threshold, X, columns[row], columns[later])]] = row
    return stands_for


def _exceed(r: Doubles, threshold: float, X: Floats, one: np.intp, others: Index) -> npt.NDArray[np.bool_]:
    """Return which absolute correlations of one column with others exceed the threshold."""
    above = r > threshold
    for k in np.flatnonzero(np.abs(r - threshold) <= TIE):
        pair = X[:, np.sort([one, others[k]])].astype(np.float64)
        above[k] = np.abs(pd.DataFrame(pair).corr().to_numpy()[0, 1]) > threshold
    return above


class _Strip:
    """Some of the later columns, to be compared with a block."""

    def __init__(self, X: Floats, columns: Index, rows: Singles, standing: npt.NDArray[np.bool_]) -> None:
        self.X, self.columns, self.rows, self.standing = X, columns, rows, standing

    def dropped_by(
        self, kept: Singles, exact: Doubles, numbers: Index, threshold: float
    ) -> tuple[Index, Index]:
        """Return which columns of the strip are dropped, and which kept row is the first to drop each.

        Parameters
        ----------
        kept : ndarray of float32, (k, n)
            Standardised columns that were kept, as rows.
        exact : ndarray of float64, (k, n)
            The same in double precision.
        numbers : ndarray of int, (k,)
            Their columns.
        threshold : float
            Absolute correlation above which a column is dropped.
        """
        margin = (self.X.shape[0] + 16) * float(np.finfo(np.float32).eps)  # bounds single precision's error
        near = np.flatnonzero(self._possible(kept, threshold - margin) & self.standing)
        r = np.abs(kept @ self.rows[near].T)
        above = r > threshold
        self._settle(above, np.abs(r - np.float32(threshold)) <= margin, near, exact, numbers, threshold)
        hit = above.any(axis=0)
        return near[hit], above.argmax(axis=0)[hit]

    def _possible(self, kept: Singles, limit: float) -> npt.NDArray[np.bool_]:
        """Return for each column of the strip whether its correlation with a kept row may exceed the limit."""
        head = int(BOUND_SHARE * kept.shape[1])
        part = kept[:, :head] @ self.rows[:, :head].T
        return may_exceed(part, _length(kept[:, head:]), _length(self.rows[:, head:]), np.float32(limit))

    def _settle(
        self,
        above: npt.NDArray[np.bool_],
        doubtful: npt.NDArray[np.bool_],
        near: Index,
        exact: Doubles,
        numbers: Index,
        threshold: float,
    ) -> None:
        """Decide doubtful pairs in double precision, in place."""
        which = np.flatnonzero(doubtful.any(axis=0))
        if not len(which):
            return
        precise = standardised(self.X, self.columns[near[which]])
        for row in np.flatnonzero(doubtful.any(axis=1)):
            pairs = np.flatnonzero(doubtful[row, which])
            r = np.abs(precise[pairs] @ exact[row])
            others = self.columns[near[which[pairs]]]
            above[row, which[pairs]] = _exceed(r, threshold, self.X, numbers[row], others)


def _length(rows: Singles) -> Singles:
    return np.sqrt(np.einsum("ij,ij->i", rows, rows))


@numba.njit(cache=True)
def may_exceed(part: Singles, left: Singles, right: Singles, limit: np.float32) -> npt.NDArray[np.bool_]:
    """Return for each column of `part` (n, m) whether |part| + left x right exceeds the limit in any row.

    Parameters
    ----------
    part : ndarray, (n, m)
        What the first rows of the table make of each correlation.
    left : ndarray, (n,)
    right : ndarray, (m,)
        Lengths of what is left.
    limit : float
    """
    found = np.zeros(part.shape[1], np.bool_)
    for row in range(part.shape[0]):
        for column in range(part.shape[1]):
            found[column] |= abs(part[row, column]) + left[row] * right[column] > limit
    return found

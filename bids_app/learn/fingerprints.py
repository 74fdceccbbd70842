"""Visits with the same measures under two names: found, named, and kept together in every fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.float64]
Pairs = list[tuple[int, int]]

MOST_COLUMNS = 512  # compared at most, evenly spaced: two people do not agree in so many
FEW_COLUMNS, TOO_FEW = 20, 3  # columns; with few, only copies to the digit count, with too few nothing does
ALIKE, EQUAL = (
    0.05,
    1e-4,
)  # root mean square difference in interquartile ranges; that of two people is about 1
LIMIT = 5.0  # interquartile ranges from the median: one outlier must not hide that all the rest agrees
ROW_BLOCK = 512  # rows compared at once


def same_measures(values: pd.DataFrame, of: npt.NDArray[np.bool_] | None = None) -> Pairs:
    """Return pairs of rows that agree in nearly everything, up to rounding.

    Parameters
    ----------
    values : DataFrame, (n, p)
        Measures of visits, NaN where unknown; columns that do not vary in the middle half are passed over.
    of : ndarray of bool, (p,), optional
        Which columns to compare.

    Returns
    -------
    list of (int, int)
        Row numbers, the lower first. Rows with few columns known on both sides are paired only if equal.
    """
    every = np.arange(values.shape[1]) if of is None else np.flatnonzero(of)
    place = every[np.unique(np.linspace(0, len(every) - 1, min(MOST_COLUMNS, len(every))).astype(int))]
    scaled = _scaled(values.iloc[:, place].to_numpy(np.float64))
    known = np.isfinite(scaled).astype(np.float64)
    filled = np.nan_to_num(scaled)
    squares = filled**2
    found: Pairs = []
    for start in range(0, len(filled), ROW_BLOCK):
        part = slice(start, start + ROW_BLOCK)
        common = known[part] @ known.T
        apart = squares[part] @ known.T + known[part] @ squares.T - 2 * filled[part] @ filled.T
        distance = np.sqrt(np.maximum(apart, 0) / np.maximum(common, 1))
        alike = (distance < np.where(common < FEW_COLUMNS, EQUAL, ALIKE)) & (common >= TOO_FEW)
        rows, others = np.nonzero(alike)
        found += [(int(i) + start, int(j)) for i, j in zip(rows, others, strict=True) if i + start < j]
    return found


def _scaled(array: Array) -> Array:
    """Return columns in interquartile ranges from their median; those without a range are left out."""
    array = array[:, np.isfinite(array).any(axis=0)]
    if not array.size:
        return np.empty((len(array), 0))
    low, middle, high = np.nanquantile(array, [0.25, 0.5, 0.75], axis=0)
    wide = high - low > 1e-9 * np.abs(middle)
    return np.clip((array[:, wide] - middle[wide]) / (high - low)[wide], -LIMIT, LIMIT)


def kept_whole(groups: Sequence[Any] | npt.NDArray[Any], pairs: Pairs) -> npt.NDArray[Any]:
    """Return groups of rows in which paired rows share one, named after the first in order.

    Parameters
    ----------
    groups : sequence, (n,)
        Patient of each row.
    pairs : list of (int, int)
        Rows that must not be parted.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    names, number = np.unique(np.asarray(groups), return_inverse=True)
    links = number[np.array(pairs, dtype=np.intp).reshape(-1, 2)]
    graph = coo_array((np.ones(len(links)), (links[:, 0], links[:, 1])), shape=(len(names), len(names)))
    _, part = connected_components(graph, directed=False)
    first = np.array([np.flatnonzero(part == k)[0] for k in range(part.max() + 1)])  # names are in order
    return names[first[part[number]]]


def note_on(names: Sequence[str], pairs: Pairs, what: str) -> list[str]:
    """Return the note that names rows with the same measures; nothing where there are none.

    Parameters
    ----------
    names : sequence of str, (n,)
        Visits.
    pairs : list of (int, int)
    what : str
        What agrees, e.g. `radiomics`.
    """
    if not pairs:
        return []
    listed = "; ".join(f"{names[i]} and {names[j]}" for i, j in pairs[:10])
    more = f"; and {len(pairs) - 10} more pairs" if len(pairs) > 10 else ""
    return [
        f"the same {what} under two names: {listed}{more}. They are kept together in every fold and set; find out "
        "which name is right, and remove the other"
    ]

"""What the other participants of the same output folder have: the norms that a visit is held against."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from bids_app.derivatives.reader import Derivatives, VisitFiles, read_table
from bids_app.image.outliers import FEWEST, MAD_TO_SD, even
from bids_app.image.quality import QUALITY

MAX_OTHERS = 150  # more change the norms little and cost time


@dataclass(frozen=True)
class Norms:
    """Median and spread of one measure over other participants.

    Attributes
    ----------
    median, spread : Series
        By region or number; the spread is 1.4826 times the median absolute deviation.
    n : int
        Participants.
    """

    median: pd.Series
    spread: pd.Series
    n: int

    def z(self, values: pd.Series) -> pd.Series:
        """Return the modified z score of values; missing where the others do not differ."""
        away = values - self.median.reindex(values.index)
        return away / self.spread.reindex(values.index).replace(0, np.nan)


def others(visit: VisitFiles, key: str) -> list[Path]:
    """Return the table `key` of one visit of each other participant, at most `MAX_OTHERS`, evenly chosen."""
    found: dict[str, Path] = {}
    for name, path in Derivatives(visit.root).find(key, template=visit.template, atlas=visit.atlas):
        found.setdefault(name.participant_id, path)
    found.pop(visit.name.participant_id, None)
    paths = [found[name] for name in sorted(found)]
    if len(paths) <= MAX_OTHERS:
        return paths
    return [paths[place] for place in np.linspace(0, len(paths) - 1, MAX_OTHERS).astype(int)]


def norms_of(tables: list[pd.Series]) -> Norms | None:
    """Return median and spread over participants; None where there are fewer than `outliers.FEWEST`."""
    if len(tables) < FEWEST:
        return None
    together = pd.concat(tables, axis=1)
    together = together[together.notna().sum(axis=1) >= FEWEST]  # others have no value of the rest
    median = together.median(axis=1)
    spread = MAD_TO_SD * together.sub(median, axis=0).abs().median(axis=1)
    return Norms(median, spread, len(tables))


def by_region(table: pd.DataFrame | None, column: str) -> pd.Series | None:
    """Return a table's column by region, None where the table has none."""
    if table is None or not {"name", column} <= set(table.columns):
        return None
    values = pd.to_numeric(table[column], errors="coerce")
    values.index = pd.Index(table["name"].astype(str))
    return values[~values.index.duplicated()]


def region_norms(visit: VisitFiles, key: str, column: str, share_of: str | None = None) -> Norms | None:
    """Return the norms of a regional measure.

    Parameters
    ----------
    visit : VisitFiles
        The visit, whose own participant is left out.
    key, column : str
        Table, by its key in `names.OUTPUTS`, and its column.
    share_of : str, optional
        Row by which each participant's values are divided first, e.g. `TIV`.
    """
    found = []
    for path in others(visit, key):
        values = by_region(read_once(path), column)
        if values is not None:
            found.append(values if share_of is None else values / values.get(share_of, np.nan))
    return norms_of(found)


def quality_norms(visit: VisitFiles) -> Norms | None:
    """Return the norms of the quality numbers."""
    rows = [read_once(path) for path in others(visit, "qc")]
    return norms_of([evened(numbers(row)) for row in rows if row is not None and len(row)])


def evened(values: pd.Series) -> pd.Series:
    """Return quality numbers by name, those of a long tail on a log scale."""
    skewed = [name for name in values.index if name in QUALITY and QUALITY[name].skewed]
    return values.where(~values.index.isin(skewed), even(values, skewed=True))


def numbers(row: pd.DataFrame) -> pd.Series:
    """Return a one-row table's numbers by column."""
    return pd.to_numeric(row.iloc[0].drop("flags", errors="ignore"), errors="coerce")


def read_once(path: Path) -> pd.DataFrame | None:
    """Read a table once for all reports of a run; None where there is no table."""
    try:
        return _read(path, path.stat().st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=1024)
def _read(path: Path, changed: int) -> pd.DataFrame | None:
    """Read a table; `changed` tells an older file of the same name."""
    return read_table(path)

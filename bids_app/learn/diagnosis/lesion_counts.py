"""Lesions of each scan by its lesion table: how many, how large, and which scans have none."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from bids_app.learn.statistics import wilson_interval
from bids_app.tables.yes_no import read_yes_no


def lesion_counts(tables: Iterable[Path]) -> pd.DataFrame:
    """Count the lesions of each scan.

    Parameters
    ----------
    tables : iterable of Path
        Lesion tables, one per scan.

    Returns
    -------
    DataFrame
        One row per scan: lesions and volume_ml of all rows, lesions_sure without those flagged as prone to artefact;
        NaN where a table cannot be read or lacks a column.
    """
    rows: list[tuple[float, float, float]] = []
    for path in tables:
        try:
            table = pd.read_csv(path, sep="\t", na_values="n/a")
            volume = (
                float(pd.to_numeric(table["volume_mm3"]).sum()) / 1000 if "volume_mm3" in table else np.nan
            )
            rows.append((len(table), int(table["artefact_prone"].isna().sum()), volume))
        except (OSError, ValueError, KeyError):
            rows.append((np.nan, np.nan, np.nan))
    return pd.DataFrame(rows, columns=["lesions", "lesions_sure", "volume_ml"], dtype=float)


def normal_scans(
    counts: pd.DataFrame, column: pd.Series | None = None, notes: list[str] | None = None
) -> pd.Series:
    """Return which scans have no lesion: 1, 0, or NaN where that is not known.

    A reader's own judgement (`column`: yes or no) goes before the lesion table, in which rows flagged as prone to
    artefact do not count. `notes` gets cells of the column that say neither.

    Parameters
    ----------
    counts : DataFrame
        Lesions of each scan.
    column : Series, optional
        What a reader said, yes or no.
    notes : list of str, optional
        Notes are appended to it.
    """
    found = (counts["lesions_sure"] == 0).astype(float).where(counts["lesions_sure"].notna())
    if column is None:
        return found
    judged, unread = read_yes_no(column.reset_index(drop=True))
    if notes is not None and len(unread):
        notes.append(
            f"column {column.name}: {len(unread)} cells such as '{unread.iloc[0]}' are neither yes nor no: the lesion "
            "table tells"
        )
    return judged.where(judged.notna(), found)


def called_right(normal: pd.Series, y: pd.Series, first: pd.Series, tested: pd.Series) -> pd.DataFrame:
    """Count how normal scans are called, per class (study B: 44 of 47 NMOSD called NMOSD).

    Parameters
    ----------
    normal : Series
        Of `normal_scans`.
    y, first, tested : Series of bool
        Scans of the first class, scans called it, scans that were called out of sample.

    Returns
    -------
    DataFrame
        is_positive_class, n, called_right, share with Wilson's 95 % interval.
    """
    rows = []
    for of_class in (True, False):
        chosen = (normal.to_numpy() == 1) & tested.to_numpy() & (y.to_numpy() == of_class)
        n, right = int(chosen.sum()), int((first.to_numpy()[chosen] == of_class).sum())
        low, high = wilson_interval(right, n) if n else (np.nan, np.nan)
        share = right / n if n else np.nan
        rows.append((of_class, n, right, share, low, high))
    return pd.DataFrame(rows, columns=["is_positive_class", "n", "called_right", "share", "low", "high"])

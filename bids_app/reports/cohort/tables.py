"""Tables of results as tables of a page: estimates with their intervals in one cell, numbers rounded, visits linked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bids_app import protocol
from bids_app.learn.study import Study
from bids_app.reports.page import table_address

MOST_ROWS = 2000  # more make a page slow to open; the whole table can be downloaded
HEADS = {  # of columns that every study may have; a study adds its own
    "n": "n",
    "n_visits": "visits",
    "n_patients": "patients",
    "auc": "AUC",
    "p": "P",
    **protocol.LABELS,
}
WIDE = {"why", "meaning", "values", "regions"}  # columns of sentences
SIGNED = {"gap", "difference", "offset", "ridge_weight", "r_edss", "error"}


def page_table(
    frame: pd.DataFrame,
    *,
    title: str,
    about: str,
    file: str,
    root: Path,
    links: Mapping[str, str] | None = None,
    study: Study | None = None,
) -> dict[str, Any]:
    """Return what a page needs of a table.

    Parameters
    ----------
    frame : DataFrame
        Tidy table; columns `x`, `x_low`, `x_high` (or `estimate`, `low`, `high`) become one.
    title, about : str
        What the table is, and how to read it.
    file : str
        Address of the whole table beside the page, which is what is downloaded.
    root : Path
        Folder of the page.
    links : mapping of str to str, optional
        Address of a visit's page by the values of column `visit`.
    study : Study, optional
        Whose table it is: names its columns and values.

    Returns
    -------
    dict
        title, about, file, name, data (the file as a download), columns, sortable, rows, left_out.
    """
    shown = frame.head(MOST_ROWS).dropna(axis=1, how="all").rename(columns=str)
    heads = HEADS | dict(study.labels if study else {})
    names = [name for name in shown.columns if not _is_bound(name, shown)]
    cells = [_column(name, shown[name], *_bounds(name, shown), links or {}, study) for name in names]
    return {
        "title": title,
        "about": about,
        "file": file,
        "name": file.rsplit("/", maxsplit=1)[-1],
        "data": table_address(root / file),
        "columns": [_head(name, shown, heads) for name in names],
        "sortable": "characteristic" not in shown,
        "rows": [list(row) for row in zip(*cells, strict=True)],
        "left_out": len(frame) - len(shown),
    }


def _head(name: str, shown: pd.DataFrame, heads: Mapping[str, str]) -> dict[str, Any]:
    """Return what a page needs of a column's heading."""
    values = shown[name]
    return {
        "label": heads.get(name, name.replace("_", " "))
        + (" (95 % CI)" if _bounds(name, shown)[0] is not None else ""),
        "numeric": pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values),
        "wide": name in WIDE,
    }


def _is_bound(name: str, frame: pd.DataFrame) -> bool:
    stem, _, end = name.rpartition("_")
    if end in {"low", "high"} and stem in frame:
        return True
    return name in {"low", "high"} and _base(frame) is not None


def _base(frame: pd.DataFrame) -> str | None:
    """Return the column that plain `low` and `high` belong to."""
    return next((name for name in ("estimate", "kappa", "observed") if name in frame), None)


def _bounds(name: str, frame: pd.DataFrame) -> tuple[pd.Series | None, pd.Series | None]:
    if {f"{name}_low", f"{name}_high"} <= set(frame.columns):
        return frame[f"{name}_low"], frame[f"{name}_high"]
    if {"low", "high"} <= set(frame.columns) and name == _base(frame):
        return frame["low"], frame["high"]
    return None, None


def _column(
    name: str,
    values: pd.Series,
    low: pd.Series | None,
    high: pd.Series | None,
    links: Mapping[str, str],
    study: Study | None,
) -> list[Any]:
    if low is not None and high is not None:
        return [_estimate(*three) for three in zip(values, low, high, strict=True)]
    if name == "visit":
        return [{"text": text(v), "href": links[v]} if v in links else text(v) for v in values]
    if name == "p" or name.startswith("p_") or name.endswith("_p"):
        return [_probability(value) for value in values]
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return _numbers(name, values)
    return [_word(name, value, study) for value in values]


def _word(name: str, value: object, study: Study | None) -> str:
    """Return a text as a reader knows it."""
    if name == "characteristic":
        return text(value).replace("_", " ")
    if name == "protocol":
        return protocol.LABELS.get(str(value), text(value))
    if study is not None and isinstance(value, str):
        return study.word(name, value)
    return text(value)


def _numbers(name: str, values: pd.Series) -> list[Any]:
    known = values.dropna()
    whole = pd.api.types.is_integer_dtype(values) or bool(
        len(known) and np.all(known == np.round(known)) and known.abs().max() > 1
    )
    sign = "+" if name in SIGNED else ""
    return [_number(value, whole, sign) for value in values]


def text(value: object) -> str:
    """Return a value as a word; `n/a` where it is missing."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return f"{value:.3g}" if np.isfinite(value) else "n/a"
    return "n/a" if value is None or value is pd.NA or value is pd.NaT else str(value)


def _number(value: float, whole: bool, sign: str) -> Any:
    if pd.isna(value):
        return "n/a"
    shown = (
        f"{value:{sign},.0f}"
        if whole
        else f"{value:{sign}.3f}"
        if abs(value) < 1000
        else f"{value:{sign},.0f}"
    )
    return {"text": shown, "value": float(value)}


def _estimate(value: float, low: float, high: float) -> Any:
    if pd.isna(value):
        return "n/a"
    digits = 2 if max(abs(value), abs(high if np.isfinite(high) else 0)) < 100 else 0
    bounds = f" ({low:.{digits}f} to {high:.{digits}f})" if np.isfinite(low) and np.isfinite(high) else ""
    return {"text": f"{value:.{digits}f}{bounds}", "value": float(value)}


def _probability(value: float) -> Any:
    if pd.isna(value):
        return "n/a"
    return {"text": "< .001" if value < 0.001 else f"{value:.3f}", "value": float(value)}

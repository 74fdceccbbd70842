"""Tables that a visit has only where the run calls for them, such as damage by bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from bids_app.derivatives.reader import VisitFiles, read_table
from bids_app.reports.page import table_address

LINES_SHOWN = 150  # rows of a table on the page; the file has all


def extra_tables(visit: VisitFiles) -> list[dict[str, Any]]:
    """Return the tables for the page.

    Parameters
    ----------
    visit : VisitFiles
        The visit.
    """
    path = visit.path("chaco_bundles")
    table = read_table(path)
    if table is None or table.empty:
        return []
    if "chaco" in table:
        table = table.sort_values("chaco", ascending=False, kind="stable")
    return [shown_table(visit, "Bundles", path, table)]


def linked_table(visit: VisitFiles, key: str) -> dict[str, str]:
    """Return a table of the visit as a download: its name and its bytes as a `data:` address."""
    path = visit.path(key)
    return {"name": path.name, "data": table_address(path)}


def shown_table(visit: VisitFiles, title: str, path: Path, table: pd.DataFrame) -> dict[str, Any]:
    """Return a table of the derivatives for the page: numbers short, missing values named, long ones cut.

    Parameters
    ----------
    visit : VisitFiles
        The visit's derivatives.
    title : str
        Heading.
    path : Path
        The table's file, to be linked.
    table : DataFrame
        What it holds.
    """
    numeric = [pd.api.types.is_numeric_dtype(table[name]) for name in table.columns]
    return {
        "title": title,
        "caption": path.name,
        "file": path.relative_to(visit.root).as_posix(),
        "columns": [
            {"label": str(name).replace("_", " "), "numeric": is_number}
            for name, is_number in zip(table.columns, numeric, strict=True)
        ],
        "rows": [[_text(value) for value in row] for row in table.head(LINES_SHOWN).itertuples(index=False)],
        "left_out": max(0, len(table) - LINES_SHOWN),
    }


def _text(value: Any) -> str:
    if pd.isna(value):
        return "n/a"
    return f"{value:.4g}" if isinstance(value, float) else str(value)

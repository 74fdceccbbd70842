"""Tables that a visit has only where the run or the participant calls for them: bundles, changes between visits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from bids_app.reports.derived import Derived, read_table

ROWS_SHOWN = 150
BUNDLES = "Bundles"


def extra_tables(visit: Derived) -> list[dict[str, Any]]:
    """Return the tables for the page, in the order in which they are shown.

    Parameters
    ----------
    visit : Derived
        The visit; changes between visits are those of its participant.
    """
    home = visit.output_dir / visit.participant
    found = [(BUNDLES, path) for path in sorted(visit.folder.glob(f"{visit.prefix}_*bundles*.tsv"))]
    found += [("Change between visits", path) for path in sorted(home.rglob("*longitudinal*.tsv"))]
    return [shown for title, path in found if (shown := _shown(visit, title, path)) is not None]


def _shown(visit: Derived, title: str, path: Path) -> dict[str, Any] | None:
    table = read_table(path)
    if table is None or table.empty:
        return None
    if title == BUNDLES and "chaco" in table:
        table = table.sort_values("chaco", ascending=False, kind="stable")
    numeric = [pd.api.types.is_numeric_dtype(table[name]) for name in table.columns]
    return {
        "title": title,
        "caption": path.name,
        "file": path.relative_to(visit.output_dir).as_posix(),
        "columns": [
            {"label": str(name).replace("_", " "), "numeric": is_number}
            for name, is_number in zip(table.columns, numeric, strict=True)
        ],
        "rows": [[_text(value) for value in row] for row in table.head(ROWS_SHOWN).itertuples(index=False)],
        "left_out": max(0, len(table) - ROWS_SHOWN),
    }


def _text(value: Any) -> str:
    if pd.isna(value):
        return "n/a"
    return f"{value:.4g}" if isinstance(value, float) else str(value)

"""What became of the lesions since the visit before: a sentence, the picture and the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from bids_app.derivatives.reader import VisitFiles, read_table
from bids_app.image.longitudinal import CHANGES
from bids_app.reports.extras import shown_table
from bids_app.reports.page import data_uri
from bids_app.visit_name import VisitName


def changes_figure(visit: VisitFiles, before: str) -> Path:
    """Return the place of the figure of what changed since the session `before`."""
    return visit.figures / f"{visit.prefix}_desc-since{before}.png"


def changes_context(visit: VisitFiles) -> list[dict[str, Any]]:
    """Return each comparison with an earlier visit for the page; empty where there is none.

    Parameters
    ----------
    visit : VisitFiles
        The later visit.
    """
    found = []
    active = [name for name, change in CHANGES.items() if change.active]
    for path, entities in visit.find("changes"):
        table = read_table(path)
        if table is None or "change" not in table:
            continue
        earlier = VisitName(visit.name.participant, entities["before"])
        picture = changes_figure(visit, entities["before"])
        page = VisitFiles(visit.root, earlier).page
        order = table["change"].map({name: place for place, name in enumerate(CHANGES)})
        table = table.assign(_order=order).sort_values("_order", kind="stable").drop(columns="_order")
        found.append(
            {
                "before": earlier.session_id,
                "page": page.name if page.exists() else None,
                "words": _words(table) + _volume_words(visit, entities["before"]),
                "level": "look" if table["change"].isin(active).any() else "good",
                "src": data_uri(picture) if picture.exists() else None,
                "table": shown_table(visit, f"Since {earlier.session_id}", path, table),
            }
        )
    return found


def _words(table: pd.DataFrame) -> str:
    """Say how many lesions changed how, and the volumes."""
    counts = table["change"].value_counts()
    counted = ", ".join(f"{counts[name]} {name}" for name in CHANGES if counts.get(name, 0)) or "no lesions"
    if not {"volume_before_mm3", "volume_after_mm3"} <= set(table.columns):
        return f"{counted}."
    before, after = (table[name].sum() / 1000 for name in ("volume_before_mm3", "volume_after_mm3"))
    return f"{counted}; {before:.2f} mL then, {after:.2f} mL now."


def _volume_words(visit: VisitFiles, before: str) -> str:
    """Say how the brain's volume changed; nothing where it was not measured."""
    table = read_table(visit.path("volume_changes", before=before))
    if table is None or "percent" not in table or not (table["name"] == "brain").any():
        return ""
    row = table.set_index("name").loc["brain"]
    yearly = f" ({row['percent_per_year']:+.2f} % a year)" if pd.notna(row["percent_per_year"]) else ""
    return f" Brain volume changed by {row['percent']:+.2f} %{yearly}."

"""What became of the lesions since the visit before: a sentence, the picture and the table."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bids_app.reports.derived import Derived, read_table
from bids_app.reports.extras import shown_table
from bids_app.reports.page import data_uri
from bids_app.visit_name import VisitName

CHANGES = ("new", "enlarged", "unchanged", "shrunken", "resolved")
MARK = "_desc-since"


def changes_context(visit: Derived) -> list[dict[str, Any]]:
    """Return each comparison with an earlier visit for the page; empty where there is none.

    Parameters
    ----------
    visit : Derived
        The later visit.
    """
    found = []
    for path in sorted(visit.folder.glob(f"{visit.prefix}_seg-lesions{MARK}*_dseg.tsv")):
        table = read_table(path)
        if table is None or "change" not in table:
            continue
        before = path.name.split(MARK)[1].removesuffix("_dseg.tsv")
        picture = visit.output_dir / visit.participant / "figures" / f"{visit.prefix}{MARK}{before}.png"
        earlier = VisitName(VisitName.parse(visit.prefix).participant, before)
        page = f"{earlier}.html"
        order = table["change"].map({name: place for place, name in enumerate(CHANGES)})
        table = table.assign(_order=order).sort_values("_order", kind="stable").drop(columns="_order")
        found.append(
            {
                "before": earlier.session_id,
                "page": page if (visit.output_dir / page).exists() else None,
                "words": _words(table),
                "level": "look" if table["change"].isin(["new", "enlarged"]).any() else "good",
                "src": data_uri(picture) if picture.exists() else None,
                "table": shown_table(visit, f"Since {earlier.session_id}", path, table),
            }
        )
    return found


def _words(table: pd.DataFrame) -> str:
    """Say how many lesions changed how, and the volumes."""
    counts = table["change"].value_counts()
    told = ", ".join(f"{counts[name]} {name}" for name in CHANGES if counts.get(name, 0)) or "no lesions"
    if not {"volume_before_mm3", "volume_after_mm3"} <= set(table.columns):
        return f"{told}."
    before, after = (table[name].sum() / 1000 for name in ("volume_before_mm3", "volume_after_mm3"))
    return f"{told}; {before:.2f} mL then, {after:.2f} mL now."

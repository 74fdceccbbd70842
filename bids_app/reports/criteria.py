"""The McDonald criteria and NEDA as far as the images of a visit show them, in a radiologist's words."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from bids_app.derivatives.reader import VisitFiles, read_table
from bids_app.image.criteria import NO_DIAGNOSIS, WORDS
from bids_app.visit_name import VisitName


def criteria_context(visit: VisitFiles) -> dict[str, Any] | None:
    """Return the criteria for the page, those of the visit, then those that need the visits before.

    Parameters
    ----------
    visit : VisitFiles
        The visit.
    """
    rows = [_row(row, _space_words(row)) for row in _records(visit.table("criteria"))]
    for path, entities in visit.find("change_criteria"):
        before = VisitName(visit.name.participant, entities["before"]).session_id
        rows += [_row(row, _time_words(row, str(before))) for row in _records(read_table(path))]
    return (
        {"remark": NO_DIAGNOSIS, "columns": ["Criterion", "Shown", "What is seen"], "rows": rows}
        if rows
        else None
    )


def _records(table: pd.DataFrame | None) -> list[dict[Hashable, Any]]:
    """Return the rows of a table of criteria; none where there is no such table."""
    if table is None or not {"name", "met"} <= set(table.columns):
        return []
    return table.astype(object).where(table.notna(), None).to_dict("records")


def _row(row: Mapping[Hashable, Any], words: str) -> list[str]:
    return [WORDS.get(str(row["name"]), str(row["name"])), str(row["met"]), words]


def _space_words(row: Mapping[Hashable, Any]) -> str:
    seen, other = row.get("with_lesions"), row.get("without_lesions")
    words = f"Lesions seen: {seen}." if seen else "No lesion in a typical area."
    if other:
        words += f" None seen: {other}."
    return f"{words} Not imaged: {row.get('not_imaged')}. {row.get('areas_needed')} areas are needed."


def _time_words(row: Mapping[Hashable, Any], before: str) -> str:
    return f"Since {before}: {row.get('new')} new, {row.get('enlarged')} enlarged. Enhancing lesions are not seen."

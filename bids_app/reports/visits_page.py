"""The page of all visits: one after the other with its pictures and what stands out, to rate them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from bids_app.derivatives import write_text
from bids_app.derivatives.names import figure_folder
from bids_app.derivatives.reader import Derivatives, VisitFiles
from bids_app.image.quality import QUALITY
from bids_app.reports.page import render
from bids_app.reports.pictures import PICTURES
from bids_app.tables.ratings import ARTEFACTS, RATINGS
from bids_app.visit_name import VisitName

PAGE, COHORT_PAGE = "qc.html", "group.html"
FIRST = (
    "lesions",
    "flair-lesions",
    "brain",
    "flair-brain",
    "alignment",
    "template",
)  # what decides most often


def write_visits_page(output_dir: Path, failed: Iterable[str] = ()) -> Path:
    """Write the page of all visits.

    Parameters
    ----------
    output_dir : Path
        Root of the derivatives.
    failed : iterable of str
        Visits that failed in this run; their report says why.

    Returns
    -------
    Path
        The page.
    """
    derivatives, broken = Derivatives(output_dir), {VisitName.parse(name) for name in failed}
    names = sorted({*derivatives.visits(), *broken})
    rows = [_row(derivatives.visit(name), name in broken) for name in names]
    rows.sort(key=lambda row: row["page"] is None)  # what can be looked at comes first
    titles = {picture.key: picture.title for picture in PICTURES}
    there = {key for row in rows for key in row["pictures"].split()}
    order = [*FIRST, *(key for key in titles if key not in FIRST)]
    text = render(
        "qc.html.j2",
        beside=True,
        visits=rows,
        n_failed=len(broken),
        n_flagged=sum(row["level"] == "look" for row in rows),
        pictures=[(key, titles[key]) for key in order if key in there],
        ratings=RATINGS,
        artefacts=ARTEFACTS,
        group=COHORT_PAGE if (output_dir / COHORT_PAGE).exists() else None,
    )
    page = output_dir / PAGE
    same = page.is_file() and not page.is_symlink() and page.read_bytes() == text.encode()
    return page if same else write_text(text, page)  # a run that finds all finished leaves it as it was


def _row(visit: VisitFiles, failed: bool) -> dict[str, Any]:
    """Return a visit for the page."""
    table = visit.table("qc")
    numbers = table.iloc[0] if table is not None and len(table) else pd.Series(dtype=object)
    flags = [name.strip() for name in str(numbers.get("flags") or "").split(",")]
    words = [QUALITY[name].words for name in flags if name in QUALITY]
    level, said = ("look", "; ".join(words)) if words else ("good", "Nothing outside the usual range")
    if not len(numbers):
        level, said = "none", "No quality numbers"
    if failed:
        level, said = "bad", "Failed"
    folder = figure_folder(visit.root, visit.name)
    drawn = [
        picture.key for picture in PICTURES if (folder / f"{visit.prefix}_desc-{picture.key}.png").exists()
    ]
    return {
        "name": visit.prefix,
        "page": quote(visit.page.name) if visit.page.exists() else None,
        "folder": quote(folder.relative_to(visit.root).as_posix()),
        "pictures": " ".join(drawn),
        "lesions": _number(numbers.get("lesion_count"), 0),
        "volume": _number(numbers.get("lesion_volume_ml"), 2),
        "level": level,
        "words": said,
    }


def _number(value: Any, digits: int) -> str:
    number = pd.to_numeric(value, errors="coerce")
    return "n/a" if pd.isna(number) else f"{number:.{digits}f}"

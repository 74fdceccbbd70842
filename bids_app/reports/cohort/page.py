"""The cohort's report: one page that opens offline, with every figure and table of the group level."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from bids_app.derivatives import write_table, write_text
from bids_app.figures.drawing import Kept
from bids_app.figures.inline import inline_svg
from bids_app.image.outliers import RULE
from bids_app.learn.names import visit_names
from bids_app.learn.results import StudyResult
from bids_app.learn.study import Part, Study
from bids_app.reports.about import effective_settings
from bids_app.reports.citations import reference
from bids_app.reports.cohort.change import CHANGE_FILE, LIMITS_FILE, change_section
from bids_app.reports.cohort.limits import limits
from bids_app.reports.cohort.participants import characteristics
from bids_app.reports.cohort.quality import quality_rows, read_quality, strips
from bids_app.reports.cohort.tables import page_table
from bids_app.reports.methods import parts_of
from bids_app.reports.page import render
from bids_app.reports.versions import versions
from bids_app.reports.visits_page import PAGE

FIGURES = "group/figures"


def write_cohort_report(
    output_dir: Path,
    visits: pd.DataFrame,
    studies: Sequence[tuple[Study, StudyResult, Sequence[Kept]]],
    notes: Sequence[str],
    figures: Sequence[Kept] = (),
    run: Sequence[Sequence[str]] = (),
    changes: tuple[pd.DataFrame, pd.DataFrame] | None = None,
) -> Path:
    """Write `group.html`, and `group/qc.tsv` beside its figures.

    Parameters
    ----------
    output_dir : Path
        Root of the derivatives.
    visits : DataFrame
        One row per visit, as read.
    studies : sequence of (Study, StudyResult, sequence of Kept)
        Each study that was run, its result and its figures.
    notes : sequence of str
        Exclusions when the cohort was read.
    figures : sequence of Kept
        Of the whole cohort.
    run : sequence of (str, str)
        `about.run_facts` of the run.
    changes : (DataFrame, DataFrame), optional
        Change between visits, a row a pair, and detection limits, a row a visit.

    Returns
    -------
    Path
        The page.
    """
    names = visit_names(visits["participant_id"], visits["session_id"])
    links = _links(output_dir, names)
    quality = read_quality(output_dir, visits, names)
    text = render(
        "group.html.j2",
        n_visits=len(visits),
        n_participants=visits["participant_id"].nunique(),
        participants=page_table(
            characteristics(visits),
            title="Visits and participants",
            about="By diagnosis and site; age at the first visit.",
            file=_kept(characteristics(visits), output_dir, "who"),
            root=output_dir,
        ),
        flow=[_picture(kept, links) for kept in figures],
        quality=_quality(quality, output_dir, links) if len(quality) else None,
        change=_change(changes, links, output_dir) if changes else None,
        studies=[_section(*study, links, output_dir) for study in studies],
        run=list(run),
        versions=versions(),
        notes=list(notes),
    )
    return write_text(text, output_dir / "group.html")


def _links(output_dir: Path, names: pd.Series) -> dict[str, str]:
    """Return the address of each visit's page where there is one."""
    pages = {path.name for path in output_dir.glob("sub-*.html")}
    return {name: quote(f"{name}.html") for name in names if f"{name}.html" in pages}


def _kept(table: pd.DataFrame, output_dir: Path, name: str) -> str:
    """Write a table of the page's own; return its address."""
    return write_table(table, output_dir / "group" / f"{name}.tsv").relative_to(output_dir).as_posix()


def _quality(quality: pd.DataFrame, output_dir: Path, links: Mapping[str, str]) -> dict[str, Any]:
    file = _kept(quality, output_dir, "qc")
    rows = quality_rows(quality)
    table = page_table(
        rows,
        title="Quality numbers of every visit",
        about="Visits that stand out first. Click a heading to sort by it; a visit's name opens its report.",
        file=file,
        root=output_dir,
        links=links,
    )
    return {
        "strips": strips(quality, links),
        "table": table,
        "n": len(rows),
        "rule": RULE,
        "page": PAGE,
        "n_far": int((rows["outliers"] > 0).sum()),
    }


def _change(
    changes: tuple[pd.DataFrame, pd.DataFrame], links: Mapping[str, str], output_dir: Path
) -> dict[str, Any] | None:
    files = {name: f"group/{name}.tsv" for name in (CHANGE_FILE, LIMITS_FILE)}
    return change_section(*changes, files, links, output_dir)


def _picture(kept: Kept, links: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": kept.name,
        "title": kept.title,
        "caption": kept.caption,
        "svg": inline_svg(kept.svg, kept.name, kept.alt, links),
        "files": [f"{FIGURES}/{quote(path.name)}" for path in (kept.svg, kept.tsv)],
    }


def _section(
    study: Study, result: StudyResult, drawn: Sequence[Kept], links: Mapping[str, str], output_dir: Path
) -> dict[str, Any]:
    """Return one study for the page: its parts that have something to show."""
    tables = dict(result.tables)
    files = {name: f"group/{study.name}_{name}.tsv" for name in tables}
    if (visits := study.visits(tables)) is not None:
        files["visits"] = files[visits[0]]
        tables["visits"] = visits[1]
    shown = {
        name: partial(
            page_table,
            study.shown(name, table),
            about=study.result.about.get(name, ""),
            file=files[name],
            root=output_dir,
            links=links,
            study=study,
        )
        for name, table in tables.items()
        if len(table)
    }
    parts = [_part(study, part, drawn, shown, links) for part in study.parts]
    return {
        "name": study.name,
        "title": study.title,
        "about": study.about,
        "source": reference(study.source) if study.source else "",
        "facts": [asdict(fact) for fact in study.headline(result.tables)],
        "limits": limits(study, result.tables, result.settings),
        "notes": list(result.notes),
        "methods": parts_of(study.methods(result.settings)),
        "parts": [part for part in parts if part["figures"] or part["tables"] or part["folded"]],
        "settings": effective_settings(result.settings),
    }


def _part(
    study: Study,
    part: Part,
    drawn: Sequence[Kept],
    shown: Mapping[str, Callable[..., dict[str, Any]]],
    links: Mapping[str, str],
) -> dict[str, Any]:
    pictures = [
        _picture(kept, links)
        for name in part.figures
        for kept in drawn
        if kept.name == f"{study.name}_{name}" or kept.name.startswith(f"{study.name}_{name}-")
    ]
    opened = 1 if part.first else len(pictures)
    return {
        "key": f"{study.name}-{part.key}",
        "title": part.title,
        "words": part.words,
        "figures": pictures[:opened],
        "more": pictures[opened:],
        "tables": [shown[name](title=title) for name, title in part.tables.items() if name in shown],
        "folded": [shown[name](title=title) for name, title in part.folded.items() if name in shown],
    }

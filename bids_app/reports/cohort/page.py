"""The cohort's report: one page that opens offline, with every figure and table of the group level."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from bids_app.derivatives import write_table, write_text
from bids_app.learn.drawing import Kept
from bids_app.learn.names import visit_names
from bids_app.reports.cohort.headlines import facts, limits
from bids_app.reports.cohort.people import who
from bids_app.reports.cohort.pictures import inline_svg
from bids_app.reports.cohort.quality import quality_rows, read_quality, strips
from bids_app.reports.cohort.sections import STUDIES, Part
from bids_app.reports.cohort.tables import by_metric, page_table
from bids_app.reports.page import render

FIGURES = "group/figures"


def write_cohort_report(
    output_dir: Path,
    visits: pd.DataFrame,
    analyses: Mapping[str, Mapping[str, Any]],
    notes: Sequence[str],
    figures: Sequence[Kept] = (),
) -> Path:
    """Write `group.html`, and `group/qc.tsv` beside its figures.

    Parameters
    ----------
    output_dir : Path
        Root of the derivatives.
    visits : DataFrame
        One row per visit, as read.
    analyses : mapping
        By `edss` or `diagnosis`: tables (DataFrames; those named in `sections.STUDIES` are shown), about (a sentence
        for each table), figures (`Kept`), notes and settings.
    notes : sequence of str
        Exclusions when the cohort was read.
    figures : sequence of Kept
        Of the whole cohort.

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
        n_people=visits["participant_id"].nunique(),
        people=page_table(
            who(visits),
            title="Visits and participants",
            about="By diagnosis and site; age at the first visit.",
            file=_kept(who(visits), output_dir, "who"),
        ),
        flow=[_picture(kept) for kept in figures],
        quality=_quality(quality, output_dir, links) if len(quality) else None,
        studies=[_study(name, found, links) for name, found in analyses.items()],
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
        about="Visits that stand out first. Each head sorts; a visit's name opens its report.",
        file=file,
        links=links,
    )
    return {
        "strips": strips(quality, links),
        "table": table,
        "n": len(rows),
        "n_far": int((rows["outliers"] > 0).sum()),
    }


def _picture(kept: Kept) -> dict[str, Any]:
    return {
        "name": kept.name,
        "title": kept.title,
        "caption": kept.caption,
        "svg": inline_svg(kept.svg, kept.name, kept.alt),
        "files": [f"{FIGURES}/{quote(path.name)}" for path in (kept.svg, kept.tsv)],
    }


def _study(name: str, found: Mapping[str, Any], links: Mapping[str, str]) -> dict[str, Any]:
    """Return one analysis for the page: its parts that have something to show."""
    study = STUDIES[name]
    tables = dict(found["tables"])
    tables["visits"] = _visits(name, tables)
    parts = [_part(name, part, found, tables, links) for part in study.parts]
    return {
        "name": name,
        "title": study.title,
        "about": study.about,
        "facts": facts(name, tables),
        "limits": limits(name, tables, found["settings"]),
        "notes": list(found["notes"]),
        "parts": [part for part in parts if part["figures"] or part["tables"] or part["folded"]],
        "settings": [
            [key, value if isinstance(value, str) else json.dumps(value, default=str)]
            for key, value in found["settings"].items()
        ],
    }


def _part(
    study: str,
    part: Part,
    found: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    links: Mapping[str, str],
) -> dict[str, Any]:
    def shown(chosen: Mapping[str, str]) -> list[dict[str, Any]]:
        about = found["about"]
        return [
            page_table(
                _shape(study, name, tables[name]),
                source=None if name == "visits" else tables[name],
                title=title,
                about=about.get(name, ""),
                file=f"group/{study}_{SOURCES[study] if name == 'visits' else name}.tsv",
                links=links,
            )
            for name, title in chosen.items()
            if name in tables and len(tables[name])
        ]

    pictures = [
        _picture(kept)
        for name in part.figures
        for kept in found["figures"]
        if kept.name == f"{study}_{name}" or kept.name.startswith(f"{study}_{name}-")
    ]
    opened = 1 if part.first else len(pictures)
    return {
        "key": f"{study}-{part.key}",
        "title": part.title,
        "words": part.words,
        "figures": pictures[:opened],
        "more": pictures[opened:],
        "tables": shown(part.tables),
        "folded": shown(part.folded),
    }


def _shape(study: str, name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Return a table as people read it; of study B a row per protocol, rater or model, a column per metric."""
    if name == "columns":
        return table.drop(columns=["family", "image_type", "feature"], errors="ignore")
    keys = BY_METRIC.get(name) if study == "diagnosis" else None
    if keys is None:
        return table
    if name == "raters" and "protocol" in table:  # people decide once, whatever the protocol
        table = table.assign(protocol=table["protocol"].where(table["rater"] == "model"))
    return by_metric(table, [key for key in keys if key in table])


BY_METRIC = {
    "performance": ["positive", "protocol", "n_voxels"],
    "raters": ["rater", "protocol"],
    "variants": ["positive", "model"],
}
SOURCES = {"edss": "predictions", "diagnosis": "scans"}


def _visits(study: str, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one row per visit with what was predicted and what is true."""
    if study == "diagnosis":
        scans = tables["scans"].drop(columns=["participant_id", "session_id"], errors="ignore")
        return scans.sort_values("visit", kind="stable")
    table = tables["predictions"]
    model = table["model"].iloc[0]
    table = table[(table["features"] == "all") & (table["model"] == model) & (table["protocol"] != "paper")]
    table = table.assign(error=table["predicted"] - table["observed"])
    order = table["error"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order, ["visit", "site", "set", "observed", "predicted", "error"]]

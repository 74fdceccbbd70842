"""The cohort's report: one page that opens offline, with every table and figure of the group level."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bids_app import __version__
from bids_app.derivatives import write_text

TITLES = {
    "performance": "How well each protocol does",
    "gap": "As published minus leak-free",
    "null_summary": "With diagnoses dealt anew: what chance gives",
    "by_size": "By number of voxels",
    "chosen": "Chosen inside each outer fold",
    "lesion_free": "Test scans without lesions",
    "variants": "Other features and models, same folds",
    "confusion": "Several classes",
    "raters": "Human raters",
    "agreement": "Agreement",
    "by_class": "Patients by class",
    "by_split": "Training against test scans",
    "clusters": "Clusters where lesion frequency differs",
}
ROWS_SHOWN = 60


def write_cohort_report(
    output_dir: Path,
    visits: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    figures: Sequence[Path],
    notes: Sequence[str],
    settings: Mapping[str, Any],
) -> Path:
    """Write `group.html`.

    Parameters
    ----------
    output_dir : Path
        Root of the derivatives.
    visits : DataFrame
        One row per visit, as analysed.
    tables : mapping of str to DataFrame
        The analysis' tables; those named in `TITLES` are shown.
    figures : sequence of Path
        PNG files, embedded.
    notes : sequence of str
        Exclusions, warnings, limits.
    settings : mapping
        What the numbers depend on.

    Returns
    -------
    Path
        The page.
    """
    from jinja2 import Environment, PackageLoader

    environment = Environment(loader=PackageLoader("bids_app.reports"), autoescape=True)
    text = environment.get_template("group.html.j2").render(
        counts=_counts(visits),
        tables=[_shown(name, title, tables[name]) for name, title in TITLES.items() if name in tables],
        figures=[
            {"name": path.stem.replace("diagnosis_", "").replace("-", " "), "data": _base64(path)}
            for path in figures
        ],
        notes=list(notes),
        settings=json.dumps(dict(settings), default=str),
        version=__version__,
    )
    return write_text(text, output_dir / "group.html")


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode("ascii")


def _counts(visits: pd.DataFrame) -> list[tuple[str, int, int]]:
    """Return visits and participants by diagnosis."""
    groups = visits.groupby(visits["diagnosis"].fillna("n/a"))["participant_id"]
    return [(str(name), len(group), group.nunique()) for name, group in groups]


def _shown(name: str, title: str, table: pd.DataFrame) -> dict[str, Any]:
    """Return a table for the page: rounded, missing values named, long ones cut."""
    cut = table.head(ROWS_SHOWN).round(3)
    return {
        "name": name,
        "title": title,
        "columns": [str(column) for column in table.columns],
        "rows": cut.astype(object).where(cut.notna(), "n/a").to_numpy().tolist(),
        "left_out": max(0, len(table) - ROWS_SHOWN),
    }

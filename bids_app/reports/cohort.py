"""The cohort's report: one page that opens offline, with every table and figure of the group level."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bids_app.derivatives import write_text
from bids_app.reports.page import render

STUDIES = {
    "edss": (
        "Study A: predicting EDSS",
        "Two protocols stand side by side: paper selects columns once on the training patients and cross-validates "
        "after it, as published; nested repeats the selection inside every fold. The gap between them is what the "
        "published cross-validation overstates on these data. The held-out tests are free of it in both.",
    ),
    "diagnosis": (
        "Study B: MS or NMOSD from lesion maps",
        "Two protocols stand side by side: paper repeats the published protocol, in which scans of one patient lie "
        "in training and test and the number of voxels is chosen on the test AUC; nested keeps patients whole and "
        "fits everything inside the folds. The gap between them is what the published protocol overstates.",
    ),
}
TITLES = {
    "edss": {
        "flow": "From visits to patients analysed",
        "demographics": "Who was studied",
        "performance": "How well each model predicts",
        "gap": "As published minus leak-free",
        "null_summary": "With outcomes dealt anew: what chance gives",
        "columns": "Selected columns",
        "selection": "Columns left and lost at each step",
        "anova": "Absolute errors compared between models",
        "pairs": "Pairs of models",
        "intervals": "Prediction intervals",
        "learning_curve": "Learning curve",
        "hyperparameters": "What tuning chose",
    },
    "diagnosis": {
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
    },
}
ROWS_SHOWN = 60


def write_cohort_report(
    output_dir: Path, visits: pd.DataFrame, analyses: Mapping[str, Mapping[str, Any]], notes: Sequence[str]
) -> Path:
    """Write `group.html`.

    Parameters
    ----------
    output_dir : Path
        Root of the derivatives.
    visits : DataFrame
        One row per visit, as read.
    analyses : mapping
        By `edss` or `diagnosis`: tables (DataFrames; those named in `TITLES` are shown), figures (PNG files,
        embedded), notes and settings.
    notes : sequence of str
        Exclusions when the cohort was read.

    Returns
    -------
    Path
        The page.
    """
    text = render(
        "group.html.j2",
        counts=_counts(visits),
        studies=[_study(name, found) for name, found in analyses.items()],
        notes=list(notes),
    )
    return write_text(text, output_dir / "group.html")


def _study(name: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return one analysis for the page."""
    title, about = STUDIES[name]
    tables = found["tables"]
    return {
        "name": name,
        "title": title,
        "about": about,
        "tables": [_shown(key, words, tables[key]) for key, words in TITLES[name].items() if key in tables],
        "figures": [
            {
                "name": path.stem.removeprefix(f"{name}_").replace("-", " ").replace("_", " "),
                "data": _base64(path),
            }
            for path in found["figures"]
        ],
        "notes": list(found["notes"]),
        "settings": json.dumps(dict(found["settings"]), default=str),
    }


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode("ascii")


def _counts(visits: pd.DataFrame) -> list[tuple[str, int, int]]:
    """Return visits and participants by diagnosis."""
    diagnosis = visits["diagnosis"] if "diagnosis" in visits else pd.Series(None, visits.index, dtype=object)
    groups = visits.groupby(diagnosis.fillna("not told"))["participant_id"]
    return [(str(name), len(group), group.nunique()) for name, group in groups]


def _shown(name: str, title: str, table: pd.DataFrame) -> dict[str, Any]:
    """Return a table for the page: rounded, missing values named, long ones cut."""
    cut = table.head(ROWS_SHOWN).round(3)
    return {
        "name": name,
        "title": title,
        "columns": [str(column).replace("_", " ") for column in table.columns],
        "rows": cut.astype(object).where(cut.notna(), "n/a").to_numpy().tolist(),
        "left_out": max(0, len(table) - ROWS_SHOWN),
    }

"""Study B as the group level and the report know it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from bids_app.figures.drawing import Kept
from bids_app.learn.artifact import Model
from bids_app.learn.diagnosis import report
from bids_app.learn.diagnosis.analysis import run
from bids_app.learn.diagnosis.apply import apply_models
from bids_app.learn.diagnosis.grid import Grid, parse_sizes
from bids_app.learn.diagnosis.operating_point import Rule
from bids_app.learn.diagnosis.options import Options
from bids_app.learn.diagnosis.result import DiagnosisResult
from bids_app.learn.results import METRICS, Applied, by_metric
from bids_app.learn.study import Fact, Study, StudyCohort, Tables
from bids_app.protocol import Protocol, requested
from bids_app.settings import Settings

BY_METRIC = {  # tables with a row per metric, and what names a row of the report's, which has a column per metric
    "performance": ["positive", "protocol", "n_voxels"],
    "acute": ["positive", "scans", "n_voxels"],
    "raters": ["rater", "protocol", "scans", "unit", "abstained"],
    "variants": ["positive", "model"],
}


class DiagnosisStudy(Study):
    """Differential diagnosis from lesion maps."""

    result = DiagnosisResult
    title, about, parts, labels = report.TITLE, report.ABOUT, report.PARTS, report.LABELS
    source = "study_b"

    def run(self, cohort: StudyCohort, settings: Settings, n_jobs: int) -> DiagnosisResult:
        """Learn diagnoses; see `bids_app.learn.diagnosis.run`.

        Parameters
        ----------
        cohort : StudyCohort
            Visits and their files.
        settings : Settings
            Choices of the command line.
        n_jobs : int
            Processes.
        """
        options = Options(
            classes=settings.classes or None,
            acute=settings.acute,
            last_diagnosis=settings.last_diagnosis,
            normal=settings.normal,
            order=settings.order,
            grid=Grid(parse_sizes(settings.sizes), gamma_scale=settings.gamma_scale),
            cv=settings.folds,
            rule=Rule.parse(settings.operating_point, settings.wrong_calls),
            outer=settings.outer_folds or Options.outer,
            permutations=settings.permutations,
            n_jobs=n_jobs,
        )
        learn = partial(run, cohort, seed=settings.random_seed, template=settings.template)
        result = learn(protocol=settings.protocol, raters=settings.raters, options=options)
        if options.acute and Protocol.NESTED in requested(settings.protocol):
            classes = tuple(result.models["lesion-maps"].card["Classes"])
            every = replace(options, acute=None, classes=classes, variants=(), permutations=0)
            all_scans = learn(protocol=Protocol.NESTED, options=every)
            result.tables["acute"] = _side_by_side({"acute scans": result, "all scans": all_scans})
        return result

    def methods(self, settings: Mapping[str, Any]) -> str:
        """Return what was done, for a paper, with citations as `[@key]` of the bibliography."""
        return report.methods(settings)

    def draw(self, result: DiagnosisResult, folder: Path, settings: Settings) -> list[Kept]:
        """Draw the figures.

        Parameters
        ----------
        result : DiagnosisResult
            What is drawn.
        folder : Path
            Where the figures are written.
        settings : Settings
            Choices of the command line.
        """
        from bids_app.image.template import template_image
        from bids_app.learn.diagnosis.figures import draw

        return draw(result, folder, template_image("t1w", settings.template))

    def apply(self, cohort: StudyCohort, models: Sequence[tuple[str, Model]], seed: int) -> Applied:
        """Call diagnoses with saved models.

        Parameters
        ----------
        cohort : StudyCohort
            Visits to call.
        models : sequence of (str, Model)
            Saved models and the names of their files.
        seed : int
            Of the bootstrap of what is scored.
        """
        return apply_models(cohort, models, seed)

    def headline(self, tables: Tables) -> list[Fact]:
        """Return the AUC of each class by both protocols."""
        return report.headline(tables)

    def limits(self, tables: Tables, settings: Mapping[str, Any]) -> list[str]:
        """Return what these results do not show."""
        return report.limits(tables)

    def shown(self, name: str, table: pd.DataFrame) -> pd.DataFrame:
        """Return a row per protocol, rater or model, a column per metric."""
        if name not in BY_METRIC:
            return table
        if name == "raters" and "protocol" in table:  # raters decide once, whatever the protocol
            table = table.assign(protocol=table["protocol"].where(table["rater"] == "model"))
        return by_metric(table, [key for key in BY_METRIC[name] if key in table])

    def word(self, column: str, value: str) -> str:
        """Return metrics as they are written."""
        return METRICS.get(value, value) if column == "metric" else value

    def visits(self, tables: Tables) -> tuple[str, pd.DataFrame]:
        """Return every scan with the decisions of both protocols."""
        scans = tables["scans"].drop(columns=["participant_id", "session_id"], errors="ignore")
        return "scans", scans.sort_values("visit", kind="stable")


STUDY = DiagnosisStudy()


def _side_by_side(results: Mapping[str, DiagnosisResult]) -> pd.DataFrame:
    """Return the leak-free performance on several choices of scans."""
    parts = [
        result.tables["performance"].query("protocol == 'nested'").assign(scans=name)
        for name, result in results.items()
    ]
    table = pd.concat(parts, ignore_index=True)
    return table[["scans", *(name for name in table if name != "scans")]]

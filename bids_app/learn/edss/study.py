"""Study A as the group level and the report know it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bids_app.figures.drawing import Kept
from bids_app.learn.artifact import Model
from bids_app.learn.edss import report
from bids_app.learn.edss.analysis import run
from bids_app.learn.edss.apply import apply_models
from bids_app.learn.edss.models import MODELS
from bids_app.learn.edss.options import Options
from bids_app.learn.edss.result import EDSSResult
from bids_app.learn.edss.selection import Rules, lasso_rule
from bids_app.learn.results import Applied
from bids_app.learn.study import Fact, Study, StudyCohort, Tables
from bids_app.protocol import Protocol
from bids_app.settings import Settings


class EDSSStudy(Study):
    """Prediction of EDSS."""

    result = EDSSResult
    title, about, parts, labels = report.TITLE, report.ABOUT, report.PARTS, report.LABELS
    source = "study_a"

    def run(self, cohort: StudyCohort, settings: Settings, n_jobs: int) -> EDSSResult:
        """Learn EDSS; see `bids_app.learn.edss.run`.

        Parameters
        ----------
        cohort : StudyCohort
            Visits and their measures.
        settings : Settings
            Choices of the command line.
        n_jobs : int
            Processes.
        """
        return run(
            cohort,
            protocol=settings.protocol,
            external_site=settings.external_site,
            test_size=settings.test_size,
            models=settings.models or MODELS,
            cv=settings.folds,
            seed=settings.random_seed,
            options=Options(
                outer=settings.outer_folds or Options.outer,
                permutations=settings.permutations,
                several=settings.all_visits,
                combat=settings.combat,
                candidates=settings.candidates,
                random_split=settings.random_split,
                repeats=None if settings.repeated_splits < 0 else settings.repeated_splits,
                interval_steps=settings.interval_steps,
                rules=Rules(
                    icc=settings.icc_threshold,
                    variance=settings.variance_threshold,
                    correlation=settings.correlation_threshold,
                    lasso=lasso_rule(settings.lasso_penalty),
                ),
                n_jobs=n_jobs,
            ),
        )

    def draw(self, result: EDSSResult, folder: Path, settings: Settings) -> list[Kept]:
        """Draw the figures.

        Parameters
        ----------
        result : EDSSResult
            What is drawn.
        folder : Path
            Where the figures are written.
        settings : Settings
            Choices of the command line.
        """
        from bids_app.image.atlas import load_atlas
        from bids_app.image.template import template_image
        from bids_app.learn.edss.figures import draw

        return draw(result, folder, load_atlas(settings.atlas), template_image("t1w", settings.template))

    def apply(self, cohort: StudyCohort, models: Sequence[tuple[str, Model]], seed: int) -> Applied:
        """Predict EDSS with saved models.

        Parameters
        ----------
        cohort : StudyCohort
            Visits to predict.
        models : sequence of (str, Model)
            Saved models and the names of their files.
        seed : int
            Of the bootstrap of what is scored.
        """
        return apply_models(cohort, models, seed)

    def methods(self, settings: Mapping[str, Any]) -> str:
        """Return what was done, for a paper, with citations as `[@key]` of the bibliography."""
        return report.methods(settings)

    def headline(self, tables: Tables) -> list[Fact]:
        """Return r and mean error of the first model by each way of estimating them."""
        return report.headline(tables)

    def limits(self, tables: Tables, settings: Mapping[str, Any]) -> list[str]:
        """Return what these results do not show."""
        return report.limits(tables, settings)

    def shown(self, name: str, table: pd.DataFrame) -> pd.DataFrame:
        """Leave out what the meaning of a column says in words."""
        if name == "columns":
            return table.drop(columns=["family", "image_type", "feature"], errors="ignore")
        return table

    def word(self, column: str, value: str) -> str:
        """Return sets, models, features and regions by their names."""
        return report.word(column, value)

    def visits(self, tables: Tables) -> tuple[str, pd.DataFrame]:
        """Return each visit's leak-free or held-out prediction by the first model, largest error first."""
        table = tables["predictions"]
        model = table["model"].iloc[0]
        table = table[
            (table["features"] == "all") & (table["model"] == model) & (table["protocol"] != Protocol.PAPER)
        ]
        table = table.assign(error=table["predicted"] - table["observed"])
        order = table["error"].abs().sort_values(ascending=False, kind="stable").index
        return "predictions", table.loc[order, ["visit", "site", "set", "observed", "predicted", "error"]]


STUDY = EDSSStudy()

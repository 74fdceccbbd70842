"""What an EDSS analysis hands on: tidy tables, notes, models; and how it is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from bids_app.derivatives import write_json, write_table
from bids_app.learn.artifact import Model, save_model

ABOUT = {
    "cohort": "One row per visit analysed, with the set it belongs to.",
    "flow": "Visits and patients left after each criterion, and why the others are out.",
    "demographics": "Characteristics by site with study A's tests.",
    "selection": "Columns left and lost at each step of the selection.",
    "columns": "The selected columns: place, meaning, weight; how many outer folds chose them too.",
    "representatives": "For each column dropped as collinear, the column that stands for it.",
    "performance": "r, its square, coefficient of determination and mean absolute error with 95 % intervals "
    "(bootstrap over patients); share right on the scale's own steps.",
    "predictions": "One row per visit, protocol and model.",
    "anova": "Absolute errors of the models compared: repeated-measures ANOVA, Greenhouse-Geisser.",
    "pairs": "Pairs of models, paired t tests, Bonferroni.",
    "hyperparameters": "What tuning chose.",
    "gap": "Cross-validated r and error as published minus leak-free.",
    "null": "Cross-validated r of ridge regression with outcomes dealt anew; permutation 0 is the observed one.",
    "null_summary": "Mean r under the null and permutation P.",
    "learning_curve": "Ridge regression on growing shares of the training patients.",
    "intervals": "90 % prediction intervals (split conformal): half width, and coverage on the tests.",
}


@dataclass(frozen=True)
class EDSSResult:
    """Study A on one cohort.

    Attributes
    ----------
    tables : dict of str to DataFrame
        Tidy tables; `ABOUT` says what each holds.
    notes : list of str
        Exclusions, warnings, limits.
    settings : dict
        Seed, folds, thresholds: what the numbers depend on.
    models : dict of str to Model
        Fitted to the training set, for new visits.
    """

    tables: dict[str, pd.DataFrame]
    notes: list[str]
    settings: dict[str, Any]
    models: dict[str, Model] = field(default_factory=dict, repr=False)

    def write(self, folder: Path) -> list[Path]:
        """Write `edss_<table>.tsv`, `edss.json`, `cohort.tsv` and `models/edss-<model>.skops`; return the paths."""
        written = [write_table(table, folder / f"edss_{name}.tsv") for name, table in self.tables.items()]
        written.append(write_table(self.tables["cohort"], folder / "cohort.tsv"))
        card = {
            "Description": "Prediction of EDSS (study A), as published and leak-free.",
            "Tables": {name: ABOUT[name] for name in self.tables},
            "Notes": self.notes,
            "Settings": self.settings,
        }
        written.append(write_json(card, folder / "edss.json"))
        for name, model in self.models.items():
            written += save_model(model, folder / "models" / f"edss-{name}")
        return written

"""What an EDSS analysis hands on: tidy tables, notes, models; and how it is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bids_app.derivatives import write_table
from bids_app.learn.results import StudyResult

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
    "null": "Cross-validated r of ridge regression with permuted outcomes; permutation 0 is the observed one.",
    "null_summary": "Mean r under the null and permutation P.",
    "learning_curve": "Ridge regression on growing shares of the training patients.",
    "intervals": "90 % prediction intervals (split conformal): half width, and coverage on the tests.",
    "interval_visits": "Each held-out visit's prediction interval, and whether its EDSS lies inside.",
    "calibration": "Mean observed against mean predicted EDSS in groups of similar prediction.",
}


@dataclass(frozen=True, kw_only=True)
class EDSSResult(StudyResult):
    """Study A on one cohort; the models are fitted to the training set."""

    name = "edss"
    description = "Prediction of EDSS (study A), as published and leak-free."
    about = ABOUT

    def write(self, folder: Path) -> list[Path]:
        """Write `edss_<table>.tsv`, `edss.json`, `models/edss-<model>.skops` and `cohort.tsv`; return the paths."""
        return [*super().write(folder), write_table(self.tables["cohort"], folder / "cohort.tsv")]

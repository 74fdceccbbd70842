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
    "added_value": "All columns minus clinical columns alone, on the same patients: error (below 0: imaging "
    "helps), r and R2 (above 0: imaging helps) with 95 % intervals (bootstrap over patients).",
    "missing": "Candidates with missing values, kept and dropped; dropped ones of a region that are missing in "
    "the same visits stand in one row, under the first one's name.",
    "missing_sensitivity": "Scores of all visits, and without those that have an imputed value in a clinical or "
    "selected column.",
    "anova": "Absolute errors of the models compared: repeated-measures ANOVA, Greenhouse-Geisser.",
    "pairs": "Pairs of models, paired t tests, P and simultaneous 95 % intervals after Bonferroni.",
    "hyperparameters": "What tuning chose.",
    "gap": "Cross-validated r and error as published minus leak-free.",
    "null": "Cross-validated r of each model with outcomes permuted between patients; permutation 0 is as observed.",
    "null_summary": "Mean r under the null and permutation P of each model.",
    "learning_curve": "Ridge regression on growing shares of the training patients.",
    "intervals": "90 % prediction intervals of the saved models: mean width, and coverage on the held-out sets.",
    "intervals_clinical": "The same of the models on clinical columns alone.",
    "interval_visits_clinical": "Each held-out visit's prediction interval by the models on clinical columns alone.",
    "interval_visits": "Each held-out visit's prediction interval, and whether its EDSS lies inside.",
    "calibration_models": "Slope of observed on predicted EDSS and mean error of every model, with 95 % intervals.",
    "equation": "Ridge regression as a sum: intercept + weight x (value - mean) / sd over the columns; a volume's "
    "value is its z score, (mm³ - z_intercept - z_<covariate> x covariate ...) / z_sd; unknown values are the median.",
    "course": "EDSS of secondary progressive minus relapsing-remitting patients, as it is and adjusted (linear model).",
    "volumes_z": "Whole-brain and regional volumes as z scores, adjusted for age, sex and TIV in the training visits.",
    "subgroups": "Error and mean error (predicted minus observed) by site, sex, course and band of EDSS, of leak-free "
    "and held-out predictions.",
    "sites_out": "Each site tested by models of all the others, all steps refitted.",
    "sample_size": "Patients that the criteria of Riley et al. (2019) ask for, given the R2 found without leakage.",
    "splits": "Scores of the first model on other random splits into training and internal test, all steps refitted.",
    "split_summary": "Median and middle 95 % of the scores over random splits.",
    "stability": "How alike selections are: Nogueira's index (1: always the same, 0: as by chance), 95 % interval.",
    "tripod": "What TRIPOD+AI (Collins et al. 2024, BMJ 385:e078378) asks a report to say, as far as this run can.",
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

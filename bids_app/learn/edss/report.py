"""What the report shows of study A: its introduction, parts, headline and limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bids_app.figures.drawing import with_interval
from bids_app.learn.edss.meanings import region_words
from bids_app.learn.edss.models import NAMES
from bids_app.learn.edss.sets import SETS
from bids_app.learn.study import NOISE, Fact, Part, Tables
from bids_app.protocol import Protocol
from bids_app.spelling import percent

TITLE = "Study A: predicting disability (EDSS)"
ABOUT = (
    "Age, sex, disease duration and course, lesion and brain volume, disconnection and radiomics are "
    "reduced by variance, collinearity, "
    "LASSO and correlation-based feature selection; four models then predict the EDSS of the visit. Two "
    "protocols stand side by side: as "
    "published, columns are selected once on all training patients and cross-validated after that; "
    "leak-free, the selection is repeated inside "
    "every fold. Tests on held-out patients are free of the leak in both."
)
PARTS = (
    Part(
        "who",
        "Who was studied",
        "",
        ("flow",),
        {
            "demographics": "Characteristics by site, with study A's tests",
            "course": "EDSS by course, adjusted for age, sex and duration",
            "missing": "Missing values by candidate",
            "missing_sensitivity": "The same numbers without visits that have imputed values",
        },
        {"flow": "Visits left after each criterion, and criteria that were not applied"},
    ),
    Part(
        "predictions",
        "Predicted against observed",
        "A model is useful to the extent that its points follow the diagonal in patients not used for training.",
        ("predictions",),
        {
            "performance": "How well each model predicts",
            "split_summary": "Over other random splits: median and range",
        },
        {
            "splits": "Each random split",
            "visits": "Every visit: leak-free and held-out predictions, largest error first",
        },
        first=True,
    ),
    Part(
        "imaging",
        "What imaging adds",
        "The same models with all columns and with clinical columns alone, on the same patients: a difference whose "
        "interval holds 0 is none that these data show.",
        (),
        {"added_value": "All columns minus clinical columns alone"},
    ),
    Part(
        "models",
        "Models compared",
        "Absolute errors of the models on the same patients, as study A compares them: "
        "repeated-measures ANOVA with Greenhouse and "
        "Geisser's correction, then pairs with Bonferroni's.",
        ("performance",),
        {"anova": "Absolute errors compared between models"},
        {"pairs": "Pairs of models", "hyperparameters": "What tuning chose"},
    ),
    Part(
        "selected",
        "What was selected",
        "From all candidates to the few columns that the models see.",
        ("selection", "regions"),
        {"columns": "The selected columns, in plain words"},
        {
            "equation": "Ridge regression, to be computed by hand",
            "stability": "How stable the selection is",
            "selection": "Columns left and lost at each step, per fold",
            "representatives": "Columns dropped as collinear, and the one that stands for them",
        },
    ),
    Part(
        "optimism",
        "Optimism of the published protocol",
        "If columns are chosen with the outcomes of patients who are then used to test, the estimate is "
        "optimistic. The gap shows by how much here; the "
        "null shows what each protocol finds where there is nothing to find.",
        ("gap", "null"),
        {
            "gap": "As published minus leak-free",
            "null_summary": "With outcomes permuted between patients",
        },
    ),
    Part(
        "groups",
        "For whom the models work",
        "Error and bias by site, sex, course and disability; and each site tested by models of all the others. "
        "Within a band of EDSS, predictions lean towards the middle of the scale.",
        (),
        {"sites_out": "Leave one site out"},
        {"subgroups": "By site, sex, course and band of EDSS"},
    ),
    Part(
        "learning",
        "Learning curve",
        "Would more patients help?",
        ("learning",),
        {},
        {
            "learning_curve": "The points of the curve",
            "sample_size": "Patients needed by the criteria of Riley et al. (2019)",
        },
    ),
    Part(
        "trust",
        "Calibration and prediction intervals",
        "Whether a predicted EDSS, and the interval around it, mean what they say.",
        ("calibration", "intervals"),
        {"intervals": "Prediction intervals of the saved models: mean width and measured coverage"},
        {
            "intervals_clinical": "Prediction intervals of the models on clinical columns alone",
            "calibration_models": "Slope and mean error of every model",
            "calibration": "Mean observed against mean predicted EDSS",
        },
    ),
    Part(
        "checklist",
        "Reporting checklist",
        "Reporting checklist (TRIPOD+AI), filled in as far as this run knows.",
        (),
        {},
        {"tripod": "TRIPOD+AI checklist"},
    ),
)


LABELS = {
    "r2": "r\N{SUPERSCRIPT TWO}",
    "R2": "R\N{SUPERSCRIPT TWO}",
    "mae": "MAE",
    "exact": "exact step",
    "within_half": "within 0.5",
    "within_one": "within 1",
    "p_bonferroni": "P (Bonferroni)",
    "rmse": "RMSE",
    "mean_error": "mean error",
    "c_index": "concordance",
    "z": "z",
    "n_visits_without": "visits without the imputed",
    "r_without": "r without",
    "R2_without": "R\N{SUPERSCRIPT TWO} without",
    "mae_without": "MAE without",
    "f": "F",
    "partial_eta2": "partial η\N{SUPERSCRIPT TWO}",
    "null_mean_r": "mean r of the null",
    "r_edss": "r with EDSS",
}
WORDS: dict[str, dict[str, str]] = {
    "set": SETS,
    "model": NAMES,
    "features": {"all": "all columns", "clinical": "clinical alone", "none": "no column"},
}


def methods(settings: Mapping[str, Any]) -> str:
    """Return what was done, for a paper, with citations as `[@key]` of the bibliography."""
    rules = settings["rules"]
    combat = " Differences between sites were removed with ComBat [@ComBat], fitted inside the folds."
    site = f"; site {settings['external_site']} was kept whole for an external test"
    repeated = "repeated in every fold of a leak-free cross-validation"
    return (
        "Disability (EDSS) was predicted after Pontillo et al. [@study_a]. Candidates were age, sex, disease "
        "duration and "
        "course, lesion and brain volume, disconnection and radiomic features; they were reduced by variance (below "
        f"{rules['variance']:g} after scaling), collinearity (|r| above {rules['correlation']:g}), the LASSO [@LASSO] "
        f"(penalty {rules['lasso']}) and correlation-based feature selection; models were tuned by "
        f"{settings['cv']}-fold "
        f"cross-validation.{combat if settings['combat'] else ''} The published protocol selects columns once on all "
        f"training patients; beside it, the selection was {repeated} ({settings['outer'] or 10} outer folds, "
        "patients kept "
        f"whole). A share of {settings['test_size']:g} of the patients was kept for an internal test"
        f"{site if settings['external_site'] else ''}. Intervals of estimates are 95 % bootstrap intervals over "
        "patients; "
        "prediction intervals come from the errors of the leak-free cross-validation [@ResidualIntervals]. "
        f"Both protocols were run {settings['permutations']} times with "
        "outcomes "
        f"permuted between patients. The random seed was {settings['seed']}."
    )


def headline(tables: Tables) -> list[Fact]:
    """Return the main numbers."""
    table = tables["performance"]
    model = table.loc[table["features"] == "all", "model"].iloc[0]
    rows = table[(table["features"] == "all") & (table["model"] == model)].set_index(["protocol", "set"])
    found = []
    for key, label in (
        ((Protocol.NESTED, "cv"), "Leak-free cross-validation"),
        ((Protocol.PAPER, "cv"), "As published"),
        ((Protocol.HELD_OUT, "internal"), "Internal test"),
        ((Protocol.HELD_OUT, "external"), "External test"),
    ):
        if key in rows.index:
            row = rows.loc[key]
            error = with_interval(row["mae"], row["mae_low"], row["mae_high"])
            words = with_interval(row["r"], row["r_low"], row["r_high"]).partition(" ")[2]
            known = bool(np.isfinite(row["r"]))
            interval = f"95 % interval {words}" if known else "the model predicts the same for everybody"
            note = f"{interval}; mean error {error} EDSS points"
            found.append(Fact(label, f"r {row['r']:.2f}" if known else "r not defined", note))
    if "null_summary" in tables:
        for row in tables["null_summary"].to_dict("records"):
            if row["protocol"] == Protocol.PAPER and row["model"] == model:
                note = (
                    f"mean of {row['permutations']} runs with permuted outcomes; with the true outcomes and the same "
                    f"settings r {row['r']:.2f}"
                )
                found.append(Fact(NOISE, f"r {row['null_mean_r']:.2f}", note))
    return found


def limits(tables: Tables, settings: Mapping[str, Any]) -> list[str]:
    """Return what a reader must not conclude from these results."""
    found = [
        "The models predict the EDSS of the same visit, not the patient's future course.",
        "A column that was selected goes along with EDSS in these patients; that does not make it a "
        "cause, and a collinear column could stand in its place.",
    ]
    if not settings.get("external_site"):
        found.append(
            "No site was kept for an external test: nothing here says how the models do on another "
            "scanner (--external-site)."
        )
    found.append(multiplicity(tables))
    if "intervals" in tables:
        low = tables["intervals"]
        low = low[low["coverage_high"] < low["nominal"]]
        found += [
            f"Prediction intervals of {row['model']} hold only {percent(row['coverage'])} of the {row['set']} "
            f"test, not the {percent(row['nominal'])} they promise."
            for row in low.to_dict("records")
        ]
    if "calibration" in tables:
        apart = tables["calibration"].drop_duplicates(["protocol", "set"])
        found += [
            f"On the {row['set']} test predictions are {abs(row['offset']):.1f} EDSS points too "
            f"{'high' if row['offset'] > 0 else 'low'} on average: recalibrate "
            "before use there."
            for row in apart.to_dict("records")
            if row["set"] != "cv" and abs(row["offset"]) >= 0.5
        ]
    return found


def multiplicity(tables: Tables) -> str:
    """Return how many tests were made, and which are corrected for their number."""
    counts = {
        "comparisons between sites": int(tables["demographics"]["p"].notna().sum())
        if "demographics" in tables
        else 0,
        "permutation tests": len(tables.get("null_summary", ())),
        "subgroups": len(tables.get("subgroups", ())),
    }
    made = ", ".join(f"{n} {name}" for name, n in counts.items() if n) or "no other tests"
    pairs = len(tables.get("pairs", ()))
    corrected = f"the {pairs} pairs of models are corrected within their set (Bonferroni); " if pairs else ""
    return (
        f"Many comparisons: {corrected}{made} are not{'' if pairs else ' corrected'}, and one in twenty falls below "
        ".05, or leaves 0 outside its interval, by chance."
    )


def word(column: str, value: str) -> str:
    """Return a value of a column as a reader knows it."""
    return region_words(value) if column == "region" else WORDS.get(column, {}).get(value, value)

"""EDSS models for new visits: what is saved, and how it is applied with its limits told."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import sklearn

from bids_app.errors import InputError
from bids_app.learn.artifact import LOW_APPLICABILITY, Model, load_model
from bids_app.learn.edss.columns import ADJUSTED, CLINICAL, TIV, clinical_columns
from bids_app.learn.edss.patients import standard_course
from bids_app.learn.edss.protocols import Fitted, Table
from bids_app.learn.selection import CovariateZScore, MedianImpute

if TYPE_CHECKING:
    from bids_app.cohort import Cohort

UNITS = {
    "age": "years",
    "disease_duration": "years",
    "volume": "mm3",
    "chaco": "share",
    "radiomics": "pyradiomics' own",
}


def make_models(
    data: Table, rows: Any, fitted: Fitted, widths: dict[tuple[str, str], float], about: dict[str, Any]
) -> dict[str, Model]:
    """Return the tuned models with the steps that bring raw columns to them.

    Parameters
    ----------
    data : Table
    rows : ndarray
        Training rows.
    fitted : Fitted
        On these rows.
    widths : dict
        Half widths of 90 % prediction intervals by (features, model).
    about : dict
        Further entries of the card: sites, metrics, settings.
    """
    models = {}
    for (features, name), search in fitted.searches.items():
        columns = fitted.columns[features]
        covariates = [c for c in ("age", "sex", TIV) if c in data.X] if set(ADJUSTED) & set(columns) else []
        inputs = list(dict.fromkeys([*columns, *covariates]))
        raw = data.X.iloc[rows][inputs]
        impute = MedianImpute().fit(raw)
        ready = impute.transform(raw)
        adjusted = [c for c in ADJUSTED if c in columns]
        card = {
            "Description": f"EDSS by {name} from {features} columns (study A).",
            "Outcome": "edss",
            "Inputs": inputs,
            "Units": {c: UNITS.get(c.split(".")[0], "1") for c in inputs},
            "Columns": columns,
            "Ranges": {c: [float(ready[c].min()), float(ready[c].max())] for c in inputs},
            "IntervalHalfWidth90": width
            if np.isfinite(width := widths.get((features, name), np.inf))
            else None,
            "Versions": {"python": platform.python_version(), "scikit-learn": sklearn.__version__},
            "Licence": "The trained model belongs to whoever trained it; state the data it came from.",
        }
        parts = {
            "impute": impute,
            "adjust": CovariateZScore(covariates, adjusted).fit(ready) if adjusted else None,
            "model": search.best_estimator_,
        }
        models[name if features == "all" else f"{name}-{features}"] = Model(parts, card | about)
    return models


def apply_models(cohort: Cohort, folder: Path) -> tuple[pd.DataFrame, list[str]]:
    """Predict EDSS of a cohort's visits with every model of a folder.

    Parameters
    ----------
    cohort : Cohort
    folder : Path
        `group/models` of a training run.

    Returns
    -------
    predictions : DataFrame
        A row per visit and model: predicted, low, high (90 % interval, as wide as in training), applicability.
    notes : list of str
        Sites unseen in training, visits out of range.

    Raises
    ------
    InputError
        If there is no model, one is damaged or foreign, or the cohort lacks a column.
    """
    stems = sorted(folder.glob("edss-*.skops"))
    if not stems:
        raise InputError(
            f"--apply-model {folder}: no edss-*.skops there; give group/models of a training run"
        )
    visits = cohort.visits
    table = _inputs(cohort)
    out, notes = [], []
    for stem in stems:
        model = load_model(stem)
        absent = [name for name in model.card["Inputs"] if name not in table]
        if absent:
            raise InputError(
                f"{stem}: needs column {absent[0]} ({len(absent)} missing), which this dataset lacks"
            )
        predicted, fits = model.predict(table), model.applicability(table)
        width = model.card["IntervalHalfWidth90"] or np.nan
        rows = visits[["participant_id", "session_id"]].assign(model=stem.stem, predicted=predicted)
        out.append(rows.assign(low=predicted - width, high=predicted + width, applicability=fits))
        poor = int((fits < LOW_APPLICABILITY).sum())
        if poor:
            notes.append(
                f"{stem.stem}: {poor} of {len(visits)} visits have more than a fifth of the inputs unknown or outside "
                "the training range; their predictions are extrapolations"
            )
        new = sorted(
            set(visits.get("site", pd.Series(dtype=object)).dropna().astype(str)) - set(model.card["Sites"])
        )
        if new and stem == stems[0]:
            notes.append(f"site {', '.join(new)} was not in training; measures may be shifted there")
    return pd.concat(out, ignore_index=True), notes


def _inputs(cohort: Cohort) -> pd.DataFrame:
    visits = cohort.visits
    if "disease_course" in visits:
        course = standard_course(visits["disease_course"])
        unseen = course[course.notna() & ~course.isin(["RR", "SP"])]
        if not unseen.empty:
            raise InputError(
                f"participants.tsv: column disease_course holds {unseen.iloc[0]!r}, unseen in training; models know RR "
                "and SP; leave those participants out with --participant-label"
            )
        visits = visits.assign(disease_course=course)
    clinical = clinical_columns(visits)
    return pd.concat([clinical[[c for c in CLINICAL if c in clinical]], cohort.features], axis=1)

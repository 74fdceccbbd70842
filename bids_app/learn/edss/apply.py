"""EDSS models for new visits: what is saved, and how it is applied with its limits told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.errors import InputError
from bids_app.learn.artifact import LICENCE, LOW_APPLICABILITY, Model, training_ranges, versions
from bids_app.learn.edss.columns import (
    ADJUSTED,
    CLINICAL,
    KEPT_BY_COMBAT,
    SITE,
    TIV,
    clinical_columns,
    harmonised,
)
from bids_app.learn.edss.fitting import Fitted, Table
from bids_app.learn.edss.patients import refuse_impossible, standard_course
from bids_app.learn.edss.scores import score
from bids_app.learn.results import Applied
from bids_app.learn.selection import CovariateZScore, MedianImpute
from bids_app.learn.study import StudyCohort

SHIFTED = "measures may be shifted there"
FEWEST_SCORED = 3  # patients
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
        changed = harmonised(columns) if SITE in data.X else []
        kept = [c for c in KEPT_BY_COMBAT if c in data.X] if changed else []
        inputs = list(dict.fromkeys([*columns, *covariates, *kept]))
        raw = data.X.iloc[rows][inputs]
        impute = MedianImpute().fit(raw)
        ready = impute.transform(raw)
        combat = fitted.blind.combat
        if combat is not None:
            combat = combat.restricted(changed, [*inputs, SITE]) if changed else None
        if combat is not None:
            ready = combat.transform(ready.assign(**{SITE: data.X[SITE].iloc[rows]}))[inputs]
        adjusted = [c for c in ADJUSTED if c in columns]
        card = {
            "Kind": "edss",
            "Description": f"EDSS by {name} from {features} columns (study A).",
            "Outcome": "edss",
            "Inputs": inputs,
            "Units": {c: UNITS.get(c.split(".")[0], "1") for c in inputs},
            "Columns": columns,
            "Ranges": training_ranges(impute.transform(raw)),
            "IntervalHalfWidth90": width
            if np.isfinite(width := widths.get((features, name), np.inf))
            else None,
            "Versions": versions(),
            "Licence": LICENCE,
        }
        parts = {
            "impute": impute,
            "combat": combat,
            "adjust": CovariateZScore(covariates, adjusted).fit(ready) if adjusted else None,
            "model": search.best_estimator_,
        }
        models[name if features == "all" else f"{name}-{features}"] = Model(parts, card | about)
    return models


def predict(model: Model, table: pd.DataFrame, sites: pd.Series) -> npt.NDArray[np.float64]:
    """Return a saved model's predictions for rows of a table with its inputs.

    Raises
    ------
    InputError
        If the model harmonises sites (ComBat) and a row has none, or too few rows a site unseen in training.
    """
    X = model.parts["impute"].transform(table[model.card["Inputs"]].astype(np.float32))
    if model.parts["combat"] is not None:
        known = model.card["SiteNumbers"]
        if sites.isna().any():
            raise InputError(
                "participants.tsv: a visit has no site, which a model trained with --combat needs"
            )
        names = [*known, *sorted(set(sites.astype(str)) - set(known))]
        number = {name: known.get(name, len(known) + place) for place, name in enumerate(names)}
        X = model.parts["combat"].transform(
            X.assign(**{SITE: sites.astype(str).map(number).to_numpy(np.float32)})
        )
    if model.parts["adjust"] is not None:
        X = model.parts["adjust"].transform(X)
    return model.parts["model"].predict(X[model.card["Columns"]].to_numpy(np.float64))


def apply_models(cohort: StudyCohort, models: Sequence[tuple[str, Model]], seed: int = 1) -> Applied:
    """Predict EDSS of a cohort's visits with saved models.

    Parameters
    ----------
    cohort : StudyCohort
    models : sequence of (name, Model)
        Of `load_models`, kind `edss`.
    seed : int
        Of the intervals of the performance.

    Returns
    -------
    Applied
        `applied`: a row per visit and model: observed (where known), predicted, low, high (90 % interval, as wide as
        in training), applicability.

    Raises
    ------
    InputError
        If the cohort lacks a column that a model needs, or holds a category unseen in training or an EDSS outside
        0 to 10.
    """
    visits = cohort.visits
    table = _inputs(cohort)
    sites = visits[SITE] if SITE in visits else pd.Series(None, visits.index, dtype=object)
    observed = _observed(visits)
    out, notes = [], []
    for name, model in models:
        absent = [column for column in model.card["Inputs"] if column not in table]
        if absent:
            raise InputError(
                f"{name}: needs column {absent[0]} ({len(absent)} missing), which this dataset lacks"
            )
        predicted, fits = predict(model, table, sites), model.applicability(table)
        width = model.card["IntervalHalfWidth90"] or np.nan
        rows = visits[["participant_id", "session_id"]].assign(
            model=name, observed=observed, predicted=predicted
        )
        out.append(rows.assign(low=predicted - width, high=predicted + width, applicability=fits))
        poor = int((fits < LOW_APPLICABILITY).sum())
        if poor:
            notes.append(
                f"{name}: {poor} of {len(visits)} visits have more than a fifth of the inputs unknown or outside the "
                "training range; their predictions are extrapolations"
            )
    if new := models[0][1].unseen_sites(visits):
        aligned = any(model.parts["combat"] is not None for _, model in models)
        notes.append(
            f"site {', '.join(new)} was not in training; "
            + (
                "ComBat aligned it from its own visits, which each prediction there depends on"
                if aligned
                else SHIFTED
            )
        )
    applied = pd.concat(out, ignore_index=True)
    return Applied({"applied": applied} | _scores(applied, seed), notes)


def _observed(visits: pd.DataFrame) -> npt.NDArray[np.float64]:
    if "edss" not in visits:
        return np.full(len(visits), np.nan)
    refuse_impossible(visits)
    return visits["edss"].to_numpy(np.float64)


def _scores(applied: pd.DataFrame, seed: int) -> dict[str, pd.DataFrame]:
    """Score the predictions of visits whose EDSS is known."""
    known = applied[applied["observed"].notna()]
    if known["participant_id"].nunique() < FEWEST_SCORED:
        return {}
    scores = [{"model": name} | score(rows, seed) for name, rows in known.groupby("model", sort=False)]
    return {"applied_performance": pd.DataFrame(scores)}


def _inputs(cohort: StudyCohort) -> pd.DataFrame:
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

"""A tuned model with the steps that bring raw columns to it: one code for the tests, the files and new visits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.learn.edss.columns import KEPT_BY_COMBAT, SITE, TIV, harmonised, is_adjusted
from bids_app.learn.edss.fitting import Fitted, Samples
from bids_app.learn.selection import CovariateZScore, MedianImpute

Array = npt.NDArray[np.float64]
Parts = dict[str, Any]
DIGITS = 9  # of a prediction: beyond, it would depend on how many visits are predicted at once


def served(data: Samples, rows: npt.NDArray[np.intp], fitted: Fitted) -> dict[tuple[str, str], Parts]:
    """Return what predicts from raw columns, by (features, model).

    Parameters
    ----------
    data : Samples
    rows : ndarray of int
        Training rows.
    fitted : Fitted
        On these rows.

    Returns
    -------
    dict
        Per model: `inputs` (raw columns needed), `columns` (those that the model sees), `impute`, `combat` and
        `adjust` (fitted steps, or None), `model`.
    """
    steps = {features: _steps(data, rows, fitted, names) for features, names in fitted.columns.items()}
    return {key: steps[key[0]] | {"model": search.best_estimator_} for key, search in fitted.searches.items()}


def _steps(data: Samples, rows: npt.NDArray[np.intp], fitted: Fitted, columns: list[str]) -> Parts:
    """Return the fitted steps from raw columns to those of a model."""
    adjusted = [c for c in columns if is_adjusted(c)]
    covariates = [c for c in ("age", "sex", TIV) if c in data.X] if adjusted else []
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
    adjust = CovariateZScore(covariates, adjusted).fit(ready) if adjusted else None
    return {"inputs": inputs, "columns": columns, "impute": impute, "combat": combat, "adjust": adjust}


def predict(parts: Mapping[str, Any], table: pd.DataFrame) -> Array:
    """Return predictions for rows of raw columns.

    Parameters
    ----------
    parts : mapping
        One entry of `served`.
    table : DataFrame, (n, p)
        The inputs, NaN where unknown; with a harmonised model also the sites' numbers.

    Raises
    ------
    InputError
        If too few rows are of a site that was not in training.
    """
    X = parts["impute"].transform(table[parts["inputs"]].astype(np.float32))
    if parts["combat"] is not None:
        X = parts["combat"].transform(X.assign(**{SITE: table[SITE].astype(np.float32)}))
    if parts["adjust"] is not None:
        X = parts["adjust"].transform(X)
    return np.round(parts["model"].predict(X[parts["columns"]].to_numpy(np.float64)), DIGITS)


def predict_all(
    models: Mapping[tuple[str, str], Parts], constants: Mapping[str, float], table: pd.DataFrame
) -> dict[tuple[str, str], Array]:
    """Return the predictions of every model and of the constants beside them, by (features, model).

    Parameters
    ----------
    models : mapping of (features, model) to Parts
        Fitted models.
    constants : mapping of str to float
        Constant predictions, such as the mean of training, by name.
    table : DataFrame, (n, columns)
        Visits to predict.
    """
    out = {key: predict(parts, table) for key, parts in models.items()}
    return out | {("none", name): np.full(len(table), value) for name, value in constants.items()}

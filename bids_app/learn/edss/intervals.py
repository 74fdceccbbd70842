"""Prediction intervals by CV+: the folds that measured the errors are the ones that serve the interval.

Barber, Candes, Ramdas and Tibshirani 2021, Ann Stat 49:486. A new visit is predicted by the model of every fold; the
interval spans the quantiles of these predictions minus and plus the errors that each fold's model made on the training
patients it had not seen. MAPIE offers the same for one scikit-learn estimator that it fits itself; here the folds are
those of the leak-free protocol, fitted already, with the selection inside them and patients whole, so that fitting them
again by MAPIE would double the time and save its classes with the model. The tests compare the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.learn.edss.fitting import Samples
from bids_app.learn.edss.patients import HIGHEST_EDSS
from bids_app.learn.edss.protocols import Outer
from bids_app.learn.edss.scores import ALPHA, LEVELS
from bids_app.learn.edss.serving import DIGITS, Parts, predict

Array = npt.NDArray[np.float64]
NOMINAL = 1 - ALPHA
METHOD = "CV+ (Barber et al. 2021)"
WEIGHT_ROUNDING = 1e-9  # sums of weights that differ by less are equal


def with_intervals(
    data: Samples,
    rows: npt.NDArray[np.intp],
    models: Mapping[tuple[str, str], Parts],
    folds: Sequence[Outer],
    steps: bool,
) -> dict[tuple[str, str], Parts]:
    """Return models with the intervals that they serve, from the leak-free folds of their training rows.

    Parameters
    ----------
    data : Samples
    rows : ndarray of int
        Training rows.
    models : mapping
        Of `served`, on these rows.
    folds : sequence of Outer
        Of `leak_free`, on the same rows.
    steps : bool
        Whether intervals end on steps of the scale.
    """
    y, groups, tests = data.y[rows], data.groups[rows], [fold.test for fold in folds]

    def interval(key: tuple[str, str]) -> dict[str, Any]:
        parts, predicted = [fold.models[key] for fold in folds], [fold.predicted[key] for fold in folds]
        return calibrated(parts, tests, predicted, y, groups, steps)

    return {key: parts | {"intervals": interval(key)} for key, parts in models.items()}


def calibrated(
    folds: Sequence[Parts],
    tests: Sequence[npt.NDArray[np.intp]],
    predicted: Sequence[Array],
    y: Array,
    groups: npt.NDArray[Any],
    steps: bool = False,
) -> dict[str, Any]:
    """Return what an interval is made of.

    Parameters
    ----------
    folds : sequence of dict
        Each fold's model (see `served`).
    tests : sequence of ndarray of int
        Training rows that each fold left out; together all, each once.
    predicted : sequence of ndarray
        Their predictions by that fold's model.
    y : ndarray, (n,)
        EDSS of the training rows.
    groups : ndarray, (n,)
        Their patients, kept whole in the folds.
    steps : bool
        Whether intervals end on steps of the scale.

    Returns
    -------
    dict
        `folds`, and per training row `residual` (absolute error), `fold` and `weight` (1 over the patient's rows, so
        that patients count once); and `steps`.
    """
    residual, fold = np.empty(len(y)), np.empty(len(y), np.int64)
    for number, (test, values) in enumerate(zip(tests, predicted, strict=True)):
        residual[test] = np.abs(y[test] - values)
        fold[test] = number
    weight = 1 / pd.Series(groups).groupby(groups).transform("size").to_numpy(np.float64)
    return {"folds": list(folds), "residual": residual, "fold": fold, "weight": weight, "steps": steps}


def bounds(intervals: Mapping[str, Any], table: pd.DataFrame) -> tuple[Array, Array]:
    """Return the ends of each visit's interval, inside the scale's 0 to 10.

    Parameters
    ----------
    intervals : mapping
        Of `calibrated`.
    table : DataFrame
        Raw columns that the folds' models need.
    """
    each = np.stack([predict(parts, table) for parts in intervals["folds"]])
    low, high = cv_plus(each[intervals["fold"]].T, intervals["residual"], weight=intervals["weight"])
    low, high = np.round(np.clip([low, high], 0, HIGHEST_EDSS), DIGITS)
    return on_steps(low, high) if intervals["steps"] else (low, high)


def cv_plus(
    predicted: Array, residual: Array, *, alpha: float = ALPHA, weight: Array | None = None
) -> tuple[Array, Array]:
    """Return the ends of CV+ intervals.

    Parameters
    ----------
    predicted : ndarray, (m, n)
        New visits as predicted by the model that left out training row 1 to n.
    residual : ndarray, (n,)
        Absolute errors of the training rows, each by the model that left it out.
    alpha : float
        Share of new outcomes that may lie outside.
    weight : ndarray, (n,), optional
        What each training row counts; default: one.

    Returns
    -------
    low : ndarray, (m,)
        Lower ends.
    high : ndarray, (m,)
        Upper ends; both infinite where there are too few rows for this alpha.
    """
    weight = np.ones(len(residual)) if weight is None else weight
    return -_upper(-predicted + residual, weight, alpha), _upper(predicted + residual, weight, alpha)


def _upper(values: Array, weight: Array, alpha: float) -> Array:
    """Return each row's smallest value with (1 - alpha)(N + 1) of the weight at or below it; N is all the weight."""
    order = np.argsort(values, axis=1, kind="stable")
    below = np.cumsum(weight[order], axis=1)
    enough = below >= (1 - alpha) * (weight.sum() + 1) - WEIGHT_ROUNDING
    place = np.argmax(enough, axis=1)
    found = np.take_along_axis(values, np.take_along_axis(order, place[:, None], 1), 1)[:, 0]
    return np.where(enough.any(axis=1), found, np.inf)


def on_steps(low: Array, high: Array) -> tuple[Array, Array]:
    """Return intervals whose ends are steps of the scale and that hold the same steps.

    An interval between two steps, which holds none, is widened to both.
    """
    first = np.searchsorted(LEVELS, low, side="left")
    last = np.searchsorted(LEVELS, high, side="right") - 1
    empty = first > last
    start = np.where(empty, last, first).clip(0, len(LEVELS) - 1)
    end = np.where(empty, first, last).clip(0, len(LEVELS) - 1)
    return LEVELS[start], LEVELS[end]

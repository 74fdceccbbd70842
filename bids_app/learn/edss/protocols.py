"""Study A's two protocols: selection once before cross-validation, as published, and all of it inside the folds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from bids_app.learn.edss.columns import CLINICAL
from bids_app.learn.edss.models import BASELINES, Splits, baseline, cross_predict, folds, tune
from bids_app.learn.edss.scores import conformal_width, pearson
from bids_app.learn.edss.selection import Blind, Rules, Selected, fit_blind, select
from bids_app.progress import phase, track

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]
FRACTIONS = (0.25, 0.5, 0.75, 1.0)
REPEATS = 3
CALIBRATION = 0.25  # share of the training patients that prediction intervals are calibrated on


@dataclass(frozen=True)
class Table:
    """What is learned from: rows ordered by participant and session.

    Attributes
    ----------
    X : DataFrame, (n, p), float32
    y : ndarray, (n,)
        EDSS.
    groups : ndarray, (n,)
        Participants.
    about : DataFrame, (p, ...)
    order : list of str
        Priority among collinear columns.
    """

    X: pd.DataFrame
    y: Array
    groups: npt.NDArray
    about: pd.DataFrame
    order: list[str]


@dataclass(frozen=True)
class Design:
    """How it is learned.

    Attributes
    ----------
    models : sequence of str
    cv, outer : int
        Folds of tuning; folds of the leak-free estimate.
    permutations : int
    seed : int
    rules : Rules
    n_jobs : int
    """

    models: Sequence[str]
    cv: int
    outer: int
    permutations: int
    seed: int
    rules: Rules = field(default_factory=Rules)
    n_jobs: int = 1


@dataclass(frozen=True)
class Fitted:
    """Models fitted to one training set.

    Attributes
    ----------
    blind : Blind
    selected : Selected
    searches : dict
        Tuned models by (features, model); features is `all` or `clinical`.
    columns : dict
        Columns by features.
    splits : list
        The folds they were tuned on.
    """

    blind: Blind
    selected: Selected
    searches: dict[tuple[str, str], Any]
    columns: dict[str, list[str]]
    splits: Splits
    constants: dict[str, float]

    def predict(self, X: pd.DataFrame) -> dict[tuple[str, str], Array]:
        """Return predictions for rows of the candidates' table by (features, model)."""
        ready = self.blind.transform(X)
        out = {
            key: search.predict(ready[self.columns[key[0]]].to_numpy(np.float64))
            for key, search in self.searches.items()
        }
        return out | {("none", name): np.full(len(X), value) for name, value in self.constants.items()}


def fit(
    data: Table,
    rows: Index,
    design: Design,
    *,
    blind: Blind | None = None,
    models: Sequence[str] | None = None,
    ancillary: bool = True,
) -> Fitted:
    """Select columns and tune models on training rows.

    Parameters
    ----------
    data : Table
    rows : ndarray
        Training rows.
    design : Design
    blind : Blind, optional
        Outcome-blind steps fitted on the same rows before.
    models : sequence of str, optional
        Default: the design's.
    ancillary : bool
        Also models of clinical columns alone, and the mean and median.
    """
    y, groups = data.y[rows], data.groups[rows]
    blind = blind or fit_blind(data.X.iloc[rows], data.about, data.order, design.rules)
    selected = select(blind, y, groups, design.rules, design.seed)
    columns = {"all": selected.columns}
    clinical = [name for name in blind.training if name in CLINICAL]
    if ancillary and clinical:
        columns["clinical"] = clinical
    splits = folds(groups, design.cv, design.seed)
    searches = {
        (features, name): tune(name, blind.training[names], y, splits, design.seed)
        for features, names in columns.items()
        for name in (models or design.models)
    }
    constants = {name: baseline(name, y) for name in BASELINES} if ancillary else {}
    return Fitted(blind, selected, searches, columns, splits, constants)


def as_published(
    data: Table, rows: Index, design: Design
) -> tuple[Fitted, dict[tuple[str, str], Array], list[float]]:
    """Select once on all training rows, then cross-validate the chosen columns on the folds they are tuned on.

    Returns
    -------
    fitted : Fitted
    predicted : dict
        Cross-validated predictions of the training rows by (features, model).
    null : list of float
        r of ridge regression by the same protocol with outcomes dealt anew.
    """
    with threadpool_limits(1), phase("study A: selection and models as published"):
        fitted = fit(data, rows, design)
        y = data.y[rows]
        predicted = {
            key: cross_predict(
                search.best_estimator_, fitted.blind.training[fitted.columns[key[0]]], y, fitted.splits
            )
            for key, search in fitted.searches.items()
        }
        for name in BASELINES:
            constant = np.empty(len(y))
            for train, test in fitted.splits:
                constant[test] = baseline(name, y[train])
            predicted["none", name] = constant
    jobs = (
        delayed(_published_null)(data.y[rows], data.groups[rows], fitted.blind, design, k)
        for k in range(1, design.permutations + 1)
    )
    null = Parallel(design.n_jobs, return_as="generator")(jobs)
    return (
        fitted,
        predicted,
        list(track(null, "study A: null of the published protocol", design.permutations)),
    )


def _published_null(y: Array, groups: npt.NDArray, blind: Blind, design: Design, k: int) -> float:
    with threadpool_limits(1):
        dealt = deal(y, groups, design.seed, k)
        chosen = blind.training[select(blind, dealt, groups, design.rules, design.seed).columns]
        splits = folds(groups, design.cv, design.seed)
        best = tune("ridge", chosen, dealt, splits, design.seed).best_estimator_
        return pearson(dealt, cross_predict(best, chosen, dealt, splits))


@dataclass(frozen=True)
class Outer:
    """One outer fold of the leak-free protocol: predictions of visits that nothing was fitted to."""

    test: Index
    predicted: dict[tuple[str, str], Array]
    null: list[Array]
    counts: dict[str, int]
    columns: list[str]
    parameters: dict[str, str]


def leak_free(data: Table, rows: Index, design: Design) -> list[Outer]:
    """Run every step inside every outer fold, patients whole; results do not depend on the number of processes."""
    splits = folds(data.groups[rows], design.outer, design.seed + 1)
    dealt = deal_all(data, rows, design.permutations, design.seed)
    jobs = (delayed(_outer)(data, rows, train, test, dealt, design) for train, test in splits)
    found = Parallel(design.n_jobs, return_as="generator")(jobs)
    return list(track(found, "study A: outer folds, leak-free", len(splits)))


def _outer(data: Table, rows: Index, train: Index, test: Index, dealt: list[Array], design: Design) -> Outer:
    with threadpool_limits(1):
        fitted = fit(data, rows[train], design)
        null = []
        for y in dealt:
            shuffled = Table(data.X, _put(data.y, rows, y), data.groups, data.about, data.order)
            again = fit(shuffled, rows[train], design, blind=fitted.blind, models=["ridge"], ancillary=False)
            null.append(again.predict(data.X.iloc[rows[test]])["all", "ridge"])
        return Outer(
            test,
            fitted.predict(data.X.iloc[rows[test]]),
            null,
            fitted.selected.counts,
            fitted.selected.columns,
            parameters(fitted),
        )


def parameters(fitted: Fitted) -> dict[str, str]:
    """Return the tuned values of each model on all columns, readable."""
    return {
        model: ", ".join(f"{k.split('__')[1]}={v}" for k, v in search.best_params_.items())
        for (features, model), search in fitted.searches.items()
        if features == "all"
    }


def _put(y: Array, rows: Index, values: Array) -> Array:
    out = y.copy()
    out[rows] = values
    return out


def deal(y: Array, groups: npt.NDArray, seed: int, k: int) -> Array:
    """Deal outcomes anew between patients; those with several visits swap whole sets where counts allow."""
    rng = np.random.default_rng([seed, 71, k])
    counts = pd.Series(groups).groupby(groups).transform("size").to_numpy()
    out = y.copy()
    for count in np.unique(counts):
        own = np.flatnonzero(counts == count)
        order = own[np.argsort(groups[own], kind="stable")].reshape(-1, count)
        out[order] = y[order[rng.permutation(len(order))]]
    return out


def deal_all(data: Table, rows: Index, n: int, seed: int) -> list[Array]:
    """Return the outcomes of training rows dealt anew n times."""
    return [deal(data.y[rows], data.groups[rows], seed, k) for k in range(1, n + 1)]


def learning_curve(data: Table, rows: Index, tests: dict[str, Index], design: Design) -> pd.DataFrame:
    """Score ridge regression, all steps refitted, on growing shares of the training patients."""
    jobs = [
        (share, repeat)
        for share in FRACTIONS
        for repeat in range(1 if share == 1 else REPEATS)
        if tests and share * len(np.unique(data.groups[rows])) >= 20
    ]
    parts = Parallel(design.n_jobs, return_as="generator")(
        delayed(_curve_point)(data, rows, tests, design, *job) for job in jobs
    )
    return pd.DataFrame([row for part in track(parts, "study A: learning curve", len(jobs)) for row in part])


def _curve_point(
    data: Table, rows: Index, tests: dict[str, Index], design: Design, share: float, repeat: int
) -> list[dict[str, Any]]:
    with threadpool_limits(1):
        kept = rows[_some_patients(data.groups[rows], share, [design.seed, 72, repeat])]
        fitted = fit(data, kept, design, models=["ridge"], ancillary=False)
        out = []
        for where, test in tests.items():
            predicted = fitted.predict(data.X.iloc[test])["all", "ridge"]
            row = {"share": share, "n_training": len(kept), "repeat": repeat, "set": where}
            error = float(np.mean(np.abs(predicted - data.y[test])))
            out.append(row | {"r": pearson(data.y[test], predicted), "mae": error})
        return out


def _some_patients(groups: npt.NDArray, share: float, seed: Iterable[int]) -> Index:
    patients = np.unique(groups)
    drawn = np.random.default_rng(list(seed)).permutation(patients)[: max(2, round(share * len(patients)))]
    return np.flatnonzero(np.isin(groups, drawn))


def conformal(data: Table, rows: Index, design: Design) -> tuple[Fitted, dict[tuple[str, str], float]]:
    """Fit on most training patients and calibrate prediction intervals on the others.

    Returns
    -------
    fitted : Fitted
        Without the calibration patients.
    width : dict
        Half width of 90 % intervals by (features, model).
    """
    with threadpool_limits(1):
        proper = _some_patients(data.groups[rows], 1 - CALIBRATION, [design.seed, 73])
        other = np.setdiff1d(np.arange(len(rows)), proper)
        fitted = fit(data, rows[proper], design, ancillary=False)
        predicted = fitted.predict(data.X.iloc[rows[other]])
        widths = {key: conformal_width(data.y[rows[other]] - value) for key, value in predicted.items()}
        return fitted, widths

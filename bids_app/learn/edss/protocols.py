"""Study A's two protocols: selection once before cross-validation, as published, and all of it inside the folds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from bids_app.errors import InputError
from bids_app.learn.edss.fitting import Fitted, Procedure, Samples, fit, parameters
from bids_app.learn.edss.models import BASELINES, baseline, cross_predict, folds, tune
from bids_app.learn.edss.scores import mae, pearson
from bids_app.learn.edss.selection import Blind, select
from bids_app.learn.edss.serving import predict_all, served
from bids_app.learn.statistics import CURVE_BOOTSTRAPS, cluster_bootstrap
from bids_app.progress import phase, track

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]
CURVE_SHARES = (0.25, 0.5, 0.75, 1.0)  # of the training patients, each point of the learning curve
CURVE_REPEATS = 3  # random subsets a point; few, because each is a whole analysis


def as_published(
    data: Samples, rows: Index, design: Procedure
) -> tuple[Fitted, dict[tuple[str, str], Array], list[dict[str, float]]]:
    """Select once on all training rows, then cross-validate the chosen columns on the folds they are tuned on.

    Parameters
    ----------
    data : Samples
        Columns, outcome and patient of every visit.
    rows : ndarray of int
        The training rows.
    design : Procedure
        Selection, regressors, folds, permutations and seed.

    Returns
    -------
    fitted : Fitted
    predicted : dict
        Cross-validated predictions of the training rows by (features, model).
    null : list of dict
        r of each regressor by the same protocol, for every permutation of the outcomes between patients.
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


def _published_null(
    y: Array, groups: npt.NDArray, blind: Blind, design: Procedure, k: int
) -> dict[str, float]:
    with threadpool_limits(1):
        permuted = permute(y, groups, design.seed, k)
        chosen = blind.training[select(blind, permuted, groups, design.rules, design.seed).columns]
        splits = folds(groups, design.cv, design.seed)
        best = {
            name: tune(name, chosen, permuted, splits, design.seed).best_estimator_ for name in design.models
        }
        return {
            name: pearson(permuted, cross_predict(model, chosen, permuted, splits))
            for name, model in best.items()
        }


@dataclass(frozen=True)
class Outer:
    """One outer fold of the leak-free protocol: predictions of visits that nothing was fitted to.

    Attributes
    ----------
    test : ndarray of int
        Rows of the training set that were left out.
    predicted : dict
        Their predictions by (features, model).
    null : list of dict
        Their predictions by each regressor for every permutation of the outcomes.
    counts, columns, parameters
        Of the selection and of tuning.
    """

    test: Index
    predicted: dict[tuple[str, str], Array]
    null: list[dict[str, Array]]
    counts: dict[str, int]
    columns: list[str]
    parameters: dict[str, str]


def leak_free(data: Samples, rows: Index, design: Procedure) -> list[Outer]:
    """Run every step inside every outer fold, patients whole; results do not depend on the number of processes.

    Parameters
    ----------
    data : Samples
        Columns, outcome and patient of every visit.
    rows : ndarray of int
        The training rows.
    design : Procedure
        Selection, regressors, folds and seed.
    """
    splits = folds(data.groups[rows], design.outer, design.seed + 1)
    permuted = permute_all(data, rows, design.permutations, design.seed)
    jobs = (delayed(_outer)(data, rows, train, test, permuted, design) for train, test in splits)
    found = Parallel(design.n_jobs, return_as="generator")(jobs)
    return list(track(found, "study A: outer folds, leak-free", len(splits)))


def _outer(
    data: Samples, rows: Index, train: Index, test: Index, permuted: list[Array], design: Procedure
) -> Outer:
    with threadpool_limits(1):
        fitted = fit(data, rows[train], design)
        null = []
        for y in permuted:
            shuffled = Samples(data.X, _put(data.y, rows, y), data.groups, data.about, data.order)
            again = fit(shuffled, rows[train], design, blind=fitted.blind, ancillary=False)
            predicted = again.predict(data.X.iloc[rows[test]])
            null.append({name: predicted["all", name] for name in design.models})
        models = served(data, rows[train], fitted)
        return Outer(
            test,
            predict_all(models, fitted.constants, data.X.iloc[rows[test]]),
            null,
            fitted.selected.counts,
            fitted.selected.columns,
            parameters(fitted),
        )


def _put(y: Array, rows: Index, values: Array) -> Array:
    out = y.copy()
    out[rows] = values
    return out


def permute(y: Array, groups: npt.NDArray, seed: int, k: int) -> Array:
    """Permute outcomes between patients; those with several visits swap whole sets where counts allow.

    Parameters
    ----------
    y : ndarray, (n,)
        Outcomes.
    groups : ndarray, (n,)
        Patient of each.
    seed : int
        Of the analysis.
    k : int
        Number of the permutation.
    """
    rng = np.random.default_rng([seed, 71, k])
    counts = pd.Series(groups).groupby(groups).transform("size").to_numpy()
    out = y.copy()
    for count in np.unique(counts):
        alike = np.flatnonzero(counts == count)
        order = alike[np.argsort(groups[alike], kind="stable")].reshape(-1, count)
        out[order] = y[order[rng.permutation(len(order))]]
    return out


def permute_all(data: Samples, rows: Index, n: int, seed: int) -> list[Array]:
    """Return the outcomes of training rows permuted n times.

    Parameters
    ----------
    data : Samples
        Columns, outcome and patient of every visit.
    rows : ndarray of int
        The training rows.
    n : int
        Permutations.
    seed : int
        Of the analysis.
    """
    return [permute(data.y[rows], data.groups[rows], seed, k) for k in range(1, n + 1)]


def learning_curve(data: Samples, rows: Index, tests: dict[str, Index], design: Procedure) -> pd.DataFrame:
    """Score ridge regression, all steps refitted, on growing shares of the training patients.

    Parameters
    ----------
    data : Samples
        Columns, outcome and patient of every visit.
    rows : ndarray of int
        The training rows.
    tests : dict of str to ndarray of int
        Rows of each test set.
    design : Procedure
        Selection, folds and seed.
    """
    jobs = [
        (share, repeat)
        for share in CURVE_SHARES
        for repeat in range(1 if share == 1 else CURVE_REPEATS)
        if tests and share * len(np.unique(data.groups[rows])) >= 20
    ]
    parts = Parallel(design.n_jobs, return_as="generator")(
        delayed(_curve_point)(data, rows, tests, design, *job) for job in jobs
    )
    return pd.DataFrame([row for part in track(parts, "study A: learning curve", len(jobs)) for row in part])


def _curve_point(
    data: Samples, rows: Index, tests: dict[str, Index], design: Procedure, share: float, repeat: int
) -> list[dict[str, Any]]:
    with threadpool_limits(1):
        kept = rows[_some_patients(data.groups[rows], share, [design.seed, 72, repeat])]
        fitted = fit(data, kept, design, models=["ridge"], ancillary=False)
        out = []
        for where, test in tests.items():
            try:
                predicted = fitted.predict(data.X.iloc[test])["all", "ridge"]
            except InputError:  # ComBat, and a share without any patient of a site
                continue
            row = {"share": share, "n_training": len(kept), "repeat": repeat, "set": where}
            out.append(row | _with_intervals(data.y[test], predicted, data.groups[test], design.seed))
        return out


def _with_intervals(observed: Array, predicted: Array, groups: npt.NDArray, seed: int) -> dict[str, float]:
    """Return r and mean absolute error with 95 % intervals (bootstrap over the tested patients)."""
    out: dict[str, float] = {}
    for name, measure in (("r", pearson), ("mae", mae)):

        def drawn(rows: Any, measure: Any = measure) -> float:
            return measure(observed[rows], predicted[rows])

        low, high = cluster_bootstrap(drawn, groups, seed=seed, n=CURVE_BOOTSTRAPS)
        out |= {name: measure(observed, predicted), f"{name}_low": low, f"{name}_high": high}
    return out


def _some_patients(groups: npt.NDArray, share: float, seed: Iterable[int]) -> Index:
    patients = np.unique(groups)
    drawn = np.random.default_rng(list(seed)).permutation(patients)[: max(2, round(share * len(patients)))]
    return np.flatnonzero(np.isin(groups, drawn))

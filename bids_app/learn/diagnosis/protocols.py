"""Study B's two protocols: as published, and with nothing learned from the scans that are tested."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.learn.diagnosis.engine import Fold, Rows, View
from bids_app.learn.diagnosis.grid import Grid, Sweep
from bids_app.learn.diagnosis.operating_point import OperatingPoint, Rule, platt
from bids_app.learn.diagnosis.sizes import auc, aucs, cv_folds, search
from bids_app.learn.statistics import cluster_bootstrap, wilson_interval
from bids_app.progress import track
from bids_app.protocol import Protocol

TEST_SHARE = 0.3  # study B: 70/30
COMPACT = Grid(sizes=(1, 4, 16, 64, 256, 1024, 4096, 16384, "all"), C=(0.125, 1, 8), gamma=(0.125, 1, 8))
MakeView = Callable[[npt.NDArray[np.bool_], Protocol], View]


@dataclass(frozen=True)
class Design:
    """Who is who, and how scans are split; the same for everything that is to be compared.

    Attributes
    ----------
    y : ndarray of bool, shape (n,)
        True for the class whose share called right is the sensitivity.
    patient : ndarray, shape (n,)
        Patient of each scan.
    cv, outer : int
        Folds inside training; outer folds of the leak-free protocol.
    seed : int
        Seed of every split.
    n_jobs : int
        Processes for outer folds and permutations; results do not depend on it.
    rule : Rule
        How the leak-free protocol goes from decisions to calls.
    """

    y: npt.NDArray[np.bool_]
    patient: npt.NDArray[Any]
    seed: int
    cv: int = 10
    outer: int = 5
    n_jobs: int = 1
    rule: Rule = field(default_factory=Rule)


@dataclass(frozen=True)
class Published:
    """The protocol as published: 70/30 split of scans, one ranking, number of voxels by test AUC."""

    train: Rows
    test: Rows
    sweep: Sweep
    test_auc: npt.NDArray[np.float64]

    @property
    def chosen(self) -> int:
        """Index of the size with the highest test AUC (as published; optimistic), ties to the smallest."""
        return int(np.argmax(np.round(self.test_auc, 12)))


@dataclass(frozen=True)
class LeakFree:
    """Every scan decided by a machine that saw nothing of its patient.

    Attributes
    ----------
    fold : ndarray of int, shape (n,)
        Outer fold in which a scan was tested.
    decision : ndarray, shape (n,)
        Decision value at the size chosen inside training, counted from the cut learned there: not negative calls the
        first class.
    probability : ndarray, shape (n,)
        Probability of the first class at the classes' shares in training.
    called : ndarray of bool, shape (n,)
        Whether the scan lies outside the zone of no call.
    by_size : ndarray, shape (S, n)
        Decision value at every size, counted from that size's cut.
    sizes : ndarray of int, shape (S,)
        Numbers of voxels.
    chosen : list of dict
        Per outer fold: inner folds, number of voxels, C, gamma, inner AUC, and the operating point.
    """

    fold: npt.NDArray[np.intp]
    decision: npt.NDArray[np.float64]
    probability: npt.NDArray[np.float64]
    called: npt.NDArray[np.bool_]
    by_size: npt.NDArray[np.float64]
    sizes: npt.NDArray[np.intp]
    chosen: list[dict[str, Any]]


def published(view: View, design: Design, grid: Grid) -> Published:
    """Run study B as published: scans of one patient may be on both sides, and size is picked on the test.

    Parameters
    ----------
    view : View
        Features of the scans.
    design : Design
        Classes, patients, folds and seed.
    grid : Grid
        Numbers of voxels, C and gamma to try.
    """
    train, test = split_scans(design.y, TEST_SHARE, design.seed)
    y = design.y[train]
    folds = cv_folds(y, None, _possible_folds(y, train, design.cv), design.seed)
    sweep = search(view, design.y, grid, train, folds, inside_folds=False, test=test)
    aucs = np.array([auc(design.y[test], decided) for decided in sweep.test_decisions])
    return Published(train, test, sweep, aucs)


def split_scans(y: npt.NDArray[np.bool_], share: float, seed: int) -> tuple[Rows, Rows]:
    """Split scans into training and test at random within each class.

    Parameters
    ----------
    y : ndarray of bool, (n,)
        Class of each scan.
    share : float
        Of each class that becomes test.
    seed : int
        Of the draw.
    """
    rng = np.random.default_rng(seed)
    test = [
        rng.permutation(np.flatnonzero(y == label))[: round(share * np.sum(y == label))] for label in (0, 1)
    ]
    chosen = np.sort(np.concatenate(test))
    return np.setdiff1d(np.arange(len(y)), chosen), chosen


def leak_free(view: View, design: Design, grid: Grid, outer: Sequence[Fold] | None = None) -> LeakFree:
    """Nested cross-validation by patient: threshold, ranking, C, gamma and size all chosen inside training.

    Parameters
    ----------
    view : View
    design : Design
    grid : Grid
    outer : sequence of (train, test), optional
        Outer folds that test every scan once; by default stratified, patients kept whole.
    """
    from joblib import Parallel, delayed

    folds = outer or cv_folds(design.y, design.patient, design.outer, design.seed)
    jobs = Parallel(n_jobs=min(design.n_jobs, len(folds)), return_as="generator")(
        delayed(_outer)(view, design, grid, train, test) for train, test in folds
    )
    runs = list(track(jobs, "study B: outer folds, leak-free", len(folds)))
    n, sizes = len(design.y), runs[0][0].sizes
    fold, decision, probability = np.empty(n, np.intp), np.empty(n), np.empty(n)
    called, by_size, chosen = np.empty(n, bool), np.empty((len(sizes), n)), []
    for k, ((_, test), (run, points)) in enumerate(zip(folds, runs, strict=True)):
        best, values = run.best_size, run.test_decisions
        point, decisions = points[best], values[best]
        fold[test], probability[test], called[test] = k, point.probability(decisions), point.called(decisions)
        by_size[:, test] = values - np.array([one.cut for one in points])[:, None]
        decision[test] = decisions - point.cut
        row = run.table().iloc[best]
        about = row[["n_voxels", "C", "gamma", "cv_accuracy", "cv_auc"]].to_dict()
        chosen.append({"outer_fold": k, "inner_folds": len(run.folds)} | about | asdict(point))
    return LeakFree(fold, decision, probability, called, by_size, sizes, chosen)


def _outer(
    view: View, design: Design, grid: Grid, train: Rows, test: Rows
) -> tuple[Sweep, list[OperatingPoint]]:
    """Search inside the training scans of an outer fold; return the sweep and each size's operating point.

    Outer folds are balanced by scans: where one leaves fewer patients of a class in training than inner folds were
    wanted, there are as many as patients.
    """
    y, patient = design.y[train], design.patient[train]
    inner = cv_folds(y, patient, _possible_folds(y, patient, design.cv), design.seed)
    run = search(view, design.y, grid, train, inner, inside_folds=True, test=test, choose="auc")
    points = learn_points(run, y, design.rule, patient)
    return replace(run, decisions=np.empty(0), models=[]), points  # what is not needed need not travel back


def _possible_folds(y: npt.NDArray[np.bool_], units: npt.NDArray[Any], wanted: int) -> int:
    """Return how many folds can be made, at least 2: no more than units (patients, scans) of the smaller class."""
    fewest = min(len(np.unique(units[y == of])) for of in (True, False))
    return min(wanted, max(fewest, 2))


def learn_points(
    run: Sweep, y: npt.NDArray[np.bool_], rule: Rule, patient: npt.NDArray[Any]
) -> list[OperatingPoint]:
    """Return the operating point of each size from its out-of-fold decisions at the best C and gamma.

    That of the best size, which serves, is learned from `held_out_log_odds`: it was chosen among all for its decisions.

    Parameters
    ----------
    run : Sweep
        Decisions of each size, C and gamma.
    y : ndarray of bool, (n,)
        Class of the training scans.
    rule : Rule
        How decisions are cut.
    patient : ndarray, (n,)
        Patient of each training scan.
    """
    points = [
        OperatingPoint.learn(decided[i, j], y, rule, patient)
        for decided, (i, j) in zip(run.decisions, run.best, strict=True)
    ]
    i, j = run.best[run.best_size]
    served = run.decisions[run.best_size, i, j]
    points[run.best_size] = OperatingPoint.learn(served, y, rule, patient, held_out_log_odds(run, y))
    return points


def held_out_log_odds(run: Sweep, y: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return the log odds of the first class, each fold's scans by the setting and the curve that the others chose.

    The best of many settings looks better on the scans it was chosen on than it is (Tibshirani and Tibshirani 2009, Ann
    Appl Stat 3:822); without the fold in the choice, its scans are what new ones will be.

    Parameters
    ----------
    run : Sweep
        Decisions of each size, C and gamma.
    y : ndarray of bool, (n,)
        Class of the training scans.

    Returns
    -------
    ndarray, (n,)
    """
    areas = np.stack([aucs(y[test], run.decisions[..., test]) for _, test in run.folds], axis=-1)
    out = np.full(len(y), np.nan)
    for k, (train, test) in enumerate(run.folds):
        others = np.delete(areas, k, axis=-1)
        known = np.isfinite(others[0, 0, 0])  # folds with both classes
        mean = others[..., known].mean(axis=-1) if known.any() else np.zeros(others.shape[:-1])
        chosen = run.decisions[np.unravel_index(np.argmax(np.round(mean, 12)), mean.shape)]
        slope, intercept = platt(chosen[train], y[train])
        out[test] = slope * chosen[test] + intercept
    return out


def fold_auc(
    y: npt.NDArray[np.bool_], decision: npt.NDArray[np.float64], fold: npt.NDArray[np.intp]
) -> float:
    """Return the mean AUC over outer folds: decisions of different machines are not on one scale.

    Parameters
    ----------
    y : ndarray of bool, (n,)
        Class of each scan.
    decision : ndarray, (n,)
        Out-of-fold decisions.
    fold : ndarray of int, (n,)
        Outer fold of each scan.
    """
    found = [auc(y[fold == k], decision[fold == k]) for k in np.unique(fold)]
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


def calls_table(y: npt.NDArray[np.bool_], called: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """Return sensitivity, specificity and accuracy with Wilson score intervals, one row each."""
    rows = []
    for metric, among in (("sensitivity", y), ("specificity", ~y), ("accuracy", np.ones_like(y))):
        right, n = int(np.sum((called == y) & among)), int(among.sum())
        low, high = wilson_interval(right, n) if n else (np.nan, np.nan)
        rows.append((metric, right / n if n else np.nan, low, high, right, n, "Wilson"))
    return pd.DataFrame(rows, columns=["metric", "estimate", "low", "high", "right", "n", "interval"])


def patient_table(
    y: npt.NDArray[np.bool_],
    decision: npt.NDArray[np.float64],
    fold: npt.NDArray[np.intp],
    patient: npt.NDArray[Any],
    seed: int,
) -> pd.DataFrame:
    """Return the four metrics with intervals from a bootstrap over patients, one row each.

    Parameters
    ----------
    y : ndarray of bool, (n,)
        Class of each scan.
    decision : ndarray, (n,)
        Out-of-fold decisions.
    fold : ndarray of int, (n,)
        Outer fold of each scan.
    patient : ndarray, (n,)
        Patient of each scan.
    seed : int
        Of the bootstrap.
    """
    called = decision >= 0
    metrics: dict[str, Callable[[Rows], float]] = {
        "sensitivity": lambda rows: _share(called[rows][y[rows]]),
        "specificity": lambda rows: _share(~called[rows][~y[rows]]),
        "accuracy": lambda rows: _share(called[rows] == y[rows]),
        "auc": lambda rows: fold_auc(y[rows], decision[rows], fold[rows]),
    }
    rows = []
    for metric, statistic in metrics.items():
        low, high = cluster_bootstrap(statistic, patient, seed=seed)
        rows.append((metric, statistic(np.arange(len(y))), low, high, len(y), "patient bootstrap"))
    return pd.DataFrame(rows, columns=["metric", "estimate", "low", "high", "n", "interval"])


def auc_row(
    y: npt.NDArray[np.bool_], decision: npt.NDArray[np.float64], patient: npt.NDArray[Any], seed: int
) -> pd.DataFrame:
    """Return the AUC of one machine with an interval from a bootstrap over patients, one row.

    Parameters
    ----------
    y : ndarray of bool, (n,)
        Class of each scan.
    decision : ndarray, (n,)
        Decisions of one machine on them.
    patient : ndarray, (n,)
        Patient of each scan.
    seed : int
        Of the bootstrap.
    """
    low, high = cluster_bootstrap(lambda rows: auc(y[rows], decision[rows]), patient, seed=seed)
    row = {"metric": "auc", "estimate": auc(y, decision), "low": low, "high": high, "n": len(y)}
    return pd.DataFrame([row | {"interval": "patient bootstrap"}])


def balanced(y: npt.NDArray[np.bool_], decision: npt.NDArray[np.float64]) -> float:
    """Return the mean of sensitivity and specificity of calls, the first class where a decision is not negative."""
    return (_share(decision[y] >= 0) + _share(decision[~y] < 0)) / 2


def _share(values: npt.NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def permuted(design: Design, seed: int) -> npt.NDArray[np.bool_]:
    """Return the classes permuted between whole patients."""
    _, first, code = np.unique(design.patient, return_index=True, return_inverse=True)
    return np.random.default_rng(seed).permutation(design.y[first])[code]


def null_aucs(
    make_view: MakeView, design: Design, grid: Grid, n: int, protocols: Sequence[Protocol]
) -> pd.DataFrame:
    """Run the protocols on the observed labels (permutation 0) and on labels permuted between patients.

    Parameters
    ----------
    make_view : callable
        Makes the features from a design's labels.
    design : Design
        Observed labels, patients, folds and seed.
    grid : Grid
        Numbers of voxels, C and gamma to try.
    n : int
        Permutations.
    protocols : sequence of Protocol
        Which to run.

    Returns
    -------
    DataFrame
        One row per permutation and protocol: permutation, protocol, auc, balanced_accuracy.
    """
    from joblib import Parallel, delayed

    single = replace(design, n_jobs=1)
    jobs = Parallel(n_jobs=design.n_jobs, return_as="generator")(
        delayed(_null_run)(make_view, single, grid, k, protocols) for k in range(n + 1)
    )
    found = track(jobs, "study B: permutations", n + 1)
    return pd.DataFrame(
        [row for rows in found for row in rows],
        columns=["permutation", "protocol", "auc", "balanced_accuracy"],
    )


def _null_run(
    make_view: MakeView, design: Design, grid: Grid, k: int, protocols: Sequence[Protocol]
) -> list[tuple[int, Protocol, float, float]]:
    y = permuted(design, design.seed + k) if k else design.y
    again = replace(design, y=y)
    rows = []
    if Protocol.PAPER in protocols:
        run = published(make_view(y, Protocol.PAPER), again, grid)
        rows.append(
            (
                k,
                Protocol.PAPER,
                float(run.test_auc[run.chosen]),
                balanced(y[run.test], run.sweep.test_decisions[run.chosen]),
            )
        )
    if Protocol.NESTED in protocols:
        nested = leak_free(make_view(y, Protocol.NESTED), again, grid)
        rows.append(
            (k, Protocol.NESTED, fold_auc(y, nested.decision, nested.fold), balanced(y, nested.decision))
        )
    return rows

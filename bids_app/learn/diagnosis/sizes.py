"""The sweep over numbers of voxels: study B's model selection on one set of training scans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import BaseCrossValidator, check_cv
from sklearn.utils.validation import check_consistent_length

from bids_app.errors import InputError
from bids_app.learn.diagnosis.engine import (
    Fold,
    MapView,
    Rows,
    View,
    fit_size,
    grid_decisions,
    median_distance,
)
from bids_app.learn.diagnosis.grid import (
    PAPER_GRID,
    PAPER_SIZES,
    GammaScale,
    Grid,
    Sweep,
    resolve_sizes,
    warn_vanished,
)

Choice = Literal["accuracy", "auc"]


def sweep(
    maps: npt.NDArray[np.bool_],
    y: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
    *,
    sizes: Sequence[int | Literal["all"]] = PAPER_SIZES,
    C: Sequence[float] = PAPER_GRID,
    gamma: Sequence[float] = PAPER_GRID,
    gamma_scale: GammaScale = "paper",
    cv: int | Iterable[Fold] | BaseCrossValidator = 10,
    seed: int,
) -> Sweep:
    """Choose C and gamma of an RBF machine for each number of ranked voxels (study B, 4.2, 4.3).

    Parameters
    ----------
    maps : ndarray of bool, shape (n_scans, n_voxels)
        Lesion maps of the training scans.
    y : array-like, shape (n_scans,)
        Two classes.
    groups : array-like, shape (n_scans,), optional
        Patient of each scan. Without it as published: voxels are ranked once on all training scans and scans
        are assigned to folds one by one. With it without leakage: a patient's scans stay in one fold, and voxels
        are ranked again inside every fold.
    sizes : sequence of int or "all"
        Numbers of voxels; those above `n_voxels` are left out.
    C, gamma : sequence of float
        The grid.
    gamma_scale : {"paper", "median"}
        `paper` uses the values of gamma as they are; `median` divides them by the median squared distance
        between training scans at that number of voxels.
    cv : int, iterable of (train, test), or splitter
        Number of stratified, shuffled folds, the folds themselves, or a splitter of scikit-learn that makes them.
    seed : int
        Seed of the shuffling.

    Returns
    -------
    Sweep
        Fold scores, out-of-fold decisions and fitted machines, equal to those of scikit-learn's
        `GridSearchCV(SVC(kernel="rbf"))` on the same folds.

    Raises
    ------
    InputError
        If there are not two classes, or fewer scans or patients of a class than folds.
    ValueError
        If maps, y and groups differ in length.

    Warns
    -----
    VanishingKernelWarning
        If at some number of voxels no gamma of the grid leaves a kernel between scans.
    """
    maps, y = np.asarray(maps, dtype=bool), np.asarray(y)
    check_consistent_length(maps, y, groups)
    if isinstance(cv, int | np.integer):
        folds = cv_folds(y, groups, int(cv), seed)
    else:
        folds = list(check_cv(cv).split(maps, y, groups))
    grid = Grid(tuple(sizes), tuple(C), tuple(gamma), gamma_scale)
    every = np.arange(len(maps))
    result = search(MapView(maps, y), y, grid, every, folds, inside_folds=groups is not None)
    result = replace(result, training_maps=maps)
    warn_vanished(result)
    return result


def search(
    view: View,
    y: npt.NDArray,
    grid: Grid,
    train: Rows,
    folds: Sequence[Fold],
    *,
    inside_folds: bool,
    test: Rows | None = None,
    choose: Choice = "accuracy",
) -> Sweep:
    """Run a sweep on any view of the scans.

    Parameters
    ----------
    view : View
        The features.
    y : ndarray
        Class of every scan of the view; read at `train` alone.
    grid : Grid
        What to try.
    train : ndarray of int
        Scans to learn from.
    folds : sequence of (train, test)
        Indices into `train`.
    inside_folds : bool
        Whether ranking, and whatever else the view learns, is done again on each fold's training scans.
    test : ndarray of int, optional
        Scans to decide on.
    choose : {"accuracy", "auc"}
        By which mean over folds C and gamma are chosen. Accuracy is the study's; where one class is much larger it
        rewards calling everything that class, which the area under the ROC curve does not.
    """
    test = np.empty(0, np.intp) if test is None else test
    classes, code = np.unique(y[train], return_inverse=True)
    positive, n = code.astype(bool), len(train)
    sizes = resolve_sizes(grid.sizes, view.n_voxels)
    decisions = np.full((len(sizes), len(grid.C), len(grid.gamma), n), np.nan)
    if inside_folds:
        for fold in folds:
            _decide_fold(decisions, view, positive, train, fold, sizes, grid)
    parts = []
    for s, distance in enumerate(view(train, np.concatenate([train, test]), sizes)):
        median = median_distance(distance[:n])
        gamma = grid.scaled_gamma(median)
        if not inside_folds:
            decisions[s] = grid_decisions(distance[:n], positive, folds, grid.c, gamma, grid.kernel)
        scores, best, aucs = _score(decisions[s], positive, folds, choose)
        model = fit_size(distance[:n], positive, float(grid.c[best[0]]), float(gamma[best[1]]), grid.kernel)
        decided = model.decide(distance[n:]) if len(test) else np.empty(0)
        parts.append((gamma, scores, aucs, best, median, decided, model))
    statistic, order = view.ranking(train)
    *columns, models = zip(*parts, strict=True)
    names = ("gamma", "fold_scores", "fold_aucs", "best", "median_distance", "test_decisions")
    return Sweep(
        classes=classes,
        sizes=np.asarray(sizes),
        C=grid.c,
        folds=list(folds),
        decisions=decisions,
        models=list(models),
        order=order,
        statistic=statistic,
        kernel=grid.kernel,
        **{name: np.array(column) for name, column in zip(names, columns, strict=True)},
    )


def _decide_fold(
    decisions: npt.NDArray[np.float64],
    view: View,
    positive: npt.NDArray[np.bool_],
    train: Rows,
    fold: Fold,
    sizes: Sequence[int],
    grid: Grid,
) -> None:
    """Fill in the decisions of one fold, everything learned on that fold's training scans."""
    fit, held = fold
    rows, m = np.concatenate([fit, held]), len(fit)
    here = [(np.arange(m), np.arange(m, len(rows)))]
    for s, distance in enumerate(view(train[fit], train[rows], sizes)):
        gamma = grid.scaled_gamma(median_distance(distance[:m]))
        found = grid_decisions(distance, positive[rows], here, grid.c, gamma, grid.kernel)
        decisions[s][:, :, held] = found[:, :, m:]


def _score(
    decisions: npt.NDArray[np.float64],
    positive: npt.NDArray[np.bool_],
    folds: Sequence[Fold],
    choose: Choice,
) -> tuple[npt.NDArray[np.float64], tuple[int, int], npt.NDArray[np.float64]]:
    """Return fold accuracies of the grid at one size, the best (C, gamma), and its fold AUCs."""
    right = (decisions >= 0) == positive
    scores = np.stack([right[..., test].mean(-1) for _, test in folds], axis=-1)
    mean = scores.mean(-1)
    if choose == "auc":
        areas = np.stack([aucs(positive[test], decisions[..., test]) for _, test in folds], axis=-1)
        known = np.isfinite(areas[0, 0])
        mean = areas[..., known].mean(-1) if known.any() else mean
    mean = np.round(mean, 12)  # equal means are ties even where their sums differ in the last bit
    i, j = (int(k) for k in np.unravel_index(np.argmax(mean), mean.shape))
    return scores, (i, j), np.array([auc(positive[test], decisions[i, j, test]) for _, test in folds])


def auc(positive: npt.NDArray[np.bool_], decision: npt.NDArray[np.float64]) -> float:
    """Return the area under the ROC curve; NaN where one class is absent."""
    return float(aucs(positive, decision))


def aucs(positive: npt.NDArray[np.bool_], decisions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the areas under the ROC curves of sets of decisions, (..., n) -> (...); NaN where a class is absent."""
    from scipy.stats import rankdata

    n_1, n_0 = int(positive.sum()), int((~positive).sum())
    if not n_1 or not n_0:
        return np.full(decisions.shape[:-1], np.nan)
    ranks = rankdata(decisions, axis=-1)[..., positive].sum(axis=-1)
    return (ranks - n_1 * (n_1 + 1) / 2) / (n_1 * n_0)


def cv_folds(y: npt.ArrayLike, groups: npt.ArrayLike | None, n_folds: int, seed: int) -> list[Fold]:
    """Split scans into stratified, shuffled folds; with `groups`, patients stay whole.

    Parameters
    ----------
    y : array-like, (n,)
        Class of each scan.
    groups : array-like, (n,), optional
        Patient of each scan.
    n_folds : int
        At least 2.
    seed : int
        Of the shuffle.

    Raises
    ------
    InputError
        If there are not two classes, or a class has fewer scans (patients) than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    y = np.asarray(y)
    units = np.arange(len(y)) if groups is None else np.asarray(groups)
    counts = {label: len(np.unique(units[y == label])) for label in np.unique(y).tolist()}
    what = "scans" if groups is None else "patients"
    if len(counts) < 2:
        raise InputError(f"only one class ({', '.join(map(str, counts))}): a diagnosis needs scans of two")
    label, fewest = min(counts.items(), key=lambda item: item[1])
    if fewest < n_folds:
        raise InputError(
            f"class {label} has {fewest} {what} for {n_folds} folds; lower the number of folds or add {what}"
        )
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    assigned = kind(n_folds, shuffle=True, random_state=seed).split(np.zeros(len(y)), y, groups)
    return [(train, test) for train, test in assigned]

"""Comparisons beyond one number each: differences between models on the same scans, and the net benefit of calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.learn.diagnosis.protocols import fold_auc
from bids_app.learn.statistics import CURVE_BOOTSTRAPS, cluster_bootstrap

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

THRESHOLDS = np.arange(0.05, 1, 0.05)


def auc_differences(
    y: Flags,
    runs: Mapping[str, tuple[Floats, npt.NDArray[np.intp]]],
    against: str,
    patient: npt.NDArray[Any],
    seed: int,
) -> pd.DataFrame:
    """Compare the AUC of each model with one of them on the same scans.

    Parameters
    ----------
    y : ndarray of bool, shape (n,)
    runs : mapping of str to (decision, fold), each of shape (n,)
        Out-of-fold decisions of each model.
    against : str
        The model that the others are compared with.
    patient : ndarray, shape (n,)
    seed : int

    Returns
    -------
    DataFrame
        model, against, difference of the AUC (mean over folds) with a 95 % interval by a bootstrap over patients, both
        models on the same draws.
    """
    rows = []
    if against in runs:
        base, base_fold = runs[against]
        for name, (decision, fold) in runs.items():
            if name == against:
                continue

            def statistic(
                r: npt.NDArray[np.intp], d: Floats = decision, f: npt.NDArray[np.intp] = fold
            ) -> float:
                return fold_auc(y[r], d[r], f[r]) - fold_auc(y[r], base[r], base_fold[r])

            low, high = cluster_bootstrap(statistic, patient, seed=seed, n=CURVE_BOOTSTRAPS)
            rows.append((name, against, statistic(np.arange(len(y))), low, high))
    return pd.DataFrame(rows, columns=["model", "against", "difference", "low", "high"])


def decision_curve(y: Flags, probability: Floats) -> pd.DataFrame:
    """Return the net benefit of calling the first class from each probability on.

    True calls per scan less false calls per scan, weighed by the odds of the threshold (Vickers and Elkin 2006, Med
    Decis Making 26:565), for the model, for calling all scans the first class, and for calling none.

    Parameters
    ----------
    y : ndarray of bool, shape (n,)
    probability : ndarray, shape (n,)
        Out of fold.
    """
    rows = []
    for threshold in THRESHOLDS:
        odds, first = threshold / (1 - threshold), probability >= threshold
        model = float(np.mean(first & y) - np.mean(first & ~y) * odds)
        rows.append((round(float(threshold), 2), model, float(y.mean() - (1 - y.mean()) * odds), 0.0))
    return pd.DataFrame(rows, columns=["threshold", "model", "all", "none"])

"""The four regressors of study A, tuned by cross-validation, and the baselines beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GridSearchCV, GroupKFold

from bids_app.learn.ordinal import ProportionalOdds

Array = npt.NDArray[np.float64]
Splits = list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]

MODELS = ("ridge", "gp", "svr", "rf")
ORDINAL = "ordinal"  # a baseline beside them: EDSS is ordinal
NAMES = {
    "ridge": "ridge regression",
    "gp": "Gaussian process",
    "svr": "support vector regression",
    "rf": "random forest",
    ORDINAL: "proportional odds",
}
BASELINES = ("mean", "median")
TREES = 100


def regressor(name: str, seed: int) -> tuple[BaseEstimator, dict[str, list[Any]]]:
    """Return a regressor on standardised columns and the grid it is tuned on.

    Parameters
    ----------
    name : {"ridge", "gp", "svr", "rf", "ordinal"}
    seed : int
        Of the random forest.
    """
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, WhiteKernel
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR

    if name == "ridge":
        return make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": np.logspace(-2, 4, 13).tolist()}
    if name == "gp":
        kernels = [
            RBF(length) + WhiteKernel(noise) for length in (3.0, 10.0, 30.0) for noise in (0.1, 0.3, 1.0)
        ]
        process = GaussianProcessRegressor(optimizer=None, normalize_y=True)
        return make_pipeline(StandardScaler(), process), {"gaussianprocessregressor__kernel": kernels}
    if name == "svr":
        grid: dict[str, list[Any]] = {
            "svr__kernel": ["linear", "rbf"],
            "svr__C": [0.01, 0.03, 0.1, 0.3, 1.0],
            "svr__epsilon": [0.1, 0.5],
        }
        return make_pipeline(StandardScaler(), SVR()), grid
    if name == "rf":
        forest = RandomForestRegressor(TREES, random_state=seed, n_jobs=1)
        return make_pipeline(StandardScaler(), forest), {
            "randomforestregressor__max_features": [0.33, 1.0],
            "randomforestregressor__min_samples_leaf": [2, 5],
        }
    if name == ORDINAL:
        steps = make_pipeline(StandardScaler(), ProportionalOdds())
        return steps, {"proportionalodds__alpha": np.logspace(-1, 3, 5).tolist()}
    raise ValueError(f"unknown model {name!r}; known: {', '.join(MODELS)}")


def folds(groups: npt.NDArray, n: int, seed: int) -> Splits:
    """Return folds that keep patients whole, at most one a patient."""
    splitter = GroupKFold(min(n, len(np.unique(groups))), shuffle=True, random_state=seed)
    return list(splitter.split(np.zeros(len(groups)), groups=groups))


def tune(name: str, X: pd.DataFrame, y: Array, splits: Splits, seed: int) -> GridSearchCV:
    """Tune a regressor by the squared error over folds and fit it to all rows."""
    model, grid = regressor(name, seed)
    search = GridSearchCV(
        model, grid, scoring="neg_mean_squared_error", cv=splits, n_jobs=1, error_score="raise"
    )
    return search.fit(X.to_numpy(np.float64), y)


def cross_predict(model: BaseEstimator, X: pd.DataFrame, y: Array, splits: Splits) -> Array:
    """Return each row's prediction by the model fitted without its fold."""
    values, predicted = X.to_numpy(np.float64), np.empty(len(y))
    for train, test in splits:
        predicted[test] = clone(model).fit(values[train], y[train]).predict(values[test])
    return predicted


def baseline(name: str, y: Array) -> float:
    """Return what a baseline predicts for everybody: the training mean or median."""
    return float(np.mean(y) if name == "mean" else np.median(y))


def weights(model: Any, columns: Sequence[str]) -> dict[str, float]:
    """Return the weight of each standardised column in a fitted ridge regression."""
    return dict(zip(columns, model[-1].coef_.tolist(), strict=True))

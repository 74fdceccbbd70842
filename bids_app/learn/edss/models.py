"""The four regressors of study A, tuned by cross-validation, and the baselines beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GridSearchCV, GroupKFold

from bids_app.learn.ordinal import ProportionalOdds

Array = npt.NDArray[np.float64]
Splits = list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]

BASELINES = ("mean", "median")
TREES = 100  # of the random forest; scikit-learn's default


@dataclass(frozen=True)
class Regressor:
    """A regressor on standardised columns.

    Attributes
    ----------
    words : str
        Its name for readers.
    make : callable
        Returns the estimator and the grid it is tuned on (parameters without the pipeline's prefix) for a seed.
    compared : bool
        Whether it is one of the models that study A compares; else a baseline beside them.
    """

    words: str
    make: Callable[[int], tuple[BaseEstimator, dict[str, list[Any]]]]
    compared: bool = True


def _ridge(seed: int) -> tuple[BaseEstimator, dict[str, list[Any]]]:
    from sklearn.linear_model import Ridge

    return Ridge(), {"alpha": np.logspace(-2, 4, 13).tolist()}


def _gaussian_process(seed: int) -> tuple[BaseEstimator, dict[str, list[Any]]]:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, WhiteKernel

    kernels = [RBF(length) + WhiteKernel(noise) for length in (3.0, 10.0, 30.0) for noise in (0.1, 0.3, 1.0)]
    # without a seed it keeps the state of numpy's global generator, and no two saved models are alike
    process = GaussianProcessRegressor(optimizer=None, normalize_y=True, random_state=seed)
    return process, {"kernel": kernels}


def _support_vectors(seed: int) -> tuple[BaseEstimator, dict[str, list[Any]]]:
    from sklearn.svm import SVR

    return SVR(), {"kernel": ["linear", "rbf"], "C": [0.01, 0.03, 0.1, 0.3, 1.0], "epsilon": [0.1, 0.5]}


def _forest(seed: int) -> tuple[BaseEstimator, dict[str, list[Any]]]:
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(TREES, random_state=seed, n_jobs=1)
    return forest, {"max_features": [0.33, 1.0], "min_samples_leaf": [2, 5]}


def _ordinal(seed: int) -> tuple[BaseEstimator, dict[str, list[Any]]]:
    return ProportionalOdds(), {"alpha": np.logspace(-1, 3, 5).tolist()}


ORDINAL = "ordinal"  # a baseline: EDSS is ordinal
REGRESSORS = {
    "ridge": Regressor("ridge regression", _ridge),
    "gp": Regressor("Gaussian process", _gaussian_process),
    "svr": Regressor("support vector regression", _support_vectors),
    "rf": Regressor("random forest", _forest),
    ORDINAL: Regressor("proportional odds", _ordinal, compared=False),
}
MODELS = tuple(name for name, regressor in REGRESSORS.items() if regressor.compared)
NAMES = {name: regressor.words for name, regressor in REGRESSORS.items()}


def regressor(name: str, seed: int) -> tuple[BaseEstimator, dict[str, list[Any]]]:
    """Return a regressor behind standardisation, and the grid it is tuned on.

    Parameters
    ----------
    name : str
        Of `REGRESSORS`.
    seed : int
        Of what draws numbers.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    estimator, grid = REGRESSORS[name].make(seed)
    step = type(estimator).__name__.lower()
    return make_pipeline(StandardScaler(), estimator), {f"{step}__{key}": v for key, v in grid.items()}


def folds(groups: npt.NDArray, n: int, seed: int) -> Splits:
    """Return folds that keep patients whole, at most one a patient.

    Parameters
    ----------
    groups : ndarray, (n,)
        Patient of each row.
    n : int
        Folds.
    seed : int
        Of the shuffle.
    """
    splitter = GroupKFold(min(n, len(np.unique(groups))), shuffle=True, random_state=seed)
    return list(splitter.split(np.zeros(len(groups)), groups=groups))


@dataclass(frozen=True)
class Tuned:
    """A regressor fitted with the best of its parameters, by the names that scikit-learn's searches give them."""

    best_estimator_: Any
    best_params_: dict[str, Any]

    def predict(self, X: Array) -> Array:
        """Return predictions, (n,), for rows of columns, (n, p)."""
        return self.best_estimator_.predict(X)


def tune(name: str, X: pd.DataFrame, y: Array, splits: Splits, seed: int) -> Tuned:
    """Tune a regressor by the squared error over folds and fit it to all rows.

    Parameters
    ----------
    name : str
        Regressor, in `REGRESSORS`.
    X : DataFrame, (n, p)
        Selected columns.
    y : ndarray, (n,)
        EDSS.
    splits : list of (train, test)
        Folds to tune on.
    seed : int
        Of regressors that draw.
    """
    model, grid = regressor(name, seed)
    values, y = X.to_numpy(np.float64), np.asarray(y, np.float64)
    if name == "ridge":  # one decomposition a fold serves all penalties: a thirtieth of the time
        params = {"ridge__alpha": best_penalty(values, y, splits, np.array(grid["ridge__alpha"]))}
        return Tuned(model.set_params(**params).fit(values, y), params)
    search = GridSearchCV(
        model, grid, scoring="neg_mean_squared_error", cv=splits, n_jobs=1, error_score="raise"
    ).fit(values, y)
    return Tuned(search.best_estimator_, search.best_params_)


def best_penalty(X: Array, y: Array, splits: Splits, alphas: Array) -> float:
    """Return the penalty of ridge regression on standardised columns with the least mean squared error over folds.

    Parameters
    ----------
    X : ndarray, (n, p)
    y : ndarray, (n,)
    splits : list of (train, test)
        Folds.
    alphas : ndarray, (k,)
        Penalties to choose from; of equals the first.
    """
    from sklearn.preprocessing import StandardScaler

    errors = np.zeros(len(alphas))
    for train, test in splits:
        scaler, mean = StandardScaler().fit(X[train]), y[train].mean()
        u, s, vt = np.linalg.svd(scaler.transform(X[train]), full_matrices=False)
        shrunk = s[:, None] / (s[:, None] ** 2 + alphas) * (u.T @ (y[train] - mean))[:, None]
        predicted = scaler.transform(X[test]) @ (vt.T @ shrunk) + mean
        errors += np.mean((predicted - y[test][:, None]) ** 2, axis=0)
    return float(alphas[np.argmin(errors)])


def cross_predict(model: BaseEstimator, X: pd.DataFrame, y: Array, splits: Splits) -> Array:
    """Return each row's prediction by the model fitted without its fold.

    Parameters
    ----------
    model : BaseEstimator
        Copied and fitted again for each fold.
    X : DataFrame, (n, p)
        Selected columns.
    y : ndarray, (n,)
        EDSS.
    splits : list of (train, test)
        Folds that cover every row once.
    """
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

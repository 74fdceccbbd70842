"""A regression for outcomes that are steps of a scale, as EDSS is: proportional odds, with a ridge penalty."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

Array = npt.NDArray[np.float64]
LEAST_PROBABILITY = 1e-12  # least probability of a level, so that its logarithm is finite


class ProportionalOdds(RegressorMixin, BaseEstimator):
    """Cumulative logit model (McCullagh 1980, J R Stat Soc B 42:109).

    P(outcome <= step k) = logistic(threshold_k - x beta), with a penalty of alpha / 2 times the squared length of beta.
    Distances between steps play no part in the fit. The prediction is the expected outcome.

    Parameters
    ----------
    alpha : float
        Strength of the penalty; columns should have one scale.

    Attributes
    ----------
    levels_ : ndarray, (k,)
        Outcomes of the training rows, ascending.
    thresholds_ : ndarray, (k - 1,)
    coef_ : ndarray, (p,)
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def fit(self, X: Any, y: Any) -> ProportionalOdds:
        """Fit to an (n, p) table and (n,) outcomes."""
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=2)
        self.levels_, step = np.unique(y, return_inverse=True)
        k, p = len(self.levels_), X.shape[1]
        self.coef_, self.thresholds_ = np.zeros(p), np.empty(0)
        if k == 1:
            return self
        below = np.cumsum(np.bincount(step))[:-1] / len(y)
        start = np.log(below / (1 - below))
        first = np.concatenate([np.zeros(p), start[:1], np.log(np.diff(start))])
        found = minimize(
            _loss, first, (X, step, k, self.alpha), jac=True, method="L-BFGS-B", options={"maxiter": 500}
        )
        self.coef_, self.thresholds_ = found.x[:p], _thresholds(found.x[p:])
        return self

    def probabilities(self, X: Any) -> Array:
        """Return the probability of each step, (n, p) -> (n, k)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        at_most = expit(self.thresholds_ - (X @ self.coef_)[:, None])
        return np.diff(at_most, axis=1, prepend=0, append=1)

    def predict(self, X: Any) -> Array:
        """Return expected outcomes, (n, p) -> (n,)."""
        return self.probabilities(X) @ self.levels_


def _thresholds(free: Array) -> Array:
    """Return ascending thresholds from the first and the logarithms of the distances between them."""
    return free[0] + np.concatenate([[0.0], np.cumsum(np.exp(free[1:]))])


def _loss(
    parameters: Array, X: Array, step: npt.NDArray[np.intp], k: int, alpha: float
) -> tuple[float, Array]:
    """Return the penalised negative log likelihood and its gradient."""
    p = X.shape[1]
    beta, free = parameters[:p], parameters[p:]
    limits = np.concatenate([[-np.inf], _thresholds(free), [np.inf]])
    line = X @ beta
    upper, lower = expit(limits[step + 1] - line), expit(limits[step] - line)
    chance = np.maximum(upper - lower, LEAST_PROBABILITY)
    d_upper, d_lower = upper * (1 - upper) / chance, lower * (1 - lower) / chance
    loss = -np.log(chance).sum() + alpha / 2 * beta @ beta
    by_threshold = np.bincount(step, -d_upper, k + 1)[: k - 1] + np.bincount(step, d_lower, k + 1)[1:k]
    later = np.cumsum(by_threshold[::-1])[::-1]  # a distance moves every threshold above it
    gradient = np.concatenate(
        [X.T @ (d_upper - d_lower) + alpha * beta, later[:1], later[1:] * np.exp(free[1:])]
    )
    return float(loss), gradient

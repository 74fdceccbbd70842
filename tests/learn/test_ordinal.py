"""Proportional odds: statsmodels' answers, scikit-learn's contract, a scale with uneven steps."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad
from sklearn.utils.estimator_checks import parametrize_with_checks

from bids_app.learn.ordinal import ProportionalOdds, _loss


def scale(n=300, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3))
    latent = X @ [1.0, -0.5, 0.0] + rng.logistic(size=n)
    return X, np.array([0, 1, 1.5, 4, 8])[np.digitize(latent, [-2, -0.5, 0.5, 2])]


@parametrize_with_checks([ProportionalOdds()])
def test_the_estimator_keeps_scikit_learns_contract(estimator, check):
    check(estimator)


def test_without_a_penalty_it_is_statsmodels_model():
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    X, y = scale()
    fitted = ProportionalOdds(alpha=0).fit(X, y)
    other = OrderedModel(np.searchsorted(fitted.levels_, y), X, distr="logit").fit(disp=False, method="bfgs")
    np.testing.assert_allclose(fitted.coef_, other.params[:3], atol=2e-3)
    np.testing.assert_allclose(fitted.probabilities(X), other.predict(), atol=2e-3)


def test_the_gradient_is_that_of_the_loss():
    X, y = scale(60)
    step = np.unique(y, return_inverse=True)[1]
    at = np.random.default_rng(1).normal(0, 0.5, 3 + 4)
    error = check_grad(lambda v: _loss(v, X, step, 5, 2.0)[0], lambda v: _loss(v, X, step, 5, 2.0)[1], at)
    assert error < 1e-4


def test_predictions_are_expected_steps_and_a_strong_penalty_leaves_the_mean():
    X, y = scale()
    fitted = ProportionalOdds(1.0).fit(X, y)
    predicted = fitted.predict(X)
    assert np.corrcoef(predicted, y)[0, 1] > 0.4
    assert predicted.min() >= 0 and predicted.max() <= 8
    np.testing.assert_allclose(fitted.probabilities(X).sum(axis=1), 1)
    assert np.ptp(ProportionalOdds(1e8).fit(X, y).predict(X)) < 0.01
    assert ProportionalOdds(1e8).fit(X, y).predict(X)[0] == pytest.approx(y.mean(), abs=0.02)

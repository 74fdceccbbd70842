"""Study A's regressors: one record each, and the same bytes whenever the same model is saved."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV

from bids_app.learn.artifact import ALLOWED, Model, load_model, save_model
from bids_app.learn.edss.models import MODELS, NAMES, REGRESSORS, Regressor, folds, regressor, tune
from bids_app.settings import EDSS_MODELS


@pytest.fixture
def data() -> tuple[pd.DataFrame, np.ndarray, list]:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(40, 3)), columns=list("abc"))
    return X, np.round(X["a"] + rng.normal(size=40) + 4) / 2, folds(np.arange(40), 3, 1)


@pytest.mark.parametrize("name", REGRESSORS)
def test_a_tuned_model_is_saved_alike_whatever_was_drawn_before(data, name, tmp_path):
    X, y, splits = data
    card = {"Kind": "edss", "Inputs": [], "Ranges": {}, "Sites": []}
    saved = []
    for k in (1, 2):
        np.random.rand(k)  # the global generator, which must not matter
        model = Model({"model": tune(name, X, y, splits, seed=1).best_estimator_}, card)
        path, _ = save_model(model, tmp_path / str(k))
        saved.append(path.read_bytes())
    assert saved[0] == saved[1]
    again = load_model(tmp_path / "1").parts["model"].predict(X.to_numpy())
    assert np.allclose(again, model.parts["model"].predict(X.to_numpy()))


def test_models_are_those_that_can_be_asked_for():
    assert MODELS == EDSS_MODELS


def test_a_regressor_is_one_record(data, monkeypatch):
    from sklearn.linear_model import Lasso

    X, y, splits = data
    monkeypatch.setitem(
        REGRESSORS, "lasso", Regressor("lasso", lambda seed: (Lasso(), {"alpha": [0.1, 1.0]}))
    )
    assert tune("lasso", X, y, splits, seed=1).best_params_["lasso__alpha"] in {0.1, 1.0}
    assert set(NAMES) == {*MODELS, "ordinal"}
    assert not any(name.startswith("sklearn.linear_model") for name in ALLOWED)  # which skops trusts itself


@pytest.mark.parametrize(("n", "p"), [(40, 3), (60, 25), (30, 50), (25, 1)])
def test_the_penalty_of_ridge_regression_is_that_of_a_grid_search(n, p):
    for seed in range(4):
        rng = np.random.default_rng([seed, n])
        X = pd.DataFrame(rng.normal(5, 3, size=(n, p)), columns=[f"c{k}" for k in range(p)])
        X["constant"] = 2.0
        y = np.round(X["c0"] / 3 + rng.normal(size=n), 1).to_numpy()
        splits = folds(np.repeat(np.arange(n), 2)[:n], 5, seed)
        found = tune("ridge", X, y, splits, seed)
        model, grid = regressor("ridge", seed)
        search = GridSearchCV(model, grid, scoring="neg_mean_squared_error", cv=splits).fit(X.to_numpy(), y)
        assert found.best_params_ == search.best_params_
        np.testing.assert_array_equal(found.predict(X.to_numpy()), search.predict(X.to_numpy()))

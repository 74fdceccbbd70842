"""Study A's selection steps: scikit-learn's own checks, Weka's answers, brute force."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from bids_app.learn.collinearity import greedy_keep_first
from bids_app.learn.selection import (
    CFSSelect,
    CollinearityFilter,
    Combat,
    CovariateZScore,
    LassoSelect,
    MedianImpute,
    RangeScaledVariance,
    StabilityFilter,
)

STEPS = [
    MedianImpute(),
    CovariateZScore(),
    RangeScaledVariance(),
    StabilityFilter(),
    CollinearityFilter(),
    Combat(),
    LassoSelect(cv=3),
    CFSSelect(),
]


@parametrize_with_checks(STEPS)
def test_estimators_keep_scikit_learns_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize("table", ["diabetes", "latent101", "latent102", "paperlike21", "duplicates"])
@pytest.mark.parametrize("locally", [True, False])
def test_cfs_selects_what_weka_selects(shared, table, locally):
    folder = shared / "data" / "weka-cfs"
    answers = json.loads((folder / "weka-3.9.7.json").read_text())
    data = pd.read_csv(folder / f"{table}.csv")
    X, y = data.drop(columns="y"), data["y"]
    chosen = CFSSelect(locally_predictive=locally).fit(X, y).transform(X).columns.tolist()
    assert chosen == answers[table]["locally predictive" if locally else "without locally predictive"]


def brute_force(X, order, threshold):
    r = np.corrcoef(X.astype(np.float64), rowvar=False)
    stands_for, kept = {}, []
    for column in order:
        by = next((k for k in kept if abs(r[column, k]) > threshold), None)
        stands_for[column] = column if by is None else by
        if by is None:
            kept.append(column)
    return np.array([stands_for[c] for c in range(X.shape[1])])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_collinearity_equals_the_greedy_rule_in_double_precision(seed, dtype):
    rng = np.random.default_rng(seed)
    n, p = int(rng.integers(12, 90)), 900
    latent = rng.standard_normal((n, 40))
    X = latent[:, rng.integers(40, size=p)] + rng.uniform(0.3, 1.2, p) * rng.standard_normal((n, p))
    X[:, 10:20] = X[:, :10] * 3 + 1
    X = (X * 10 ** rng.uniform(-3, 5, p) + rng.uniform(-1e3, 1e3, p)).astype(dtype)
    order = rng.permutation(p)
    np.testing.assert_array_equal(greedy_keep_first(X, order, 0.8), brute_force(X, order, 0.8))


def test_collinearity_at_the_threshold_itself_keeps_both():
    z = np.linalg.qr(np.random.default_rng(0).standard_normal((50, 3)) - 0)[0]
    z -= z.mean(axis=0)
    z, _ = np.linalg.qr(z)
    X = np.column_stack([z[:, 0], 0.79 * z[:, 0] + np.sqrt(1 - 0.79**2) * z[:, 1], z[:, 0] + 1e-3 * z[:, 2]])
    filter_ = CollinearityFilter(priority=["c"]).fit(pd.DataFrame(X, columns=list("abc")))
    assert filter_.representatives_ == {"a": "c"}


@pytest.mark.parametrize(("threshold", "rows"), [(0.5, 12), (0.6, 10)])
def test_correlations_of_exactly_the_threshold_are_as_pandas_has_them(threshold, rows):
    rng = np.random.default_rng(4)
    X = pd.DataFrame(rng.integers(0, 2, (rows, 600)).astype(float))
    r = X.corr().abs().to_numpy()
    assert np.count_nonzero(np.abs(r - threshold) < 1e-12) > 300
    kept = []
    for column in range(X.shape[1]):
        if not (r[column, kept] > threshold).any():
            kept.append(column)
    assert np.flatnonzero(CollinearityFilter(threshold).fit(X).keep_).tolist() == kept


def test_covariates_explain_nothing_of_the_z_scores():
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"age": rng.uniform(20, 60, 80), "sex": rng.integers(0, 2, 80)}).astype(float)
    table["volume"] = 5 * table["age"] - 30 * table["sex"] + rng.standard_normal(80)
    z = CovariateZScore(covariates=["age", "sex"], columns=["volume"]).fit_transform(table)
    assert abs(z[["age", "sex", "volume"]].corr().iloc[2, :2]).max() < 1e-10
    assert z["volume"].std(ddof=0) == pytest.approx(1)
    pd.testing.assert_frame_equal(z[["age", "sex"]], table[["age", "sex"]])


def test_stability_keeps_columns_of_unknown_reliability():
    table = pd.DataFrame(np.eye(4), columns=list("abcd"))
    kept = StabilityFilter(icc={"a": 0.95, "b": 0.89, "c": 0.9}).fit(table).transform(table)
    assert kept.columns.tolist() == ["a", "c", "d"]
    unknown = pd.Series({"a": 0.95, "b": np.nan, "c": 0.1})
    assert StabilityFilter(unknown).fit(table).get_support().tolist() == [True, True, False, True]


def test_lasso_finds_the_planted_columns_and_keeps_one_of_noise():
    rng = np.random.default_rng(2)
    X = pd.DataFrame(rng.standard_normal((200, 60))).add_prefix("f")
    y = X["f3"] - X["f40"] + 0.3 * rng.standard_normal(200)
    assert {"f3", "f40"} <= set(LassoSelect().fit(X, y).transform(X))
    noise = rng.standard_normal(200)
    assert LassoSelect().fit(X, noise).transform(X).shape[1] >= 1


@pytest.mark.parametrize("step", STEPS, ids=lambda s: type(s).__name__)
def test_tables_stay_tables_and_rows_do_not_matter(step):
    rng = np.random.default_rng(3)
    X = pd.DataFrame(rng.standard_normal((60, 12)), index=[f"v{i}" for i in range(60)]).add_prefix("f")
    y = pd.Series(X["f1"] + 0.1 * rng.standard_normal(60), X.index)
    out = clone(step).fit(X, y).transform(X)
    assert isinstance(out, pd.DataFrame) and list(out.index) == list(X.index)
    if isinstance(step, LassoSelect):
        return  # its folds follow the rows
    mixed = rng.permutation(60)
    again = clone(step).fit(X.iloc[mixed], y.iloc[mixed]).transform(X)
    pd.testing.assert_frame_equal(again, out)


def test_a_weight_on_the_last_rows_is_not_lost_by_the_bound_from_the_first():
    """Columns that agree in the last rows alone, in the first alone, or with opposite signs."""
    rng = np.random.default_rng(3)
    X = rng.normal(0, 0.01, (60, 40))
    spike = rng.normal(0, 1, 12)
    X[48:, :10] += spike[:, None] * rng.choice([-1, 1], 10)
    X[:12, 10:20] += spike[:, None]
    X[:, 20] = -X[:, 3]
    order = rng.permutation(40)
    np.testing.assert_array_equal(greedy_keep_first(X, order, 0.8), brute_force(X, order, 0.8))


def test_lasso_takes_any_whole_number_and_refuses_unknown_rules():
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((60, 30)), rng.standard_normal(60)
    assert LassoSelect(rule=np.int64(7)).fit(X, y).get_support().sum() >= 7
    with pytest.raises(ValueError, match="rule is"):
        LassoSelect(rule="2se").fit(X, y)


def test_lasso_keeps_as_many_columns_as_asked_for_from_noise_too():
    rng = np.random.default_rng(0)
    X, y = pd.DataFrame(rng.standard_normal((80, 300))).add_prefix("c"), rng.standard_normal(80)
    assert 21 <= LassoSelect(rule=21).fit(X, y).keep_.sum() <= 30
    assert LassoSelect(rule="1se").fit(X, y).keep_.sum() < 10

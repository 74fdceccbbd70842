"""The studies' own numbers, and other libraries', come out."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from bids_app.learn.statistics import (
    ancova_adjusted_p,
    cluster_bootstrap,
    cohen_kappa,
    gg_epsilon,
    icc_a1,
    kappa_band,
    mcnemar,
    median_test,
    partial_eta2,
    permutation_p,
    rm_anova_gg,
    wilson_interval,
)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [(131, 228, 51.0, 63.7), (69, 88, 68.7, 85.7), (200, 316, 57.9, 68.4)],
)
def test_wilson_gives_study_b_table_2(right, n, low, high):
    found = [100 * end for end in wilson_interval(right, n)]
    assert found == pytest.approx([low, high], abs=0.06)  # 57.849 is printed as 57.9 there


def test_mcnemar_gives_study_b_p_values():
    assert round(mcnemar(66, 48), 3) == 0.111
    assert round(mcnemar(64, 54), 3) == 0.407
    assert mcnemar(3, 9, exact=True) == pytest.approx(0.14599609375)
    assert mcnemar(0, 0) == 1.0


@pytest.mark.parametrize(
    ("kappa", "band"),
    [
        (0.19, "slight"),
        (0.279, "fair"),
        (0.414, "moderate"),
        (0.680, "substantial"),
        (0.8, "substantial"),
        (0.81, "almost perfect"),
    ],
)
def test_kappa_bands_of_study_b(kappa, band):
    assert kappa_band(kappa) == band


@pytest.mark.filterwarnings("error")
def test_kappa_where_raters_never_agree_is_0_without_warnings():
    assert cohen_kappa(["a", "a"], ["b", "b"]).kappa == 0


def test_kappa_by_hand():
    first = np.repeat(["a", "a", "b", "b"], [20, 5, 10, 15])
    second = np.repeat(["a", "b", "a", "b"], [20, 5, 10, 15])
    found = cohen_kappa(first, second)
    assert found.kappa == pytest.approx((0.7 - 0.5) / (1 - 0.5))
    assert found.low < found.kappa < found.high
    assert cohen_kappa(["a", "a"], ["a", "a"]).kappa == 1.0
    with pytest.raises(ValueError, match="one length"):
        cohen_kappa(["a"], ["a", "b"])


def test_published_f_and_df_give_the_published_effect_sizes():
    assert round(partial_eta2(7.94, 1.82, 180.39), 2) == 0.07
    assert round(partial_eta2(5.25, 1.70, 175.52), 2) == 0.05
    assert round(1.82 / 3, 2) == 0.61
    assert round(1.70 / 3, 2) == 0.57


def test_rm_anova_agrees_with_pingouin(rng):
    pingouin = pytest.importorskip("pingouin")
    data = (
        rng.normal(size=(40, 4)) + rng.normal(size=(40, 1)) + [0, 0.2, 0.4, 0.9] * rng.normal(1, 0.5, (40, 1))
    )
    table = pd.DataFrame(data).melt(ignore_index=False).reset_index()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = pingouin.rm_anova(
            table,
            dv="value",
            within="variable",
            subject="index",
            correction=True,
            effsize="np2",
            detailed=True,
        ).iloc[0]
    found = rm_anova_gg(data)
    columns = {name.replace("-", "_"): name for name in other.index}
    assert found.f == pytest.approx(other["F"])
    assert found.epsilon == pytest.approx(other["eps"])
    assert found.partial_eta2 == pytest.approx(other["np2"])
    assert found.p == pytest.approx(other[columns.get("p_GG_corr", "p_GG_corr")])


def test_epsilon_is_1_for_two_conditions_and_bounded(rng):
    assert gg_epsilon(rng.normal(size=(30, 2))) == pytest.approx(1)
    skewed = rng.normal(size=(30, 4)) * [1, 1, 1, 50]
    assert 1 / 3 <= gg_epsilon(skewed) < 0.5
    with pytest.raises(ValueError, match="missing"):
        rm_anova_gg([[1, np.nan], [2, 3]])


def test_conditions_that_are_all_the_same_do_not_differ(rng):
    same = np.repeat(rng.normal(size=(40, 1)) * 1.1, 4, axis=1)
    for values in (same, np.ones((5, 3))):
        found = rm_anova_gg(values)
        assert np.isnan([found.f, found.p, found.partial_eta2]).all()
    assert rm_anova_gg(same + [0.0, 0.0, 0.0, 1.0]).f == np.inf


def test_icc_agrees_with_pingouin(rng):
    pingouin = pytest.importorskip("pingouin")
    ratings = rng.normal(size=(12, 1, 3)) + 0.4 * rng.normal(size=(12, 4, 3)) + [[[0.0, 0.5, 1.0]]]
    found = icc_a1(ratings)
    for feature in range(3):
        table = pd.DataFrame(ratings[:, :, feature]).melt(ignore_index=False).reset_index()
        other = pingouin.intraclass_corr(table, targets="index", raters="variable", ratings="value")
        row = other[other["Type"].isin(["ICC2", "ICC(A,1)"])].iloc[0]
        assert found[feature] == pytest.approx(row["ICC"])
    assert np.isnan(icc_a1(np.ones((5, 3))))


def test_median_test_and_ancova(rng):
    assert median_test(rng.normal(size=80), rng.normal(1.5, 1, 80)) < 0.001
    age = rng.normal(size=200)
    group = np.where(age + 0.5 * rng.normal(size=200) > 0, "a", "b")
    only_age = 2 * age + rng.normal(size=200)
    covariates = pd.DataFrame({"age": age})
    assert ancova_adjusted_p(only_age, group, covariates) > 0.01
    assert ancova_adjusted_p(only_age, group, age[:, None]) == ancova_adjusted_p(only_age, group, covariates)
    assert ancova_adjusted_p(only_age + (group == "a"), group, covariates) < 0.001


def test_cluster_bootstrap_draws_patients_whole(rng):
    patients = np.repeat(np.arange(20), 10)
    values = np.repeat(rng.normal(size=20), 10)
    whole = cluster_bootstrap(lambda rows: values[rows].mean(), patients, seed=1, n=400)
    single = cluster_bootstrap(lambda rows: values[rows].mean(), np.arange(200), seed=1, n=400)
    assert whole[1] - whole[0] > 2 * (single[1] - single[0])
    assert whole == cluster_bootstrap(lambda rows: values[rows].mean(), patients, seed=1, n=400)
    assert all(np.isnan(cluster_bootstrap(lambda rows: np.nan, patients, seed=1, n=5)))


def test_p_of_permutations_is_never_zero_and_counts_ties():
    assert permutation_p(1.0, np.zeros(19)) == 1 / 20
    assert permutation_p(0.0, np.zeros(19)) == 1.0
    assert permutation_p(0.5, [0.1, 0.5, 0.9]) == 3 / 4

"""From decisions to calls: cut, probability and zone of no call, against scikit-learn and what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import _SigmoidCalibration
from sklearn.metrics import balanced_accuracy_score, brier_score_loss, precision_score, roc_curve

from bids_app.errors import InputError
from bids_app.learn.diagnosis.calls import calibration, prevalences, warnings, worth
from bids_app.learn.diagnosis.operating_point import (
    OperatingPoint,
    Rule,
    best_cut,
    cut_at,
    no_call_zone,
    platt,
)


def draw(n=(344, 97), apart=0.55, seed=0, offset=1.5):
    """Decisions of an unbalanced cohort as a machine without weights makes them: nearly all above 0."""
    rng = np.random.default_rng(seed)
    y = np.arange(sum(n)) < n[0]
    return rng.normal(offset, 1, len(y)) + apart * (y - 0.5), y


def test_cut_is_youdens():
    decision, y = draw(apart=1.0)
    false, true, _ = roc_curve(y, decision, drop_intermediate=False)
    called = decision >= best_cut(decision, y)
    assert called[y].mean() - called[~y].mean() == pytest.approx((true - false).max())


@pytest.mark.parametrize("seed", range(10))
def test_cut_mends_an_unbalanced_machine(seed):
    decision, y = draw(apart=1.0, seed=seed)
    assert np.mean(decision[y] >= 0) > 0.9 and np.mean(decision[~y] < 0) < 0.3  # the machine's own cut
    cut = OperatingPoint.learn(decision, y, Rule()).cut
    new, truth = draw((20_000, 20_000), apart=1.0, seed=100)
    assert np.mean(new[truth] >= cut) > 0.6 and np.mean(new[~truth] < cut) > 0.6


def test_cut_where_nothing_can_be_learned():
    decision, y = draw(apart=1.0)
    assert np.isfinite(OperatingPoint.learn(-decision, y, Rule()).cut)  # ranks the wrong way round
    assert OperatingPoint.learn(np.zeros(len(y)), y, Rule()).cut == 0


def test_cut_at_a_sensitivity():
    decision, y = draw()
    for sensitivity in (0.6, 0.9, 0.95):
        cut = cut_at(decision[y], sensitivity)
        assert np.mean(decision[y] >= cut) >= sensitivity > np.mean(decision[y] > cut) - 1e-9


def test_probability_is_platts():
    decision, y = draw(apart=1.2)
    slope, intercept = platt(decision, y)
    reference = _SigmoidCalibration().fit(decision, y)
    np.testing.assert_allclose([slope, intercept], [-reference.a_, -reference.b_], rtol=1e-3, atol=1e-3)
    assert platt(-decision, y)[0] == 0  # never against the ranking
    assert platt(np.zeros(len(y)), y)[1] == pytest.approx(np.log(y.sum() / (~y).sum()), abs=0.02)


@pytest.mark.parametrize(
    ("apart", "n"), [(0.3, (344, 97)), (1.5, (344, 97)), (6.0, (60, 30)), (0.0, (40, 12))]
)
def test_no_class_is_called_wrongly_more_often_than_promised(apart, n):
    wrong, coverage = [], []
    new, truth = draw((4000, 4000), apart=apart, seed=99)
    for seed in range(150):
        point = OperatingPoint.learn(*draw(n, apart=apart, seed=seed), Rule(wrong=0.2))
        called, first = point.called(new), new >= point.cut
        wrong.append([np.mean((called & ~first)[truth]), np.mean((called & first)[~truth])])
        coverage.append(called.mean())
    assert (np.mean(wrong, axis=0) <= 0.21).all()
    if apart == 6:
        assert np.mean(coverage) == 1  # classes apart: every scan is called
    if apart == 0:
        assert np.mean(coverage) < 0.45


def test_without_a_zone_every_scan_is_called():
    decision, y = draw()
    point = OperatingPoint.learn(decision, y, Rule(wrong=0))
    assert point.called(decision).all() and point.low == point.high == point.cut
    low, high = no_call_zone(decision[:5], y[:5] & (np.arange(5) < 3), 0.01)
    assert low == -np.inf and high == np.inf  # too few scans to promise anything


def test_rules_as_they_are_written():
    assert Rule.parse("youden") == Rule()
    assert Rule.parse("sensitivity=0.9", 0.1) == Rule(0.9, 0.1)
    for text in ("sensitivity", "sensitivity=2", "sensitivity=x", "accuracy", ""):
        with pytest.raises(InputError, match="--operating-point"):
            Rule.parse(text)


def test_worth_of_calls_against_scikit_learn():
    decision, y = draw()
    first, patient = decision >= best_cut(decision, y), np.arange(len(y)) // 3
    called = np.abs(decision - 1.5) > 0.3
    table = worth(y, first, patient, 1, prevalences("RRMS", ["NMOSD"]), called)
    assert (table["low"] <= table["estimate"]).all() and (table["estimate"] <= table["high"]).all()
    value = table.set_index(["metric", "prevalence"])["estimate"]
    by = table[table["prevalence"].isna()].set_index("metric")["estimate"]
    assert by["balanced accuracy"] == pytest.approx(balanced_accuracy_score(y, first))
    assert value["PPV", "this cohort"] == pytest.approx(precision_score(y, first))
    assert value["NPV", "this cohort"] == pytest.approx(precision_score(~y, ~first))
    assert by["majority"] == pytest.approx(344 / 441)
    assert by["coverage"] == called.mean()
    assert by["sensitivity, called scans"] == pytest.approx(first[y & called].mean())
    weight = np.where(y, (100 / 105) / y.mean(), (5 / 105) / (~y).mean())
    europe = precision_score(y, first, sample_weight=weight)
    assert value["PPV", "Europe and North America"] == pytest.approx(europe)
    assert value["PPV", "Asia"] < value["PPV", "one to one"] < europe
    assert set(prevalences("MOGAD", ["RRMS"])) == {"one to one"}


def test_calibration_against_scikit_learn():
    decision, y = draw()
    point = OperatingPoint.learn(decision, y, Rule())
    p = point.probability(decision)
    table = calibration(y, p, np.arange(len(y)) // 3, 1)
    assert table["n"].sum() == len(y)
    assert table["brier"].iloc[0] == pytest.approx(brier_score_loss(y, p))
    assert np.average(table["predicted"], weights=table["n"]) == pytest.approx(p.mean())
    assert p.mean() == pytest.approx(y.mean(), abs=0.01)
    assert table["observed"].between(table["low"], table["high"]).all()


def test_calls_that_tell_nothing_are_flagged():
    y = np.arange(100) < 78
    table = worth(y, np.ones(100, bool), np.arange(100), 1, {}, np.arange(100) < 20)
    warned = " | ".join(warnings(table, 0.78, "leak-free", ("RRMS", "NMOSD")))
    assert "every scan is called RRMS" in warned
    assert "accuracy 0.78 is not above 0.78" in warned
    assert "80 % of scans are indeterminate" in warned
    good = worth(y, y, np.arange(100), 1, {})
    assert not warnings(good, 1.0, "leak-free", ("RRMS", "NMOSD"))

"""Cohorts with planted truth: unbalanced classes are called on both sides, labels that mean nothing at chance."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from bids_app.learn.diagnosis.engine import MapView
from bids_app.learn.diagnosis.grid import Grid
from bids_app.learn.diagnosis.operating_point import Rule, platt
from bids_app.learn.diagnosis.protocols import (
    Design,
    balanced,
    fold_auc,
    leak_free,
    learn_points,
    published,
)
from bids_app.learn.diagnosis.sizes import aucs

GRID = Grid(sizes=(8, 64), C=(0.125, 1, 8), gamma=(0.03, 0.125))


def unbalanced(seed, n=(62, 18), scans=3, voxels=200, planted=0.2):
    """Patients 78 to 22 whose classes differ in a tenth of the voxels."""
    rng = np.random.default_rng(seed)
    y = np.arange(sum(n)) < n[0]
    chance = np.full((sum(n), voxels), 0.1)
    chance[y, :20] += planted
    lesions = rng.random(chance.shape) < chance
    patient = np.repeat(np.arange(sum(n)), scans)
    return lesions[patient] & (rng.random((len(patient), voxels)) < 0.8), y[patient], patient


def rates(y, first):
    return np.mean(first[y]), np.mean(~first[~y])


def test_seventy_eight_to_twenty_two_is_called_on_both_sides():
    learned, machine = [], []
    for seed in range(4):
        maps, y, patient = unbalanced(seed)
        design = Design(y, patient, seed=seed, cv=3, outer=4)
        run = leak_free(MapView(maps, y), design, GRID)
        learned.append(rates(y, run.decision >= 0))
        cut = np.array([fold["cut"] for fold in run.chosen])[run.fold]
        machine.append(rates(y, run.decision + cut >= 0))  # the machine's own cut, 0
        assert (run.probability >= 0).all() and abs(run.probability.mean() - y.mean()) < 0.1
    assert np.mean(learned, axis=0).min() > 0.6
    assert np.mean(machine, axis=0)[1] < np.mean(learned, axis=0)[1] - 0.1


def test_where_classes_overlap_calls_are_right_on_both_sides_and_the_rest_is_indeterminate():
    area, rates_called, wrong, coverage = [], [], [], []
    for seed in range(8):
        maps, y, patient = unbalanced(seed, n=(115, 32), voxels=300, planted=0.14)  # 345 scans to 96
        run = leak_free(MapView(maps, y), Design(y, patient, seed=seed, cv=5, outer=4), GRID)
        first = run.decision >= 0
        area.append(fold_auc(y, run.decision, run.fold))
        rates_called.append(rates(y[run.called], first[run.called]))
        wrong.append([np.mean((run.called & ~first)[y]), np.mean((run.called & first)[~y])])
        coverage.append(run.called.mean())
    assert 0.6 < np.mean(area) < 0.7
    assert np.mean(rates_called, axis=0).min() >= 0.6
    assert np.mean(wrong, axis=0).max() < 0.22  # a fifth is promised
    assert np.mean(coverage) < 0.7


def test_the_choice_among_many_settings_does_not_make_calls_surer():
    rng = np.random.default_rng(0)
    n, settings, every = 120, (1, 8, 8), np.arange(120)
    y = every % 3 > 0
    inner = [(np.flatnonzero(every // 20 != k), np.flatnonzero(every // 20 == k)) for k in range(6)]
    slopes, naive = [], []
    for _ in range(20):
        decisions = rng.normal(size=(*settings, n))  # nothing to be learned
        areas = np.array([aucs(y[test], decisions[..., test]) for _, test in inner]).mean(axis=0)
        best = np.unravel_index(areas.argmax(), settings)
        run = SimpleNamespace(decisions=decisions, folds=inner, best=np.array([best[1:]]), best_size=0)
        naive.append(platt(decisions[best], y)[0])
        slopes.append(learn_points(run, y, Rule(), np.arange(n))[0].slope)
    assert np.mean(naive) > 0.3  # the best of 64 looks as if it knew something
    assert np.mean(slopes) < 0.1


def test_null_calls_are_at_chance_and_mostly_indeterminate():
    score, area, wrong = [], [], []
    for seed in range(12):
        maps, y, patient = unbalanced(seed, n=(30, 20), planted=0.0)
        run = leak_free(MapView(maps, y), Design(y, patient, seed=seed, cv=3, outer=4), GRID)
        score.append(balanced(y, run.decision))
        area.append(fold_auc(y, run.decision, run.fold))
        first = run.decision >= 0
        wrong.append([np.mean((run.called & ~first)[y]), np.mean((run.called & first)[~y])])
    assert np.mean(score) == pytest.approx(0.5, abs=0.04)
    assert np.mean(area) == pytest.approx(0.5, abs=0.05)
    assert np.mean(wrong) < 0.22  # a fifth at most is promised


def test_published_protocol_is_as_published():
    maps, y, patient = unbalanced(1)
    design = Design(y, patient, seed=1, cv=3, outer=4)
    other = Design(y, patient, seed=1, cv=3, outer=4, rule=Rule(0.9, 0))
    one, two = (published(MapView(maps, y), of, GRID) for of in (design, other))
    np.testing.assert_array_equal(one.sweep.test_decisions, two.sweep.test_decisions)
    scores = one.sweep.mean_scores
    best = [scores[s][tuple(ij)] for s, ij in enumerate(one.sweep.best)]
    np.testing.assert_allclose(best, scores.max(axis=(1, 2)))  # by accuracy


def test_a_stated_sensitivity_is_near_what_is_measured():
    maps, y, patient = unbalanced(2, n=(80, 40))
    design = Design(y, patient, seed=1, cv=4, outer=4, rule=Rule(0.9, 0))
    run = leak_free(MapView(maps, y), design, GRID)
    assert rates(y, run.decision >= 0)[0] == pytest.approx(0.9, abs=0.07)
    assert run.called.all()


def test_there_are_as_many_folds_as_the_smaller_class_allows():
    rng = np.random.default_rng(0)
    y = np.arange(33) < 20  # 13 of the smaller class, the fewest for 5 outer and 10 inner folds
    patient = np.repeat(np.arange(33), rng.integers(1, 4, 33))
    maps, small = rng.random((len(patient), 50)) < 0.2, Grid(sizes=(8,), C=(1,), gamma=(0.125,))
    made = set()
    for seed in range(6):
        design = Design(y[patient], patient, seed=seed, cv=10, outer=5)
        run = leak_free(MapView(maps, y[patient]), design, small)
        for fold in run.chosen:
            train = run.fold != fold["outer_fold"]
            fewest = min(len(set(patient[train & (y[patient] == of)])) for of in (True, False))
            assert fold["inner_folds"] == min(10, fewest)
            made.add(fold["inner_folds"])
    assert min(made) < 10 == max(made)
    alone = Design(
        y, np.arange(33), seed=0, cv=10, outer=5
    )  # one scan each: 9 of the smaller class in training
    assert len(published(MapView(maps[:33], y), alone, small).sweep.folds) == 9

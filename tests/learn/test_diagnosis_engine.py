"""The engine against scikit-learn's own grid search, number by number."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2_contingency
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.svm import SVC

from bids_app.errors import InputError
from bids_app.learn.diagnosis.engine import binary_distances, chi2_rank, value_distances
from bids_app.learn.diagnosis.grid import PAPER_GRID, PAPER_SIZES, VanishingKernelWarning, resolve_sizes
from bids_app.learn.diagnosis.sizes import auc, cv_folds, sweep


def lesions(n=120, v=600, seed=0):
    """Maps of two classes, a third of each class's scans from the same few patients, some scans empty."""
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.7
    patient = rng.integers(0, n // 3, n) + np.where(y, 0, n)
    individual = {p: rng.random(v) < 0.15 for p in np.unique(patient)}
    base = np.exp(rng.normal(-3, 1, v)) + np.where(y[:, None], np.arange(v) < 20, np.arange(v) > v - 20) * 0.3
    maps = (rng.random((n, v)) < base) | (
        np.array([individual[p] for p in patient]) & (rng.random((n, v)) < 0.5)
    )
    maps[rng.random(n) < 0.1] = False
    return maps, np.where(y, "RRMS", "NMOSD"), patient


def reference(maps, y, result, s, C=PAPER_GRID, gamma=PAPER_GRID):
    """scikit-learn's grid search on the voxels and folds of a sweep."""
    voxels = result.order[: result.sizes[s]]
    search = GridSearchCV(SVC(kernel="rbf"), {"C": list(C), "gamma": list(gamma)}, cv=result.folds)
    return search.fit(maps[:, voxels].astype(float), y)


@pytest.fixture(scope="module")
def small():
    maps, y, _ = lesions()
    train, test = np.arange(90), np.arange(90, 120)
    with pytest.warns(VanishingKernelWarning):
        return maps, y, train, test, sweep(maps[train], y[train], sizes=(1, 4, 32, 600), cv=5, seed=3)


@pytest.mark.parametrize("s", range(4))
def test_full_grid_equals_grid_search(small, s):
    maps, y, train, test, result = small
    grid = reference(maps[train], y[train], result, s)
    found = np.stack([grid.cv_results_[f"split{k}_test_score"] for k in range(5)], axis=-1)
    np.testing.assert_array_equal(result.fold_scores[s].reshape(81, 5), found)
    assert grid.best_params_["C"] == result.models[s].C
    assert result.models[s].gamma == grid.best_params_["gamma"]
    voxels = result.order[: result.sizes[s]]
    new = maps[test][:, voxels].astype(float)
    np.testing.assert_array_equal(result.predict(maps[test])[:, s], grid.predict(new))
    np.testing.assert_array_equal(result.decision_function(maps[test])[:, s], grid.decision_function(new))


def test_every_out_of_fold_decision_is_the_same_double(small):
    maps, y, train, _, result = small
    for s, size in enumerate(result.sizes):
        X = maps[train][:, result.order[:size]].astype(float)
        for i, j in ((0, 0), (4, 2), (8, 8)):
            for fit, held in result.folds:
                machine = SVC(C=PAPER_GRID[i], gamma=PAPER_GRID[j]).fit(X[fit], y[train][fit])
                expected = machine.decision_function(X[held])
                np.testing.assert_array_equal(result.decisions[s, i, j, held], expected)
                np.testing.assert_array_equal(result.predictions[s, i, j, held], machine.predict(X[held]))


def test_best_setting_ties_go_to_the_smallest_C_then_gamma(small):
    *_, result = small
    mean = np.round(result.mean_scores, 12)
    for s, (i, j) in enumerate(result.best):
        winners = np.argwhere(mean[s] == mean[s].max())
        assert (i, j) == tuple(winners[np.lexsort((winners[:, 1], winners[:, 0]))[0]])


def test_median_gamma_is_scikit_learns_at_that_gamma():
    maps, y, _ = lesions(80, 300, seed=1)
    result = sweep(maps, y, sizes=(16, 300), C=(1, 8), gamma=(0.5, 2), gamma_scale="median", cv=4, seed=0)
    X = maps.astype(float)
    pairs = ((X[:, None] - X[None]) ** 2).sum(-1)[np.triu_indices(80, 1)]
    assert result.median_distance[1] == np.median(pairs)
    for s in range(2):
        np.testing.assert_allclose(result.gamma[s] * result.median_distance[s], [0.5, 2])
        grid = reference(maps, y, result, s, (1, 8), result.gamma[s].tolist())
        found = np.stack([grid.cv_results_[f"split{k}_test_score"] for k in range(4)], axis=-1)
        np.testing.assert_array_equal(result.fold_scores[s].reshape(4, 4), found)
    assert not result.vanished.any()


def test_groups_keep_patients_whole_and_rank_inside_folds():
    maps, y, patient = lesions(90, 200, seed=2)
    result = sweep(maps, y, patient, sizes=(8,), C=(1,), gamma=(0.25,), cv=3, seed=5)
    for fit, held in result.folds:
        assert not set(patient[fit]) & set(patient[held])
        voxels = chi2_rank(maps[fit], y[fit])[1][:8]
        X = maps[:, voxels].astype(float)
        expected = SVC(C=1, gamma=0.25).fit(X[fit], y[fit]).decision_function(X[held])
        np.testing.assert_array_equal(result.decisions[0, 0, 0, held], expected)


def test_same_seed_same_numbers():
    maps, y, _ = lesions(60, 100, seed=3)
    first, again, other = (
        sweep(maps, y, sizes=(4, 64), C=(1,), gamma=(0.5,), cv=3, seed=k) for k in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.decisions, again.decisions)
    assert any(
        (a[1] != b[1]).any() for a, b in zip(first.folds, other.folds, strict=True) if len(a[1]) == len(b[1])
    )


def test_chi2_is_pearsons_and_ties_go_by_voxel():
    maps, y, _ = lesions(70, 80, seed=4)
    maps[:, 10], maps[:, 3] = ~maps[:, 5], maps[:, 5]  # equal statistics
    maps[:, 0], maps[:, 1] = True, False
    statistic, order = chi2_rank(maps, y)
    for v in range(2, 80):
        table = [[np.sum(maps[y == c, v] == m) for m in (True, False)] for c in ("RRMS", "NMOSD")]
        if 0 < maps[:, v].sum() < 70:
            assert statistic[v] == pytest.approx(chi2_contingency(table, correction=False).statistic)
    assert statistic[0] == statistic[1] == 0
    assert statistic[3] == statistic[5] == statistic[10]
    place = {int(v): k for k, v in enumerate(order)}
    assert place[3] < place[5] < place[10] and place[0] < place[1]
    assert np.all(np.diff(statistic[order]) <= 0)


def test_distances_grow_over_blocks():
    rng = np.random.default_rng(0)
    a, b = rng.random((5, 9000)) < 0.3, rng.random((7, 9000)) < 0.3
    order = rng.permutation(9000)
    sizes = [1, 5000, 9000]
    for size, d in zip(sizes, binary_distances(a, b, order, sizes), strict=True):
        v = order[:size]
        np.testing.assert_array_equal(d, (a[:, None, v] != b[None][:, :, v]).sum(-1))
    x, z = rng.normal(size=(5, 9000)), rng.normal(size=(7, 9000))
    for size, d in zip(sizes, value_distances(x, z, order, sizes), strict=True):
        v = order[:size]
        np.testing.assert_allclose(d, ((x[:, None, v] - z[None][:, :, v]) ** 2).sum(-1), rtol=1e-10)


def test_paper_sizes_and_grid():
    assert resolve_sizes(PAPER_SIZES, 48193) == [*(2**i for i in range(16)), 48193]
    assert resolve_sizes(PAPER_SIZES, 4096) == [2**i for i in range(13)]
    assert PAPER_GRID == (0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32)
    with pytest.raises(InputError, match="smaller sizes"):
        resolve_sizes((100,), 10)


def test_auc_is_scikit_learns():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(1)
    y, d = rng.random(50) < 0.4, rng.integers(0, 6, 50)
    assert auc(y, d) == pytest.approx(roc_auc_score(y, d))
    assert np.isnan(auc(np.ones(3, bool), np.arange(3)))


def test_folds_refuse_classes_with_too_few_members():
    y = np.array(["RRMS"] * 20 + ["NMOSD"] * 6)
    patients = np.array([*range(20), *([30] * 3), *([31] * 3)])
    with pytest.raises(InputError, match="class NMOSD has 6 scans for 10 folds"):
        cv_folds(y, None, 10, 0)
    with pytest.raises(InputError, match="class NMOSD has 2 patients for 5 folds"):
        cv_folds(y, patients, 5, 0)
    with pytest.raises(InputError, match=r"only one class \(RRMS\)"):
        cv_folds(y[:20], None, 5, 0)


def test_maps_as_lists_and_folds_as_a_splitter(small):
    maps, y = small[:2]
    np.testing.assert_array_equal(chi2_rank(maps.tolist(), y)[0], chi2_rank(maps, y)[0])
    splitter = StratifiedKFold(4)
    few = {"sizes": [4], "C": [1], "gamma": [0.5], "seed": 0}
    by_splitter = sweep(maps, y, cv=splitter, **few)
    by_hand = sweep(maps, y, cv=splitter.split(maps, y), **few)
    np.testing.assert_array_equal(by_splitter.decisions, by_hand.decisions)


def test_unknown_scales_and_lengths_that_differ_are_refused(small):
    maps, y = small[:2]
    with pytest.raises(ValueError, match="gamma_scale"):
        sweep(maps, y, sizes=[4], gamma_scale="mean", cv=4, seed=0)
    with pytest.raises(ValueError, match="inconsistent"):
        sweep(maps, y[:-1], sizes=[4], cv=4, seed=0)

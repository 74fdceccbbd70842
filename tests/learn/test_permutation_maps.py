"""The permutation map: no more false maps than promised, planted differences found, statistics against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bids_app.learn.diagnosis.permutation_maps import patient_frequency, permutation_map, small_expected


def draw(seed, n_patients=30, scans=4, v=1500, planted=0.0):
    """Lesion maps that repeat within a patient, some voxels hit far more often than others."""
    rng = np.random.default_rng(seed)
    chance = rng.beta(0.5, 6, v)
    count = rng.integers(1, 2 * scans, n_patients)
    y = np.arange(n_patients) < 2 * n_patients // 3
    rng.shuffle(y)
    load = rng.gamma(2, 0.5, (n_patients, 1))
    p = np.clip(chance * load, 0, 0.9)
    p[np.ix_(y, range(20))] += planted
    lesions = rng.random((n_patients, v)) < np.clip(p, 0, 1)
    patient = np.repeat(np.arange(n_patients), count)
    return lesions[patient] & (rng.random((len(patient), v)) < 0.85), y[patient], patient


def test_family_wise_error_over_200_permuted_cohorts():
    false = [permutation_map(*draw(seed), seed=seed, permutations=200).p.min() <= 0.05 for seed in range(200)]
    assert sum(false) <= stats.binom.ppf(0.99, 200, 0.05)
    assert sum(false) >= 1  # a map that never finds anything would hold as well


def test_planted_difference_is_found_and_signed():
    found = permutation_map(*draw(1, n_patients=60, planted=0.7), seed=1, permutations=500)
    assert (found.p[:20] <= 0.05).mean() > 0.8 and (found.z[:20] > 0).all()
    assert (found.p[20:] > 0.05).all()


def test_statistic_is_a_t_test_with_the_variance_of_all():
    maps, y, patient = draw(2)
    frequency, of = patient_frequency(maps, y, patient)
    found = permutation_map(maps, y, patient, seed=1, permutations=10)
    k = int(np.argmax(np.abs(found.z)))
    a, b = frequency[of, k], frequency[~of, k]
    r = stats.pearsonr(frequency[:, k], of)[0]
    assert found.z[k] == pytest.approx(r * np.sqrt(len(of) - 1), rel=1e-5)
    assert np.sign(found.z[k]) == np.sign(a.mean() - b.mean())


def test_minimum_overlap_and_scans_per_patient():
    maps, y, patient = draw(3)
    found = permutation_map(maps, y, patient, seed=1, permutations=50, least_patients=6)
    frequency, _ = patient_frequency(maps, y, patient)
    np.testing.assert_array_equal(found.tested, (frequency > 0).sum(axis=0) >= 6)
    assert (found.p[~found.tested] == 1).all() and (found.z[~found.tested] == 0).all()
    twice = np.repeat(np.arange(len(y)), 2)  # every scan twice: the same map
    again = permutation_map(maps[twice], y[twice], patient[twice], seed=1, permutations=50, least_patients=6)
    np.testing.assert_array_equal(found.p, again.p)


def test_share_of_small_expected_counts_against_scipy():
    maps, y, _ = draw(4)
    small = []
    for column in maps[:, maps.any(axis=0)].T:
        table = np.array([[np.sum(column[y]), np.sum(~column[y])], [np.sum(column[~y]), np.sum(~column[~y])]])
        small.append(stats.contingency.expected_freq(table).min() < 5)
    assert small_expected(maps, y) == pytest.approx(np.mean(small))

"""Labels that mean nothing: the published protocol finds something, the leak-free one does not."""

from __future__ import annotations

import numpy as np

from bids_app.learn.diagnosis.engine import MapView
from bids_app.learn.diagnosis.grid import Grid
from bids_app.learn.diagnosis.protocols import Design, fold_auc, leak_free, null_aucs, permuted, published

GRID = Grid(sizes=(4, 32, 256), C=(1,), gamma=(0.125, 1))


def scans_of_patients(seed, n_patients=60, n_scans=4, voxels=256):
    """Draw scans that resemble the others of their patient and nothing else."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(n_patients), n_scans)
    lesions = rng.random((n_patients, voxels)) < 0.15
    maps = lesions[patient] & (rng.random((len(patient), voxels)) < 0.7)
    return maps, patient % 2 == 0, patient


def test_null_is_inflated_as_published_and_not_without_leakage():
    paper, nested = [], []
    for seed in range(16):
        maps, y, patient = scans_of_patients(seed)
        design = Design(y, patient, seed=seed, cv=3, outer=5)
        run = published(MapView(maps, y), design, GRID)
        paper.append(run.test_auc[run.chosen])
        decided = leak_free(MapView(maps, y), design, GRID)
        nested.append(fold_auc(y, decided.decision, decided.fold))
    assert np.mean(paper) > 0.8
    assert 0.45 < np.mean(nested) < 0.55


def test_permutation_keeps_patients_and_counts_of_patients():
    _, y, patient = scans_of_patients(0)
    design = Design(y, patient, seed=0)
    shuffled = permuted(design, 1)
    assert all(len(set(shuffled[patient == p].tolist())) == 1 for p in np.unique(patient))
    assert shuffled.sum() == y.sum() and (shuffled != y).any()
    np.testing.assert_array_equal(shuffled, permuted(design, 1))


def test_permutation_zero_is_the_observed_run():
    maps, y, patient = scans_of_patients(3)
    design = Design(y, patient, seed=2, cv=2, outer=2)
    table = null_aucs(lambda labels, protocol: MapView(maps, labels), design, GRID, 2, ["paper", "nested"])
    assert table.groupby("protocol")["permutation"].apply(list).to_dict() == {
        "paper": [0, 1, 2],
        "nested": [0, 1, 2],
    }
    run = published(MapView(maps, y), design, GRID)
    observed = table[(table["permutation"] == 0) & (table["protocol"] == "paper")]["auc"].iloc[0]
    assert observed == run.test_auc[run.chosen]

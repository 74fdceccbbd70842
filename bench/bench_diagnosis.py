"""Study B's grid search: time, memory and equality against scikit-learn's, on simulated lesion maps.

Usage: python bench/bench_diagnosis.py [--quick] [--null N]

Naive times are measured fit by fit at sampled settings of every number of voxels and extrapolated to the whole
grid; each sampled fit must give the same fold score and the same predictions as the engine.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from bids_app.learn.diagnosis.engine import MapView
from bids_app.learn.diagnosis.grid import Grid
from bids_app.learn.diagnosis.protocols import (
    COMPACT,
    Design,
    fold_auc,
    leak_free,
    permuted,
    published,
    split_scans,
)
from bids_app.learn.diagnosis.sizes import cv_folds, search

STUDY = {"patients": (172, 97), "scans": (746, 292), "voxels": 48193}
QUICK = {"patients": (40, 25), "scans": (150, 70), "voxels": 6000}


def simulate(patients, scans, voxels, seed=0):
    """Draw lesion maps: sites of each class, a pattern of each patient, artefacts, some scans without lesions."""
    rng = np.random.default_rng(seed)
    base = np.exp(rng.normal(-4.5, 1, voxels))
    maps, y, patient, n_before = [], [], [], 0
    for label, (n_patients, n_scans) in enumerate(zip(patients, scans, strict=True)):
        sites = np.zeros(voxels)
        sites[rng.choice(voxels, voxels // 200, replace=False)] = 0.2
        spare = rng.multinomial(n_scans - n_patients, rng.dirichlet(np.ones(n_patients)))
        for more in spare:
            lesions = rng.random(voxels) < np.clip(2 * (base + sites) * np.exp(rng.normal()), 0, 0.9)
            for _ in range(1 + more):
                scan = (lesions & (rng.random(voxels) < 0.7)) | (rng.random(voxels) < 0.004)
                maps.append(scan & (rng.random() > 0.1))
                y.append(label == 0)
                patient.append(n_before)
            n_before += 1
    return np.array(maps), np.array(y), np.array(patient)


def naive_fit(X, y, fold, C, gamma):
    """Fit and score one cell of the grid as GridSearchCV does; return predictions and seconds."""
    train, test = fold
    start = time.process_time()
    called = SVC(C=C, gamma=gamma).fit(X[train], y[train]).predict(X[test])
    return called, time.process_time() - start


def compare(maps, y, run, samples):
    """Return naive seconds for the whole grid, extrapolated per size, and how many sampled fits agree."""
    rng = np.random.default_rng(0)
    total, agree, tried, rows = 0.0, 0, 0, []
    for s, size in enumerate(run.sizes):
        X = maps[:, run.order[:size]].astype(float)
        seconds = []
        for _ in range(samples if size < 8192 else max(1, samples // 3)):
            i, j = rng.integers(len(run.C)), rng.integers(run.gamma.shape[1])
            k = int(rng.integers(len(run.folds)))
            called, took = naive_fit(X, y, run.folds[k], run.C[i], run.gamma[s, j])
            held = run.folds[k][1]
            agree += int(
                np.array_equal(called, run.predictions[s, i, j, held])
                and np.mean(called == y[held]) == run.fold_scores[s, i, j, k]
            )
            tried += 1
            seconds.append(took)
        rows.append((size, float(np.mean(seconds))))
        total += np.mean(seconds) * len(run.C) * run.gamma.shape[1] * len(run.folds)
    return total, agree, tried, rows


def null(maps, y, patient, n):
    """Print mean AUC of both protocols with diagnoses permuted between patients (reduced grid)."""
    found = {"published": [], "leak-free": []}
    for k in range(1, n + 1):
        design = Design(y, patient, seed=k)
        design = Design(permuted(design, k), patient, seed=k)
        view = MapView(maps, design.y)
        one = published(view, design, COMPACT)
        found["published"].append(one.test_auc[one.chosen])
        nested = leak_free(view, design, COMPACT)
        found["leak-free"].append(fold_auc(design.y, nested.decision, nested.fold))
        print(
            f"  null {k}: " + ", ".join(f"{name} {values[-1]:.3f}" for name, values in found.items()),
            flush=True,
        )
    for name, values in found.items():
        print(
            f"{name:10s} null AUC: mean {np.mean(values):.3f} (SD {np.std(values):.3f}, {n} runs, reduced grid)"
        )


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small maps")
    parser.add_argument("--null", type=int, default=0, metavar="N", help="also N null runs of both protocols")
    parser.add_argument("--samples", type=int, default=6, help="naive fits per number of voxels")
    args = parser.parse_args()
    maps, y, patient = simulate(**(QUICK if args.quick else STUDY))
    train, test = split_scans(y, 0.3, 1)
    folds = cv_folds(y[train], None, 10, 1)
    start = time.process_time()
    run = search(MapView(maps, y), y, Grid(), train, folds, inside_folds=False, test=test)
    engine = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    fits = run.fold_scores.size
    print(f"{len(maps)} maps x {maps.shape[1]} voxels, {len(train)} in training, {fits} fits")
    print(f"engine: {engine:.1f} CPU s (one thread), peak memory {peak:.2f} GB")
    naive, agree, tried, rows = compare(maps[train], y[train], run, args.samples)
    print("voxels   naive s/fit")
    for size, seconds in rows:
        print(f"{size:6d}   {seconds:.4f}")
    print(f"naive, extrapolated: {naive:.0f} CPU s; ratio {naive / engine:.0f} x")
    print(f"sampled fits equal in score and every prediction: {agree} of {tried}")
    if args.null:
        null(maps, y, patient, args.null)


if __name__ == "__main__":
    with threadpool_limits(1):  # CPU time is then the time of one core
        main()

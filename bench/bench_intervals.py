"""Coverage of the prediction intervals that are served, over many phantom cohorts of exchangeable patients.

CV+ on the same folds stands beside it, for comparison.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from bids_app.cohort.features import column_table
from bids_app.learn.edss.analysis import _prepare
from bids_app.learn.edss.fitting import Procedure, fit
from bids_app.learn.edss.intervals import NOMINAL, bounds, with_intervals
from bids_app.learn.edss.models import folds
from bids_app.learn.edss.options import Options
from bids_app.learn.edss.patients import HIGHEST_EDSS
from bids_app.learn.edss.protocols import Outer
from bids_app.learn.edss.serving import served
from bids_app.phantom.edss_people import PLANTED, draw_patient

Array = npt.NDArray[np.float64]
NOISE_COLUMNS = 100
RELIABILITY = 0.97  # of a planted feature as it is measured


def cohort(n: int, seed: int) -> SimpleNamespace:
    """Return patients of study A's phantom with the planted features and columns of noise."""
    people = [draw_patient(1, number, seed, null_outcome=False) for number in range(1, n + 1)]
    rng = np.random.default_rng([seed, 91])
    names = [f"radiomics.{region}.{feature}" for region, feature in PLANTED]
    names += [f"radiomics.Region{k}.original_glcm_Contrast" for k in range(NOISE_COLUMNS)]
    noise = rng.standard_normal((n, len(names)))
    planted = np.array([person.latent for person in people])
    noise[:, : len(PLANTED)] = RELIABILITY * planted + np.sqrt(1 - RELIABILITY**2) * noise[:, : len(PLANTED)]
    visits = pd.DataFrame(
        {
            "participant_id": [f"sub-{person.label}" for person in people],
            "session_id": None,
            "age": [person.age for person in people],
            "sex": [person.sex for person in people],
            "disease_duration": [person.duration for person in people],
            "disease_course": [person.course for person in people],
            "edss": [person.edss for person in people],
        }
    )
    return SimpleNamespace(
        visits=visits,
        features=pd.DataFrame(noise.astype(np.float32), columns=names),
        columns=column_table(names),
    )


def covered(n: int, tested: int, seed: int, models: list[str], outer: int) -> list[tuple[Any, ...]]:
    """Return coverage and mean width of each model's intervals on new patients of one cohort, and those of CV+."""
    ready = _prepare(cohort(n + tested, seed), Options())
    data = ready.data
    order = np.random.default_rng(seed).permutation(len(data.y))
    rows, test = np.sort(order[:n]), order[n:]
    design = Procedure(models, 5, outer, 0, seed)
    with threadpool_limits(1):
        left_out, fitted = [], []
        for train, held in folds(data.groups[rows], outer, seed + 1):
            one = fit(data, rows[train], design, ancillary=False)
            fitted.append(one.predict(data.X.iloc[test]))
            left_out.append(Outer(held, one.predict(data.X.iloc[rows[held]]), [], {}, [], {}))
        whole = fit(data, rows, design, ancillary=False)
    parts = with_intervals(data, rows, served(data, rows, whole), left_out, steps=False)
    out = []
    for key, model in parts.items():
        ends = {"served": bounds(model, data.X.iloc[test])}
        ends["CV+"] = cv_plus(data.y[rows], left_out, [predicted[key] for predicted in fitted], key)
        for method, (low, high) in ends.items():
            inside = (data.y[test] >= low) & (data.y[test] <= high)
            out.append((key[1], method, float(inside.mean()), float((high - low).mean())))
    return out


def cv_plus(
    y: Array, left_out: list[Outer], predicted: list[Array], key: tuple[str, str]
) -> tuple[Array, Array]:
    """Return the ends of CV+ intervals (Barber et al. 2021), inside the scale, from each fold's predictions."""
    errors = [np.abs(y[fold.test] - fold.predicted[key]) for fold in left_out]
    low = np.concatenate(
        [new[:, None] - error[None] for new, error in zip(predicted, errors, strict=True)], axis=1
    )
    high = np.concatenate(
        [new[:, None] + error[None] for new, error in zip(predicted, errors, strict=True)], axis=1
    )
    rank = int(np.ceil(NOMINAL * (len(y) + 1)))
    ends = np.sort(low, axis=1)[:, len(y) - rank], np.sort(high, axis=1)[:, rank - 1]
    return np.clip(ends[0], 0, HIGHEST_EDSS), np.clip(ends[1], 0, HIGHEST_EDSS)


def main() -> None:
    """Print the table; with --out, add the cohorts to a file and print the table of all that it holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=1, help="seed of the first cohort")
    parser.add_argument("--cohorts", type=int, default=200)
    parser.add_argument("--patients", type=int, default=160)
    parser.add_argument("--tested", type=int, default=100)
    parser.add_argument("--outer", type=int, default=10)
    parser.add_argument("--models", nargs="+", default=["ridge"])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, help="so that a long run can be split")
    args = parser.parse_args()
    jobs = (
        delayed(covered)(args.patients, args.tested, seed, args.models, args.outer)
        for seed in range(args.first, args.first + args.cohorts)
    )
    rows = [row for part in Parallel(args.jobs)(jobs) for row in part]
    table = pd.DataFrame(rows, columns=["model", "method", "coverage", "width"])
    if args.out is not None:
        table.to_csv(args.out, sep="\t", index=False, mode="a", header=not args.out.exists())
        table = pd.read_csv(args.out, sep="\t")
    for (name, method), part in table.groupby(["model", "method"], sort=False):
        error = part["coverage"].std(ddof=1) / np.sqrt(len(part))
        print(
            f"{len(part)} cohorts of {args.patients}, {name}, {method}: coverage {part['coverage'].mean():.4f} "
            f"(standard error {error:.4f}), mean width {part['width'].mean():.2f}"
        )


if __name__ == "__main__":
    main()

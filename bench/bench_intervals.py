"""Coverage of the prediction intervals that are served, over many phantom cohorts of exchangeable patients."""

from __future__ import annotations

import argparse
from types import SimpleNamespace

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from bids_app.cohort.features import column_table
from bids_app.learn.edss.analysis import _prepare
from bids_app.learn.edss.fitting import Procedure, fit
from bids_app.learn.edss.intervals import bounds, with_intervals
from bids_app.learn.edss.options import Options
from bids_app.learn.edss.protocols import leak_free
from bids_app.learn.edss.serving import served
from bids_app.phantom.edss_people import PLANTED, draw_patient

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


def covered(n: int, tested: int, seed: int, models: list[str], outer: int) -> list[tuple[str, float, float]]:
    """Return coverage and mean width of each model's intervals on new patients of one cohort."""
    ready = _prepare(cohort(n + tested, seed), Options())
    visits, data = ready.visits, ready.data
    order = np.random.default_rng(seed).permutation(len(visits))
    rows, test = np.sort(order[:n]), order[n:]
    design = Procedure(models, 5, outer, 0, seed)
    folds = leak_free(data, rows, design)
    parts = with_intervals(
        data, rows, served(data, rows, fit(data, rows, design, ancillary=False)), folds, steps=False
    )
    out = []
    for (_, name), model in parts.items():
        low, high = bounds(model["intervals"], data.X.iloc[test])
        inside = (data.y[test] >= low) & (data.y[test] <= high)
        out.append((name, float(inside.mean()), float((high - low).mean())))
    return out


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cohorts", type=int, default=200)
    parser.add_argument("--patients", type=int, default=160)
    parser.add_argument("--tested", type=int, default=100)
    parser.add_argument("--outer", type=int, default=10)
    parser.add_argument("--models", nargs="+", default=["ridge"])
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    jobs = (
        delayed(covered)(args.patients, args.tested, seed, args.models, args.outer)
        for seed in range(1, args.cohorts + 1)
    )
    rows = [row for part in Parallel(args.jobs)(jobs) for row in part]
    table = pd.DataFrame(rows, columns=["model", "coverage", "width"])
    for name, part in table.groupby("model", sort=False):
        error = part["coverage"].std(ddof=1) / np.sqrt(len(part))
        print(
            f"{len(part)} cohorts of {args.patients}, {name}: coverage {part['coverage'].mean():.4f} (standard error "
            f"{error:.4f}), mean width {part['width'].mean():.2f}"
        )


if __name__ == "__main__":
    main()

"""Simulated neurologists who call scans RRMS or NMOSD about as well as study B's two."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

# study B, table 2: share called right of RRMS and of NMOSD
RIGHT = {"A": {"RRMS": 0.640, "NMOSD": 0.818}, "B": {"RRMS": 0.697, "NMOSD": 0.580}}
# what a decision is made of (variances): the scan, the rater's own view of it, the day
SCAN, RATER, DAY = 0.55, 0.33, 0.12
SHOWN_TWICE = 0.1  # share of scans, to measure agreement with oneself


def draw_ratings(scans: pd.DataFrame, seed: int, null_outcome: bool) -> pd.DataFrame:
    """Draw each rater's decisions, a tenth of the scans shown twice.

    A decision is a normal variable cut where the rater's published share of right calls lies; its parts
    give study B's agreement within a rater (kappa 0.68) and between raters (0.41).

    Parameters
    ----------
    scans : DataFrame
        Columns participant_id, session_id, diagnosis (RRMS or NMOSD).
    seed : int
    null_outcome : bool
        Decide independently of the diagnosis.

    Returns
    -------
    DataFrame
        Columns participant_id, session_id, rater, decision, occasion.
    """
    rng = np.random.default_rng([seed, 61])
    n = len(scans)
    is_ms = (scans["diagnosis"] == "RRMS").to_numpy()
    scan, again = np.sqrt(SCAN) * rng.standard_normal(n), rng.random(n) < SHOWN_TWICE
    tables = []
    for rater, right in RIGHT.items():
        view = scan + np.sqrt(RATER) * rng.standard_normal(n)
        says_ms = np.where(is_ms, right["RRMS"], 1 - right["NMOSD"])
        cut = np.zeros(n) if null_outcome else stats.norm.ppf(says_ms)
        for occasion, shown in ((1, np.ones(n, bool)), (2, again)):
            decided = np.where(view + np.sqrt(DAY) * rng.standard_normal(n) < cut, "RRMS", "NMOSD")
            table = scans[["participant_id", "session_id"]].assign(
                rater=rater, decision=decided, occasion=occasion
            )
            tables.append(table[shown])
    return pd.concat(tables, ignore_index=True)

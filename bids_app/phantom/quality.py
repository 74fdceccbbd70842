"""Quality numbers of scans that were never made: mostly good, now and then a bad one, and what they are known by."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from bids_app.derivatives.reader import Derivatives, read_table
from bids_app.image.quality import QUALITY, quality_row

BAD = 0.02  # share of scans with stripes or noise
Typical = Mapping[str, tuple[float, float]]
NUMBERS: Typical = {name: number.typical for name, number in QUALITY.items() if number.typical}


def typical_of(derivatives: Path) -> Typical:
    """Return mean and SD of each quality number in finished visits; as in `NUMBERS` where there are none."""
    rows = [
        table for _, path in Derivatives(derivatives).find("qc") if (table := read_table(path)) is not None
    ]
    if not rows:
        return NUMBERS
    found = pd.concat(rows).reindex(columns=list(NUMBERS)).apply(pd.to_numeric, errors="coerce")
    mean, sd = found.mean(), found.std().fillna(0.0)
    return {
        name: (float(mean[name]), max(float(sd[name]), usual[1] / usual[0] * abs(float(mean[name]))))
        if np.isfinite(mean[name])
        else usual
        for name, usual in NUMBERS.items()
    }


def draw_quality(
    rng: np.random.Generator,
    site: int,
    known: Mapping[str, float],
    *,
    t1w: bool = True,
    typical: Typical = NUMBERS,
) -> pd.DataFrame:
    """Return a visit's row of quality numbers.

    Parameters
    ----------
    rng : Generator
    site : int
        From 1 on; each later scanner has a little more noise.
    known : mapping of str to float
        Numbers that the phantom knows, e.g. lesion_count.
    t1w : bool
        Whether the visit has a T1w; without, its numbers are missing.
    typical : mapping of str to (float, float)
        Mean and SD of each number.
    """
    row: dict[str, object] = {}
    noise = rng.standard_normal(len(NUMBERS))
    kind = rng.random()
    for (name, (mean, sd)), z in zip(typical.items(), noise, strict=True):
        if t1w or "t1w" not in name:
            worse = 0.9 ** (site - 1) if name.startswith(("snr", "cnr")) else 1.0
            row[name] = mean * worse + sd * z
    if kind < BAD / 2:
        row["flair_slice_outlier"] = 25.0 + 20 * rng.random()
    elif kind < BAD:
        row |= {name: 0.3 * value for name, value in row.items() if isinstance(value, float) and "nr" in name}
        row["flair_noise"] = 0.15
    row |= dict(known) | {"skull_stripped": 0}
    numbers = {name: value for name, value in row.items() if isinstance(value, int | float)}
    return quality_row(numbers)

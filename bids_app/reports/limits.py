"""What the lesion step would have found on this scan: a sentence and a table."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from bids_app.derivatives.reader import VisitFiles
from bids_app.image.calibration import CONTRASTS, LARGEST_MM3, SIZES, SMALLEST_MM3
from bids_app.reports.extras import linked_table


def limits_context(visit: VisitFiles) -> dict[str, Any] | None:
    """Return the detection limits for the page; None for a visit that was not calibrated.

    Parameters
    ----------
    visit : VisitFiles
        The visit.
    """
    limits, lesions = visit.table("detection_limits"), visit.table("calibration_lesions")
    if limits is None or not {"name", "limit_mm3", "false_mm3"} <= set(limits.columns):
        return None
    return {
        "words": _words(limits.set_index("name")),
        "columns": ["Volume put in, mm³", *({"label": name, "numeric": True} for name in CONTRASTS)],
        "rows": [] if lesions is None else _rows(lesions),
        "source": linked_table(visit, "calibration_lesions") if lesions is not None else None,
    }


def _words(limits: pd.DataFrame) -> str:
    each = [f"{name} ones {_from(limits['limit_mm3'].get(name))}" for name in reversed(CONTRASTS)]
    false = float(limits["false_mm3"].get("all", float("nan")))
    return (
        f"On this scan 80 % of lesions are found {_from(limits['limit_mm3'].get('all'))}: {', '.join(each)}; "
        f"{false:.0f} mm³ appeared where none was put."
    )


def _from(limit: float | None) -> str:
    if limit is None or pd.isna(limit):
        return f"at no size up to {LARGEST_MM3:g} mm³"
    return f"from {limit:.0f} mm³" + (" or less" if limit <= SMALLEST_MM3 else "")


def _rows(lesions: pd.DataFrame) -> list[list[str]]:
    """Return how many of each range of sizes and each contrast were found: 2 of 3."""
    edges = np.geomspace(SMALLEST_MM3, LARGEST_MM3, SIZES)
    rows = []
    for low, high in pairwise([0.0, *edges[1:-1], np.inf]):
        here = lesions[lesions["volume_mm3"].between(low, high, inclusive="left")]
        cells = [here.loc[here["name"] == name, "found"] for name in CONTRASTS]
        words = (
            f"under {high:.0f}"
            if not low
            else f"{low:.0f} and more"
            if np.isinf(high)
            else f"{low:.0f} to {high:.0f}"
        )
        rows.append([words, *(f"{int(cell.sum())} of {len(cell)}" for cell in cells)])
    return rows

"""All figures of study A."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from bids_app.figures import charts
from bids_app.figures.drawing import Drawing, Kept, keep_all
from bids_app.learn.edss.figures.accuracy import calibration, performance, predictions
from bids_app.learn.edss.figures.intervals import intervals
from bids_app.learn.edss.figures.selection import funnel, learning, regions
from bids_app.learn.edss.models import NAMES
from bids_app.learn.edss.patients import NOT_APPLIED
from bids_app.learn.edss.result import EDSSResult
from bids_app.protocol import CROSS_VALIDATED

if TYPE_CHECKING:
    import nibabel as nib

    from bids_app.image.atlas import Atlas

SETS = {"training": "Training", "internal": "Internal test", "external": "External test"}


def draw(result: EDSSResult, folder: Path, atlas: Atlas, template: nib.Nifti1Image) -> list[Kept]:
    """Draw the figures of an EDSS analysis as `edss_<figure>.svg` with the numbers beside each.

    Parameters
    ----------
    result : EDSSResult
    folder : Path
        Where they are written.
    atlas : Atlas
        The regions that columns are named after.
    template : Nifti1Image
        T1w that the regions are shown on.
    """
    models = [m for m in result.tables["predictions"]["model"].unique() if m in NAMES]
    makers: list[Callable[[], Drawing | None]] = [
        partial(flow, result),
        *(partial(predictions, result, model) for model in models),
        partial(performance, result),
        partial(funnel, result),
        partial(regions, result, atlas, template),
        partial(gap, result),
        partial(null, result),
        partial(learning, result),
        partial(calibration, result),
        partial(intervals, result),
    ]
    return keep_all(makers, folder)


def flow(result: EDSSResult) -> Drawing:
    """Draw visits left after each criterion, and the sets."""
    cohort = result.tables["cohort"]
    ends = {
        words: (
            int((cohort["set"] == name).sum()),
            cohort.loc[cohort["set"] == name, "participant_id"].nunique(),
        )
        for name, words in SETS.items()
        if (cohort["set"] == name).any()
    }
    flow = result.tables["flow"]
    steps = flow[~flow["reason"].astype(str).str.startswith(NOT_APPLIED)].reset_index(drop=True)
    return charts.flow("edss_flow", "From visits to the sets of study A", steps, ends)


def gap(result: EDSSResult) -> Drawing | None:
    """Draw cross-validated r of every model in both protocols."""
    table = result.tables["performance"]
    table = table[(table["set"] == "cv") & (table["features"] == "all")]
    if not set(CROSS_VALIDATED) <= set(table["protocol"]):
        return None
    models = [name for name in NAMES if (table["model"] == name).any()]
    rows: dict[str, list[object]] = {"row": [NAMES[name] for name in models]}
    for protocol in CROSS_VALIDATED:
        by_model = table[table["protocol"] == protocol].set_index("model").reindex(models)
        for ending in ("", "_low", "_high"):
            rows[f"{protocol}{ending}"] = by_model[f"r{ending}"].to_list()
    return charts.gap(
        "edss_gap", pd.DataFrame(rows), "cross-validated r", chance=0.0, better="Further right is better."
    )


def null(result: EDSSResult) -> Drawing | None:
    """Draw cross-validated r with permuted outcomes."""
    if "null" not in result.tables:
        return None
    table, summary = result.tables["null"], result.tables["null_summary"]
    model = table["model"].iloc[0]
    notes = [
        f"{row['protocol']}: observed {row['r']:.2f}, mean of {row['permutations']} permutations "
        f"{row['null_mean_r']:.2f}, P = {row['p']:.3f}."
        for row in summary[summary["model"] == model].to_dict("records")
    ]
    rows = table[table["model"] == model]
    return charts.null("edss_null", rows, "r", f"cross-validated r ({NAMES[model]})", notes)

"""Prediction intervals: what they promise, and what they keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bids_app.figures.drawing import INK, MUTED, PALETTE, Drawing, new_figure
from bids_app.learn.edss.models import NAMES
from bids_app.learn.edss.result import EDSSResult
from bids_app.learn.edss.sets import SETS
from bids_app.spelling import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def intervals(result: EDSSResult) -> Drawing | None:
    """Draw each held-out visit's interval with its observed EDSS, and how many intervals hold it."""
    if "interval_visits" not in result.tables:
        return None
    visits, coverage = result.tables["interval_visits"], result.tables["intervals"]
    visits = visits[visits["model"] == visits["model"].iloc[0]]
    sets = list(visits["set"].unique())
    figure, axes = new_figure(
        len(sets) + 1, height=3.0, gridspec_kw={"width_ratios": [*(1.0 for _ in sets), 0.9]}
    )
    for ax, where in zip(axes, sets, strict=False):
        _caterpillar(ax, visits[visits["set"] == where])
        ax.set(title=SETS[where], xlabel="visits, by predicted EDSS", xticks=[])
    axes[0].set_ylabel("EDSS")
    axes[0].legend(loc="upper left", fontsize=8)
    _coverage(axes[-1], coverage, sets)
    nominal = coverage["nominal"].iloc[0]
    text = "; ".join(
        f"{SETS[row['set']]}, {NAMES[row['model']]}: mean width {row['width']:.2f}, measured coverage "
        f"{percent(row['coverage'])} of {row['n_visits']}"
        for row in coverage.to_dict("records")
    )
    return Drawing(
        "edss_intervals",
        f"Prediction intervals: promised {percent(nominal)}, measured",
        f"Intervals of {percent(nominal)} for each held-out visit with its observed EDSS, and measured "
        f"coverage. {text}.",
        f"Left: an interval per visit ({NAMES[visits['model'].iloc[0]]}), dots the observed EDSS, crosses "
        "those outside. Right: share of "
        f"visits whose EDSS lies in its interval, with 95 % intervals (Wilson); {percent(nominal)} is promised "
        "(dotted). The promise holds for "
        "patients like those of the training sites; at another site the measured coverage says how far it carries.",
        visits,
        figure,
    )


def _caterpillar(ax: Axes, part: pd.DataFrame) -> None:
    part = part.sort_values(["predicted", "observed"], kind="stable")
    places = np.arange(len(part))
    inside = part["inside"].to_numpy(bool)
    ax.vlines(
        places, part["low"], part["high"], color=PALETTE[5], lw=max(0.4, min(4.0, 90 / len(part))), alpha=0.6
    )
    ax.plot(places[inside], part["observed"][inside], "o", ms=3, color=INK, label="observed, inside")
    ax.plot(
        places[~inside], part["observed"][~inside], "X", ms=5, color=PALETTE[1], label="observed, outside"
    )


def _coverage(ax: Axes, coverage: pd.DataFrame, sets: list[str]) -> None:
    models = [name for name in NAMES if (coverage["model"] == name).any()]
    for k, where in enumerate(sets):
        of_set = coverage[coverage["set"] == where].set_index("model").reindex(models)
        places = np.arange(len(models)) + (k - (len(sets) - 1) / 2) * 0.25
        ax.hlines(places, of_set["coverage_low"], of_set["coverage_high"], color=PALETTE[k], lw=1.4)
        ax.plot(of_set["coverage"], places, "os^"[k % 3], ms=5, color=PALETTE[k], label=SETS[where])
    ax.axvline(coverage["nominal"].iloc[0], color=MUTED, ls=":", lw=1.2)
    ax.set(
        title="measured coverage",
        yticks=range(len(models)),
        yticklabels=[NAMES[m] for m in models],
        ylim=(len(models) - 0.5, -0.5),
        xlim=(min(0.5, coverage["coverage_low"].min() - 0.05), 1.02),
    )
    ax.legend(loc="lower left", fontsize=8)

"""Predicted against observed EDSS, models compared, calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bids_app.figures.drawing import (
    INK,
    MARKERS,
    MUTED,
    PALETTE,
    PROTOCOL_COLOURS,
    Drawing,
    new_figure,
    visit_link,
    with_interval,
)
from bids_app.learn.edss.models import NAMES
from bids_app.learn.edss.result import EDSSResult
from bids_app.learn.edss.sets import SETS
from bids_app.protocol import LABELS, Protocol

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEATURES = {"all": "all columns", "clinical": "clinical columns alone"}


def titled(where: str, protocol: str) -> str:
    """Return the name of a set as seen by a protocol."""
    words = SETS.get(where, where)
    return words if protocol == Protocol.HELD_OUT else f"{words}, {LABELS[protocol]}"


def by_set(table: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """Return protocol, set and rows of each pair of them, in the table's order."""
    groups = table.groupby(["protocol", "set"], sort=False)
    return [(str(key[0]), str(key[1]), part) for key, part in groups]


def predictions(result: EDSSResult, model: str) -> Drawing:
    """Draw predicted against observed EDSS of a model, a panel per set, coloured by site."""
    table = result.tables["predictions"]
    table = table[(table["features"] == "all") & (table["model"] == model)]
    scores = result.tables["performance"]
    scores = scores[(scores["features"] == "all") & (scores["model"] == model)]
    known = {(row["protocol"], row["set"]): row for row in scores.to_dict("records")}
    parts = by_set(table)
    columns = min(len(parts), 4)
    figure, axes = new_figure(
        columns,
        rows=-(-len(parts) // columns),
        height=3.4 * -(-len(parts) // columns),
        sharex=True,
        sharey=True,
    )
    sites = sorted(table["site"].fillna("all").astype(str).unique())
    limits, rng, texts = _limits(table), np.random.default_rng(0), []
    for ax, (protocol, where, part) in zip(axes, parts, strict=False):
        _scatter(ax, part, sites, rng)
        ax.plot(limits, limits, color=MUTED, lw=0.9)
        ax.set(xlim=limits, ylim=limits, aspect="equal", xlabel="observed EDSS")
        ax.set_title(titled(where, protocol))
        row = known[protocol, where]
        found = {m: with_interval(row[m], row[f"{m}_low"], row[f"{m}_high"]) for m in ("r", "R2", "mae")}
        words = f"r {found['r']}\nR\N{SUPERSCRIPT TWO} {found['R2']}\nMAE {found['mae']}"
        ax.text(0.03, 0.98, words, transform=ax.transAxes, va="top", fontsize=7.5)
        texts.append(f"{titled(where, protocol)}: n = {len(part)}, r {found['r']}, MAE {found['mae']}")
    for ax in axes[len(parts) :]:
        ax.set_axis_off()
    axes[0].set_ylabel("predicted EDSS")
    figure.legend(*axes[0].get_legend_handles_labels(), title="site", loc="outside lower center", ncols=6)
    return Drawing(
        f"edss_predictions-{model}",
        f"Predicted against observed EDSS: {NAMES[model]}",
        f"Scatter plots of EDSS predicted by {NAMES[model]} against observed EDSS. {'; '.join(texts)}.",
        "A point per visit, colour and shape by site; on the line, prediction and observation agree. "
        "Observed values are "
        "spread by up to 0.12 so that points do not hide each other. r: Pearson; R\N{SUPERSCRIPT TWO}: coefficient of "
        "determination (below 0 is worse than predicting the mean); MAE: mean absolute error in EDSS "
        "points; 95 % intervals "
        "from a bootstrap over patients.",
        table,
        figure,
    )


def _limits(table: pd.DataFrame) -> tuple[float, float]:
    values = table[["observed", "predicted"]].to_numpy(np.float64)
    return float(min(0, np.nanmin(values))) - 0.3, float(max(8, np.nanmax(values))) + 0.3


def _scatter(ax: Axes, part: pd.DataFrame, sites: list[str], rng: np.random.Generator) -> None:
    named = part["site"].fillna("all").astype(str)
    for k, site in enumerate(sites):
        of_site = part[named == site]
        points = ax.scatter(
            of_site["observed"] + rng.uniform(-0.12, 0.12, len(of_site)),
            of_site["predicted"],
            s=11,
            alpha=0.65,
            linewidths=0,
            color=PALETTE[k % len(PALETTE)],
            marker=MARKERS[k % len(MARKERS)],
            label=site,
        )
        points.set_urls([visit_link(visit) for visit in of_site["visit"]])


def performance(result: EDSSResult) -> Drawing:
    """Draw r and mean absolute error of every model on every set with their 95 % intervals."""
    table = result.tables["performance"]
    baseline = table[table["features"] == "none"]
    table = table[table["features"] != "none"]
    groups = by_set(table)
    figure, axes = new_figure(
        2, rows=len(groups), height=1.5 * len(groups) + 0.6, sharex="col", sharey=True, squeeze=False
    )
    models = [name for name in NAMES if (table["model"] == name).any()]
    for line, (protocol, where, part) in enumerate(groups):
        for ax, measure in zip(axes[2 * line : 2 * line + 2], ("r", "mae"), strict=True):
            _estimates(ax, part, measure, models, PROTOCOL_COLOURS[protocol])
        mean_alone = baseline[(baseline["set"] == where) & (baseline["protocol"] == protocol)]
        if len(mean_alone):
            axes[2 * line + 1].axvline(mean_alone["mae"].iloc[0], color=MUTED, ls=":", lw=1)
        axes[2 * line].set_title(titled(where, protocol))
        axes[2 * line].axvline(0, color=MUTED, ls=":", lw=1)
    axes[-2].set_xlabel("r")
    axes[-1].set_xlabel("mean absolute error (EDSS points)")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    best = (
        table[table["features"] == "all"].sort_values("mae").groupby(["protocol", "set"], sort=False).head(1)
    )
    text = "; ".join(
        f"{titled(row['set'], row['protocol'])}: {NAMES[row['model']]}, r "
        f"{with_interval(row['r'], row['r_low'], row['r_high'])}, MAE "
        f"{with_interval(row['mae'], row['mae_low'], row['mae_high'])}"
        for row in best.to_dict("records")
    )
    return Drawing(
        "edss_performance",
        "Models compared",
        f"Estimates with 95 % intervals of r and mean absolute error for each model and set. Smallest error: {text}.",
        "Filled: all columns; open: clinical columns alone. Further right is better for r, further left for the error. "
        "Dotted line: r = 0 on the left, predicting everybody's mean on the right. Where intervals "
        "overlap widely, the order of "
        "the models means little; the table below has the paired tests.",
        table,
        figure,
    )


def _estimates(ax: Axes, part: pd.DataFrame, measure: str, models: list[str], colour: str) -> None:
    for features, shift, filled in (("all", -0.15, True), ("clinical", 0.15, False)):
        rows = part[part["features"] == features]
        places = [models.index(name) + shift for name in rows["model"]]
        ax.hlines(places, rows[f"{measure}_low"], rows[f"{measure}_high"], color=colour, lw=1.4)
        ax.plot(
            rows[measure],
            places,
            "o",
            ms=5,
            color=colour,
            mfc=colour if filled else "white",
            label=FEATURES[features],
        )
    ax.set(yticks=range(len(models)), yticklabels=[NAMES[m] for m in models], ylim=(len(models) - 0.5, -0.5))


def calibration(result: EDSSResult) -> Drawing | None:
    """Draw mean observed against mean predicted EDSS in groups of similar prediction."""
    if "calibration" not in result.tables:
        return None
    table = result.tables["calibration"]
    groups = by_set(table)
    columns = min(len(groups), 4)
    figure, axes = new_figure(columns, rows=-(-len(groups) // columns), height=2.8, sharex=True, sharey=True)
    top = float(np.nanmax(table[["observed", "high", "predicted"]].to_numpy())) + 0.4
    texts = []
    for ax, (protocol, where, part) in zip(axes, groups, strict=False):
        ax.plot([0, top], [0, top], color=MUTED, lw=0.9)
        ax.vlines(part["predicted"], part["low"], part["high"], color=PROTOCOL_COLOURS[protocol], lw=1.4)
        ax.plot(part["predicted"], part["observed"], "o-", ms=5, lw=0.8, color=PROTOCOL_COLOURS[protocol])
        ax.set(xlim=(0, top), ylim=(0, top), aspect="equal", xlabel="mean predicted EDSS")
        ax.set_title(titled(where, protocol))
        slope, offset = part["slope"].iloc[0], part["offset"].iloc[0]
        ax.text(
            0.03,
            0.97,
            f"slope {slope:.2f}\nmean error {offset:+.2f}",
            transform=ax.transAxes,
            va="top",
            color=INK,
        )
        texts.append(f"{titled(where, protocol)}: slope {slope:.2f}, mean error {offset:+.2f}")
    for ax in axes[len(groups) :]:
        ax.set_axis_off()
    axes[0].set_ylabel("mean observed EDSS")
    model = NAMES[table["model"].iloc[0]]
    return Drawing(
        "edss_calibration",
        f"Calibration: {model}",
        f"Mean observed EDSS with 95 % intervals in groups of similar prediction. {'; '.join(texts)}.",
        "Patients in five groups from the lowest to the highest prediction. On the line, a predicted EDSS "
        "means what it says. "
        "A slope above 1: predictions are too timid, below 1: too bold. Mean error: predicted minus "
        "observed; away from 0 on another site, "
        "predictions are shifted there and need recalibration before use.",
        table,
        figure,
    )

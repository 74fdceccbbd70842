"""Study A's figures: predictions, models, selection, gap and null, learning curve."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bids_app.learn.drawing import new_figure, save_figure
from bids_app.learn.edss.models import NAMES
from bids_app.learn.edss.result import EDSSResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {"paper": "#b2453c", "nested": "#2b6c9c", "held out": "#4c7a34"}
SITES = ("#2b6c9c", "#c46a12", "#4c7a34", "#7d4f9e", "#8a6d1d")
PROTOCOLS = {"paper": "as published", "nested": "leak-free", "held out": "held out"}


def draw(result: EDSSResult, folder: Path) -> list[Path]:
    """Draw the figures of an EDSS analysis as PNG and SVG; return the PNG paths."""
    drawings: dict[str, Callable[[EDSSResult], Figure]] = {
        "flow": flow,
        "predictions": predictions,
        "performance": performance,
        "selection": funnel,
    }
    drawings |= {
        name: f for name, f in {"null": null, "learning_curve": learning}.items() if name in result.tables
    }
    written = []
    for name, make in drawings.items():
        figure = make(result)
        save_figure(figure, folder / f"edss_{name}.svg")
        written.append(save_figure(figure, folder / f"edss_{name}.png"))
    return written


def flow(result: EDSSResult) -> Figure:
    """Draw visits left after each criterion."""
    table = result.tables["flow"]
    figure, axes = new_figure(1, 8, 0.45 * len(table) + 0.8)
    ax = axes[0]
    ax.barh(table["step"], table["n_visits"], color="#9db8cc")
    for place, row in enumerate(table.to_dict("records")):
        out = f", {row['excluded']} out: {row['reason']}" if row["excluded"] else ""
        words = f" {row['n_visits']} visits of {row['n_patients']} patients{out}"
        ax.text(0, place, words, va="center", fontsize=8)
    ax.invert_yaxis()
    ax.set_xlabel("visits")
    return figure


def predictions(result: EDSSResult) -> Figure:
    """Draw predicted against observed EDSS of the first model, by set, coloured by site."""
    table = result.tables["predictions"]
    table = table[(table["features"] == "all")]
    model = table["model"].iloc[0]
    table = table[table["model"] == model]
    parts = list(table.groupby(["protocol", "set"], sort=False))
    figure, axes = new_figure(len(parts), 3.4 * len(parts), 3.5)
    sites = sorted(table["site"].fillna("all").astype(str).unique())
    rng = np.random.default_rng(0)
    for ax, ((protocol, where), part) in zip(axes, parts, strict=True):
        for colour, site in zip(SITES * len(sites), sites, strict=False):
            own = part[part["site"].fillna("all").astype(str) == site]
            jitter = rng.uniform(-0.12, 0.12, len(own))
            ax.scatter(own["observed"] + jitter, own["predicted"], s=9, alpha=0.6, color=colour, label=site)
        limits = [-0.3, max(8.0, float(table["observed"].max())) + 0.3]
        ax.plot(limits, limits, color="#777777", lw=0.8)
        ax.set(xlim=limits, ylim=limits, xlabel="observed EDSS", title=f"{where}, {PROTOCOLS[protocol]}")
    axes[0].set_ylabel(f"EDSS predicted by {NAMES[model]}")
    axes[0].legend(title="site", fontsize=7)
    return figure


def performance(result: EDSSResult) -> Figure:
    """Draw r and mean absolute error of every model with their 95 % intervals."""
    table = result.tables["performance"]
    table = table[table["features"] != "none"]
    figure, axes = new_figure(2, 11, 0.22 * len(table) + 1.2)
    labels = [
        f"{row['model']}, {row['features']} - {row['set']}, {PROTOCOLS[row['protocol']]}"
        for row in table.to_dict("records")
    ]
    places = np.arange(len(table))
    for ax, measure, words in zip(
        axes, ("r", "mae"), ("r", "mean absolute error (EDSS points)"), strict=True
    ):
        for place, row in zip(places, table.to_dict("records"), strict=True):
            ax.plot(
                [row[f"{measure}_low"], row[f"{measure}_high"]], [place] * 2, color=COLOURS[row["protocol"]]
            )
            ax.plot(row[measure], place, "o", ms=4, color=COLOURS[row["protocol"]])
        ax.set(yticks=places, xlabel=words)
        ax.invert_yaxis()
    axes[0].set_yticklabels(labels, fontsize=7)
    axes[1].set_yticklabels([])
    return figure


def funnel(result: EDSSResult) -> Figure:
    """Draw how many columns each step of the selection leaves."""
    table = result.tables["selection"]
    table = table[table["protocol"] == "paper"]
    figure, axes = new_figure(1, 7, 2.6)
    ax = axes[0]
    ax.barh(table["step"], table["left"], color="#9db8cc", log=True)
    for place, row in enumerate(table.itertuples()):
        ax.text(row.left, place, f" {row.left:,}", va="center", fontsize=8)
    ax.invert_yaxis()
    ax.set_xlabel("columns left (log scale)")
    return figure


def null(result: EDSSResult) -> Figure:
    """Draw cross-validated r with outcomes dealt anew, and the observed one."""
    table = result.tables["null"]
    figure, axes = new_figure(1, 6, 3)
    ax = axes[0]
    for protocol in table["protocol"].unique():
        part = table[table["protocol"] == protocol]
        dealt = part[part["permutation"] > 0]["r"].dropna()
        ax.hist(
            dealt, bins=15, alpha=0.6, color=COLOURS[protocol], label=f"{PROTOCOLS[protocol]}, dealt anew"
        )
        for observed in part[part["permutation"] == 0]["r"]:
            ax.axvline(observed, color=COLOURS[protocol], ls="--", label=f"{PROTOCOLS[protocol]}, observed")
    ax.set(xlabel="cross-validated r, ridge regression", ylabel="permutations")
    ax.legend(fontsize=7)
    return figure


def learning(result: EDSSResult) -> Figure:
    """Draw r on the held-out sets against the number of training visits."""
    table = result.tables["learning_curve"]
    figure, axes = new_figure(1, 6, 3)
    ax = axes[0]
    for colour, (where, part) in zip(SITES, table.groupby("set"), strict=False):
        mean = part.groupby("n_training")["r"].mean()
        ax.plot(part["n_training"], part["r"], ".", color=colour, alpha=0.5)
        ax.plot(mean.index, mean, color=colour, label=where)
    ax.set(xlabel="training visits", ylabel="r, ridge regression")
    ax.legend(fontsize=7)
    return figure

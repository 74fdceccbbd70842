"""What was selected: columns left at each step, the regions they come from, and what more patients would bring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pandas as pd

from bids_app.figures.drawing import (
    FULL,
    MARKERS,
    PALETTE,
    PROTOCOL_COLOURS,
    Drawing,
    new_figure,
    plain_log,
)
from bids_app.figures.slices import draw_slices, settle
from bids_app.learn.edss.figures.accuracy import SETS
from bids_app.learn.edss.meanings import region_words
from bids_app.learn.edss.result import EDSSResult
from bids_app.protocol import Protocol

if TYPE_CHECKING:
    from bids_app.image.atlas import Atlas

STEPS = {
    "candidates": "candidates",
    "stable": "stable (ICC)",
    "variance": "enough variance",
    "collinearity": "not collinear",
    "lasso": "kept by LASSO",
    "cfs": "kept by CFS",
}
MOST_REGIONS = 12  # four rows of three fill a page
ACROSS = 3  # regions in a row
UP, DOWN = PALETTE[1], PALETTE[0]  # more means higher, lower EDSS


def funnel(result: EDSSResult) -> Drawing:
    """Draw how many columns each step of the selection leaves, in both protocols."""
    table = result.tables["selection"]
    once = table[table["protocol"] == Protocol.PAPER]
    steps = [step for step in STEPS if (once["step"] == step).any()]
    left, lost = once.set_index("step")["left"].reindex(steps), once.set_index("step")["lost"].reindex(steps)
    figure, (ax,) = new_figure(height=0.42 * len(steps) + 0.9)
    places = np.arange(len(steps))
    ax.barh(
        places,
        left,
        height=0.6,
        color=PROTOCOL_COLOURS[Protocol.PAPER],
        alpha=0.45,
        label="all training patients",
    )
    folds = table[table["protocol"] == Protocol.NESTED].groupby("step")["left"].agg(["min", "median", "max"])
    if len(folds):
        folds = folds.reindex(steps)
        ax.hlines(places, folds["min"], folds["max"], color=PROTOCOL_COLOURS[Protocol.NESTED], lw=2)
        ax.plot(
            folds["median"],
            places,
            "o",
            ms=5,
            color=PROTOCOL_COLOURS[Protocol.NESTED],
            label="inside outer folds: median, range",
        )
    for place, step in zip(places, steps, strict=True):
        words = f"{left[step]:,}" + (f"  ({lost[step]:,} lost)" if lost[step] else "")
        ax.annotate(words, (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=8.5)
    top = float(left.max())
    plain_log(ax, "x", [tick for tick in (1, 10, 100, 1000, 10000, 100000) if tick <= top * 1.5])
    ax.set(yticks=places, yticklabels=[STEPS[s] for s in steps], xlabel="columns left (log scale)")
    ax.set(xlim=(0.8, top * 1.2), ylim=(len(steps) - 0.5, -0.5))
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    text = "; ".join(f"{STEPS[step]} {left[step]:,}" for step in steps)
    return Drawing(
        "edss_selection",
        "Selection of columns",
        f"Bars of the columns left after each step of the selection on all training patients: {text}.",
        "Bars and numbers: the selection on all training patients. Points and lines: the same selection "
        "repeated inside each outer fold of "
        "the leak-free protocol. The first steps do not look at EDSS; LASSO and CFS do, and are where the "
        "published order of "
        "selection and validation leaks.",
        table,
        figure,
    )


def regions(result: EDSSResult, atlas: Atlas, template: nib.Nifti1Image) -> Drawing | None:
    """Draw the regions whose columns were selected on the template, three slices each.

    Parameters
    ----------
    result : EDSSResult
        Whose selected columns are drawn.
    atlas : Atlas
        Regions in template space.
    template : Nifti1Image, (x, y, z)
        What they are drawn on.
    """
    from bids_app.image.volume import resample

    if "columns" not in result.tables:
        return None
    table = result.tables["columns"]
    number = dict(zip(atlas.regions["name"], atlas.regions["index"], strict=True))
    found = table[table["region"].isin(list(number))]
    shown = list(dict.fromkeys(found["region"]))[:MOST_REGIONS]
    if not shown:
        return None
    labels = resample(atlas.image, template, order=0)
    columns = min(ACROSS, len(shown))
    rows = -(-len(shown) // columns)
    figure, axes = new_figure(columns, rows=rows, width=FULL * columns / ACROSS, height=2.0 * rows + 0.3)
    for ax in axes:
        ax.set_axis_off()
    parts = [found[found["region"] == region] for region in shown]
    for ax, part in zip(axes, parts, strict=False):
        names = ", ".join(str(name).split("_")[-1] for name in part["feature"].fillna(part["family"]))
        ax.set_title(f"{region_words(part['region'].iloc[0])}\n{names}", fontsize=8.5, loc="center")
    settle(figure)
    for ax, part in zip(axes, parts, strict=False):
        _region(ax, labels, template, number[part["region"].iloc[0]], part)
    text = "; ".join(
        f"{region_words(row['region'])}: {row['feature'] or row['family']} ({_direction(row)})"
        for row in found[found["region"].isin(shown)].fillna("").to_dict("records")
    )
    hidden = table[~table["region"].isin(shown)]["column"]
    rest = f" Not pictured: {', '.join(hidden)}." if len(hidden) else ""
    return Drawing(
        "edss_regions",
        "Where the selected columns come from",
        f"Slices of the template with the regions of the selected columns. {text}.",
        "Each selected region filled on the template, through its middle; the patient's left is on the "
        "left. Orange: a higher value goes with a higher "
        "EDSS in the ridge model, blue: with a lower one, green: several columns that disagree. A region "
        "marks where a predictor was measured, not where "
        f"disability arises.{rest}",
        found,
        figure,
    )


def _direction(row: Any) -> str:
    weight = row["ridge_weight"]
    return "weight unknown" if weight == "" else f"weight {weight:+.2f}"


def _region(
    ax: Any, labels: nib.Nifti1Image, template: nib.Nifti1Image, number: int, selected: pd.DataFrame
) -> None:
    """Draw one region in three planes, through its voxel nearest to its centre of mass."""
    from matplotlib.colors import ListedColormap

    inside = np.asarray(labels.dataobj) == number
    where = np.argwhere(inside)
    if not len(where):
        return
    nearest = where[np.argmin(((where - where.mean(axis=0)) ** 2).sum(axis=1))]
    signs = set(np.sign(selected["ridge_weight"].dropna()))
    colour = UP if signs == {1.0} else DOWN if signs == {-1.0} else PALETTE[2]
    draw_slices(
        ax,
        nib.Nifti1Image(inside.astype(np.float32), labels.affine),
        template,
        mode="ortho",
        cuts=nib.affines.apply_affine(labels.affine, nearest).tolist(),
        ends=(0, 1),
        cmap=ListedColormap([colour]),
    )


def learning(result: EDSSResult) -> Drawing | None:
    """Draw r and error on the held-out sets against the number of training visits."""
    if "learning_curve" not in result.tables:
        return None
    table = result.tables["learning_curve"]
    figure, axes = new_figure(2, height=3.0)
    texts = []
    for ax, measure, words in zip(
        axes, ("r", "mae"), ("r", "mean absolute error (EDSS points)"), strict=True
    ):
        for k, (where, part) in enumerate(table.groupby("set", sort=False)):
            mean = part.groupby("n_training")[measure].mean()
            ax.plot(part["n_training"], part[measure], MARKERS[k], ms=3.5, color=PALETTE[k], alpha=0.4, mew=0)
            ax.plot(mean.index, mean, f"{MARKERS[k]}-", ms=5, color=PALETTE[k], label=SETS[str(where)])
            if measure == "r":
                texts.append(
                    f"{SETS[str(where)]}: mean r {mean.iloc[0]:.2f} with {mean.index[0]} visits, "
                    f"{mean.iloc[-1]:.2f} with {mean.index[-1]}"
                )
        ax.set(xlabel="training visits", ylabel=words)
    axes[0].legend()
    return Drawing(
        "edss_learning",
        "Learning curve",
        "r and mean absolute error of ridge regression on the held-out sets against the number of "
        f"training visits. {'; '.join(texts)}.",
        "Small points: repeats with other patients drawn; large: their mean. All steps, selection "
        "included, are repeated for each. A curve that "
        "still climbs at the right says that more patients would help; a flat one that they would not.",
        table,
        figure,
    )

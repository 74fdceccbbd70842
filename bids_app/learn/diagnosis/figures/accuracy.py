"""How well a diagnosis goes: against the number of voxels, and as ROC curves with the human raters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from bids_app.figures.drawing import (
    HALF,
    INK,
    MUTED,
    PROTOCOL_COLOURS,
    PROTOCOL_MARKERS,
    Drawing,
    new_figure,
    plain_log,
    slug,
    with_interval,
)
from bids_app.protocol import CROSS_VALIDATED, LABELS, Protocol

if TYPE_CHECKING:
    from matplotlib.axes import Axes

METRICS = {"sensitivity": "sensitivity", "specificity": "specificity", "accuracy": "accuracy", "auc": "AUC"}


def metrics_by_size(table: pd.DataFrame, positive: str, chosen: pd.DataFrame | None) -> Drawing:
    """Draw the four metrics against the number of voxels for both protocols (study B, Fig. 4).

    Parameters
    ----------
    table : DataFrame
        Metrics by protocol and number of voxels.
    positive : str
        The class whose share called right is the sensitivity.
    chosen : DataFrame, optional
        Numbers of voxels that were chosen, to be marked.
    """
    figure, axes = new_figure(2, rows=2, height=5.0, sharex=True, sharey=True)
    for ax, metric in zip(axes, METRICS, strict=True):
        for protocol in CROSS_VALIDATED:
            rows = table[(table["metric"] == metric) & (table["protocol"] == protocol)]
            if len(rows):
                style: dict[str, Any] = {"color": PROTOCOL_COLOURS[protocol]}
                line = f"{PROTOCOL_MARKERS[protocol]}-"
                ax.plot(rows["n_voxels"], rows["estimate"], line, ms=4, label=LABELS[protocol], **style)
                ax.fill_between(rows["n_voxels"], rows["low"], rows["high"], alpha=0.18, lw=0, **style)
        plain_log(ax, "x", [1, 10, 100, 1000, 10000, 100000])
        ax.set(title=METRICS[metric], ylim=(0, 1.02))
    axes[3].axhline(0.5, color=MUTED, ls=":", lw=1)
    _mark_chosen(axes[3], chosen, positive)
    for ax in axes[2:]:
        ax.set(xlabel="number of voxels (log scale)", xlim=(0.8, float(table["n_voxels"].max()) * 1.3))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    aucs = table[table["metric"] == "auc"]
    texts = []
    for name, rows in aucs.groupby("protocol", sort=False):
        best = rows.sort_values("estimate", ascending=False, kind="stable").to_dict("records")[0]
        texts.append(
            f"{LABELS[str(name)]}: highest AUC {best['estimate']:.2f} at {best['n_voxels']:,.0f} voxels"
        )
    return Drawing(
        f"diagnosis_by-size-{slug(positive)}",
        f"Metrics against the number of voxels: {positive}",
        f"Sensitivity, specificity, accuracy and AUC against the number of voxels. {'; '.join(texts)}.",
        "Lines: estimates; bands: 95 % intervals. The published protocol takes the size where its test "
        "AUC is highest, which is optimistic; the "
        "leak-free one chooses inside each outer fold (ticks at the foot of the AUC panel), so its own "
        "number is not the top of "
        f"its curve. Sensitivity: share of {positive} called right.",
        table,
        figure,
    )


def _mark_chosen(ax: Axes, chosen: pd.DataFrame | None, positive: str) -> None:
    if chosen is not None and len(sizes := chosen[chosen["positive"] == positive]):
        ax.plot(
            sizes["n_voxels"], [0.03] * len(sizes), "|", ms=12, mew=2, color=PROTOCOL_COLOURS[Protocol.NESTED]
        )


def roc(
    points: pd.DataFrame, positive: str, performance: pd.DataFrame, raters: pd.DataFrame | None
) -> Drawing:
    """Draw the ROC curves of both protocols, where each decides, and the human raters.

    Parameters
    ----------
    points : DataFrame
        Of `roc_points`.
    positive : str
        The first class.
    performance : DataFrame
        Metrics at the operating point of each protocol.
    raters : DataFrame, optional
        Sensitivity and specificity of human raters.
    """
    figure, (ax,) = new_figure(width=HALF, height=4.6)
    rows = performance[performance["positive"] == positive]
    known = {(row["protocol"], row["metric"]): row for row in rows.to_dict("records")}
    texts = []
    for protocol, curve in points.groupby("protocol", sort=False):
        name = str(protocol)
        style: dict[str, Any] = {"color": PROTOCOL_COLOURS[name]}
        row = known[name, "auc"]
        label = f"{LABELS[name]}: AUC {with_interval(row['estimate'], row['low'], row['high'])}"
        ax.plot(curve["false_positive_rate"], curve["true_positive_rate"], label=label, **style)
        x, y = (known[name, metric]["estimate"] for metric in ("specificity", "sensitivity"))
        ax.plot(1 - x, y, PROTOCOL_MARKERS[name], ms=8, mec=INK, **style)
        texts.append(f"{label}, deciding at sensitivity {y:.2f} and specificity {x:.2f}")
    texts += _raters(ax, raters)
    ax.plot([0, 1], [0, 1], color=MUTED, lw=0.9, ls=":")
    ax.set(
        xlabel="1 - specificity", ylabel="sensitivity", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal"
    )
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=1)
    return Drawing(
        f"diagnosis_roc-{slug(positive)}",
        f"ROC: {positive} against the rest",
        f"ROC curves. {'; '.join(texts)}.",
        "Curves: all thresholds of the decision; large marks: where each protocol decides; letters: human "
        "raters with 95 % intervals, where "
        "their decisions were given. Towards the upper left is better; the dotted diagonal is chance. The "
        "leak-free curve is the mean of the outer "
        "folds' curves. Intervals in the legend are 95 %, from a bootstrap over patients.",
        points,
        figure,
    )


def _raters(ax: Axes, raters: pd.DataFrame | None) -> list[str]:
    """Draw each human rater once as a point with intervals; return what was drawn in words."""
    if raters is None:
        return []
    texts = []
    human = raters[~raters["rater"].isin(["model", "majority"])].drop_duplicates(["rater", "metric"])
    for name, rows in human.groupby("rater", sort=False):
        by_metric = {row["metric"]: row for row in rows.to_dict("records")}
        if not {"sensitivity", "specificity"} <= set(by_metric):
            continue
        sens, spec = by_metric["sensitivity"], by_metric["specificity"]
        x, y = 1 - spec["estimate"], sens["estimate"]
        ax.plot([1 - spec["high"], 1 - spec["low"]], [y, y], color=MUTED, lw=1)
        ax.plot([x, x], [sens["low"], sens["high"]], color=MUTED, lw=1)
        ax.annotate(str(name), (x, y), (4, 4), textcoords="offset points", color=INK, weight="bold")
        ax.plot(x, y, "D", ms=4, color=INK)
        texts.append(f"rater {name}: sensitivity {y:.2f}, specificity {spec['estimate']:.2f}")
    return texts

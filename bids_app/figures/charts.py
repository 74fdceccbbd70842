"""Figures that both studies have: the flow of the cohort, the gap between protocols, the null."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bids_app.figures.drawing import (
    FULL,
    INK,
    MUTED,
    PROTOCOL_COLOURS,
    PROTOCOL_MARKERS,
    Drawing,
    new_figure,
)
from bids_app.protocol import CROSS_VALIDATED, LABELS, Protocol

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BOX_ROW = 0.64  # inches from a box of the flow to the next


def flow(name: str, title: str, table: pd.DataFrame, ends: Mapping[str, tuple[int, int]]) -> Drawing:
    """Draw a cohort's flow: a box per criterion, who leaves beside it, the final sets at the bottom.

    Parameters
    ----------
    name, title : str
        Of the figure.
    table : DataFrame
        step, n_visits, n_patients, excluded, reason; in order.
    ends : mapping of str to (int, int)
        Visits and patients of each final set.
    """
    rows = table.to_dict("records")
    levels = len(rows) + bool(ends)
    figure, (ax,) = new_figure(height=BOX_ROW * levels + 0.1)
    ax.set(xlim=(0, FULL), ylim=(-BOX_ROW * levels, 0.05))
    ax.set_axis_off()
    steps = []
    for level, row in enumerate(rows):
        y = -BOX_ROW * (level + 0.45)
        _box(ax, 2.6, y, 4.6, f"{row['step']}\n{_counted(row['n_visits'], row['n_patients'])}")
        if level:
            _arrow(ax, (2.6, y + BOX_ROW - 0.21), (2.6, y + 0.21))
        if row["excluded"]:
            _box(ax, 7.1, y, 3.4, fill(f"{row['excluded']} left out: {row['reason']}", 46), faint=True)
            _arrow(ax, (4.9, y), (5.4, y))
        left = f", {row['excluded']} left out ({row['reason']})" if row["excluded"] else ""
        steps.append(f"{row['step']}: {_counted(row['n_visits'], row['n_patients'])}{left}")
    width, y = FULL / max(len(ends), 1), -BOX_ROW * (len(rows) + 0.45)
    branch = y + BOX_ROW / 2
    for place, (end, (n_visits, n_patients)) in enumerate(ends.items()):
        middle = (place + 0.5) * width if len(ends) > 1 else 2.6
        _box(ax, middle, y, min(width - 0.2, 3.2), f"{end}\n{_counted(n_visits, n_patients)}")
        ax.plot([2.6, 2.6, middle], [y + BOX_ROW - 0.21, branch, branch], color=MUTED, lw=1)
        _arrow(ax, (middle, branch), (middle, y + 0.21))
        steps.append(f"{end}: {_counted(n_visits, n_patients)}")
    sets = pd.DataFrame([{"step": k, "n_visits": v, "n_patients": p} for k, (v, p) in ends.items()])
    numbers = pd.concat([table, sets], ignore_index=True) if ends else table
    return Drawing(
        name,
        title,
        "Flow diagram. " + "; ".join(steps) + ".",
        "Read from the top: each box is what is left after a criterion; boxes at the right say how many visits "
        "it excluded and why. A criterion is applied only where its column is known; visits whose value "
        "is missing stay.",
        numbers.astype(dict.fromkeys(("n_visits", "n_patients", "excluded"), "Int64")),
        figure,
    )


def _counted(n_visits: float, n_patients: float) -> str:
    counts = [
        f"{n:,.0f} {unit}" for n, unit in ((n_visits, "visits"), (n_patients, "patients")) if pd.notna(n)
    ]
    return " of ".join(counts)


def _box(ax: Axes, x: float, y: float, width: float, text: str, *, faint: bool = False) -> None:
    from matplotlib.patches import FancyBboxPatch

    shape = FancyBboxPatch((x - width / 2, y - 0.2), width, 0.4, boxstyle="round,pad=0.01")
    shape.set(edgecolor=MUTED, facecolor="none", linestyle="--" if faint else "-")
    ax.add_patch(shape)
    ax.text(x, y, text, ha="center", va="center", fontsize=8.5, linespacing=1.15)


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": MUTED, "shrinkA": 0, "shrinkB": 0})


def gap(name: str, table: pd.DataFrame, label: str, *, chance: float | None, better: str) -> Drawing:
    """Draw what each protocol says side by side, a line for the gap.

    Parameters
    ----------
    name : str
    table : DataFrame
        row (its label), paper, nested, and optionally `<protocol>_low`, `<protocol>_high`.
    label : str
        What is measured.
    chance : float, optional
        What chance gives.
    better : str
        Which direction is better, for the caption.
    """
    figure, (ax,) = new_figure(height=0.5 * len(table) + 1.0)
    for place, row in enumerate(table.to_dict("records")):
        _pair(ax, place, row)
    if chance is not None:
        ax.axvline(chance, color=MUTED, ls=":", lw=1)
        ax.annotate("chance", (chance, -0.62), ha="center", fontsize=8, color=INK)
    ax.set(yticks=range(len(table)), yticklabels=table["row"], xlabel=label, ylim=(len(table) - 0.4, -0.75))
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    gaps = "; ".join(
        f"{row['row']}: as published {row[Protocol.PAPER]:.2f}, leak-free {row[Protocol.NESTED]:.2f}"
        for row in table.to_dict("records")
    )
    return Drawing(
        name,
        "The gap between the published protocol and the leak-free one",
        f"Pairs of points: {label} of each protocol. {gaps}.",
        f"Squares: as published; circles: leak-free; lines: 95 % intervals. {better} The grey bar between "
        "them is what the "
        "published way of validating overstates (or, by chance, understates) on these data.",
        table.assign(gap=table[Protocol.PAPER] - table[Protocol.NESTED]),
        figure,
    )


def _pair(ax: Axes, place: int, row: Mapping[Any, Any]) -> None:
    """Draw one line of the gap: both protocols with their intervals, and the difference in numbers."""
    both = [row[protocol] for protocol in CROSS_VALIDATED]
    ax.plot(both, [place] * 2, color=MUTED, lw=5, alpha=0.35, solid_capstyle="butt")
    for protocol, shift in zip(CROSS_VALIDATED, (-0.12, 0.12), strict=True):
        low, high = row.get(f"{protocol}_low", np.nan), row.get(f"{protocol}_high", np.nan)
        ax.plot([low, high], [place + shift] * 2, color=PROTOCOL_COLOURS[protocol], lw=1.2)
        ax.plot(
            row[protocol],
            place + shift,
            PROTOCOL_MARKERS[protocol],
            color=PROTOCOL_COLOURS[protocol],
            label=LABELS[protocol] if place == 0 else None,
        )
    gap = f"gap {row[Protocol.PAPER] - row[Protocol.NESTED]:+.2f}"
    ax.annotate(gap, (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=8.5)


def null(name: str, table: pd.DataFrame, measure: str, label: str, notes: Sequence[str]) -> Drawing:
    """Draw a measure with permuted outcomes, and as observed (permutation 0), a panel per protocol.

    Parameters
    ----------
    name : str
    table : DataFrame
        protocol, permutation and the measure.
    measure : str
        Column of `table`.
    label : str
        Of the axis.
    notes : sequence of str
        One sentence of each protocol's numbers, for the text alternative.
    """
    from matplotlib.ticker import MaxNLocator

    present = [protocol for protocol in LABELS if (table["protocol"] == protocol).any()]
    figure, axes = new_figure(len(present), height=2.7, sharex=True, sharey=True)
    known = table[measure].dropna()
    bins = np.linspace(known.min() - 0.02, known.max() + 0.02, 26)
    for ax, protocol in zip(axes, present, strict=True):
        part = table[table["protocol"] == protocol]
        permuted = part.loc[part["permutation"] > 0, measure].dropna()
        ax.hist(permuted, bins=bins, color=PROTOCOL_COLOURS[protocol], alpha=0.55, label="permuted outcomes")
        for k, observed in enumerate(part.loc[part["permutation"] == 0, measure]):
            ax.axvline(observed, color=INK, lw=1.6, ls="--", label="observed" if k == 0 else None)
        ax.set(title=LABELS[protocol], xlabel=label)
        ax.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2, fontsize=8
        )  # below: bars may lie anywhere
    axes[0].set_ylabel("permutations")
    axes[0].yaxis.set_major_locator(MaxNLocator(integer=True))
    return Drawing(
        name,
        "What chance gives: permuted outcomes",
        f"Histograms of {label} with permuted outcomes, and the observed value as a dashed line. "
        + " ".join(notes),
        "Bars: the whole protocol repeated with outcomes permuted between patients, so that nothing can be learned. "
        "Where the bars lie to the right of chance, the protocol finds something in noise; the observed value means "
        "something only as far as it stands to the right of its own bars.",
        table,
        figure,
    )

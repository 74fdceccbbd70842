"""One style for all figures, colours that everybody can tell apart, and what is kept of each: SVG, numbers, text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.derivatives import write_table, write_text
from bids_app.protocol import Protocol

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # what XML cannot hold
INK, MUTED = "#222222", "#767676"
# Okabe and Ito's palette (2008), which people with any colour vision can tell apart
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = "os^Dvp"  # colour is never alone
PROTOCOL_COLOURS: dict[str, str] = {
    Protocol.PAPER: PALETTE[1],
    Protocol.NESTED: PALETTE[0],
    Protocol.HELD_OUT: PALETTE[2],
}
PROTOCOL_MARKERS: dict[str, str] = {Protocol.PAPER: "s", Protocol.NESTED: "o", Protocol.HELD_OUT: "^"}
FULL, HALF = 9.0, 5.4  # widths of figures in inches
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,  # names of sites and classes are text, whatever they hold
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "demyelin",  # the same picture gives the same bytes
}


@dataclass(frozen=True)
class Drawing:
    """A figure, with what a reader needs who cannot see it or wants its numbers.

    Attributes
    ----------
    name : str
        Letters, digits, `-` and `_`.
    title : str
    alt : str
        What the figure shows, its main numbers included.
    caption : str
        How to read it.
    numbers : DataFrame
        What is drawn.
    figure : Figure
    """

    name: str
    title: str
    alt: str
    caption: str
    numbers: pd.DataFrame
    figure: Figure


@dataclass(frozen=True)
class Kept:
    """A figure on disk: `svg` and `tsv`, and the texts of its `Drawing`."""

    name: str
    title: str
    alt: str
    caption: str
    svg: Path
    tsv: Path


@contextmanager
def style() -> Iterator[None]:
    """Draw in the style of all figures while inside."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        yield


def keep_all(makers: list[Callable[[], Drawing | None]], folder: Path) -> list[Kept]:
    """Draw figures one after the other and write each as `<name>.svg` with its numbers, `<name>.tsv`.

    Parameters
    ----------
    makers : list of callable
        Each returns a drawing, or None where there is nothing to draw.
    folder : Path
        Where they are kept.
    """
    with style():
        return [_keep(drawing, folder) for make in makers if (drawing := make()) is not None]


def _keep(drawing: Drawing, folder: Path) -> Kept:
    held = StringIO()
    drawing.figure.savefig(held, dpi=150, format="svg", metadata={"Date": None, "Title": drawing.title})
    svg = write_text(
        NOT_XML.sub("\N{REPLACEMENT CHARACTER}", held.getvalue()), folder / f"{drawing.name}.svg"
    )
    tsv = write_table(drawing.numbers, svg.with_suffix(".tsv"))
    return Kept(drawing.name, drawing.title, drawing.alt, drawing.caption, svg, tsv)


def new_figure(
    columns: int = 1, *, rows: int = 1, width: float = FULL, height: float, **subplots: Any
) -> tuple[Figure, npt.NDArray[Any]]:
    """Return a figure outside pyplot's state, and its axes.

    Parameters
    ----------
    columns, rows : int
        Of axes.
    width, height : float
        Inches.
    **subplots
        Further arguments of `Figure.subplots`.

    Returns
    -------
    figure : Figure
    axes : ndarray of Axes, (rows * columns,)
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, np.atleast_1d(figure.subplots(rows, columns, **subplots)).ravel()


def plain_log(ax: Axes, which: str, ticks: list[float]) -> None:
    """Give an axis a logarithmic scale with plain numbers.

    Parameters
    ----------
    ax : Axes
    which : {"x", "y"}
    ticks : list of float
    """
    axis = ax.xaxis if which == "x" else ax.yaxis
    axis.axes.set(**{f"{which}scale": "log"})
    axis.set_ticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    axis.set_ticks([], minor=True)


def with_interval(value: float, low: float, high: float, digits: int = 2) -> str:
    """Return an estimate with its interval, e.g. `0.62 (0.50 to 0.71)`; `not known` where it is missing.

    Parameters
    ----------
    value, low, high : float
        The interval is left out where a bound is missing.
    digits : int
        Decimal places.
    """
    if not np.isfinite(value):
        return "not known"
    if not (np.isfinite(low) and np.isfinite(high)):
        return f"{value:.{digits}f}"
    return f"{value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def visit_link(visit: str) -> str:
    """Return the address of a visit's report from a figure, which lies in `group/figures`."""
    return f"../../{quote(visit)}.html"


def slug(name: str) -> str:
    """Return a name with what file names cannot hold as `-`."""
    return "".join(c if c.isalnum() else "-" for c in name)

"""Figures outside any global state, and how they are kept: the same picture gives the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bids_app.derivatives import atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(columns: int, width: float, height: float) -> tuple[Figure, npt.NDArray[Any]]:
    """Return a figure of its own with one row of axes; width and height in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, np.atleast_1d(figure.subplots(1, columns))


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG or SVG, by the path's ending; return the path."""
    from matplotlib import rc_context

    svg = path.suffix == ".svg"
    with atomic(path) as aside, rc_context({"svg.hashsalt": "demyelin"}):
        metadata = {"Date": None} if svg else {"Software": None}
        figure.savefig(aside, dpi=110, format=path.suffix[1:], metadata=metadata)
    return path

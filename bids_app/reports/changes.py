"""A figure of two visits side by side, with what became of each lesion."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bids_app.image.longitudinal import CHANGES
from bids_app.reports.figures import canonical

if TYPE_CHECKING:
    import nibabel as nib

COLOURS = {name: change.colour for name, change in CHANGES.items()}
SLICES = 6  # as many as fit the page
SLICES_APART = 4  # so that neighbouring pictures differ; chosen by hand


def draw_changes(
    before: nib.Nifti1Image,
    after: nib.Nifti1Image,
    labels: nib.Nifti1Image,
    table: Path,
    target: Path,
    *,
    names: tuple[str, str],
) -> Path:
    """Draw both FLAIR images half-way, and the later one with each lesion in the colour of its change.

    Parameters
    ----------
    before, after : Nifti1Image, (x, y, z)
        FLAIR over white matter's, on one grid.
    labels : Nifti1Image, (x, y, z)
        Rows of the table.
    table : Path
        Columns `index` and `change`.
    target : Path
        PNG file to write, atomically.
    names : tuple of str
        The two visits.

    Returns
    -------
    Path
        `target`.
    """
    import nibabel as nib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    from bids_app.derivatives import atomic

    rows = pd.read_csv(table, sep="\t")
    greys, index = (canonical(before), canonical(after)), np.rint(canonical(labels)).astype(int)
    zooms = nib.affines.voxel_sizes(nib.as_closest_canonical(before).affine)
    figure = Figure(figsize=(SLICES * 2.0, 7.0), facecolor="black")
    FigureCanvasAgg(figure)
    axes = figure.subplots(3, SLICES, gridspec_kw={"wspace": 0.02, "hspace": 0.02})
    high = max(float(np.percentile(grey, 99.5)) for grey in greys)
    for column, place in enumerate(_slices(index, rows)):
        for row, grey in enumerate((*greys, greys[1])):
            axis = axes[row][column]
            common = {"origin": "lower", "aspect": zooms[1] / zooms[0], "interpolation": "nearest"}
            axis.imshow(grey[:, :, place].T, cmap="gray", vmin=0, vmax=high, **common)
            if row == 2:
                _outline(axis, index[:, :, place].T, rows)
    for axis in axes.ravel():
        axis.set_axis_off()
    for row, words in enumerate((*names, f"{names[1]}: changes")):
        axes[row][0].set_title(words, color="white", fontsize=9, loc="left")
    counts = rows["change"].value_counts()
    patches = [
        Patch(color=colour, label=f"{name} ({int(counts.get(name, 0))})") for name, colour in COLOURS.items()
    ]
    figure.legend(
        handles=patches,
        loc="lower center",
        ncols=len(patches),
        facecolor="black",
        labelcolor="white",
        frameon=False,
    )
    figure.subplots_adjust(0.01, 0.06, 0.99, 0.95)
    with atomic(target) as aside:
        figure.savefig(aside, format="png", dpi=110, facecolor="black")
    return target


def _slices(index: np.ndarray, rows: pd.DataFrame) -> list[int]:
    """Return axial slices: those with most changed lesions, filled up with those with most lesions."""
    changed = rows.loc[rows["change"] != "unchanged", "index"]
    sums = 1000.0 * np.isin(index, changed).sum(axis=(0, 1)) + (index > 0).sum(axis=(0, 1))
    chosen: list[int] = []
    for place in np.argsort(-sums, kind="stable"):
        if len(chosen) < SLICES and all(abs(int(place) - other) >= SLICES_APART for other in chosen):
            chosen.append(int(place))
    return sorted(chosen)


def _outline(axis: object, index: np.ndarray, rows: pd.DataFrame) -> None:
    for change, colour in COLOURS.items():
        here = np.isin(index, rows.loc[rows["change"] == change, "index"])
        if here.any() and not here.all():
            axis.contour(here.astype(float), levels=[0.5], colors=[colour], linewidths=0.9)  # type: ignore[attr-defined]

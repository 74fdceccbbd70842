"""Study B's figures: where lesions are, where classes differ, which voxels are selected, and how well it goes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.learn.diagnosis.result import DiagnosisResult
from bids_app.learn.drawing import new_figure, save_figure

if TYPE_CHECKING:
    import nibabel as nib
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SLICES_MM = (-50, -35, -20, -5, 10, 25, 40, 55)
COLOURS = {"paper": "#b2453c", "nested": "#2b6c9c"}
NAMES = {"paper": "as published", "nested": "leak-free"}
METRICS = ("sensitivity", "specificity", "accuracy", "auc")


def draw(result: DiagnosisResult, folder: Path, background: nib.Nifti1Image) -> list[Path]:
    """Draw the figures of a diagnosis as PNG; return their paths.

    Parameters
    ----------
    result : DiagnosisResult
        What to draw.
    folder : Path
        Where `diagnosis_<figure>.png` are written.
    background : Nifti1Image
        Template T1w on the grid of the maps.
    """
    drawings: dict[str, Callable[[], Figure]] = {}
    for name, image in result.images.items():
        if not name.startswith("chi2q"):
            drawings[name] = partial(brain_slices, image, background, name)
    for positive, table in result.tables["by_size"].groupby("positive"):
        drawings[f"by-size-{positive}"] = partial(metrics_by_size, table)
    for positive, table in result.tables["scans"].groupby("positive"):
        drawings[f"roc-{positive}"] = partial(roc, table, str(positive))
    if "null" in result.tables:
        drawings["null"] = partial(null_histogram, result.tables["null"])
    return [save_figure(make(), folder / f"diagnosis_{name}.png") for name, make in drawings.items()]


def brain_slices(image: nib.Nifti1Image, background: nib.Nifti1Image, name: str) -> Figure:
    """Draw a map on axial slices of the template (Figs 1, 3, 5), the patient's left on the left."""
    values, anatomy = (np.asarray(i.dataobj, dtype=np.float64) for i in (image, background))
    style = _style(name, values)
    figure, axes = new_figure(len(SLICES_MM), 13, 2.3)
    origin, step = image.affine[2, 3], image.affine[2, 2]
    drawn = None
    for ax, z in zip(axes, SLICES_MM, strict=True):
        k = int(np.clip(round((z - origin) / step), 0, values.shape[2] - 1))
        ax.imshow(anatomy[:, :, k].T, cmap="gray", origin="lower", vmax=anatomy.max())
        shown = np.ma.masked_where(~style["shown"][:, :, k], values[:, :, k]).T
        drawn = ax.imshow(
            shown, cmap=style["cmap"], norm=style["norm"], origin="lower", interpolation="nearest"
        )
        ax.set_title(f"z = {z} mm", fontsize=8)
        ax.set_axis_off()
    if drawn is not None:
        figure.colorbar(drawn, ax=list(axes), label=style["label"], shrink=0.8)
    figure.suptitle(name.replace("-", " "), fontsize=10)
    return figure


def _style(name: str, values: npt.NDArray[np.float64]) -> dict[str, Any]:
    from matplotlib.colors import LogNorm, Normalize

    if name.startswith("frequency"):
        return {"shown": values > 0.1, "cmap": "hot", "norm": Normalize(0.1, 0.5), "label": "share of scans"}
    if name.startswith("chi2"):
        top = max(float(np.abs(values).max()), 4.0)
        label = "signed chi-square"
        return {
            "shown": np.abs(values) > 3.84,
            "cmap": "RdBu_r",
            "norm": Normalize(-top, top),
            "label": label,
        }
    norm = LogNorm(1, max(values.max(), 2))
    return {"shown": values > 0, "cmap": "viridis_r", "norm": norm, "label": "voxels when first selected"}


def metrics_by_size(table: pd.DataFrame) -> Figure:
    """Draw the four metrics against the number of voxels for both protocols (Fig 4)."""
    figure, axes = new_figure(4, 13, 3)
    for ax, metric in zip(axes, METRICS, strict=True):
        for protocol, rows in _protocols(table[table["metric"] == metric]):
            ax.plot(
                rows["n_voxels"], rows["estimate"], "o-", ms=3, color=COLOURS[protocol], label=NAMES[protocol]
            )
            ax.fill_between(
                rows["n_voxels"], rows["low"], rows["high"], color=COLOURS[protocol], alpha=0.15, lw=0
            )
        ax.set(xscale="log", xlabel="number of voxels", title=metric.replace("auc", "AUC"), ylim=(0, 1))
        _plain(ax)
    axes[0].legend(frameon=False, fontsize=8)
    return figure


def roc(scans: pd.DataFrame, positive: str) -> Figure:
    """Draw the ROC curve of each protocol's out-of-sample decisions."""
    from sklearn.metrics import roc_curve

    figure, (ax,) = new_figure(1, 4, 3.8)
    for protocol, name in NAMES.items():
        if f"{protocol}_decision" in scans:
            decided = scans[scans[f"{protocol}_decision"].notna()]
            x, y, _ = roc_curve(decided["diagnosis"] == positive, decided[f"{protocol}_decision"])
            ax.plot(x, y, color=COLOURS[protocol], label=name)
    ax.plot([0, 1], [0, 1], color="0.7", lw=1)
    ax.set(xlabel="1 - specificity", ylabel="sensitivity", title=positive)
    ax.legend(frameon=False, fontsize=8)
    _plain(ax)
    return figure


def null_histogram(null: pd.DataFrame) -> Figure:
    """Draw the AUC of each protocol when diagnoses are dealt anew, and the observed one (same reduced grid)."""
    figure, (ax,) = new_figure(1, 5, 3.2)
    for protocol, rows in _protocols(null):
        dealt = rows.loc[rows["permutation"] > 0, "auc"]
        ax.hist(
            dealt,
            bins=np.linspace(0.2, 1, 33),
            color=COLOURS[protocol],
            alpha=0.5,
            label=f"{NAMES[protocol]}, null",
        )
        ax.axvline(rows.loc[rows["permutation"] == 0, "auc"].iloc[0], color=COLOURS[protocol], lw=2)
    ax.set(xlabel="AUC (line: observed)", ylabel="permutations")
    ax.legend(frameon=False, fontsize=8)
    _plain(ax)
    return figure


def _protocols(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [(name, table[table["protocol"] == name]) for name in NAMES if (table["protocol"] == name).any()]


def _plain(ax: Axes) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=8)

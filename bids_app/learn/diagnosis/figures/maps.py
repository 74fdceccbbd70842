"""Maps of study B on slices of the template: lesion frequency, signed chi-square, selected voxels (Figs 1, 3, 5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.figures.drawing import Drawing, new_figure
from bids_app.figures.slices import draw_slices, settle
from bids_app.spelling import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SLICES_MM = (-50, -35, -20, -5, 10, 25, 40, 55)  # z in template space: the brain, evenly
ROWS = 2  # of slices
LOWEST_SHARE, HIGHEST_SHARE = 0.1, 0.5  # shares of scans, as in study B's Fig. 1
SELECTED = "plasma_r"  # colours of the voxels selected
P05 = 3.84  # chi-square with one degree of freedom at P = .05


@dataclass(frozen=True)
class Look:
    """How a map is coloured and told."""

    title: str
    caption: str
    label: str
    shown: npt.NDArray[np.bool_]
    cmap: str
    ends: tuple[float, float]
    scale: Callable[[Any], Any] = np.asarray


def brain_map(name: str, image: nib.Nifti1Image, background: nib.Nifti1Image, most: int) -> Drawing:
    """Draw a map on axial slices of the template.

    Parameters
    ----------
    name : str
        `frequency-<class>`, `chi2-<class>` or `selected-<class>`.
    image, background : Nifti1Image, (x, y, z)
        Map and template, in one space.
    most : int
        Selected voxels are drawn where they are among this number.
    """
    values = np.asarray(image.dataobj, dtype=np.float64)
    look = _look(name, values, most)
    figure, axes = new_figure(rows=ROWS, height=2.75 * ROWS + 0.6)
    _bar(figure, axes, look)
    settle(figure)
    shown = nib.Nifti1Image(np.where(look.shown, values, np.nan), image.affine)
    drawn = nib.Nifti1Image(np.where(look.shown, look.scale(values), 0), image.affine)
    for ax, cuts in zip(axes, np.array_split(SLICES_MM, ROWS), strict=True):
        draw_slices(ax, drawn, background, mode="z", cuts=cuts.tolist(), ends=look.ends, cmap=look.cmap)
    alt = _alt(look, shown, values)
    return Drawing(f"diagnosis_{name}", look.title, alt, look.caption, _voxels(shown), figure)


def _bar(figure: Figure, axes: npt.NDArray[Any], look: Look) -> None:
    """Draw the scale of colours below the slices."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    for ax in axes:
        ax.set_axis_off()
    scale = ScalarMappable(Normalize(*look.ends), look.cmap)
    bar = figure.colorbar(
        scale, ax=list(axes), label=look.label, location="bottom", shrink=0.5, aspect=35, pad=0.02
    )
    bar.outline.set_visible(False)
    if look.cmap == SELECTED:
        ticks = [2**k for k in range(0, 17, 2) if look.scale(2**k) <= look.ends[1]]
        bar.set_ticks([look.scale(tick) for tick in ticks], labels=[f"{tick:,}" for tick in ticks])


def _doublings(values: Any) -> Any:
    """Return how often 1 is doubled to give each value, plus 1: the scale of numbers of voxels."""
    return np.log2(np.maximum(values, 1)) + 1


def _look(name: str, values: npt.NDArray[np.float64], most: int) -> Look:
    kind, _, label = name.partition("-")
    sides = "Axial slices of the template, the patient's left on the left."
    if kind == "frequency":
        return Look(
            f"Where lesions are: {label}",
            f"{sides} Colour: share of the class's scans with a lesion in the voxel, from {percent(LOWEST_SHARE)}; "
            f"{percent(HIGHEST_SHARE)} and more "
            "have the brightest colour.",
            "share of scans with a lesion",
            values > LOWEST_SHARE,
            "plasma",
            (LOWEST_SHARE, HIGHEST_SHARE),
        )
    if kind == "chi2":
        top = max(float(np.abs(values).max()), 4.0)
        return Look(
            f"Where lesion frequency differs: {label} against the rest",
            f"{sides} Red: more frequent in {label}; blue: less. Drawn where chi-square is above {P05} (P "
            "< .05 of a single "
            "voxel, no correction); the table of clusters lists those that pass a false discovery rate of 5 "
            "%. Scans of one "
            "patient are not independent, so the map describes this cohort rather than tests it.",
            f"signed chi-square (red: more in {label})",
            np.abs(values) > P05,
            "RdBu_r",
            (-top, top),
        )
    return Look(
        f"Voxels selected: {label}",
        f"{sides} Colour: the number of voxels with which a voxel first becomes a feature, up to {most:,}; "
        "the brightest are "
        "chosen first. The ranking is the published protocol's, on its training scans.",
        "number of voxels when first selected",
        (values > 0) & (values <= most),
        SELECTED,
        (_doublings(1), _doublings(max(most, 2))),
        _doublings,
    )


def _voxels(shown: nib.Nifti1Image) -> pd.DataFrame:
    """Return the voxels drawn: x, y, z in mm and value."""
    data = np.asarray(shown.dataobj)
    planes = {round((z - shown.affine[2, 3]) / shown.affine[2, 2]) for z in SLICES_MM}
    where = np.argwhere(np.isfinite(data))
    where = where[np.isin(where[:, 2], list(planes))]
    x, y, z = np.round(nib.affines.apply_affine(shown.affine, where), 2).T
    return pd.DataFrame({"x": x, "y": y, "z": z, "value": np.round(data[tuple(where.T)], 4)})


def _alt(look: Look, shown: nib.Nifti1Image, values: npt.NDArray[np.float64]) -> str:
    n = int(look.shown.sum())
    if not n:
        return f"{look.title}. No voxel reaches the threshold."
    peak = np.unravel_index(np.where(look.shown, np.abs(values), -1).argmax(), values.shape)
    x, y, z = nib.affines.apply_affine(shown.affine, peak)
    if look.cmap == SELECTED:
        return f"{look.title}: {n:,} voxels on eight axial slices of the brain, coloured by when they are selected."
    return (
        f"{look.title}: {n:,} voxels on eight axial slices of the brain; {look.label} is "
        f"{values[peak]:.2f} at its peak, "
        f"x = {x:.0f}, y = {y:.0f}, z = {z:.0f} mm."
    )

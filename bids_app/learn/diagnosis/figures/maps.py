"""Maps of study B on slices of the template: lesion frequency, signed chi-square, selected voxels (Figs 1, 3, 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.figures.drawing import Drawing, new_figure
from bids_app.figures.slices import crop, plane_of, show_anatomy

if TYPE_CHECKING:
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

SLICES_MM = (-50, -35, -20, -5, 10, 25, 40, 55)
ACROSS = 4
FEWEST, MOST = 0.1, 0.5  # shares of scans, as in study B's Fig. 1
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
    norm: Normalize


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
    rows = len(SLICES_MM) // ACROSS
    figure, axes = new_figure(ACROSS, rows=rows, height=2.75 * rows + 0.6)
    shown = nib.Nifti1Image(np.where(look.shown, values, np.nan), image.affine)
    for ax, z in zip(axes, SLICES_MM, strict=True):
        show_anatomy(ax, background, "axial", z)
        piece, extent = plane_of(shown, "axial", z)
        ax.imshow(
            np.ma.masked_invalid(piece),
            cmap=look.cmap,
            norm=look.norm,
            origin="lower",
            extent=extent,
            interpolation="nearest",
        )
        crop(ax, background, "axial")
    _bar(figure, axes, look)
    alt = _alt(look, shown, values)
    return Drawing(f"diagnosis_{name}", look.title, alt, look.caption, _voxels(shown), figure)


def _bar(figure: Figure, axes: npt.NDArray[Any], look: Look) -> None:
    """Draw the scale of colours below the slices."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm

    scale = ScalarMappable(look.norm, look.cmap)
    bar = figure.colorbar(
        scale, ax=list(axes), label=look.label, location="bottom", shrink=0.5, aspect=35, pad=0.02
    )
    bar.outline.set_visible(False)
    if isinstance(look.norm, LogNorm):
        ticks = [2**k for k in range(0, 17, 2) if 2**k <= look.norm.vmax]
        bar.set_ticks(ticks, labels=[f"{tick:,}" for tick in ticks])
        bar.minorticks_off()


def _look(name: str, values: npt.NDArray[np.float64], most: int) -> Look:
    from matplotlib.colors import LogNorm, Normalize

    kind, _, label = name.partition("-")
    sides = "Axial slices of the template, the patient's left on the left."
    if kind == "frequency":
        return Look(
            f"Where lesions are: {label}",
            f"{sides} Colour: share of the class's scans with a lesion in the voxel, from {FEWEST:.0%}; "
            f"{MOST:.0%} and more "
            "have the brightest colour.",
            "share of scans with a lesion",
            values > FEWEST,
            "plasma",
            Normalize(FEWEST, MOST),
        )
    if kind == "chi2":
        top = max(float(np.abs(values).max()), 4.0)
        return Look(
            f"Where lesion frequency differs: {label} against the rest",
            f"{sides} Red: more frequent in {label}; blue: less. Drawn where chi-square is above {P05} (P "
            "< .05 of a single "
            "voxel, no correction); the table of clusters has what survives a false discovery rate of 5 "
            "%. Scans of one "
            "patient are not independent, so the map describes this cohort rather than tests it.",
            f"signed chi-square (red: more in {label})",
            np.abs(values) > P05,
            "RdBu_r",
            Normalize(-top, top),
        )
    return Look(
        f"Voxels selected: {label}",
        f"{sides} Colour: the number of voxels with which a voxel first becomes a feature, up to {most:,}; "
        "the brightest are "
        "chosen first. The ranking is the published protocol's, on its training scans.",
        "number of voxels when first selected",
        (values > 0) & (values <= most),
        SELECTED,
        LogNorm(1, max(most, 2)),
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

"""Slices of a visit's images with what was found drawn over them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import nibabel as nib
    from matplotlib.axes import Axes

    Array = npt.NDArray[np.float32]

COLUMNS = 7
PLANES = (2, 2, 1, 0)  # two rows of axial slices, one coronal, one sagittal
INK = {"brain": "#ff5d5d", "lesion": "#ff3b3b", "WM": "#39c2ff", "GM": "#ffd166", "CSF": "#7bd88f"}


class Overlay(NamedTuple):
    """What is drawn over the slices.

    Attributes
    ----------
    image : Nifti1Image
        On the grid of the background.
    kind : str
        `contour` draws the outline of image > level; `labels` fills each label with a colour of its own;
        `heat` shows values above `level` as a colour scale.
    colour : str
        A colour (contour) or a matplotlib colour map (labels, heat).
    level : float
        Smallest value that is drawn.
    """

    image: nib.Nifti1Image
    kind: str
    colour: str
    level: float = 0.5


def mosaic(
    background: nib.Nifti1Image,
    path: Path,
    *,
    overlays: Sequence[Overlay] = (),
    focus: nib.Nifti1Image | None = None,
) -> Path:
    """Draw slices in three orientations.

    Parameters
    ----------
    background : Nifti1Image, (x, y, z)
        Grey image.
    path : Path
        PNG file to write, atomically.
    overlays : sequence of Overlay
        Drawn in order.
    focus : Nifti1Image, optional
        Mask: slices are chosen where it has most voxels (else evenly through the head).

    Returns
    -------
    Path
        `path`.
    """
    import nibabel as nib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from bids_app.derivatives import atomic

    whole = canonical(background)
    box = _head_box(whole)
    grey = whole[box]
    layers = [(overlay, canonical(overlay.image)[box]) for overlay in overlays]
    where = canonical(focus)[box] > 0 if focus is not None else grey > _foreground(grey)
    bright = grey[grey > _foreground(grey)]
    low, high = np.percentile(bright, [1, 99.5]) if bright.size else (0.0, 1.0)
    figure = Figure(figsize=(COLUMNS * 1.6, len(PLANES) * 1.75), facecolor="black")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(PLANES), COLUMNS, gridspec_kw={"wspace": 0.01, "hspace": 0.01})
    zooms = nib.affines.voxel_sizes(canonical_image(background).affine)
    places = _places(where, focus is not None)
    for row, plane in enumerate(PLANES):
        across, up = (axis for axis in range(3) if axis != plane)
        for axis, index in zip(axes[row], places[row], strict=False):
            common = {"origin": "lower", "aspect": zooms[up] / zooms[across], "interpolation": "nearest"}
            axis.imshow(grey.take(index, plane).T, cmap="gray", vmin=low, vmax=high, **common)
            for overlay, values in layers:
                _draw(axis, overlay, values.take([index], plane).squeeze(plane).T, common)
        for axis in axes[row]:
            axis.set_axis_off()
    figure.subplots_adjust(0, 0, 1, 1)
    with atomic(path) as aside:
        figure.savefig(aside, format="png", dpi=110, facecolor="black")
    return path


def canonical_image(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """Return the image with axes to the right, front and top."""
    import nibabel as nib

    return nib.as_closest_canonical(image)


def canonical(image: nib.Nifti1Image) -> Array:
    """Return the voxels with axes to the right, front and top."""
    return np.nan_to_num(np.asarray(canonical_image(image).dataobj, dtype=np.float32))


def _head_box(grey: Array, margin: int = 3) -> tuple[slice, ...]:
    """Return the box of the head, so that the slices fill their frames."""
    inside = grey > _foreground(grey)
    if not inside.any():
        return tuple(slice(None) for _ in grey.shape)
    sides = []
    for axis in range(3):
        found = np.flatnonzero(inside.any(axis=tuple(other for other in range(3) if other != axis)))
        sides.append(slice(max(found[0] - margin, 0), found[-1] + margin + 1))
    return tuple(sides)


def _foreground(grey: Array) -> float:
    return float(0.1 * np.percentile(grey, 99))


def _places(where: npt.NDArray[np.bool_], dense: bool) -> list[list[int]]:
    """Return slice numbers for each row: evenly through the mask, or where it is largest."""
    rows = []
    for row, plane in enumerate(PLANES):
        sums = where.sum(axis=tuple(axis for axis in range(3) if axis != plane))
        if dense and sums.any():
            away = np.abs(np.arange(sums.size)[:, None] - np.flatnonzero(sums)).min(axis=1)
            best = np.lexsort((away, -sums))  # the fullest slices, then those next to them
            chosen = np.sort(best[: 2 * COLUMNS])[row % 2 :: 2] if plane == 2 else np.sort(best[:COLUMNS])
        else:
            inside = np.flatnonzero(sums) if sums.any() else np.arange(where.shape[plane])
            shift = 0.5 * (row % 2) / COLUMNS if plane == 2 else 0.25 / COLUMNS
            steps = (np.arange(COLUMNS) + 0.5) / COLUMNS * 0.86 + 0.07 * shift
            chosen = inside[(steps * (len(inside) - 1)).astype(int)]
        rows.append([int(index) for index in chosen[:COLUMNS]])
    return rows


def _draw(axes: Axes, overlay: Overlay, values: Array, common: dict[str, Any]) -> None:
    """Draw one overlay on one slice; the person's left is on the left of the picture."""
    if overlay.kind == "contour":
        if values.max() > overlay.level >= values.min():
            axes.contour(values, levels=[overlay.level], colors=[overlay.colour], linewidths=0.7)
        return
    shown = np.ma.masked_where(values < overlay.level, values)
    if overlay.kind == "labels":
        axes.imshow(shown % 20, cmap=overlay.colour, vmin=0, vmax=20, alpha=0.55, **common)
    else:
        axes.imshow(shown, cmap=overlay.colour, vmin=overlay.level, vmax=1, alpha=0.8, **common)

"""Slices of the brain for figures, in mm, the patient's left on the left."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from bids_app.figures.drawing import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# axis that a plane cuts, and the axes that run to the right and up in its picture
PLANES = {"sagittal": (0, 1, 2), "coronal": (1, 0, 2), "axial": (2, 0, 1)}


def plane_of(
    image: nib.Nifti1Image, plane: str, at_mm: float
) -> tuple[npt.NDArray[Any], tuple[float, float, float, float]]:
    """Return a slice and its edges.

    Parameters
    ----------
    image : Nifti1Image, (x, y, z)
        With axes along those of the space, in any direction.
    plane : {"sagittal", "coronal", "axial"}
    at_mm : float
        Where along the third axis; the nearest slice is taken.

    Returns
    -------
    values : ndarray, (up, right)
        Rows from the bottom of the picture.
    extent : (float, float, float, float)
        Left, right, bottom, top in mm.
    """
    image = nib.as_closest_canonical(image)
    data, affine = np.asanyarray(image.dataobj), image.affine
    cut, right, up = PLANES[plane]
    k = int(np.clip(round((at_mm - affine[cut, 3]) / affine[cut, cut]), 0, data.shape[cut] - 1))
    values = np.take(data, k, axis=cut).T
    edges = [
        affine[axis, 3] + affine[axis, axis] * (np.array([0, data.shape[axis]]) - 0.5) for axis in (right, up)
    ]
    (left, end), (bottom, top) = edges
    return values, (float(left), float(end), float(bottom), float(top))


def show_anatomy(ax: Axes, anatomy: nib.Nifti1Image, plane: str, at_mm: float) -> None:
    """Draw a slice of a brain without skull in grey on nothing, with its sides and position marked.

    Parameters
    ----------
    ax : Axes
    anatomy : Nifti1Image, (x, y, z)
    plane : {"sagittal", "coronal", "axial"}
    at_mm : float
        Where along the axis that the plane cuts.
    """
    values, extent = plane_of(anatomy, plane, at_mm)
    top = brightest(anatomy)
    shown = np.ma.masked_less_equal(values, 0.02 * top)
    ax.imshow(shown, cmap="gray", origin="lower", extent=extent, vmin=0, vmax=top)
    ax.set_title(f"{'xyz'[PLANES[plane][0]]} = {at_mm:.0f} mm", fontsize=8, loc="center", color=INK)
    if plane != "sagittal":
        for side, x in (("L", 0.02), ("R", 0.98)):
            ax.text(x, 0.02, side, fontsize=8, ha="center", color=INK, transform=ax.transAxes)
    ax.set_axis_off()


def crop(ax: Axes, anatomy: nib.Nifti1Image, plane: str) -> None:
    """Show no more than the brain's bounding box, the same for every slice of a plane.

    Parameters
    ----------
    ax : Axes
    anatomy : Nifti1Image, (x, y, z)
    plane : {"sagittal", "coronal", "axial"}
    """
    low, high = _box(anatomy)
    _, right, up = PLANES[plane]
    ax.set(xlim=(low[right], high[right]), ylim=(low[up], high[up]))


def brightest(anatomy: nib.Nifti1Image) -> float:
    """Return the intensity that is drawn white."""
    return _measures(anatomy)[0]


def _box(anatomy: nib.Nifti1Image) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    return _measures(anatomy)[1:]


@lru_cache(maxsize=2)
def _measures(
    anatomy: nib.Nifti1Image,
) -> tuple[float, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the brightest intensity, and the lowest and highest corner of the brain in mm, 3 mm around it."""
    data = np.asarray(anatomy.dataobj)
    top = float(np.percentile(data, 99.8))
    inside = np.argwhere(data > 0.02 * top)
    corners = nib.affines.apply_affine(anatomy.affine, [inside.min(axis=0), inside.max(axis=0)])
    return top, corners.min(axis=0) - 3, corners.max(axis=0) + 3

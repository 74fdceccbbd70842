"""Slices of the brain for figures, in mm, the patient's left on the left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from bids_app.learn.drawing import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# axis that a plane cuts, and the axes that run to the right and up in its picture
PLANES = {"sagittal": (0, 1, 2), "coronal": (1, 0, 2), "axial": (2, 0, 1)}


def plane_of(image: nib.Nifti1Image, plane: str, at_mm: float) -> tuple[npt.NDArray[Any], list[float]]:
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
    extent : list of float
        Left, right, bottom, top in mm.
    """
    image = nib.as_closest_canonical(image)
    data, affine = np.asanyarray(image.dataobj), image.affine
    cut, right, up = PLANES[plane]
    k = int(np.clip(round((at_mm - affine[cut, 3]) / affine[cut, cut]), 0, data.shape[cut] - 1))
    values = np.take(data, k, axis=cut).T
    extent = []
    for axis in (right, up):
        start = affine[axis, 3] - affine[axis, axis] / 2
        extent += [start, start + affine[axis, axis] * data.shape[axis]]
    return values, extent


def show_anatomy(ax: Axes, anatomy: nib.Nifti1Image, plane: str, at_mm: float, top: float) -> None:
    """Draw a slice of a brain without skull in grey on nothing, `top` being white; sides and place told."""
    values, extent = plane_of(anatomy, plane, at_mm)
    shown = np.ma.masked_less_equal(values, 0)
    ax.imshow(shown, cmap="gray", origin="lower", extent=extent, vmin=0, vmax=top)
    ax.set_title(f"{'xyz'[PLANES[plane][0]]} = {at_mm:.0f} mm", fontsize=8, loc="center", color=INK)
    if plane != "sagittal":
        for side, x in (("L", extent[0] + 6), ("R", extent[1] - 6)):
            ax.text(x, extent[2] + 6, side, fontsize=8, ha="center", color=INK)
    ax.set_axis_off()

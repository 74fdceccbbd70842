"""Slices of the brain for figures, by nilearn; the patient's left on the left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bids_app.figures.drawing import INK

if TYPE_CHECKING:
    import nibabel as nib
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CLEAR = 1e-6  # values nearer to 0 are not drawn


def settle(figure: Figure) -> None:
    """Fix where the axes of a figure are, so that slices can be placed into them."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def draw_slices(
    ax: Axes,
    image: nib.Nifti1Image,
    background: nib.Nifti1Image,
    *,
    mode: str,
    cuts: Sequence[float],
    ends: tuple[float, float],
    cmap: Any,
) -> None:
    """Draw slices of a map over a brain without skull, with nothing behind them, sides and places marked.

    Parameters
    ----------
    ax : Axes
        Where they go; its figure is settled (see `settle`).
    image, background : Nifti1Image, (x, y, z)
        Map and anatomy in one space; 0 in the map is clear.
    mode : {"z", "ortho"}
        Axial slices at every cut, or one slice of each plane through the point `cuts`.
    cuts : sequence of float
        Millimetres.
    ends : (float, float)
        Values of the lowest and highest colour.
    cmap : str or Colormap
    """
    from nilearn.plotting import plot_stat_map

    ax.set_axis_off()
    display = plot_stat_map(
        image,
        bg_img=background,
        display_mode=mode,
        cut_coords=list(cuts),
        axes=ax,
        figure=ax.figure,
        threshold=CLEAR,
        vmin=ends[0],
        vmax=ends[1],
        cmap=cmap,
        colorbar=False,
        draw_cross=False,
        black_bg=False,
        dim=0,
        resampling_interpolation="nearest",
    )
    display.frame_axes.patch.set_visible(False)
    for panel in display.axes.values():
        panel.ax.patch.set_visible(False)
        for text in panel.ax.texts:
            text.set(color=INK, fontsize=7, bbox=None)

"""Regional volumes and disconnection: a table, and a glass brain of each."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from bids_app.derivatives.reader import VisitFiles
from bids_app.figures.slices import CLEAR
from bids_app.image.outliers import FAR, Side, stands_out
from bids_app.reports.extras import linked_table
from bids_app.reports.figures import RAMPS, ramp_stops
from bids_app.reports.norms import Norms, by_region, region_norms
from bids_app.reports.page import data_uri

if TYPE_CHECKING:
    import nibabel as nib

    from bids_app.image.atlas import Atlas

GLASS_MM = 2.0  # grid of the glass brains; at their size on the page a pixel is about 1 mm
INCHES, DPI = (9.0, 3.3), 72  # of the picture; chosen by eye
OUTLINE = "#808a94"  # can be seen on a light and on a dark page
MNI = "MNI152"  # templates whose outline nilearn's glass brain has


class Scale(NamedTuple):
    """Colours of a glass brain: name of the ramp, its ends, their unit, and what to write at the ends."""

    ramp: str
    ends: tuple[float, float]
    unit: str
    words: tuple[str, str] | None = None


def regions_context(visit: VisitFiles, atlas: Atlas) -> dict[str, Any] | None:
    """Return table and glass brains for the page; None where there are no regional volumes.

    Parameters
    ----------
    visit : VisitFiles
        The visit.
    atlas : Atlas
        The atlas that it was processed with.
    """
    volumes = by_region(visit.table("volumes"), "volume_mm3")
    if volumes is None:
        return None
    names = [name for name in atlas.regions["name"].astype(str) if name in volumes.index]
    volume_norms = region_norms(visit, "volumes", "volume_mm3", share_of="TIV")
    chaco = by_region(visit.table("chaco"), "chaco")
    chaco_norms = region_norms(visit, "chaco", "chaco") if chaco is not None else None
    z = volume_norms.z(volumes / volumes.get("TIV", np.nan)) if volume_norms else None
    chaco_z = chaco_norms.z(chaco) if chaco_norms and chaco is not None else None
    return {
        "columns": _columns(z, chaco, chaco_z),
        "rows": [_row(name, volumes, z, chaco, chaco_z) for name in names],
        "glass": _glass(atlas, names, volumes, z, chaco, visit.template.startswith(MNI)),
        "norms": _norms_words(volume_norms),
        "far": int((z.reindex(names).abs() > FAR).sum()) if z is not None else None,
        "limit": FAR,
        "connectome": _connectome_words(visit),
        "sources": [linked_table(visit, key) for key in ("volumes", "chaco") if visit.has(key)],
    }


def _norms_words(norms: Norms | None) -> str:
    if norms is None:
        return (
            "No comparison: fewer than eight other participants have been processed in this output folder. Volumes and "
            "disconnection are shown without comparison; rerun with --reports-only once more are available."
        )
    return (
        f"z is the modified z score among one visit each of {norms.n} other participants in this output folder "
        "(volumes as shares of TIV). They are patients of the same study, not healthy controls, and "
        "age is not taken out."
    )


def _columns(z: pd.Series | None, chaco: pd.Series | None, chaco_z: pd.Series | None) -> list[dict[str, Any]]:
    columns: list[dict[str, Any]] = [{"label": "Region"}, {"label": "Grey matter, mL", "numeric": True}]
    if z is not None:
        columns.append({"label": "Volume z", "numeric": True})
    if chaco is not None:
        columns.append({"label": "Disconnection, %", "numeric": True})
    if chaco_z is not None:
        columns.append({"label": "Disconnection z", "numeric": True})
    return columns


def _row(
    name: str, volumes: pd.Series, z: pd.Series | None, chaco: pd.Series | None, chaco_z: pd.Series | None
) -> list[Any]:
    row: list[Any] = [name, number(volumes[name] / 1000, 2)]
    if z is not None:
        row.append(_z_cell(z.get(name, np.nan), "either"))
    if chaco is not None:
        row.append(number(chaco.get(name, np.nan) * 100, 1))
    if chaco_z is not None:
        row.append(_z_cell(chaco_z.get(name, np.nan), "high"))
    return row


def _z_cell(value: float, worse: Side) -> Any:
    if not stands_out(value, worse):
        return number(value, 1)
    return {"text": f"{value:.1f}", "value": round(float(value), 3), "level": "look"}


def number(value: float, digits: int) -> str:
    """Return a number as text, n/a where it is missing."""
    return "n/a" if pd.isna(value) else f"{round(value, digits) + 0.0:.{digits}f}"  # never -0


def _connectome_words(visit: VisitFiles) -> dict[str, Any] | None:
    meta = visit.meta("chaco").get("Connectome")
    if not isinstance(meta, dict):
        return None
    return {
        "source": str(meta.get("Source") or meta.get("source") or "a connectome folder"),
        "streamlines": meta.get("NStreamlines"),
        "synthetic": bool(meta.get("Synthetic")),
    }


def _glass(
    atlas: Atlas,
    names: list[str],
    volumes: pd.Series,
    z: pd.Series | None,
    chaco: pd.Series | None,
    outlined: bool,
) -> list[dict[str, Any]]:
    """Return the glass brains for the page."""
    drawn = []
    if z is not None:
        scale = Scale("signed", (-4, 4), "modified z score")
        drawn.append(
            _one(atlas, z.reindex(names), "Volumes among the other participants", scale, outlined=outlined)
        )
    else:
        logs = np.log10(volumes.reindex(names).clip(lower=1))
        scale = Scale("cut", (2, np.log10(40_000)), "mL (logarithmic)", ("0.1", "40"))
        drawn.append(_one(atlas, logs, "Grey-matter volume", scale, outlined=outlined))
    if chaco is not None and chaco.notna().any():
        high = max(5.0, float(np.ceil(chaco.max() * 20) * 5))
        scale = Scale("share", (0, high), "% of streamlines")
        drawn.append(
            _one(atlas, 100 * chaco.reindex(names), "Disconnection (ChaCo)", scale, outlined=outlined)
        )
    return drawn


def _one(atlas: Atlas, values: pd.Series, title: str, scale: Scale, *, outlined: bool) -> dict[str, Any]:
    low, high = scale.words or tuple(f"{end:g}" for end in scale.ends)
    strongest = values.abs().sort_values(ascending=False).index[:3]
    named = ", ".join(str(name) for name in strongest if pd.notna(values[str(name)]))
    picture = glass_brain(atlas, values, RAMPS[scale.ramp], scale.ends, outlined=outlined)
    return {
        "title": title,
        "src": data_uri(picture, ".png"),
        "alt": f"{title}: three projections of the brain; strongest in {named}.",
        "stops": ramp_stops(scale.ramp).split(),
        "low": low,
        "high": high,
        "unit": scale.unit,
    }


def glass_brain(
    atlas: Atlas, values: pd.Series, cmap: str, ends: tuple[float, float], *, outlined: bool = True
) -> bytes:
    """Project regional values onto the three planes of the template, the largest (of either sign) in front.

    Parameters
    ----------
    atlas : Atlas
        Labels in template space.
    values : Series
        By region; missing regions stay clear.
    cmap : str
        Matplotlib's name of a colour map.
    ends : (float, float)
        Lowest and highest colour.
    outlined : bool
        Draw the brain's outline, which is that of MNI152.

    Returns
    -------
    bytes
        A PNG, transparent around the brain, so that it stands on a light or a dark page.
    """
    from matplotlib.figure import Figure
    from nilearn.plotting import plot_glass_brain

    figure = Figure(figsize=INCHES, dpi=DPI)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="empty mask")  # nothing is cut where there is no lesion
        display = plot_glass_brain(
            _painted(atlas, values),
            threshold=CLEAR,
            cmap=cmap,
            vmin=ends[0],
            vmax=ends[1],
            plot_abs=False,
            symmetric_cbar=False,
            colorbar=False,
            figure=figure,
        )
    for panel in display.axes.values():
        for line in panel.ax.patches:
            line.set(edgecolor=OUTLINE, visible=outlined)
        for letter in panel.ax.texts:
            letter.set_color(OUTLINE)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", transparent=True)
    return picture.getvalue()


def _painted(atlas: Atlas, values: pd.Series) -> nib.Nifti1Image:
    """Return an image of the regions' values, on a grid that is fine enough to look at."""
    import nibabel as nib

    step = max(1, round(GLASS_MM / float(nib.affines.voxel_sizes(atlas.image.affine)[0])))
    labels = np.asanyarray(atlas.image.dataobj)[::step, ::step, ::step].astype(np.int64)
    known = values.dropna()
    index = atlas.regions.set_index(atlas.regions["name"].astype(str))["index"].reindex(known.index)
    by_label = np.zeros(max(int(labels.max()), int(index.max()) if len(index) else 0) + 1, np.float32)
    by_label[index] = known
    return nib.Nifti1Image(by_label[labels], atlas.image.affine @ np.diag([step, step, step, 1]))

"""Regional volumes and disconnection: a table, and a glass brain of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.reports.derived import Derived
from bids_app.reports.figures import RAMPS, canonical, encode, ramp_stops
from bids_app.reports.norms import FAR, Norms, by_region, region_norms
from bids_app.reports.page import data_uri

if TYPE_CHECKING:
    import nibabel as nib

    from bids_app.image.atlas import Atlas

GLASS_MM = 1.5
PIXELS = 2
OUTLINE = (128, 138, 148)
GAP = 24


@dataclass(frozen=True)
class Measure:
    """A regional measure on the glass brain.

    Attributes
    ----------
    key, column, title : str
        Table, its column, and what the reader calls it.
    ramp : str
        Colour scale.
    """

    key: str
    column: str
    title: str
    ramp: str


def regions_context(visit: Derived, atlas: Atlas) -> dict[str, Any] | None:
    """Return table and glass brains for the page; None where there are no regional volumes.

    Parameters
    ----------
    visit : Derived
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
        "glass": _glass(atlas, names, volumes, z, chaco),
        "norms": _norms_words(volume_norms),
        "far": int((z.reindex(names).abs() >= FAR).sum()) if z is not None else None,
        "connectome": _connectome_words(visit),
    }


def _norms_words(norms: Norms | None) -> str:
    if norms is None:
        return (
            "No norms: fewer than eight other participants are finished in this output folder. Volumes and "
            "disconnection are shown as they are; write the report again with --reports-only when more are done."
        )
    return (
        f"z compares this visit with one visit each of {norms.n} other participants in this output folder (volumes "
        "as shares of TIV; median and robust SD). They are patients of the same study, not healthy controls, and "
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
        row.append(_z_cell(z.get(name, np.nan)))
    if chaco is not None:
        row.append(number(chaco.get(name, np.nan) * 100, 1))
    if chaco_z is not None:
        row.append(_z_cell(chaco_z.get(name, np.nan)))
    return row


def _z_cell(value: float) -> Any:
    if np.isnan(value) or abs(value) < FAR:
        return number(value, 1)
    return {"text": f"{value:.1f}", "value": round(float(value), 3), "level": "look"}


def number(value: float, digits: int) -> str:
    """Return a number as text, n/a where it is missing."""
    return "n/a" if pd.isna(value) else f"{value:.{digits}f}"


def _connectome_words(visit: Derived) -> dict[str, Any] | None:
    meta = visit.meta("chaco").get("Connectome")
    if not isinstance(meta, dict):
        return None
    return {
        "source": str(meta.get("Source") or meta.get("source") or "a connectome folder"),
        "streamlines": meta.get("NStreamlines"),
        "synthetic": bool(meta.get("Synthetic")),
    }


def _glass(
    atlas: Atlas, names: list[str], volumes: pd.Series, z: pd.Series | None, chaco: pd.Series | None
) -> list[dict[str, Any]]:
    """Return the glass brains for the template."""
    drawn = []
    if z is not None:
        drawn.append(
            _one(atlas, z.reindex(names), "Volumes against the other participants (z)", "signed", -4, 4)
        )
    else:
        logs = np.log10(volumes.reindex(names).clip(lower=1))
        drawn.append(_one(atlas, logs, "Grey-matter volume (log10 of mm3), no norms", "cut", 2, 4.6))
    if chaco is not None and chaco.notna().any():
        high = max(0.05, float(np.ceil(chaco.max() * 20) / 20))
        drawn.append(_one(atlas, chaco.reindex(names), "Disconnection (ChaCo, share cut)", "heat", 0, high))
    return drawn


def _one(atlas: Atlas, values: pd.Series, title: str, ramp: str, low: float, high: float) -> dict[str, Any]:
    from PIL.Image import fromarray

    picture = fromarray(glass_brain(atlas, values, ramp, low, high))
    strongest = values.abs().sort_values(ascending=False).index[:3]
    told = ", ".join(f"{name} {values[str(name)]:.2g}" for name in strongest if pd.notna(values[str(name)]))
    return {
        "title": title,
        "src": data_uri(encode(picture, ".png"), ".png"),
        "alt": f"{title}: three projections of the brain; strongest in {told}.",
        "stops": ramp_stops(ramp).split(),
        "low": f"{low:g}",
        "high": f"{high:g}",
    }


def glass_brain(atlas: Atlas, values: pd.Series, ramp: str, low: float, high: float) -> npt.NDArray[np.uint8]:
    """Project regional values onto the three planes of the template, the strongest in front.

    Parameters
    ----------
    atlas : Atlas
        Labels in template space.
    values : Series
        By region; missing regions stay clear.
    ramp : str
        Colour scale, a key of `figures.RAMPS`; `signed` is strongest at both ends.
    low, high : float
        Ends of the scale.

    Returns
    -------
    ndarray, (height, width, 4), uint8
        RGBA, transparent around the brain, so that it stands on a light or a dark page.
    """
    labels = _coarse(atlas.image)
    strength = (values.abs() if ramp == "signed" else values - low).rename("strength")
    by_label = dict(zip(atlas.regions["name"].astype(str), atlas.regions["index"], strict=True))
    table = np.zeros(int(labels.max()) + 1, np.float32)
    sizes = np.full(table.size, -1.0, np.float32)
    for name, value in values.dropna().items():
        index = int(by_label[str(name)])
        if index < table.size:
            table[index], sizes[index] = value, max(float(strength[str(name)]), 0)
    panels = [_panel(labels, axis, table, sizes, ramp, low, high) for axis in (0, 1, 2)]
    height = max(panel.shape[0] for panel in panels)
    width = sum(panel.shape[1] for panel in panels) + GAP * 2
    sheet, left = np.zeros((height, width, 4), np.uint8), 0
    for panel in panels:
        top = (height - panel.shape[0]) // 2
        sheet[top : top + panel.shape[0], left : left + panel.shape[1]] = panel
        left += panel.shape[1] + GAP
    return sheet


def _coarse(image: nib.Nifti1Image) -> npt.NDArray[np.int64]:
    """Return labels on a grid that is fine enough to look at, cut to what is labelled."""
    from nibabel.affines import voxel_sizes

    data = canonical(image).astype(np.int64)
    step = max(1, round(GLASS_MM / float(voxel_sizes(image.affine)[0])))
    data = data[::step, ::step, ::step]
    inside = np.argwhere(data > 0)
    low, high = inside.min(axis=0), inside.max(axis=0) + 1
    return np.pad(data[tuple(slice(a, b) for a, b in zip(low, high, strict=True))], 2)


def _panel(
    labels: npt.NDArray[np.int64],
    axis: int,
    table: npt.NDArray[np.float32],
    sizes: npt.NDArray[np.float32],
    ramp: str,
    low: float,
    high: float,
) -> npt.NDArray[np.uint8]:
    """Draw one projection."""
    from matplotlib import colormaps
    from scipy import ndimage

    front = np.take_along_axis(labels, sizes[labels].argmax(axis=axis, keepdims=True), axis=axis).squeeze(
        axis
    )
    shown = np.clip((table[front] - low) / (high - low), 0, 1)
    drawn = (colormaps[RAMPS[ramp]](shown) * 255).astype(np.uint8)
    weight = np.clip(sizes[front] / max(abs(low), abs(high)), 0, 1)
    drawn[..., 3] = np.where((front > 0) & (sizes[front] >= 0), 70 + 185 * weight, 0)
    brain = ndimage.binary_fill_holes((labels > 0).any(axis=axis))
    edges = ndimage.morphological_gradient(front, size=2) > 0
    drawn[edges & brain & (drawn[..., 3] < 90)] = (*OUTLINE, 90)
    drawn[brain & ~ndimage.binary_erosion(brain)] = (*OUTLINE, 255)
    turned = drawn.transpose(1, 0, 2)[::-1]
    return turned.repeat(PIXELS, axis=0).repeat(PIXELS, axis=1)

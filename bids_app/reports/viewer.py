"""A second page beside the report: T1w, FLAIR, lesions and parcels to scroll through in the browser (NiiVue)."""

from __future__ import annotations

import base64
import gzip
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.derivatives import write_text
from bids_app.derivatives.reader import VisitFiles
from bids_app.errors import InputError
from bids_app.reports.figures import ramp_stops
from bids_app.reports.page import render_viewer

if TYPE_CHECKING:
    import nibabel as nib

    from bids_app.image.box import Box

    Mask = npt.NDArray[np.bool_]

AROUND_BRAIN_MM = 8.0  # kept around the brain; chosen by eye


class Shown(NamedTuple):
    """An image of the viewer: output, what the reader calls it, NiiVue's colour map, opacity from 0 to 1."""

    key: str
    name: str
    colours: str
    opacity: float


SHOWN = (
    Shown("t1w", "T1w", "gray", 0.0),
    Shown("flair", "FLAIR", "gray", 1.0),
    Shown("flair_native", "FLAIR", "gray", 1.0),
    Shown("parcels", "Parcels", "random", 0.0),
    Shown("lesion_probability", "Lesion probability", "inferno", 0.0),
    Shown("lesions", "Lesions", "red", 0.6),
)


WHOLE_SCALE = ("lesion_probability", "lesions")  # 0 to 1, whatever the largest value
LESIONS_LISTED = 150  # lesions to choose from


def viewer_path(visit: VisitFiles) -> Path:
    """Return the place of the viewer's page below the root of the derivatives."""
    return (visit.figures / f"{visit.prefix}_desc-viewer.html").relative_to(visit.root)


def write_viewer(visit: VisitFiles) -> Path | None:
    """Write the viewer's page; None where there is nothing to show.

    Images are cut to the brain and a rim of 8 mm (no face is in the page), with intensities from 0 to 255.

    Parameters
    ----------
    visit : VisitFiles
        The visit.
    """
    try:
        rim = _rim(visit.image("brain"))
    except InputError:
        return None
    volumes = [volume for one in SHOWN if (volume := _volume(visit, one, rim)) is not None]
    if not volumes:
        return None
    script = (files("bids_app") / "data" / "niivue" / "niivue.umd.js").read_text(encoding="utf-8")
    back = Path("..", "..", visit.page.name).as_posix()
    text = render_viewer(
        name=visit.prefix,
        volumes=volumes,
        back=back,
        lesions=_lesions(visit),
        stops=ramp_stops("heat").split(),
        library=script,
    )
    return write_text(text, visit.root / viewer_path(visit))


def _lesions(visit: VisitFiles) -> list[dict[str, Any]]:
    """Return the lesions to choose from, largest first: number, name, place in mm, volume."""
    table = visit.table("lesion_table")
    if table is None or not {"index", "volume_mm3", *"xyz"} <= set(table.columns):
        return []
    numbers = table[["index", "volume_mm3", *"xyz"]].apply(pd.to_numeric, errors="coerce").dropna()
    largest = numbers.sort_values("volume_mm3", ascending=False, kind="stable").head(LESIONS_LISTED)
    return [
        {
            "id": f"lesion-{int(row['index'])}",
            "name": f"Lesion {int(row['index'])}",
            "place": " ".join(f"{row[axis]:.1f}" for axis in "xyz"),
            "volume": f"{row['volume_mm3']:.0f} mm\N{SUPERSCRIPT THREE}",
        }
        for row in largest.to_dict("records")
    ]


class _Rim(NamedTuple):
    """The brain with a rim, within a box of the grid."""

    inside: Mask
    box: Box
    shape: tuple[int, ...]


def _rim(brain: nib.Nifti1Image) -> _Rim:
    """Return the brain with a rim."""
    from nibabel.affines import voxel_sizes
    from scipy import ndimage

    from bids_app.image.box import box_around

    mask = np.asanyarray(brain.dataobj) > 0
    box = box_around(mask, brain.affine, AROUND_BRAIN_MM)
    away = ndimage.distance_transform_edt(~mask[box], sampling=voxel_sizes(brain.affine))
    return _Rim(away <= AROUND_BRAIN_MM, box, brain.shape)


def _volume(visit: VisitFiles, one: Shown, rim: _Rim) -> dict[str, Any] | None:
    """Return an image for the page; None where it is missing."""
    try:
        image = visit.image(one.key)
    except InputError:
        return None
    if image.shape != rim.shape:
        return None
    data = np.asanyarray(image.dataobj)[rim.box]
    if one.key == "parcels":
        small = data.astype(np.uint8 if data.max() < 256 else np.int16)
    else:
        high = 1.0 if one.key in WHOLE_SCALE else None
        small = _bytes(np.nan_to_num(np.asarray(data, np.float32)) * rim.inside, high)
    return {
        "name": one.name,
        "colours": one.colours,
        "opacity": one.opacity,
        "data": base64.b64encode(_nifti(small, image.affine, rim.box)).decode("ascii"),
    }


def _bytes(data: npt.NDArray[np.float32], high: float | None = None) -> npt.NDArray[np.uint8]:
    """Return values up to `high`, by default the brightest 0.2 % of the foreground alike, as 0 to 255."""
    if high is None:
        bright = data[data > 0]
        high = max(float(np.percentile(bright, 99.8)) if bright.size else 1.0, 1e-6)
    return (np.clip(data / high, 0, 1) * 255).round().astype(np.uint8)


def _nifti(data: npt.NDArray[np.generic], affine: npt.NDArray[np.float64], box: Box) -> bytes:
    """Return a gzipped NIfTI file, the same bytes for the same voxels."""
    import nibabel as nib

    moved = affine.copy()
    moved[:3, 3] = nib.affines.apply_affine(affine, [side.start for side in box])
    return gzip.compress(nib.Nifti1Image(data, moved).to_bytes(), 9, mtime=0)

"""One row per lesion: size, place, probability; and the visit's counts, volumes and flags."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cc3d
import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage

from bids_app.image.box import box_around, within
from bids_app.image.places import (
    ARTEFACT_SITES,
    CLASSES,
    FLAG_REACH_MM,
    LIKELY_FLUID,
    LIKELY_GM,
    RANKED,
    TOUCH_MM,
    VENTRICLE_REACH_MM,
    Place,
)
from bids_app.image.transforms import move_points

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

LESION_COLUMNS: dict[str, dict[str, object]] = {
    "index": {"Description": "Value of the lesion in the seg-lesions image; 1 is the largest."},
    "name": {"Description": "Name of the lesion within this visit."},
    "volume_mm3": {"Description": "Volume.", "Units": "mm^3"},
    **{
        axis: {"Description": f"{axis} of the centroid in the visit's own space (RAS+).", "Units": "mm"}
        for axis in "xyz"
    },
    **{
        f"template_{axis}": {"Description": f"{axis} of the centroid in template space.", "Units": "mm"}
        for axis in "xyz"
    },
    "mean_probability": {"Description": "Mean lesion probability."},
    "max_probability": {"Description": "Highest lesion probability."},
    "contrast": {"Description": "Mean FLAIR intensity over that of normal-appearing white matter, minus 1."},
    "nearest_region": {"Description": "Atlas region nearest to the lesion's centroid."},
    "place": {
        "Description": "Class of place after the 2017 McDonald criteria; the first rule that holds, in this order.",
        "Levels": {place.name: place.rule for place in RANKED},
    },
    "artefact_prone": {
        "Description": "Sites where FLAIR artefacts look like lesions; at least half of the lesion lies there.",
        "Levels": {site.name: site.rule for site in ARTEFACT_SITES.values()},
    },
}


PLACES_COLUMNS: dict[str, dict[str, object]] = {
    "index": {"Description": "Row."},
    "name": {
        "Description": "All lesions; the classes of place, of which each lesion has one; sites where FLAIR artefacts "
        "look like lesions, which are no classes of their own. The rules are those of the lesion table."
    },
    "lesion_count": {"Description": "Number of lesions."},
    "volume_mm3": {"Description": "Their volume.", "Units": "mm^3"},
    "counts_for_dissemination": {
        "Description": "Whether lesions there count for dissemination in space, which asks for two of four areas "
        "(Thompson et al. 2018, Lancet Neurol 17:162); the fourth, the spinal cord, is not seen here.",
        "Levels": {"1": "Counts.", "0": "Does not.", "n/a": "Not a class of place."},
    },
}


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What lesions are described by, all on the grid of the lesion mask.

    Attributes
    ----------
    probability, gm, csf : Nifti1Image, (x, y, z)
        Lesion probability, tissue probabilities.
    nawm : Nifti1Image, (x, y, z)
        Normal-appearing white matter mask.
    parcels : Nifti1Image, (x, y, z)
        Atlas labels in the visit's space; they name the nearest region only.
    regions : DataFrame
        Columns `index` and `name` of the labels.
    places : Nifti1Image, (x, y, z)
        `places.place_image` brought to the visit's space with nearest neighbours.
    from_template : sequence of Path
        Transforms that bring images from the template to the visit (they take points the other way).
    flair : Nifti1Image, (x, y, z), optional
        FLAIR image; without one contrasts are not known.
    """

    probability: nib.Nifti1Image
    gm: nib.Nifti1Image
    csf: nib.Nifti1Image
    nawm: nib.Nifti1Image
    parcels: nib.Nifti1Image
    regions: pd.DataFrame
    places: nib.Nifti1Image
    from_template: Sequence[Path]
    flair: nib.Nifti1Image | None = None


def number_lesions(mask: nib.Nifti1Image) -> nib.Nifti1Image:
    """Number the 26-connected lesions of a mask 1, 2, ... from the largest; equal sizes in grid order.

    Returns
    -------
    Nifti1Image, (x, y, z), int32

    Examples
    --------
    >>> import nibabel as nib
    >>> import numpy as np
    >>> from demyelin import number_lesions
    >>> mask = np.zeros((8, 8, 8), np.uint8)
    >>> mask[1, 1, 1] = 1
    >>> mask[4:6, 4:6, 4:6] = 1
    >>> numbered = number_lesions(nib.Nifti1Image(mask, np.eye(4)))
    >>> np.bincount(numbered.get_fdata().astype(int).ravel()).tolist()
    [503, 8, 1]
    """
    labels = cc3d.connected_components(
        np.asanyarray(mask.dataobj) > 0, connectivity=26, binary_image=True, out_dtype=np.uint32
    )
    counts = np.bincount(labels.ravel())[1:]
    rank = np.zeros(counts.size + 1, np.int32)
    rank[1 + np.argsort(-counts, kind="stable")] = np.arange(1, counts.size + 1)
    return nib.Nifti1Image(rank[labels], mask.affine)


def lesion_table(labels: nib.Nifti1Image, around: Surroundings) -> pd.DataFrame:
    """Describe each lesion.

    The place is the first rule that holds: infratentorial (at least half in the brainstem or cerebellum),
    periventricular (within 1.5 mm of a lateral ventricle), juxtacortical or cortical (within 1.5 mm of
    cortical grey matter: AAL regions 1 to 90 but the basal ganglia and thalamus, probability of grey
    matter above 0.5), else deep white matter. After Thompson et al. 2018 (Lancet Neurol 17:162). The lateral
    ventricle is the visit's own: fluid within 8 mm of the template's ventricle brought to the visit.

    Parameters
    ----------
    labels : Nifti1Image, (x, y, z)
        Lesions numbered by `number_lesions`.
    around : Surroundings
        The visit's images.

    Returns
    -------
    DataFrame
        One row per lesion, the columns of `LESION_COLUMNS`; `artefact_prone` is missing where no site applies,
        else sites joined by commas. Without lesions, no rows.
    """
    here = [np.asanyarray(image.dataobj) > 0 for image in (labels, around.parcels, around.places)]
    box = box_around(np.any(here, axis=0), labels.affine)
    labels, around = labels.slicer[box], within(around, box)
    lesion = np.asanyarray(labels.dataobj).astype(np.int64)
    index = np.arange(1, int(lesion.max()) + 1)
    if not index.size:
        return pd.DataFrame(columns=list(LESION_COLUMNS))
    native = nib.affines.apply_affine(
        labels.affine, np.asarray(ndimage.center_of_mass(lesion > 0, lesion, index))
    )
    probability = np.asarray(around.probability.dataobj, dtype=np.float64)
    table = pd.DataFrame(
        {
            "index": index,
            "name": [f"lesion-{number:03d}" for number in index],
            "volume_mm3": np.bincount(lesion.ravel())[1:] * abs(np.linalg.det(labels.affine[:3, :3])),
            **dict(zip("xyz", native.T, strict=True)),
            **_template_columns(native, around.from_template),
            "mean_probability": _each(ndimage.mean, probability, lesion, index),
            "max_probability": _each(ndimage.maximum, probability, lesion, index),
            "contrast": _contrast(lesion, index, around),
            "nearest_region": _nearest_region(native, around),
            "place": _place(lesion, index, around),
            "artefact_prone": _artefact_prone(lesion, index, around),
        }
    )
    return table[list(LESION_COLUMNS)].round(4)


def places_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a visit's counts and volumes: all lesions, each class of place, each artefact-prone site.

    Returns
    -------
    DataFrame, (8, 5)
        The columns of `PLACES_COLUMNS`.
    """
    summary, volume = visit_summary(table), table["volume_mm3"].astype(float)
    at = table["artefact_prone"].fillna("").astype(str).str.split(",")
    rows: list[tuple[str, float, float, int | None]] = [("all", len(table), float(volume.sum()), None)]
    rows += [
        (name, summary[f"{name}_count"], summary[f"{name}_volume_mm3"], int(place.counts))
        for name, place in CLASSES.items()
    ]
    rows += [
        (site, summary[f"{site}_count"], float(volume[at.map(lambda at, s=site: s in at)].sum()), None)
        for site in ARTEFACT_SITES
    ]
    frame = pd.DataFrame(rows, columns=list(PLACES_COLUMNS)[1:])
    frame.insert(0, "index", range(1, len(rows) + 1))
    return frame.astype({"lesion_count": "int64", "counts_for_dissemination": "Int64"}).round(
        {"volume_mm3": 4}
    )


def visit_summary(table: pd.DataFrame) -> dict[str, float]:
    """Return a visit's counts and volumes (mm3) per class, its dissemination in space and its flags.

    Dissemination in space (2017 McDonald) asks for lesions in at least two of four areas: periventricular,
    juxtacortical or cortical, infratentorial, spinal cord. The cord is not seen here, so
    `dissemination_areas` counts up to three, and `dissemination_in_space` (1 or 0) can miss, never invent.

    Returns
    -------
    dict
        `lesion_count`, `lesion_volume_mm3`, `<class>_count`, `<class>_volume_mm3`, `dissemination_areas`,
        `dissemination_in_space`, `<site>_count` for the artefact-prone sites.
    """
    volume = table["volume_mm3"].astype(float)
    summary: dict[str, float] = {"lesion_count": len(table), "lesion_volume_mm3": float(volume.sum())}
    for place in CLASSES:
        here = table["place"] == place
        summary[f"{place}_count"] = int(here.sum())
        summary[f"{place}_volume_mm3"] = float(volume[here].sum())
    areas = sum(summary[f"{name}_count"] > 0 for name, place in CLASSES.items() if place.counts)
    summary["dissemination_areas"] = areas
    summary["dissemination_in_space"] = int(areas >= 2)
    sites = table["artefact_prone"].fillna("").astype(str).str.split(",")
    return summary | {
        f"{site}_count": int(sites.map(lambda at, s=site: s in at).sum()) for site in ARTEFACT_SITES
    }


def _template_columns(native: Array, from_template: Sequence[Path]) -> dict[str, Array]:
    moved = move_points(native, from_template)
    return {f"template_{axis}": moved[:, number] for number, axis in enumerate("xyz")}


def _each(
    measure: Callable[..., Any],
    values: npt.NDArray[np.generic],
    lesion: npt.NDArray[np.int64],
    index: npt.NDArray[np.int64],
) -> Array:
    """Return one of ndimage's measures of each lesion's values, looking at lesions alone."""
    inside = lesion > 0
    return np.asarray(measure(values[inside], lesion[inside], index))


def _contrast(lesion: npt.NDArray[np.int64], index: npt.NDArray[np.int64], around: Surroundings) -> Array:
    if around.flair is None:
        return np.full(index.size, np.nan)
    flair = np.asarray(around.flair.dataobj, dtype=np.float64)
    normal = flair[np.asanyarray(around.nawm.dataobj) > 0]
    if not normal.size or normal.mean() <= 0:
        return np.full(index.size, np.nan)
    return _each(ndimage.mean, flair, lesion, index) / normal.mean() - 1


def _nearest_region(native: Array, around: Surroundings) -> list[str]:
    labels = np.asanyarray(around.parcels.dataobj)
    size = nib.affines.voxel_sizes(around.parcels.affine)
    nearest = ndimage.distance_transform_edt(
        labels == 0, sampling=size, return_distances=False, return_indices=True
    )
    voxels = np.rint(nib.affines.apply_affine(np.linalg.inv(around.parcels.affine), native)).astype(int)
    voxels = np.clip(voxels, 0, np.array(labels.shape) - 1)
    names = dict(zip(around.regions["index"], around.regions["name"], strict=True))
    return [names[int(labels[tuple(nearest[:, i, j, k])])] for i, j, k in voxels]


def _distance(mask: Mask, size: Array) -> Array:
    """Return the distance to a mask in mm; infinite where it is empty."""
    return ndimage.distance_transform_edt(~mask, sampling=size) if mask.any() else np.full(mask.shape, np.inf)


def _lateral_ventricles(around: Surroundings, size: Array) -> Mask:
    places = np.asanyarray(around.places.dataobj)
    near = _distance(places == Place.LATERAL_VENTRICLE, size) <= VENTRICLE_REACH_MM
    return near & (np.asarray(around.csf.dataobj) > LIKELY_FLUID)


def _place(lesion: npt.NDArray[np.int64], index: npt.NDArray[np.int64], around: Surroundings) -> list[str]:
    size = nib.affines.voxel_sizes(around.parcels.affine)
    places = np.asanyarray(around.places.dataobj)
    touch = TOUCH_MM * max(1.0, float(size.max()))
    cortex = (places == Place.CORTEX) & (np.asarray(around.gm.dataobj) > LIKELY_GM)
    below = np.isin(places, [Place.INFRATENTORIAL, Place.FOURTH_VENTRICLE])
    rules = {
        "infratentorial": _each(ndimage.mean, below, lesion, index) >= 0.5,
        "periventricular": _each(
            ndimage.minimum, _distance(_lateral_ventricles(around, size), size), lesion, index
        )
        <= touch,
        "juxtacortical_cortical": _each(
            ndimage.minimum, _distance(cortex & (lesion == 0), size), lesion, index
        )
        <= touch,
    }
    *ruled, other = (place.name for place in RANKED)
    return list(np.select([rules[name] for name in ruled], ruled, default=other))


def _artefact_prone(
    lesion: npt.NDArray[np.int64], index: npt.NDArray[np.int64], around: Surroundings
) -> list[str | None]:
    size = nib.affines.voxel_sizes(around.parcels.affine)
    places = np.asanyarray(around.places.dataobj)
    sites = {
        "septum": places == Place.SEPTUM,
        "fourth_ventricle": _distance(places == Place.FOURTH_VENTRICLE, size) <= FLAG_REACH_MM,
        "choroid_plexus": np.isin(places, [Place.LATERAL_VENTRICLE, Place.THIRD_VENTRICLE]),
    }
    at = {site: _each(ndimage.mean, mask, lesion, index) >= 0.5 for site, mask in sites.items()}
    return [",".join(site for site in ARTEFACT_SITES if at[site][row]) or None for row in range(index.size)]

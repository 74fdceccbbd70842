"""Steps on lesions: segmented or provided, filled, numbered and located."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import nibabel as nib
import numpy as np

from bids_app.steps.files import Image, Table, WithMeta
from bids_app.steps.record import step


class FoundLesions(NamedTuple):
    """Lesion probability and mask."""

    probability: WithMeta[Image]
    mask: WithMeta[Image]


@step("finding lesions", seconds=4.0, mem_gb=2.0)
def find_lesions(
    brain: Image,
    coordinates: Image,
    wm_prior: Image,
    method: str,
    threshold: float,
    min_volume: float,
    flair: Image | None = None,
    t1w: Image | None = None,
    coverage: float | None = None,
) -> FoundLesions:
    """Segment lesions by one method of `image.lesions.METHODS`; tissues are segmented first where it needs them.

    Parameters
    ----------
    brain : Nifti1Image, (x, y, z)
        Brain mask on the working grid.
    coordinates : Nifti1Image, (x, y, z, 3)
        Each voxel's place in the template, mm.
    wm_prior : Nifti1Image, (x, y, z)
        The template's probability of white matter, brought to the visit.
    method : str
        Name in `METHODS`.
    threshold : float
        Least probability in the mask; 0 for the method's own.
    min_volume : float
        Smallest lesion in mm3.
    flair, t1w : Nifti1Image, (x, y, z), optional
        Corrected images on the working grid; without FLAIR Demyelin's own method works by the T1w.
    coverage : float, optional
        Share of the brain that the FLAIR shows.
    """
    from bids_app.image.coverage import about
    from bids_app.image.lesions import METHODS, LesionInputs, segment_lesions
    from bids_app.steps.anatomy import segment

    chosen = METHODS[method]
    inputs = LesionInputs(flair=flair, brain=brain, wm_prior=wm_prior, t1w=t1w)
    if chosen.of_tissues:
        tissues = segment(cast("Image", t1w or flair), brain, coordinates)
        inputs = replace(inputs, gm=tissues.gm, wm=tissues.wm, csf=tissues.csf)
    found = segment_lesions(inputs, method, threshold=threshold, min_volume=min_volume)
    meta = {"Method": chosen.about, "MethodSettings": chosen.recorded(threshold, min_volume)} | about(
        coverage
    )
    return FoundLesions(WithMeta(found.probability, meta), WithMeta(found.mask, meta))


class Provided(NamedTuple):
    """A lesion mask of the dataset, 0 and 1, on the grid of one scan."""

    mask: Image
    owner: str
    notes: list[str]


@step("checking the supplied lesion mask")
def check_lesions(
    supplied: Path, flair_scan: Path | None = None, t1w_scan: Path | None = None, label: int | None = None
) -> Provided:
    """Read a lesion mask of the dataset and find out which scan it belongs to, before anything that takes long.

    Parameters
    ----------
    supplied : Path
        Lesion mask of the dataset.
    flair_scan, t1w_scan : Path, optional
        Scans as acquired.
    label : int, optional
        Value of lesions in a label image.
    """
    from bids_app.image.volume import read_mask, read_scan

    scans = {"T1w": t1w_scan, "FLAIR": flair_scan}
    like = {name: read_scan(path).image for name, path in scans.items() if path is not None}
    mask, owner, notes = read_mask(supplied, like, label)
    return Provided(mask, owner, [*notes, f"lesions: {supplied.name} (on the {owner} grid)"])


@step("using the supplied lesion mask")
def take_lesions(
    supplied: Image,
    owner: str,
    source: str,
    like: Image,
    to_t1w: Path | None = None,
    coverage: float | None = None,
) -> FoundLesions:
    """Bring a lesion mask of the dataset to the working grid.

    Parameters
    ----------
    supplied : Nifti1Image, (x, y, z)
        Mask as checked.
    owner : {"T1w", "FLAIR"}
        On whose grid it is.
    source : str
        What the metadata say of where it comes from.
    like : Nifti1Image, (x, y, z)
        An image on the working grid.
    to_t1w : Path, optional
        Transform from the FLAIR to the T1w.
    coverage : float, optional
        Share of the brain that the FLAIR shows.
    """
    from bids_app.image.coverage import about
    from bids_app.image.transforms import apply
    from bids_app.image.volume import resample

    if owner == "FLAIR" and to_t1w is not None:
        moved = apply(supplied, like, [to_t1w], interpolation="nearestNeighbor")
    else:
        moved = resample(supplied, like, order=0)
    meta: dict[str, Any] = {
        "Method": f"Lesion mask supplied with the data, made by: {source}.",
        "MaskSource": source,
        **about(coverage),
    }
    if source == "manual":
        meta["Manual"] = True
    data = (np.asarray(moved.dataobj) > 0).astype(np.uint8)
    probability = nib.Nifti1Image(data.astype(np.float32), like.affine)
    return FoundLesions(WithMeta(probability, meta), WithMeta(nib.Nifti1Image(data, like.affine), meta))


class Filled(NamedTuple):
    """T1w with lesions filled."""

    image: Image


@step("filling lesions", seconds=3.0, mem_gb=2.0)
def fill(t1w: Image, lesions: Image, wm: Image, brain: Image, seed: int) -> Filled:
    """Fill the lesions of a T1w image from the white matter around them.

    Parameters
    ----------
    t1w, lesions, wm, brain : Nifti1Image, (x, y, z)
        Corrected T1w, lesion mask, white matter's probability and brain mask on one grid.
    seed : int
        Of the noise that is filled in.
    """
    from bids_app.image.atlas import normal_appearing_white_matter
    from bids_app.image.fill import fill_lesions

    nawm = normal_appearing_white_matter(wm, lesions, brain)
    return Filled(fill_lesions(t1w, lesions, nawm, seed=seed))


class Described(NamedTuple):
    """Lesions numbered, the table of them, their counts and volumes by place, and dissemination in space."""

    labels: Image
    table: WithMeta[Table]
    places: WithMeta[Table]
    criteria: WithMeta[Table]


@step("describing lesions", mem_gb=2.0)
def describe_lesions(
    lesions: Image,
    probability: Image,
    gm: Image,
    csf: Image,
    nawm: Image,
    parcels: Image,
    regions: Table,
    inverse: Path,
    flair: Image | None = None,
) -> Described:
    """Number the lesions and say where each is.

    Parameters
    ----------
    lesions, probability, gm, csf, nawm, parcels : Nifti1Image, (x, y, z)
        Mask, lesion probability, tissues and labels on one grid.
    regions : DataFrame
        Names of the parcels.
    inverse : Path
        Transform from the template.
    flair : Nifti1Image, (x, y, z), optional
        FLAIR on the same grid.
    """
    from bids_app.image import criteria, lesion_table
    from bids_app.image.places import place_image
    from bids_app.image.transforms import apply

    labels = lesion_table.number_lesions(lesions)
    around = lesion_table.Surroundings(
        flair=flair,
        probability=probability,
        gm=gm,
        csf=csf,
        nawm=nawm,
        parcels=parcels,
        regions=regions,
        places=apply(place_image(), labels, [inverse], interpolation="nearestNeighbor"),
        from_template=[inverse],
    )
    table = lesion_table.lesion_table(labels, around)
    places = lesion_table.places_table(table)
    space = criteria.in_space(lesion_table.visit_summary(table))
    return Described(
        labels,
        WithMeta(table, lesion_table.LESION_COLUMNS),
        WithMeta(places, lesion_table.PLACES_COLUMNS),
        WithMeta(space, criteria.SPACE_COLUMNS | {"Remark": criteria.NO_DIAGNOSIS}),
    )

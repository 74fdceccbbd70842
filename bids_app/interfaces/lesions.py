"""Steps on lesions: found or given, filled, numbered and placed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from bids_app.derivatives import load_image as load
from bids_app.interfaces.files import keep, keep_table


class Found(NamedTuple):
    """Lesion probability and mask."""

    probability: Path
    mask: Path


def find_lesions(
    flair: Path,
    brain: Path,
    gm: Path,
    wm: Path,
    csf: Path,
    wm_prior: Path,
    method: str,
    threshold: float,
    min_volume: float,
    t1w: Path | None = None,
) -> Found:
    """Segment lesions by one method of the ladder."""
    from bids_app.image.lesions import METHODS, LesionInputs, segment_lesions

    found = segment_lesions(
        LesionInputs(
            flair=load(flair),
            brain=load(brain),
            gm=load(gm),
            wm=load(wm),
            csf=load(csf),
            wm_prior=load(wm_prior),
            t1w=load(t1w) if t1w else None,
        ),
        method,
        threshold=threshold,
        min_volume=min_volume,
    )
    chosen = METHODS[method]
    cut = {"threshold": threshold or chosen.threshold, "min_volume_mm3": min_volume}
    meta = {"Method": chosen.about, "MethodSettings": chosen.settings | cut}
    return Found(keep(found.probability, "probability", meta), keep(found.mask, "mask", meta))


class Given(NamedTuple):
    """A lesion mask of the dataset, 0 and 1, on the grid of one scan."""

    mask: Path
    owner: str
    notes: list[str]


def check_lesions(
    given: Path, flair_scan: Path, t1w_scan: Path | None = None, label: int | None = None
) -> Given:
    """Read a lesion mask of the dataset and find out which scan it belongs to, before anything that takes long."""
    from bids_app.image.volume import read_mask, read_scan

    scans = {"T1w": t1w_scan, "FLAIR": flair_scan}
    like = {name: read_scan(path).image for name, path in scans.items() if path is not None}
    mask, owner, notes = read_mask(given, like, label)
    return Given(keep(mask, "given"), owner, [*notes, f"lesions: {given.name} (on the {owner} grid)"])


def take_lesions(given: Path, owner: str, source: str, flair: Path, to_t1w: Path | None = None) -> Found:
    """Bring a lesion mask of the dataset to the working grid."""
    import nibabel as nib
    import numpy as np

    from bids_app.image.register import apply
    from bids_app.image.volume import resample

    mask, grid = load(given), load(flair)
    if owner == "FLAIR" and to_t1w is not None:
        moved = apply(mask, grid, [to_t1w], interpolation="nearestNeighbor")
    else:
        moved = resample(mask, grid, order=0)
    meta: dict[str, Any] = {
        "Method": f"Lesion mask that came with the data, made by: {source}.",
        "MaskSource": source,
    }
    if source == "manual":
        meta["Manual"] = True
    data = (np.asarray(moved.dataobj) > 0).astype(np.uint8)
    probability = nib.Nifti1Image(data.astype(np.float32), grid.affine)
    return Found(
        keep(probability, "probability", meta),
        keep(nib.Nifti1Image(data, grid.affine), "mask", meta),
    )


class Filled(NamedTuple):
    """T1w with lesions filled."""

    image: Path


def fill(t1w: Path, lesions: Path, wm: Path, brain: Path, seed: int) -> Filled:
    """Fill the lesions of a T1w image from the white matter around them."""
    from bids_app.image.atlas import normal_appearing_white_matter
    from bids_app.image.fill import fill_lesions

    nawm = normal_appearing_white_matter(load(wm), load(lesions), load(brain))
    return Filled(keep(fill_lesions(load(t1w), load(lesions), nawm, seed=seed), "filled"))


class Described(NamedTuple):
    """Lesions numbered, the table of them, and their counts and volumes by place."""

    labels: Path
    table: Path
    places: Path


def describe_lesions(
    lesions: Path,
    probability: Path,
    flair: Path,
    gm: Path,
    csf: Path,
    nawm: Path,
    parcels: Path,
    regions: Path,
    inverse: Path,
) -> Described:
    """Number the lesions and say where each is."""
    import pandas as pd

    from bids_app.image.lesion_table import (
        COLUMNS,
        PLACES_COLUMNS,
        Surroundings,
        lesion_table,
        number_lesions,
        places_table,
    )
    from bids_app.image.places import place_image
    from bids_app.image.register import apply

    labels = number_lesions(load(lesions))
    places = apply(place_image(), labels, [inverse], interpolation="nearestNeighbor")
    around = Surroundings(
        flair=load(flair),
        probability=load(probability),
        gm=load(gm),
        csf=load(csf),
        nawm=load(nawm),
        parcels=load(parcels),
        regions=pd.read_csv(regions, sep="\t"),
        places=places,
        from_template=[inverse],
    )
    table = lesion_table(labels, around)
    return Described(
        keep(labels, "lesion_labels"),
        keep_table(table, "lesions", COLUMNS),
        keep_table(places_table(table), "lesion_places", PLACES_COLUMNS),
    )

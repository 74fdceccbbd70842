"""Steps on lesions: found or given, filled, numbered and placed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bids_app.derivatives import load_image as load
from bids_app.interfaces.files import keep, keep_table

if TYPE_CHECKING:
    pass


class Found(NamedTuple):
    """Lesion probability and mask."""

    probability: Path
    mask: Path
    notes: list[str]


def find_lesions(
    flair: Path, brain: Path, gm: Path, wm: Path, csf: Path, wm_prior: Path, method: str
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
        ),
        method,
    )
    meta = {"Method": METHODS[method].about, "MethodSettings": METHODS[method].settings}
    return Found(keep(found.probability, "probability", meta), keep(found.mask, "mask", meta), [])


def take_lesions(
    given: Path, flair_scan: Path, flair: Path, t1w_scan: Path | None = None, to_t1w: Path | None = None
) -> Found:
    """Bring a lesion mask of the dataset to the working grid."""
    import nibabel as nib
    import numpy as np

    from bids_app.image.register import apply
    from bids_app.image.volume import read_mask, read_scan, resample

    scans = {"T1w": t1w_scan, "FLAIR": flair_scan}
    like = {name: read_scan(path).image for name, path in scans.items() if path is not None}
    mask, owner, notes = read_mask(given, like)
    grid = load(flair)
    if owner == "FLAIR" and to_t1w is not None:
        moved = apply(mask, grid, [to_t1w], interpolation="nearestNeighbor")
    else:
        moved = resample(mask, grid, order=0)
    meta = {"Method": "Lesion mask that came with the dataset.", "Manual": True}
    data = (np.asarray(moved.dataobj) > 0).astype(np.uint8)
    probability = nib.Nifti1Image(data.astype(np.float32), grid.affine)
    return Found(
        keep(probability, "probability", meta),
        keep(nib.Nifti1Image(data, grid.affine), "mask", meta),
        [*notes, f"lesions: {given.name} (on the {owner} grid)"],
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
    """Lesions numbered, and the table of them."""

    labels: Path
    table: Path


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

    from bids_app.image.lesion_table import COLUMNS, Surroundings, lesion_table, number_lesions
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
    return Described(
        keep(labels, "lesion_labels"), keep_table(lesion_table(labels, around), "lesions", COLUMNS)
    )

"""What a pair of visits would show: known change put into the earlier visit, and measured by the same code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from bids_app.image import injection
from bids_app.image.calibration import CONTRASTS, FOUND, T1W_SHARE
from bids_app.image.injection import Injected
from bids_app.image.noise import noise_share

Array = npt.NDArray[np.float32]

CONTRACTIONS = (0.0, 0.0, 0.2, 0.6, 1.5)  # percent; two pairs without change, which get no lesions either
NEW_MM3 = (10.0, 30.0, 100.0, 300.0)  # of the lesions put in, each about three times the last; chosen by hand
GROWING, GROWTH, LEAST_GROWING_MM3 = 4, 2.0, 30.0  # so many of the present lesions double
TURN_DEGREES, SHIFT_MM = 2.0, 2.0  # SD of the head's position in the scanner from visit to visit
GAIN, DRIFT = 0.1, 0.05  # the scanner's gain changes by up to so much, its field is that uneven
CONFIDENCE = 0.95  # of the interval of the mean error

CALIBRATED_VOLUME_COLUMNS: dict[str, dict[str, object]] = {
    "index": {"Description": "Row."},
    "name": {"Description": "Region."},
    "pair": {
        "Description": "Number of the simulated pair: the earlier visit, and it again with known change."
    },
    "injected_percent": {"Description": "Change of volume that was put in.", "Units": "%"},
    "measured_percent": {"Description": "Change that was measured.", "Units": "%"},
}
CALIBRATED_CHANGE_COLUMNS: dict[str, dict[str, object]] = {
    "index": {"Description": "Row."},
    "name": {
        "Description": "What was put in, or found where nothing was.",
        "Levels": {
            "new": "A new lesion.",
            "growth": f"A present lesion that grew to {GROWTH:g} times its volume.",
            "false": "A lesion called new or enlarged where nothing was put in.",
        },
    },
    "pair": CALIBRATED_VOLUME_COLUMNS["pair"],
    "volume_mm3": {"Description": "Volume put in, or called new or enlarged.", "Units": "mm^3"},
    "contrast": {"Description": "FLAIR over the median of white matter, minus 1, of what was put in."},
    "found": {"Description": "1 where it was called new or enlarged, else 0; n/a for false ones."},
}


class Head(NamedTuple):
    """What is put change into: images of the earlier visit on one grid.

    Attributes
    ----------
    flair, t1w : Nifti1Image, (x, y, z)
        Corrected for non-uniformity; t1w may be None.
    brain : Nifti1Image, (x, y, z)
        Brain mask.
    normal : Nifti1Image, (x, y, z)
        White matter without lesions.
    lesions : Nifti1Image, (x, y, z), int
        Lesions numbered.
    coordinates : Nifti1Image, (x, y, z, 3)
        Place of each voxel in the template.
    voxel : tuple of 3 float
        The FLAIR's voxels as acquired.
    """

    flair: nib.Nifti1Image
    t1w: nib.Nifti1Image | None
    brain: nib.Nifti1Image
    normal: nib.Nifti1Image
    lesions: nib.Nifti1Image
    coordinates: nib.Nifti1Image
    voxel: tuple[float, float, float]


class FollowUp(NamedTuple):
    """A simulated later visit.

    Attributes
    ----------
    flair, t1w, brain, coordinates
        As in `Head`, on the same grid, the head elsewhere in it.
    new, grown : Nifti1Image, (x, y, z), int32
        Lesions put in and rims of present ones, numbered, where they are in this visit.
    added : list of Injected
        What was put in: new lesions, then rims; empty where nothing was.
    growing : list of int
        Lesions of the earlier visit that grew.
    factor : ndarray, (x, y, z)
        Local factor of volume, in the earlier visit's space.
    moved : callable
        Brings any image of the earlier visit to this one, by splines of an order.
    """

    flair: nib.Nifti1Image
    t1w: nib.Nifti1Image | None
    brain: nib.Nifti1Image
    coordinates: nib.Nifti1Image
    new: nib.Nifti1Image
    grown: nib.Nifti1Image
    added: list[Injected]
    growing: list[int]
    factor: Array
    moved: Callable[[nib.Nifti1Image, int], nib.Nifti1Image]


def follow_up(head: Head, percent: float, seed: int, *, lesions: bool) -> FollowUp:
    """Make a later visit of a visit: contracted, in another position, with the scanner's changes and noise.

    Parameters
    ----------
    head : Head
        The earlier visit.
    percent : float
        Loss of volume.
    seed : int
        Of everything drawn.
    lesions : bool
        Whether new lesions come and present ones grow.
    """
    rng = np.random.default_rng(seed)
    growing = _growing(head.lesions) if lesions else []
    added = _added(head, growing, seed) if lesions else []
    flair, t1w = head.flair, head.t1w
    for one in added:
        flair = injection.brighten(flair, one, injection.white_median(flair, head.normal), voxel=head.voxel)
        t1w = (
            injection.brighten(t1w, one, injection.white_median(t1w, head.normal), T1W_SHARE)
            if t1w is not None
            else None
        )
    made = injection.contraction(head.brain, percent, seed)
    turn, shift = rng.normal(0, TURN_DEGREES, 3).tolist(), rng.normal(0, SHIFT_MM, 3).tolist()

    def moved(image: nib.Nifti1Image, order: int) -> nib.Nifti1Image:
        return injection.rescan(
            injection.deformed(image, made.drawn, order), turn=turn, shift=shift, order=order
        )

    def scanned(image: nib.Nifti1Image) -> nib.Nifti1Image:
        gain, level = float(rng.uniform(1 - GAIN, 1 + GAIN)), _noise(image, head.normal)
        return injection.rescan(
            moved(image, 3), gain=gain, drift=DRIFT, noise=level * gain, seed=int(rng.integers(2**31))
        )

    inside = np.asarray(moved(head.brain, 1).dataobj) > 0.5
    places = np.asarray(head.coordinates.dataobj)
    channels = [moved(nib.Nifti1Image(places[..., k], head.brain.affine), 1) for k in range(3)]
    empty = nib.Nifti1Image(np.zeros(head.brain.shape, np.int32), head.brain.affine)
    labels = [moved(one.labels, 0) for one in added] or [empty, empty]
    return FollowUp(
        scanned(flair),
        scanned(t1w) if t1w is not None else None,
        nib.Nifti1Image(inside.astype(np.uint8), head.brain.affine),
        nib.Nifti1Image(np.stack([np.asarray(one.dataobj) for one in channels], axis=-1), head.brain.affine),
        labels[0],
        labels[1],
        added,
        growing,
        made.factor,
        moved,
    )


def _noise(image: nib.Nifti1Image, white: nib.Nifti1Image) -> float:
    """Return the SD of the noise in the image's unit."""
    where = np.asanyarray(white.dataobj) > 0
    return noise_share(np.asarray(image.dataobj, dtype=np.float32), where) * injection.white_median(
        image, white
    )


def _growing(lesions: nib.Nifti1Image) -> list[int]:
    """Return the present lesions that are large enough to be followed, the smallest of them first."""
    label = np.asarray(lesions.dataobj).astype(int)
    volume = np.bincount(label.ravel()) * np.prod(nib.affines.voxel_sizes(lesions.affine))
    large = [
        number
        for number in np.argsort(volume, kind="stable")
        if number and volume[number] >= LEAST_GROWING_MM3
    ]
    return [int(number) for number in large[:GROWING]]


def _added(head: Head, growing: Sequence[int], seed: int) -> list[Injected]:
    """Return new lesions and rims of present ones."""
    relative = np.asarray(head.flair.dataobj, dtype=np.float32) / injection.white_median(
        head.flair, head.normal
    )
    bright = nib.Nifti1Image(relative, head.flair.affine)
    grown = injection.grow_present(head.lesions, head.normal, bright, growing, GROWTH)
    taken = (np.asarray(head.lesions.dataobj) > 0) | (np.asarray(grown.labels.dataobj) > 0)
    wanted = sorted(product(NEW_MM3, CONTRASTS.values()), reverse=True)
    new = injection.place_lesions(
        head.normal, nib.Nifti1Image(taken.astype(np.uint8), head.brain.affine), wanted, seed
    )
    return [new, grown]


class Measured(NamedTuple):
    """What was measured of a simulated pair.

    Attributes
    ----------
    percent : mapping of str to float
        Change of volume by region.
    regions : mapping of str to Nifti1Image
        Those regions in the earlier visit.
    changes : DataFrame
        Columns `longitudinal.COLUMNS`.
    labels : Nifti1Image, (x, y, z), int
        Its rows on the follow-up's grid.
    """

    percent: Mapping[str, float]
    regions: Mapping[str, nib.Nifti1Image]
    changes: pd.DataFrame
    labels: nib.Nifti1Image


class PairCalibrated(NamedTuple):
    """Change put in and measured: volumes (`CALIBRATED_VOLUME_COLUMNS`) and lesions (`CALIBRATED_CHANGE_COLUMNS`)."""

    volumes: pd.DataFrame
    changes: pd.DataFrame


def calibrate_pair(
    head: Head, measure: Callable[[FollowUp], Measured], seed: int, *, lesions: bool = True
) -> PairCalibrated:
    """Simulate later visits of a visit and measure what changed.

    Parameters
    ----------
    head : Head
        The earlier visit.
    measure : callable
        Compares the visit with a follow-up, by the code that compares real visits.
    seed : int
        Of everything drawn.
    lesions : bool
        Whether lesions are put in: not where masks come from elsewhere.
    """
    volumes: list[dict[str, object]] = []
    changes: list[dict[str, object]] = []
    for pair, percent in enumerate(CONTRACTIONS, 1):
        later = follow_up(head, percent, seed + pair, lesions=lesions and percent > 0)
        found = measure(later)
        volumes += [
            {
                "name": name,
                "pair": pair,
                "injected_percent": true_percent(later.factor, found.regions[name]),
                "measured_percent": value,
            }
            for name, value in found.percent.items()
        ]
        changes += [row | {"pair": pair} for row in _judged(later, found)] if lesions else []
    return PairCalibrated(
        _table(volumes, CALIBRATED_VOLUME_COLUMNS), _table(changes, CALIBRATED_CHANGE_COLUMNS)
    )


def _table(rows: list[dict[str, object]], columns: Mapping[str, object]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(columns)).assign(index=range(1, len(rows) + 1))
    return table.round(4)


def true_percent(factor: Array, region: nib.Nifti1Image) -> float:
    """Return the change of a region's volume in percent of the mean of both volumes."""
    share = np.asarray(region.dataobj, dtype=np.float64)
    ratio = float((share * factor).sum() / share.sum())
    return 200 * (ratio - 1) / (ratio + 1)


def _judged(later: FollowUp, found: Measured) -> list[dict[str, object]]:
    """Return a row for each lesion put in and for each one that was called active without reason."""
    table = found.changes
    active = table.loc[
        table["change"].isin(["new", "enlarged"]), ["index", "volume_before_mm3", "volume_after_mm3"]
    ]
    label = np.asarray(found.labels.dataobj).astype(int)
    new, grown = (np.asarray(image.dataobj).astype(int) for image in (later.new, later.grown))
    rows: list[dict[str, object]] = []
    for kind, put, added in zip(("new", "growth"), (new, grown), later.added, strict=False):
        for number, (volume, contrast) in enumerate(zip(added.volumes, added.contrasts, strict=True), 1):
            at = put == number
            called = np.isin(label[at], active["index"]).mean() if at.any() else 0.0
            rows.append(
                {"name": kind, "volume_mm3": volume, "contrast": contrast, "found": int(called >= FOUND)}
            )
    known = np.unique(label[(new > 0) | (grown > 0)])
    false = active[~active["index"].isin(known)]
    rows += [
        {"name": "false", "volume_mm3": after - before}
        for before, after in zip(false["volume_before_mm3"], false["volume_after_mm3"], strict=True)
    ]
    return rows


def errors(volumes: pd.DataFrame) -> dict[str, float]:
    """Return the half width (percent) that a measured change exceeds by chance in 5 % of pairs, by region.

    The errors of the simulated pairs are taken as normal around 0; with n of them it is Student's t of n degrees of
    freedom times their root mean square.

    Parameters
    ----------
    volumes : DataFrame
        The columns of `CALIBRATED_VOLUME_COLUMNS`.
    """
    away = volumes["measured_percent"] - volumes["injected_percent"]
    found = {}
    for name, some in away.groupby(volumes["name"], sort=False):
        width = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(some)))
        found[str(name)] = width * float(np.sqrt((some**2).mean()))
    return found

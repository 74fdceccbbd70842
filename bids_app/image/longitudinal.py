"""Lesions of two visits of one person, matched in the space half-way between them.

Neither visit is resampled more than the other, so that smoothing by interpolation makes no change of its own (Reuter
et al. 2012, NeuroImage 61:1402). The rigid transform is the mean of the two found in either direction, so that
exchanging the visits gives the same pairs with "new" and "resolved" exchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import linalg
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from bids_app.image.volume import resample

Array = npt.NDArray[np.float64]

OVERLAP = 0.1  # of the smaller lesion, above which two are one
GROWTH = 1.5  # ratio of volumes
LEAST_MM3 = 10.0  # change of volume that counts: about the smallest lesion that is segmented
LEAST_CONTRAST = 0.1  # change of FLAIR over white matter's that supports a change
MARGIN_MM = 5.0  # round both brains, so that interpolation at the edge has neighbours


@dataclass(frozen=True)
class Change:
    """What became of a lesion.

    Attributes
    ----------
    name : str
        Its value in tables, and what reports call it.
    rule : str
        When it is so.
    rises : bool or None
        Whether the FLAIR rises there; None where it stays.
    active : bool
        Whether it shows disease activity.
    colour : str
        In figures.
    """

    name: str
    rule: str
    rises: bool | None
    active: bool
    colour: str


CHANGES: dict[str, Change] = {
    change.name: change
    for change in (
        Change("new", "Nothing was there before.", True, True, "#ff3b3b"),
        Change(
            "enlarged",
            f"At least {GROWTH:g} times the volume, and {LEAST_MM3:g} mm3 more.",
            True,
            True,
            "#ff9f1c",
        ),
        Change("unchanged", "Neither.", None, False, "#39c2ff"),
        Change(
            "shrunken",
            f"At most 1/{GROWTH:g} of the volume, and {LEAST_MM3:g} mm3 less.",
            False,
            False,
            "#b8f2a0",
        ),
        Change("resolved", "Nothing is there any more.", False, False, "#3ddc5b"),
    )
}

COLUMNS: dict[str, dict[str, object]] = {
    "index": {"Description": "Value in the image of the same name; lesions that merged or split are one."},
    "name": {"Description": "Name of the lesion in this comparison."},
    "change": {
        "Description": f"What became of it. Lesions are the same where they share {OVERLAP:.0%} of the smaller one in "
        "the space half-way between the visits.",
        "Levels": {change.name: change.rule for change in CHANGES.values()},
    },
    "volume_before_mm3": {"Description": "Volume at the earlier visit.", "Units": "mm^3"},
    "volume_after_mm3": {"Description": "Volume at the later visit.", "Units": "mm^3"},
    **{
        axis: {"Description": f"{axis} of the centroid in the later visit's space (RAS+).", "Units": "mm"}
        for axis in "xyz"
    },
    "contrast_before": {
        "Description": "Mean FLAIR intensity over the median of white matter, minus 1, at the earlier visit, where the "
        "lesion is at either."
    },
    "contrast_after": {"Description": "The same at the later visit."},
    "supported": {
        "Description": f"Whether the FLAIR changed too, by {LEAST_CONTRAST:g} the same way: a lesion that is new in "
        "the mask alone may have been missed before. n/a for unchanged lesions.",
    },
    "lesions_before": {"Description": "Rows of the earlier visit's lesion table."},
    "lesions_after": {"Description": "Rows of the later visit's lesion table."},
}


class Visit(NamedTuple):
    """A visit's images, all on one grid.

    Attributes
    ----------
    flair : Nifti1Image, (x, y, z)
        FLAIR corrected for non-uniformity.
    lesions : Nifti1Image, (x, y, z), int
        Lesions numbered.
    tissue : Nifti1Image, (x, y, z), int
        1 GM, 2 WM, 3 CSF.
    brain : Nifti1Image, (x, y, z)
        Brain mask.
    """

    flair: nib.Nifti1Image
    lesions: nib.Nifti1Image
    tissue: nib.Nifti1Image
    brain: nib.Nifti1Image


class Compared(NamedTuple):
    """Lesions of two visits, matched.

    Attributes
    ----------
    table : DataFrame
        A row per lesion or group of merged ones, the columns of `COLUMNS`.
    labels : Nifti1Image, (x, y, z), int32
        The rows' index where the lesion is at either visit, half-way.
    before, after : Nifti1Image, (x, y, z), float32
        FLAIR over the median of white matter, half-way.
    """

    table: pd.DataFrame
    labels: nib.Nifti1Image
    before: nib.Nifti1Image
    after: nib.Nifti1Image


def rigid_matrix(transform: Path) -> Array:
    """Return an ITK linear transform as a matrix of RAS mm: points of the fixed image to the moving one, (4, 4)."""
    import ants

    found = ants.read_transform(str(transform))
    numbers, centre = np.asarray(found.parameters), np.asarray(found.fixed_parameters)
    turn = numbers[:9].reshape(3, 3)
    matrix = np.eye(4)
    matrix[:3, :3] = turn
    matrix[:3, 3] = numbers[9:] + centre - turn @ centre
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])  # ITK counts x and y the other way round
    return flip @ matrix @ flip


def half_way(there: Array, back: Array) -> Array:
    """Return half of the rigid motion between two visits.

    Parameters
    ----------
    there : ndarray, (4, 4)
        Points of the later visit to the earlier one, RAS mm.
    back : ndarray, (4, 4)
        Found the other way round: points of the earlier visit to the later one.

    Returns
    -------
    ndarray, (4, 4)
        H: points half-way to the earlier visit are H p, to the later one inverse(H) p.
    """
    mean = (linalg.logm(there) - linalg.logm(back)) / 2
    return np.asarray(np.real(linalg.expm(mean / 2)), dtype=np.float64)


def compare(before: Visit, after: Visit, half: Array) -> Compared:
    """Match the lesions of two visits.

    Parameters
    ----------
    before, after : Visit
        The earlier and the later visit, each in its own space.
    half : ndarray, (4, 4)
        As `half_way` returns it.

    Returns
    -------
    Compared
    """
    first = Visit(*(_moved(image, _inverse(half)) for image in before))
    second = Visit(*(_moved(image, half) for image in after))
    grid = _grid([first.brain, second.brain])
    labels = [_labels(visit, grid) for visit in (first, second)]
    flairs = [_relative(visit, grid) for visit in (first, second)]
    groups = match(*labels)
    whole = np.zeros(grid.shape, np.int32)
    rows = []
    for number, (old, new) in enumerate(_ordered(groups, before, after), 1):
        where = np.isin(labels[0], old) | np.isin(labels[1], new)
        whole[where & (whole == 0)] = number
        at = np.argwhere(where).mean(axis=0) if where.any() else np.full(3, np.nan)
        place = nib.affines.apply_affine(_inverse(half) @ grid.affine, at)
        contrasts = [float(flair[where].mean()) - 1 if where.any() else np.nan for flair in flairs]
        volumes = (_volume(before.lesions, old), _volume(after.lesions, new))
        rows.append(_row(number, volumes, contrasts, place, (old, new)))
    table = pd.DataFrame(rows, columns=list(COLUMNS)).round(4)
    images = [nib.Nifti1Image(data, grid.affine) for data in (whole, *flairs)]
    return Compared(table.astype({"supported": "Int64"}), *images)


def match(
    before: npt.NDArray[np.integer], after: npt.NDArray[np.integer]
) -> list[tuple[list[int], list[int]]]:
    """Group numbered lesions of two label arrays on one grid that are the same.

    Returns
    -------
    list of (list of int, list of int)
        Labels of the earlier and of the later array in each group; one of the two may be empty.
    """
    size_before, size_after = (np.bincount(one.ravel()) for one in (before, after))
    both = (before > 0) & (after > 0)
    pairs, shared = np.unique(np.stack([before[both], after[both]], axis=1), axis=0, return_counts=True)
    smaller = np.minimum(size_before[pairs[:, 0]], size_after[pairs[:, 1]])
    linked = pairs[shared >= OVERLAP * smaller]
    there = [[int(k) for k in np.flatnonzero(size)[1:]] for size in (size_before, size_after)]
    shift = len(size_before)
    edges = coo_array(
        (np.ones(len(linked)), (linked[:, 0], linked[:, 1] + shift)), shape=(shift + len(size_after),) * 2
    )
    group = connected_components(edges, directed=False)[1]
    found: dict[int, tuple[list[int], list[int]]] = {}
    for side, labels in enumerate(there):
        for label in labels:
            found.setdefault(int(group[label + side * shift]), ([], []))[side].append(label)
    return list(found.values())


def summary(table: pd.DataFrame) -> dict[str, int | float]:
    """Return how many lesions changed how, and the volumes of both visits (mm3)."""
    counts: dict[str, int | float] = {name: int((table["change"] == name).sum()) for name in CHANGES}
    volumes = {name: round(float(table[name].sum()), 3) for name in ("volume_before_mm3", "volume_after_mm3")}
    return counts | volumes


def on_grid(labels: nib.Nifti1Image, half: Array, like: nib.Nifti1Image) -> nib.Nifti1Image:
    """Bring labels from half-way to the grid of the later visit.

    Parameters
    ----------
    labels : Nifti1Image, (x, y, z), int
        On the grid half-way between the visits.
    half : ndarray, (4, 4)
        From the later visit's space to half-way, mm.
    like : Nifti1Image
        The later visit's grid.
    """
    return resample(_moved(labels, _inverse(half)), like, order=0)


def _inverse(matrix: Array) -> Array:
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


def _moved(image: nib.Nifti1Image, matrix: Array) -> nib.Nifti1Image:
    """Move an image by its affine; its voxels stay as they are."""
    return nib.Nifti1Image(np.asanyarray(image.dataobj), matrix @ image.affine)


def _grid(masks: Sequence[nib.Nifti1Image]) -> nib.Nifti1Image:
    """Return an empty grid around all masks, of 1 mm or as fine as the finest, so that no small lesion is lost."""
    corners = []
    for mask in masks:
        at = np.argwhere(np.asanyarray(mask.dataobj) > 0)
        box = np.array(np.meshgrid(*zip(at.min(axis=0), at.max(axis=0), strict=True))).reshape(3, -1).T
        corners.append(nib.affines.apply_affine(mask.affine, box))
    points = np.concatenate(corners)
    size = min(1.0, *(float(nib.affines.voxel_sizes(mask.affine).min()) for mask in masks))
    low = points.min(axis=0) - MARGIN_MM
    shape = np.ceil((points.max(axis=0) + MARGIN_MM - low) / size).astype(int) + 1
    affine = np.diag([size, size, size, 1.0])
    affine[:3, 3] = low
    return nib.Nifti1Image(np.zeros(shape, np.uint8), affine)


def _labels(visit: Visit, grid: nib.Nifti1Image) -> npt.NDArray[np.int32]:
    return np.asarray(resample(visit.lesions, grid, order=0).dataobj).astype(np.int32)


def _relative(visit: Visit, grid: nib.Nifti1Image) -> npt.NDArray[np.float32]:
    """Return FLAIR over the median of white matter without lesions."""
    flair = np.asarray(visit.flair.dataobj, dtype=np.float32)
    white = (np.asanyarray(visit.tissue.dataobj) == 2) & (np.asanyarray(visit.lesions.dataobj) == 0)
    normal = float(np.median(flair[white])) if white.any() else np.nan
    moved = np.asarray(resample(nib.Nifti1Image(flair, visit.flair.affine), grid).dataobj)
    return (moved / normal).astype(np.float32)


def _volume(labels: nib.Nifti1Image, some: list[int]) -> float:
    voxel = float(abs(np.linalg.det(labels.affine[:3, :3])))
    return float(np.isin(np.asanyarray(labels.dataobj), some).sum()) * voxel if some else 0.0


def _ordered(
    groups: list[tuple[list[int], list[int]]], before: Visit, after: Visit
) -> list[tuple[list[int], list[int]]]:
    """Put the largest first; a lesion's size is that of its larger visit."""

    def size(group: tuple[list[int], list[int]]) -> float:
        return max(_volume(before.lesions, group[0]), _volume(after.lesions, group[1]))

    return sorted(groups, key=lambda group: (-size(group), group))


def _row(
    number: int,
    volumes: tuple[float, float],
    contrasts: list[float],
    place: Array,
    members: tuple[list[int], list[int]],
) -> dict[str, object]:
    change = _change(*volumes)
    rise = contrasts[1] - contrasts[0]
    up = CHANGES[change].rises
    supported = None if up is None else int((rise if up else -rise) >= LEAST_CONTRAST)
    told = [",".join(str(one) for one in some) or None for some in members]
    return {
        "index": number,
        "name": f"change-{number:03d}",
        "change": change,
        "volume_before_mm3": volumes[0],
        "volume_after_mm3": volumes[1],
        **dict(zip("xyz", place, strict=True)),
        "contrast_before": contrasts[0],
        "contrast_after": contrasts[1],
        "supported": supported,
        "lesions_before": told[0],
        "lesions_after": told[1],
    }


def _change(before: float, after: float) -> str:
    """Return the class of change of two volumes in mm3."""
    if before == 0 or after == 0:
        return "new" if before == 0 else "resolved"
    if abs(after - before) >= LEAST_MM3 and max(before, after) >= GROWTH * min(before, after):
        return "enlarged" if after > before else "shrunken"
    return "unchanged"

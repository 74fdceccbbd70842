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

import cc3d
import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import linalg, ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from bids_app.image.change_map import BRIGHTER, change_map
from bids_app.image.itk import to_ras
from bids_app.image.volume import resample
from bids_app.spelling import percent

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

OVERLAP = 0.1  # of the smaller lesion, above which two are one; chosen by hand
ENLARGED_RATIO = 1.5  # ratio of volumes from which a lesion is enlarged; chosen by hand
# change of volume that counts; chosen by hand, about three of the smallest lesions segmented
LEAST_CHANGE_MM3 = 10.0
SUPPORTING_CONTRAST = 0.1  # change of FLAIR over white matter's that supports a change; chosen by hand
LEAST_SD = 2.0  # standard errors of the mean difference that chance alone hardly reaches
RESEL_MM3 = 27.0  # voxels nearer than about 3 mm are not independent after resampling and smoothing
GAIN_MM = 20.0  # SD of the window over which the two FLAIRs' brightness is made the same; chosen by hand
LESION_RIM = (
    3  # voxels of 1 mm around lesions that are as bright as what they are interpolated from: slices of 3 mm
)
HALFWAY_MARGIN_MM = 5.0  # round both brains, so that interpolation at the edge has neighbours


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
        Change(
            "new", "Nothing was there before, and the FLAIR became brighter there.", True, True, "#ff3b3b"
        ),
        Change(
            "enlarged",
            f"At least {ENLARGED_RATIO:g} times the volume and {LEAST_CHANGE_MM3:g} mm³ more, "
            "and the FLAIR became brighter there.",
            True,
            True,
            "#ff9f1c",
        ),
        Change("unchanged", "Neither the one nor the other.", None, False, "#39c2ff"),
        Change(
            "shrunken",
            f"At most 1/{ENLARGED_RATIO:g} of the volume and {LEAST_CHANGE_MM3:g} mm³ less, "
            "and the FLAIR became darker there.",
            False,
            False,
            "#b8f2a0",
        ),
        Change(
            "resolved",
            "Nothing is there any more, and the FLAIR became darker there.",
            False,
            False,
            "#3ddc5b",
        ),
    )
}

CHANGE_COLUMNS: dict[str, dict[str, object]] = {
    "index": {"Description": "Value in the image of the same name; lesions that merged or split are one."},
    "name": {"Description": "Name of the lesion in this comparison."},
    "change": {
        "Description": f"What became of it. Lesions are the same where they share {percent(OVERLAP)} of the "
        "smaller one in the space half-way between the visits.",
        "Levels": {change.name: change.rule for change in CHANGES.values()},
    },
    "mask_change": {
        "Description": "What the two lesion masks alone say. Where it differs from `change`, a threshold was just "
        "missed at one of the visits. n/a for a new lesion that neither mask has: the FLAIR alone shows it.",
    },
    "volume_before_mm3": {"Description": "Volume at the earlier visit.", "Units": "mm^3"},
    "volume_after_mm3": {"Description": "Volume at the later visit.", "Units": "mm^3"},
    **{
        axis: {"Description": f"{axis} of the centroid in the later visit's space (RAS+).", "Units": "mm"}
        for axis in "xyz"
    },
    "contrast_before": {
        "Description": "Mean FLAIR intensity over the median of white matter, minus 1, at the earlier visit, where the "
        "masks differ (where the lesion is at either, if they hardly do)."
    },
    "contrast_after": {"Description": "The same at the later visit."},
    "supported": {
        "Description": f"Whether the FLAIR changed the way the masks did, by at least {SUPPORTING_CONTRAST:g} of white "
        f"matter's intensity and {LEAST_SD:g} standard errors of the difference between the two images. n/a where the "
        "masks did not change.",
    },
    "lesions_before": {"Description": "Rows of the earlier visit's lesion table."},
    "lesions_after": {"Description": "Rows of the later visit's lesion table."},
}


class VisitImages(NamedTuple):
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
        A row per lesion or group of merged ones, the columns of `CHANGE_COLUMNS`.
    labels : Nifti1Image, (x, y, z), int32
        The rows' index where the lesion is at either visit, half-way.
    voxels : Nifti1Image, (x, y, z), uint8
        Where the FLAIR became brighter (1) or darker (2), half-way.
    before, after : Nifti1Image, (x, y, z), float32
        FLAIR over the median of white matter, half-way.
    """

    table: pd.DataFrame
    labels: nib.Nifti1Image
    voxels: nib.Nifti1Image
    before: nib.Nifti1Image
    after: nib.Nifti1Image


def rigid_matrix(transform: Path) -> Array:
    """Return an ITK linear transform as a matrix of RAS mm: points of the fixed image to the moving one, (4, 4)."""
    import SimpleITK

    return to_ras(SimpleITK.ReadTransform(str(transform)))


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


def compare(before: VisitImages, after: VisitImages, half: Array) -> Compared:
    """Match the lesions of two visits.

    Parameters
    ----------
    before, after : VisitImages
        The earlier and the later visit, each in its own space.
    half : ndarray, (4, 4)
        As `half_way` returns it.

    Returns
    -------
    Compared
    """
    first = VisitImages(*(moved(image, _inverse(half)) for image in before))
    second = VisitImages(*(moved(image, half) for image in after))
    grid = half_way_grid([first.brain, second.brain])
    labels = [_labels(visit, grid) for visit in (first, second)]
    flairs, noise = _matched([_relative(visit, grid) for visit in (first, second)], (first, second), grid)
    voxels = _changed_voxels(flairs, (first, second), labels, grid)
    whole = np.zeros(grid.shape, np.int32)
    rows = []
    for number, (old, new) in enumerate(_ordered(match(*labels), before, after), 1):
        at = np.isin(labels[0], old), np.isin(labels[1], new)
        where = at[0] | at[1]
        whole[where & (whole == 0)] = number
        centre = np.argwhere(where).mean(axis=0) if where.any() else np.full(3, np.nan)
        place = nib.affines.apply_affine(_inverse(half) @ grid.affine, centre)
        volumes = (_volume(before.lesions, old), _volume(after.lesions, new))
        rows.append(_row(number, volumes, _contrasts(at, flairs, noise, grid), place, (old, new)))
    for where in _unsegmented(voxels, labels, flairs):
        whole[where] = len(rows) + 1
        centre = np.argwhere(where).mean(axis=0)
        place = nib.affines.apply_affine(_inverse(half) @ grid.affine, centre)
        rows.append(_unsegmented_row(len(rows) + 1, where, flairs, place, grid))
    table = pd.DataFrame(rows, columns=list(CHANGE_COLUMNS)).round(4)
    images = [nib.Nifti1Image(data, grid.affine) for data in (whole, voxels, *flairs)]
    return Compared(table.astype({"supported": "Int64"}), *images)


class _Contrasts(NamedTuple):
    """FLAIR over white matter's, minus 1, at either visit where the masks differ; the difference's standard error."""

    before: float
    after: float
    error: float


def _contrasts(
    at: tuple[Mask, Mask], flairs: list[npt.NDArray[np.float32]], noise: float, grid: nib.Nifti1Image
) -> _Contrasts:
    """Measure a lesion's brightness at both visits where its masks differ, else where it is at either."""
    voxel = float(abs(np.linalg.det(grid.affine[:3, :3])))
    where = at[0] ^ at[1]
    if where.sum() * voxel < LEAST_CHANGE_MM3:
        where = at[0] | at[1]
    if not where.any():
        return _Contrasts(np.nan, np.nan, np.nan)
    independent = max(where.sum() * voxel / RESEL_MM3, 1.0)
    one, other = (float(flair[where].mean()) - 1 for flair in flairs)
    return _Contrasts(one, other, noise / float(np.sqrt(independent)))


def _matched(
    flairs: list[npt.NDArray[np.float32]], visits: tuple[VisitImages, VisitImages], grid: nib.Nifti1Image
) -> tuple[list[npt.NDArray[np.float32]], float]:
    """Divide out the smooth ratio of the two FLAIRs in white matter, half from each; return their difference's noise.

    The noise is the robust standard deviation of the difference in white matter that is lesion at neither visit.
    """
    tissue = [np.asarray(resample(visit.tissue, grid, order=0).dataobj) for visit in visits]
    lesion = [_labels(visit, grid) > 0 for visit in visits]
    near = ndimage.binary_dilation(lesion[0] | lesion[1], iterations=LESION_RIM)
    white = (tissue[0] == 2) & (tissue[1] == 2) & ~near
    if not white.any():
        return flairs, float("nan")
    sigma = GAIN_MM / nib.affines.voxel_sizes(grid.affine)

    def mean(data: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return ndimage.gaussian_filter(data * white, sigma, truncate=2.5)

    ratio = np.sqrt(np.clip(mean(flairs[0]) / np.maximum(mean(flairs[1]), 1e-6), 0.25, 4))
    ratio = np.where(mean(np.ones_like(flairs[0])) > 1e-3, ratio, 1).astype(np.float32)
    one, other = flairs[0] / ratio, flairs[1] * ratio
    difference = (other - one)[white]
    return [one.astype(np.float32), other.astype(np.float32)], 1.4826 * float(
        np.median(np.abs(difference - np.median(difference)))
    )


def _changed_voxels(
    flairs: list[npt.NDArray[np.float32]],
    visits: tuple[VisitImages, VisitImages],
    labels: list[npt.NDArray[np.int32]],
    grid: nib.Nifti1Image,
) -> npt.NDArray[np.uint8]:
    """Return the map of `change_map`: where the FLAIR became brighter or darker."""
    tissue = [np.asarray(resample(visit.tissue, grid, order=0).dataobj) for visit in visits]
    lesions = (labels[0] > 0) | (labels[1] > 0)
    white = (tissue[0] == 2) & (tissue[1] == 2) & ~lesions
    return change_map(flairs[1] - flairs[0], white, lesions, nib.affines.voxel_sizes(grid.affine))


def _unsegmented(
    voxels: npt.NDArray[np.uint8],
    labels: list[npt.NDArray[np.int32]],
    flairs: list[npt.NDArray[np.float32]],
) -> list[Mask]:
    """Return pieces that became brighter than white matter apart from all lesions of both masks, the largest first.

    A lesion just below the later mask's threshold is new all the same.
    """
    pieces = cc3d.connected_components(voxels == BRIGHTER, connectivity=26)
    lesions = ndimage.binary_dilation((labels[0] > 0) | (labels[1] > 0), np.ones((3, 3, 3)))
    touching = np.unique(pieces[lesions])
    sizes = np.bincount(pieces.ravel())
    numbers = [int(n) for n in np.argsort(-sizes, kind="stable") if n and sizes[n] and n not in touching]
    found = [pieces == number for number in numbers]
    return [where for where in found if float(flairs[1][where].mean()) - 1 >= SUPPORTING_CONTRAST]


def _unsegmented_row(
    number: int, where: Mask, flairs: list[npt.NDArray[np.float32]], place: Array, grid: nib.Nifti1Image
) -> dict[str, object]:
    """Return the row of a new lesion that no mask has."""
    voxel = float(abs(np.linalg.det(grid.affine[:3, :3])))
    return {
        "index": number,
        "name": f"change-{number:03d}",
        "change": "new",
        "mask_change": None,
        "volume_before_mm3": 0.0,
        "volume_after_mm3": where.sum() * voxel,
        **dict(zip("xyz", place, strict=True)),
        "contrast_before": float(flairs[0][where].mean()) - 1,
        "contrast_after": float(flairs[1][where].mean()) - 1,
        "supported": 1,
        "lesions_before": None,
        "lesions_after": None,
    }


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
    """Return how many lesions changed how, and the volumes of both visits (mm³)."""
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
    return resample(moved(labels, _inverse(half)), like, order=0)


def _inverse(matrix: Array) -> Array:
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


def moved(image: nib.Nifti1Image, matrix: Array) -> nib.Nifti1Image:
    """Move an image by its affine; its voxels stay as they are.

    Parameters
    ----------
    image : Nifti1Image, (x, y, z)
    matrix : ndarray, (4, 4)
        Points of the image's space to those of the new one, RAS mm.
    """
    return nib.Nifti1Image(np.asanyarray(image.dataobj), matrix @ image.affine)


def half_way_grid(masks: Sequence[nib.Nifti1Image], largest: float = 1.0) -> nib.Nifti1Image:
    """Return an empty grid around all masks, as fine as the finest.

    Parameters
    ----------
    masks : sequence of Nifti1Image
        Brain masks half-way; the grid has a margin of 5 mm around them.
    largest : float
        Largest edge of a voxel in mm: 1 mm so that no small lesion is lost.

    Returns
    -------
    Nifti1Image, (x, y, z), uint8
        Zeros; its affine has no rotation.
    """
    corners = []
    for mask in masks:
        at = np.argwhere(np.asanyarray(mask.dataobj) > 0)
        box = np.array(np.meshgrid(*zip(at.min(axis=0), at.max(axis=0), strict=True))).reshape(3, -1).T
        corners.append(nib.affines.apply_affine(mask.affine, box))
    points = np.concatenate(corners)
    size = min(largest, *(float(nib.affines.voxel_sizes(mask.affine).min()) for mask in masks))
    low = points.min(axis=0) - HALFWAY_MARGIN_MM
    shape = np.ceil((points.max(axis=0) + HALFWAY_MARGIN_MM - low) / size).astype(int) + 1
    affine = np.diag([size, size, size, 1.0])
    affine[:3, 3] = low
    return nib.Nifti1Image(np.zeros(shape, np.uint8), affine)


def _labels(visit: VisitImages, grid: nib.Nifti1Image) -> npt.NDArray[np.int32]:
    return np.asarray(resample(visit.lesions, grid, order=0).dataobj).astype(np.int32)


def _relative(visit: VisitImages, grid: nib.Nifti1Image) -> npt.NDArray[np.float32]:
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
    groups: list[tuple[list[int], list[int]]], before: VisitImages, after: VisitImages
) -> list[tuple[list[int], list[int]]]:
    """Put the largest first; a lesion's size is that of its larger visit."""

    def size(group: tuple[list[int], list[int]]) -> float:
        return max(_volume(before.lesions, group[0]), _volume(after.lesions, group[1]))

    return sorted(groups, key=lambda group: (-size(group), group))


def _row(
    number: int,
    volumes: tuple[float, float],
    contrasts: _Contrasts,
    place: Array,
    members: tuple[list[int], list[int]],
) -> dict[str, object]:
    by_mask = _change(*volumes)
    rise = contrasts.after - contrasts.before
    up = CHANGES[by_mask].rises
    needed = np.nanmax([SUPPORTING_CONTRAST, LEAST_SD * contrasts.error])
    supported = None if up is None else int((rise if up else -rise) >= needed)
    listed = [",".join(str(one) for one in some) or None for some in members]
    return {
        "index": number,
        "name": f"change-{number:03d}",
        "change": by_mask if supported else "unchanged",
        "mask_change": by_mask,
        "volume_before_mm3": volumes[0],
        "volume_after_mm3": volumes[1],
        **dict(zip("xyz", place, strict=True)),
        "contrast_before": contrasts.before,
        "contrast_after": contrasts.after,
        "supported": supported,
        "lesions_before": listed[0],
        "lesions_after": listed[1],
    }


def _change(before: float, after: float) -> str:
    """Return the class of change of two volumes in mm³."""
    if before == 0 or after == 0:
        return "new" if before == 0 else "resolved"
    if abs(after - before) >= LEAST_CHANGE_MM3 and max(before, after) >= ENLARGED_RATIO * min(before, after):
        return "enlarged" if after > before else "shrunken"
    return "unchanged"

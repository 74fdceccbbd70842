"""The detection limit of a scan: lesions of known size and contrast put into it, and which of them are found again."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import cc3d
import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage

from bids_app.image.injection import Injected, brighten, place_lesions, white_median
from bids_app.spelling import percent

Mask = npt.NDArray[np.bool_]
Detect = Callable[[nib.Nifti1Image, nib.Nifti1Image | None], nib.Nifti1Image]

SMALLEST_MM3, LARGEST_MM3 = 10.0, 1000.0  # of the lesions put in; chosen by hand
LESION_SETS, SIZES = 3, 7  # 7 sizes of 3 contrasts at a time: as many as keep apart in most brains
# mean FLAIR contrast of the lesions of two visits of a 3 T patient: 0.30, 0.38 and 0.51 at the 10th, 50th and 90th
# percentile, blur included; the centres are brighter
CONTRASTS = {"faint": 0.25, "medium": 0.45, "strong": 0.7}
# the same lesions were 0.03 darker than white matter on T1w, and 0.37 brighter on FLAIR
T1W_SHARE = -0.1
FOUND = 0.1  # share of a lesion that the mask covers: the overlap that makes two lesions one
WANTED = 0.8  # share found at the limit
PENALTY = 1e-3  # on the squared slope, so that perfect separation has an answer; hardly felt otherwise

INSERTED_COLUMNS: dict[str, dict[str, object]] = {
    "index": {"Description": "Row."},
    "name": {
        "Description": "Contrast.",
        "Levels": {name: f"{c:g} brighter" for name, c in CONTRASTS.items()},
    },
    "repetition": {"Description": "Lesions of one repetition were put in together."},
    "volume_mm3": {"Description": "Volume of the lesion put in.", "Units": "mm^3"},
    "contrast": {"Description": "FLAIR over the median of white matter, minus 1, at its centre before blur."},
    "found": {"Description": f"1 where the lesion mask covers at least {percent(FOUND)} of it, else 0."},
}
LIMIT_COLUMNS: dict[str, dict[str, object]] = {
    "index": {"Description": "Row."},
    "name": {"Description": "Contrast of the lesions put in; all is all of them."},
    "contrast": INSERTED_COLUMNS["contrast"],
    "limit_mm3": {
        "Description": f"Volume from which {percent(WANTED)} of such lesions are found, by logistic regression on the "
        f"logarithm of volume; n/a: above {LARGEST_MM3:g} mm³, {SMALLEST_MM3:g}: there or below.",
        "Units": "mm^3",
    },
    "put_in": {"Description": "How many were put in."},
    "found": {"Description": "How many of them were found."},
    "false_mm3": {
        "Description": "Mean volume that appeared elsewhere, touching no lesion put in or found before.",
        "Units": "mm^3",
    },
}


class CalibrationScan(NamedTuple):
    """A visit to calibrate, all images on one grid.

    Attributes
    ----------
    flair : Nifti1Image, (x, y, z)
        FLAIR corrected for non-uniformity.
    t1w : Nifti1Image or None
        T1w likewise.
    normal : Nifti1Image, (x, y, z)
        Normal-appearing white matter.
    lesions : Nifti1Image, (x, y, z)
        What was found on the scan as it is.
    voxel : tuple of 3 float
        The FLAIR's voxels as acquired (`injection.acquired_voxel`).
    """

    flair: nib.Nifti1Image
    t1w: nib.Nifti1Image | None
    normal: nib.Nifti1Image
    lesions: nib.Nifti1Image
    voxel: tuple[float, float, float]


class Calibrated(NamedTuple):
    """What a scan would show: limits by contrast (`LIMIT_COLUMNS`), and each lesion put in (`INSERTED_COLUMNS`)."""

    limits: pd.DataFrame
    lesions: pd.DataFrame


def calibrate(scan: CalibrationScan, detect: Detect, seed: int) -> Calibrated:
    """Put lesions into a scan's normal-appearing white matter, and find lesions again.

    Parameters
    ----------
    scan : CalibrationScan
        The visit.
    detect : callable
        FLAIR and T1w (or None) to the lesion mask, by the code that made `scan.lesions`.
    seed : int
        Of places and shapes.
    """
    names = {contrast: name for name, contrast in CONTRASTS.items()}
    volumes = np.geomspace(SMALLEST_MM3, LARGEST_MM3, SIZES * LESION_SETS)
    rows, false = [], []
    for repetition in range(1, LESION_SETS + 1):
        sizes = volumes[repetition - 1 :: LESION_SETS]
        wanted = sorted(product(sizes, CONTRASTS.values()), reverse=True)  # the largest find room first
        added = place_lesions(scan.normal, scan.lesions, wanted, seed + repetition)
        mask = np.asanyarray(detect(*with_lesions(scan, added)).dataobj) > 0
        hit = found_again(mask, added)
        false.append(false_volume(mask, scan.lesions, added))
        rows += [
            {"name": names[c], "repetition": repetition, "volume_mm3": v, "contrast": c, "found": int(f)}
            for v, c, f in zip(added.volumes, added.contrasts, hit, strict=True)
        ]
    lesions = pd.DataFrame(rows, columns=list(INSERTED_COLUMNS)).assign(index=range(1, len(rows) + 1))
    return Calibrated(limits(lesions, float(np.mean(false))), lesions)


def with_lesions(scan: CalibrationScan, added: Injected) -> tuple[nib.Nifti1Image, nib.Nifti1Image | None]:
    """Return the FLAIR and T1w images with lesions in them."""

    def put(image: nib.Nifti1Image, share: float, voxel: tuple[float, float, float]) -> nib.Nifti1Image:
        return brighten(image, added, white_median(image, scan.normal), share, voxel)

    t1w = put(scan.t1w, T1W_SHARE, (0, 0, 0)) if scan.t1w is not None else None
    return put(scan.flair, 1.0, scan.voxel), t1w


def found_again(mask: Mask, added: Injected) -> list[bool]:
    """Say of each lesion put in whether a mask covers enough of it."""
    labels = np.asarray(added.labels.dataobj)
    size = np.bincount(labels.ravel(), minlength=len(added.volumes) + 1)[1:]
    covered = np.bincount(labels[mask], minlength=len(added.volumes) + 1)[1:]
    return [bool(c and c >= FOUND * n) for c, n in zip(covered, size, strict=True)]


def false_volume(mask: Mask, before: nib.Nifti1Image, added: Injected) -> float:
    """Return the volume (mm³) of lesions that touch none that was put in or there before.

    Parameters
    ----------
    mask : ndarray of bool, (x, y, z)
        Lesions found with lesions put in.
    before : Nifti1Image, (x, y, z)
        Lesions found on the scan as it is.
    added : Injected
        What was put in.
    """
    known = (np.asanyarray(before.dataobj) > 0) | ndimage.binary_dilation(
        np.asarray(added.labels.dataobj) > 0
    )
    pieces = cc3d.connected_components(mask, connectivity=26)
    touched = np.unique(pieces[known & mask])
    voxel = float(np.prod(nib.affines.voxel_sizes(before.affine)))
    return float((mask & ~np.isin(pieces, touched)).sum()) * voxel


def limits(lesions: pd.DataFrame, false_mm3: float) -> pd.DataFrame:
    """Return the smallest volume that is mostly found, for all lesions and for each contrast.

    Parameters
    ----------
    lesions : DataFrame
        The columns of `INSERTED_COLUMNS`.
    false_mm3 : float
        Mean volume found where nothing was put in.
    """
    rows = [_limit_row("all", None, lesions) | {"false_mm3": false_mm3}]
    rows += [
        _limit_row(name, contrast, lesions[lesions["name"] == name]) for name, contrast in CONTRASTS.items()
    ]
    table = pd.DataFrame(rows, columns=list(LIMIT_COLUMNS)).assign(index=range(1, len(rows) + 1))
    return table.round(2)


def _limit_row(name: str, contrast: float | None, lesions: pd.DataFrame) -> dict[str, object]:
    return {
        "name": name,
        "contrast": contrast,
        "limit_mm3": _limit(lesions["volume_mm3"], lesions["found"]),
        "put_in": len(lesions),
        "found": int(lesions["found"].sum()),
    }


def _limit(volumes: pd.Series, found: pd.Series) -> float:
    """Return the volume (mm³) at which the wanted share is found; NaN beyond the largest put in."""
    from scipy.optimize import minimize
    from scipy.special import expit

    low, high = np.log(SMALLEST_MM3), np.log(LARGEST_MM3)
    x = (2 * np.log(volumes.to_numpy(dtype=np.float64)) - low - high) / (high - low)  # about -1 to 1
    y = found.to_numpy(dtype=np.float64)

    def loss(b: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        z = b[0] + b[1] * x
        away = expit(z) - y
        value = np.logaddexp(0, z).sum() - y @ z + PENALTY * b[1] ** 2 / 2
        return float(value), np.array([away.sum(), away @ x + PENALTY * b[1]])

    # a larger lesion is not found less often
    start, slope = minimize(loss, np.zeros(2), jac=True, bounds=[(-20, 20), (0, None)]).x
    tried = np.linspace(-1, 1, 401)
    enough = start + slope * tried >= np.log(WANTED / (1 - WANTED))
    return (
        float(np.exp((tried[enough.argmax()] * (high - low) + low + high) / 2))
        if enough.any()
        else float("nan")
    )

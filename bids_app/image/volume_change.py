"""Change of the volume of the brain and its parts between two visits, by integrating Jacobians half-way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage

from bids_app.errors import VisitError
from bids_app.image.deformation import LESION_LEVELS, exponential, jacobian, register, warp
from bids_app.image.longitudinal import Array, half_way_grid, moved
from bids_app.image.volume import resample

Mask = npt.NDArray[np.bool_]

LARGEST_MM = 2.0  # grids of --fast stay as they are
GM, WM, CSF = 1, 2, 3  # in `dseg`
EDGE_MM = 2.0  # of fluid around the brain whose border counts: the cortex's outer surface is what moves
LESION_MM = 1.0  # around lesions that do not count: their own blur
WEIGHT_SMOOTHING_MM = 1.0  # so that no voxel enters or leaves at once as the images move


class Side(NamedTuple):
    """One visit of a pair, all images on one grid.

    Attributes
    ----------
    image : Nifti1Image, (x, y, z)
        T1w, or FLAIR where one of the two visits has no T1w, corrected for non-uniformity, with what surrounds the
        brain.
    brain : Nifti1Image, (x, y, z)
        Brain mask.
    tissue : Nifti1Image, (x, y, z)
        1 GM, 2 WM, 3 CSF; the median of white matter becomes 1.
    lesions : Nifti1Image, (x, y, z)
        Lesions: above 0.
    regions : mapping of str to Nifti1Image
        What is measured: masks or probabilities (0 to 1) by name; the same names in both visits.
    """

    image: nib.Nifti1Image
    brain: nib.Nifti1Image
    tissue: nib.Nifti1Image
    lesions: nib.Nifti1Image
    regions: Mapping[str, nib.Nifti1Image]


class Changed(NamedTuple):
    """Change between two visits.

    Attributes
    ----------
    percent : dict of str to float
        By region: 200 (V2 - V1) / (V1 + V2); exchanging the visits changes only the sign.
    volumes : dict of str to (float, float)
        V1 and V2 in mm3 by region: the half-way region's volume at either visit.
    jacobian : Nifti1Image, (x, y, z), float32
        Half-way: local volume at the later visit over that at the earlier one, lesions counted and in narrower windows.
    """

    percent: dict[str, float]
    volumes: dict[str, tuple[float, float]]
    jacobian: nib.Nifti1Image


def volume_change(before: Side, after: Side, half: Array) -> Changed:
    """Measure how volumes changed from one visit to the next.

    The deformation of `bids_app.image.deformation` is found between both images half-way, each resampled once; the
    volume of a region at a visit is the integral of the Jacobian determinant of the map to that visit over the region
    half-way, which is the mean of both visits' own (cf. Boyes et al. 2006, NeuroImage 32:159; Reuter et al. 2012,
    NeuroImage 61:1402).

    Parameters
    ----------
    before, after : Side
        The earlier and the later visit, each in its own space.
    half : ndarray, (4, 4)
        As `longitudinal.half_way` returns it.

    Returns
    -------
    Changed

    Raises
    ------
    VisitError
        If a visit has no white matter, or a region is empty at a visit.
    """
    for side in (before, after):
        for name, wanted in side.regions.items():
            if not np.asanyarray(wanted.dataobj).any():
                raise VisitError(f"volume change: {name} is empty at a visit; look at the tissues")
    inverse = np.asarray(np.linalg.inv(half), dtype=np.float64)
    grid = half_way_grid([moved(before.brain, inverse), moved(after.brain, half)], LARGEST_MM)
    size = float(nib.affines.voxel_sizes(grid.affine)[0])
    sides = ((before, inverse), (after, half))
    tissues = [_tissue(side, turn, grid) for side, turn in sides]
    images, cores = _relative(sides, tissues, grid), [_core(tissue) for tissue in tissues]
    whole, weight = (
        np.minimum(*(_weight(side, turn, grid, some) for side, turn in sides)) for some in (True, False)
    )
    velocity = register(images[0], images[1], weight, cores, size)
    there, here = exponential(-velocity), exponential(velocity)
    factors = jacobian(there), jacobian(here)
    volumes = {}
    for name in (one for one in before.regions if one in after.regions):
        region = (
            warp(_at(before.regions[name], inverse, grid), there)
            + warp(_at(after.regions[name], half, grid), here)
        ) / 2
        one, other = (float((region * factor).sum(dtype=np.float64)) * size**3 for factor in factors)
        volumes[name] = (one, other)
    fine = register(images[0], images[1], whole, cores, size, LESION_LEVELS, velocity)
    first, second = jacobian(exponential(-fine)), jacobian(exponential(fine))
    ratio = nib.Nifti1Image((second / np.maximum(first, 0.1)).astype(np.float32), grid.affine)
    return Changed({name: symmetric_percent(*both) for name, both in volumes.items()}, volumes, ratio)


THALAMUS = (10, 49)  # FreeSurfer's numbers
VENTRICLES = (4, 5, 43, 44)  # lateral, with their inferior horns


def tissue_regions(
    tissue: nib.Nifti1Image, lesions: nib.Nifti1Image, structures: nib.Nifti1Image | None = None
) -> dict[str, nib.Nifti1Image]:
    """Return what is measured of every visit: brain (grey and white matter), each of the two, fluid, and structures.

    Parameters
    ----------
    tissue : Nifti1Image, (x, y, z)
        1 GM, 2 WM, 3 CSF.
    lesions : Nifti1Image, (x, y, z)
        Above 0: lesions, which count as white matter.
    structures : Nifti1Image, (x, y, z), optional
        FreeSurfer's numbers: thalamus and lateral ventricles are measured too.
    """
    label = np.asanyarray(tissue.dataobj).copy()
    label[np.asanyarray(lesions.dataobj) > 0] = WM
    kinds = {"brain": (GM, WM), "grey matter": (GM,), "white matter": (WM,), "fluid": (CSF,)}
    wanted = [(name, np.isin(label, some)) for name, some in kinds.items()]
    if structures is not None:
        number = np.asanyarray(structures.dataobj)
        wanted += [
            ("thalamus", np.isin(number, THALAMUS)),
            ("lateral ventricles", np.isin(number, VENTRICLES)),
        ]
    return {
        name: nib.Nifti1Image(where.astype(np.float32), tissue.affine)
        for name, where in wanted
        if where.any()
    }


def volume_columns() -> dict[str, dict[str, object]]:
    """Return what the columns of `volume_table` are, for a sidecar."""
    return {
        "index": {"Description": "Number of the row."},
        "name": {
            "Description": "Region; brain is grey and white matter with lesions, fluid lies in the brain mask."
        },
        "volume_before_mm3": {
            "Description": "Volume of the half-way region at the earlier visit.",
            "Units": "mm^3",
        },
        "volume_after_mm3": {"Description": "Volume of the same region at the later visit.", "Units": "mm^3"},
        "percent": {
            "Description": "Change in percent of the mean of both volumes: negative where volume was lost. "
            "Exchanging the visits changes only its sign.",
            "Units": "%",
        },
        "percent_per_year": {
            "Description": "The same a year; n/a where acq_time of sessions.tsv or scans.tsv does not date both "
            "visits.",
            "Units": "%/year",
        },
        "error_percent": {
            "Description": "What `percent` exceeds by chance in 5 % of pairs, by known change that was put into the "
            "earlier visit and measured (--calibrate); n/a without.",
            "Units": "%",
        },
        "beyond_error": {
            "Description": "Whether `percent` lies beyond it.",
            "Levels": {"1": "Change was measured.", "0": "No change measured.", "n/a": "Not calibrated."},
        },
    }


def volume_table(
    changed: Changed, years: float | None, errors: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """Return a row per region, the columns of `volume_columns`.

    Parameters
    ----------
    changed : Changed
        From `volume_change`.
    years : float, optional
        Between the visits, where their dates are known.
    errors : mapping of str to float, optional
        `pair_calibration.errors` of the pair, by region.
    """
    errors = errors or {}
    rows = [
        {
            "index": number,
            "name": name,
            "volume_before_mm3": volumes[0],
            "volume_after_mm3": volumes[1],
            "percent": changed.percent[name],
            "percent_per_year": changed.percent[name] / years if years else np.nan,
            "error_percent": errors.get(name, np.nan),
            "beyond_error": int(abs(changed.percent[name]) > errors[name]) if name in errors else None,
        }
        for number, (name, volumes) in enumerate(changed.volumes.items(), 1)
    ]
    return pd.DataFrame(rows, columns=list(volume_columns())).round(4).astype({"beyond_error": "Int64"})


def symmetric_percent(before: float, after: float) -> float:
    """Return the change from one value to another in percent of their mean."""
    return 200 * (after - before) / (before + after)


def _relative(
    sides: Sequence[tuple[Side, Array]], tissues: Sequence[npt.NDArray[np.int16]], grid: nib.Nifti1Image
) -> list[npt.NDArray[np.float32]]:
    """Return both visits' images half-way, each resampled once by cubic splines, white matter 1."""
    images = []
    for (side, turn), tissue in zip(sides, tissues, strict=True):
        image = np.maximum(_at(side.image, turn, grid, order=3), 0)
        white = image[tissue == WM]
        level = float(np.median(white)) if white.size else 0.0
        if not level > 0:
            raise VisitError("volume change: a visit has no white matter, or it is dark; look at the tissues")
        images.append((image / level).astype(np.float32))
    return images


def _core(tissue: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
    """Return where a tissue and the voxels around are the same."""
    kinds = [ndimage.binary_erosion(tissue == kind) for kind in (CSF, GM, WM)]
    return np.any(kinds, axis=0).astype(np.float32)


def _tissue(side: Side, turn: Array, grid: nib.Nifti1Image) -> npt.NDArray[np.int16]:
    """Return a visit's tissues half-way, lesions 0."""
    label = np.where(np.asanyarray(side.lesions.dataobj) > 0, 0, np.asanyarray(side.tissue.dataobj))
    image = nib.Nifti1Image(label.astype(np.int16), side.tissue.affine)
    return np.asarray(resample(moved(image, turn), grid, order=0).dataobj)


def _weight(side: Side, turn: Array, grid: nib.Nifti1Image, with_lesions: bool) -> npt.NDArray[np.float32]:
    """Return where the two images are compared: the brain and the fluid at its surface, lesions or not."""
    size = float(nib.affines.voxel_sizes(grid.affine)[0])
    brain, lesions = (_at(image, turn, grid) > 0.5 for image in (_mask(side.brain), _mask(side.lesions)))
    near = ndimage.distance_transform_edt(~brain, sampling=size) <= EDGE_MM
    if lesions.any() and not with_lesions:
        near &= ndimage.distance_transform_edt(~lesions, sampling=size) > LESION_MM
    return ndimage.gaussian_filter(near.astype(np.float32), WEIGHT_SMOOTHING_MM / size)


def _mask(image: nib.Nifti1Image) -> nib.Nifti1Image:
    return nib.Nifti1Image((np.asanyarray(image.dataobj) > 0).astype(np.float32), image.affine)


def _at(
    image: nib.Nifti1Image, turn: Array, grid: nib.Nifti1Image, order: int = 1
) -> npt.NDArray[np.float32]:
    return np.asarray(resample(moved(image, turn), grid, order=order).dataobj, dtype=np.float32)

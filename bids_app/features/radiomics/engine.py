"""Radiomic features of every region of an image."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import effective_n_jobs

from bids_app.errors import InputError
from bids_app.features.radiomics.catalogue import CLASSES, KERNEL_ORDER
from bids_app.features.radiomics.describe import describe
from bids_app.features.radiomics.fallback import RadiomicsWarning, extract_with_pyradiomics
from bids_app.features.radiomics.filters import filtered_images, normalize, to_itk
from bids_app.features.radiomics.regions import Box, Region, bounding_box, find_regions
from bids_app.features.radiomics.settings import INSIDE_MASK, PAPER_SETTINGS, RadiomicsSettings

AFFINE_TOLERANCE = 1e-3  # mm; rounding of headers in single precision stays below it


def extract(
    image: nib.Nifti1Image,
    labels: nib.Nifti1Image | Sequence[nib.Nifti1Image],
    *,
    label_names: Mapping[int, str] | None = None,
    settings: RadiomicsSettings = PAPER_SETTINGS,
    mask: nib.Nifti1Image | None = None,
    n_jobs: int = 1,
) -> pd.DataFrame:
    """Extract the radiomic features of every region, at pyradiomics' values.

    Each value is what `RadiomicsFeatureExtractor.execute` of pyradiomics 3.0.1 (van Griethuysen et al. 2017,
    doi:10.1158/0008-5472.CAN-17-0339) gives for the region with the same settings. The whole image is filtered once
    for all regions.

    Parameters
    ----------
    image : Nifti1Image, (x, y, z)
        Intensities, e.g. the unfilled T1w. Voxels without a finite value count as 0 in the filters.
    labels : Nifti1Image, (x, y, z), int, or sequence of them
        Regions on the same grid; 0 is no region. Regions that overlap come in several images.
    label_names : mapping of int to str, optional
        Label and name of each region wanted, in the order of the rows. Without it: every label of the image.
    settings : RadiomicsSettings
        What to extract. Settings that the engine does not cover are left to pyradiomics, which must be installed.
    mask : Nifti1Image, (x, y, z), optional
        Where mean and standard deviation are taken from with the setting `normalizeInsideMask`.
    n_jobs : int
        Threads, -1 for one per processor. The values do not depend on it.

    Returns
    -------
    DataFrame, (regions, features)
        Rows: names with `label_names`, else labels; columns: pyradiomics' names in its order (1,092 with
        `PAPER_SETTINGS`). A region that is absent, a single voxel, smaller than the settings allow, constant or
        truncated (has voxels without a finite value) is NaN throughout, with a `RadiomicsWarning` naming it.

    Raises
    ------
    InputError
        If image and labels do not share a grid, there is no label, two images have the same one, or pyradiomics is
        needed but not installed.

    Examples
    --------
    >>> import nibabel as nib
    >>> import numpy as np
    >>> from demyelin import radiomics
    >>> picture = np.random.default_rng(1).normal(100, 20, (12, 12, 12)).astype(np.float32)
    >>> region = np.zeros((12, 12, 12), np.uint8)
    >>> region[3:9, 3:9, 3:9] = 1
    >>> settings = radiomics.RadiomicsSettings.from_dict(
    ...     {"imageType": {"Original": {}}, "featureClass": {"firstorder": ["Mean", "Energy"]}}
    ... )
    >>> table = radiomics.extract(
    ...     nib.Nifti1Image(picture, np.eye(4)), nib.Nifti1Image(region, np.eye(4)),
    ...     label_names={1: "cube"}, settings=settings,
    ... )
    >>> list(table.columns)
    ['original_firstorder_Mean', 'original_firstorder_Energy']
    """
    images = [labels] if isinstance(labels, nib.Nifti1Image) else list(labels)
    _check(image, images, mask, settings)
    every = [_codes(one) for one in images]
    names = _names(every, label_names)
    box = bounding_box(every)
    found = [find_regions(codes, names, box) for codes in every]
    usable = _usable(image, _together(found, names), names, box, settings.setting)
    itk, n_jobs = to_itk(image), effective_n_jobs(n_jobs)
    if settings.uncovered():
        parts = [
            extract_with_pyradiomics(
                itk, codes, [one for one in usable if one is regions[one.label]], settings
            )
            for codes, regions in zip(every, found, strict=True)
        ]
        rows = pd.concat([one for one in parts if len(one)] or parts[:1])
        return rows.reindex(list(names)).set_axis(_index(names, named=label_names is not None))
    if settings.setting.get("normalize", False):
        itk = normalize(itk, settings.setting, _inside(mask) if settings.setting.get(INSIDE_MASK) else None)
    blocks = {}
    largest_first = sorted(usable, key=lambda region: -region.voxels.size)
    with ThreadPoolExecutor(max_workers=n_jobs) as pool:
        for name, part, of_image in filtered_images(itk, settings, box, n_jobs):
            blocks[name] = _features_of_image(
                part, largest_first, of_image, _voxel_volume(itk.GetSpacing()), pool
            )
    return _table(blocks, names, settings, named=label_names is not None)


def feature_names(settings: RadiomicsSettings = PAPER_SETTINGS) -> list[str]:
    """Return the columns that `extract` gives with these settings, in order, without an image.

    Raises
    ------
    InputError
        If the settings are left to pyradiomics, whose columns are known after an extraction only.
    """
    if reasons := settings.uncovered():
        raise InputError(
            f"radiomics settings left to pyradiomics ({reasons[0]}): names are known after extraction"
        )
    return [
        f"{image}_{family}_{name}" for image in settings.image_names() for family, name in _chosen(settings)
    ]


def _chosen(settings: RadiomicsSettings) -> list[tuple[str, str]]:
    """Return class and name of the features of one image."""
    return [
        (family, name)
        for family, chosen in settings.feature_classes.items()
        for name in (chosen or CLASSES[family])
    ]


def _check(
    image: nib.Nifti1Image,
    labels: Sequence[nib.Nifti1Image],
    mask: nib.Nifti1Image | None,
    settings: RadiomicsSettings,
) -> None:
    if len(image.shape) != 3:
        raise InputError(f"radiomics needs one 3D image; this one has shape {image.shape}")
    for what, other in (*(("labels", one) for one in labels), ("mask", mask)):
        if other is None:
            continue
        if other.shape != image.shape:
            raise InputError(
                f"radiomics: {what} of shape {other.shape} on an image of shape {image.shape}: resample"
            )
        if not np.allclose(other.affine, image.affine, atol=AFFINE_TOLERANCE):
            raise InputError(
                f"radiomics: the {what} lie elsewhere in space than the image (affines differ): resample"
            )
    if settings.setting.get(INSIDE_MASK) and mask is None:
        raise InputError(f"radiomics setting {INSIDE_MASK} needs a mask")


def _codes(labels: nib.Nifti1Image) -> npt.NDArray[np.integer]:
    """Return the labels as whole numbers, (z, y, x)."""
    data = np.asanyarray(labels.dataobj).T
    if np.issubdtype(data.dtype, np.integer):
        return np.ascontiguousarray(data)
    whole = np.rint(data)
    if not np.array_equal(whole, data):
        raise InputError("radiomics: labels must be whole numbers")
    return np.ascontiguousarray(whole, dtype=np.int64)


def _names(every: Sequence[npt.NDArray[np.integer]], label_names: Mapping[int, str] | None) -> dict[int, str]:
    if label_names is not None:
        names = {int(label): str(name) for label, name in dict(label_names).items()}
    else:
        present = {int(label) for codes in every for label in pd.unique(codes.ravel())}
        names = {label: str(label) for label in sorted(present - {0})}
    if not names:
        raise InputError("radiomics: the label image is empty: no region to describe")
    return names


def _together(
    found: Sequence[Mapping[int, Region | None]], names: Mapping[int, str]
) -> dict[int, Region | None]:
    """Return the regions of several label images, each label from the one that has it."""
    regions: dict[int, Region | None] = dict.fromkeys(names)
    for one in found:
        for label, region in one.items():
            if region is not None and regions[label] is not None:
                raise InputError(f"radiomics: two label images have the label {label}")
            regions[label] = region or regions[label]
    return regions


def _inside(mask: nib.Nifti1Image | None) -> npt.NDArray[np.bool_]:
    inside = np.asanyarray(mask.dataobj).T > 0 if mask is not None else np.zeros(1, bool)
    if not inside.any():
        raise InputError("radiomics: the mask to normalise in is empty")
    return inside


def _voxel_volume(spacing: Iterable[float]) -> float:
    return float(np.multiply.reduce(list(spacing)))


def _usable(
    image: nib.Nifti1Image,
    regions: Mapping[int, Region | None],
    names: Mapping[int, str],
    box: Box,
    of_image: Mapping[str, Any],
) -> list[Region]:
    """Return the regions that have features; warn of each other one, and of those at the edge of the image."""
    values = np.asanyarray(image.dataobj).T[box].ravel()
    usable = []
    for label, region in regions.items():
        reason = _why_not(region, values, of_image)
        if reason is None and region is not None:
            usable.append(region)
            if region.at_edge:
                _warn(f"region {names[label]} touches the edge of the image and may be cut off there")
        else:
            _warn(f"region {names[label]} has no radiomics (NaN): {reason}")
    return usable


def _why_not(
    region: Region | None, values: npt.NDArray[np.generic], of_image: Mapping[str, Any]
) -> str | None:
    """Say why a region has no features, None if it has."""
    if region is None:
        return "it is empty"
    inside = values[region.source]
    too_small = _too_small(region, of_image)
    if too_small:
        return too_small
    if not np.isfinite(inside).all():
        return "it is truncated (voxels without a finite value)"
    if inside.min() == inside.max():
        return "its intensity is constant"
    return None


def _too_small(region: Region, of_image: Mapping[str, Any]) -> str | None:
    if region.voxels.size == 1:
        return "it is a single voxel"
    if region.dimensions < of_image.get("minimumROIDimensions", 2):
        return f"it extends in {region.dimensions} dimension(s) only"
    if region.voxels.size <= (of_image.get("minimumROISize") or 0):
        return f"it has {region.voxels.size} voxels only"
    return None


def _warn(message: str) -> None:
    warnings.warn(message, RadiomicsWarning, stacklevel=4)


def _features_of_image(
    part: npt.NDArray[np.generic],
    regions: list[Region],
    of_image: Mapping[str, Any],
    voxel_volume: float,
    pool: ThreadPoolExecutor,
) -> dict[int, npt.NDArray[np.float64]]:
    """Return each region's features in one filtered image, in the engine's order."""

    def one(region: Region) -> npt.NDArray[np.float64]:
        try:
            return describe(
                part,
                region,
                voxel_volume=voxel_volume,
                bin_width=of_image.get("binWidth", 25),
                bin_count=of_image.get("binCount"),
                shift=of_image.get("voxelArrayShift", 0),
                alpha=of_image.get("gldm_a", 0),
            )
        except ValueError as error:
            raise InputError(f"radiomics of region {region.name}: {error}") from error

    return dict(zip((region.label for region in regions), pool.map(one, regions), strict=True))


def _table(
    blocks: Mapping[str, Mapping[int, npt.NDArray[np.float64]]],
    names: Mapping[int, str],
    settings: RadiomicsSettings,
    *,
    named: bool,
) -> pd.DataFrame:
    """Put the features in pyradiomics' order, one row per region."""
    chosen = _chosen(settings)
    order = np.array([KERNEL_ORDER.index(feature) for feature in chosen])
    values = np.full((len(names), len(blocks) * order.size), np.nan)
    for row, label in enumerate(names):
        for column, block in enumerate(blocks.values()):
            if label in block:
                values[row, column * order.size : (column + 1) * order.size] = block[label][order]
    columns = [f"{image}_{family}_{name}" for image in blocks for family, name in chosen]
    return pd.DataFrame(values, index=_index(names, named=named), columns=columns)


def _index(names: Mapping[int, str], *, named: bool) -> pd.Index:
    return pd.Index(list(names.values()), name="name") if named else pd.Index(list(names), name="index")

"""Extraction by pyradiomics itself, for settings that the engine does not cover."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.errors import InputError
from bids_app.features.radiomics.regions import Region
from bids_app.features.radiomics.settings import RadiomicsSettings

if TYPE_CHECKING:
    import SimpleITK


class RadiomicsWarning(UserWarning):
    """A region has no features, or features to be read with care."""


def extract_with_pyradiomics(
    image: SimpleITK.Image,
    codes: npt.NDArray[np.integer],
    regions: list[Region],
    settings: RadiomicsSettings,
) -> pd.DataFrame:
    """Run pyradiomics on each region.

    Parameters
    ----------
    image : Image
        As read, not normalised.
    codes : ndarray, (z, y, x), int
        Labels.
    regions : list of Region
    settings : RadiomicsSettings

    Returns
    -------
    DataFrame, (regions that pyradiomics accepts, features)
        Rows: labels. A region that pyradiomics refuses is left out with a warning.

    Raises
    ------
    InputError
        If pyradiomics is not installed or does not accept the settings.
    """
    import SimpleITK

    reasons = "; ".join(settings.uncovered())
    try:
        from radiomics.featureextractor import RadiomicsFeatureExtractor
    except ImportError as error:
        raise InputError(
            f"radiomics settings need pyradiomics ({reasons}), which is not installed: pip install "
            "'demyelin[pyradiomics]' (built from source: needs a C compiler), or leave them out"
        ) from error
    logging.getLogger("radiomics").setLevel(logging.CRITICAL)
    extractor = RadiomicsFeatureExtractor()
    try:
        extractor.loadJSONParams(settings.for_pyradiomics())
    except Exception as error:  # pykwalify's own errors, which derive from Exception only
        raise InputError(
            f"radiomics settings not accepted by pyradiomics: {' '.join(str(error).split())}"
        ) from error
    mask = SimpleITK.GetImageFromArray(codes.astype(np.uint32))
    mask.CopyInformation(image)
    rows = {}
    for region in regions:
        try:
            rows[region.label] = extractor.execute(image, mask, label=region.label)
        except ValueError as error:
            warnings.warn(
                f"region {region.name} has no radiomics (NaN): {error}", RadiomicsWarning, stacklevel=3
            )
    table = pd.DataFrame.from_dict(rows, orient="index")
    table = table[[name for name in table if not str(name).startswith("diagnostics_")]].astype(np.float64)
    if rows:
        _tell_lacking([str(name) for name in table], settings)
    return table


def _tell_lacking(columns: list[str], settings: RadiomicsSettings) -> None:
    """Warn of image types that pyradiomics left out: it only logs that a package is missing."""
    found = {name.split("_")[0].replace("-", "").lower() for name in columns}
    for image_type in settings.image_types:
        if not any(name.startswith(image_type.lower()) for name in found):
            warnings.warn(
                f"image type {image_type} has no features: pyradiomics lacks a package for it (LBP2D: scikit-image; "
                "LBP3D: trimesh), or the image is too small or not to be taken so (LBP2D: force2D)",
                RadiomicsWarning,
                stacklevel=4,
            )

"""Radiomic features at pyradiomics' own values, many times faster."""

from bids_app.features.radiomics.extract import extract, feature_names
from bids_app.features.radiomics.fallback import RadiomicsWarning
from bids_app.features.radiomics.settings import PAPER_SETTINGS, RadiomicsSettings

__all__ = [
    "PAPER_SETTINGS",
    "RadiomicsSettings",
    "RadiomicsWarning",
    "extract",
    "feature_names",
]

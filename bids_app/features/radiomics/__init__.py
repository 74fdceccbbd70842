"""Radiomic features at pyradiomics' own values, many times faster."""

from bids_app.features.radiomics.engine import extract, feature_names
from bids_app.features.radiomics.fallback import RadiomicsWarning
from bids_app.features.radiomics.settings import PAPER_SETTINGS, RadiomicsSettings
from bids_app.features.radiomics.warmup import precompile

__all__ = [
    "PAPER_SETTINGS",
    "RadiomicsSettings",
    "RadiomicsWarning",
    "extract",
    "feature_names",
    "precompile",
]

"""Study A's selection of columns, each step a scikit-learn transformer: DataFrame in, DataFrame out."""

from bids_app.learn.selection.blind import (
    CollinearityFilter,
    CovariateZScore,
    MedianImpute,
    RangeScaledVariance,
    StabilityFilter,
)
from bids_app.learn.selection.combat import Combat
from bids_app.learn.selection.outcome import CFSSelect, LassoSelect

__all__ = [
    "CFSSelect",
    "CollinearityFilter",
    "Combat",
    "CovariateZScore",
    "LassoSelect",
    "MedianImpute",
    "RangeScaledVariance",
    "StabilityFilter",
]

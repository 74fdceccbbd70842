"""The digital phantom of the Image Biomarker Standardisation Initiative.

Reference values: Zwanenburg et al. 2020, Radiology 295:328, doi:10.1148/radiol.2020191145, and its reference manual
(arXiv:1612.07003, tables of chapter 3: digital phantom, 3D, averaged over directions), where pyradiomics' definitions
are the initiative's; kurtosis is not the excess there.
"""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from bids_app.features.radiomics import RadiomicsSettings, extract
from bids_app.features.radiomics.catalogue import CLASSES

# 5 x 4 x 4 voxels of 2 mm: four slices of four rows; 9 is outside the region
PHANTOM = """
14411 14611 41641 44641
14411 11611 91311 44611
14499 11111 11911 11611
14499 11111 11111 11611
"""
REFERENCE = {
    "firstorder": {
        "Mean": 2.15, "Variance": 3.05, "Skewness": 1.08, "Kurtosis": 3 - 0.355, "Median": 1, "Minimum": 1,
        "10Percentile": 1, "90Percentile": 4, "Maximum": 6, "InterquartileRange": 3, "Range": 5,
        "MeanAbsoluteDeviation": 1.55, "RobustMeanAbsoluteDeviation": 1.11, "Energy": 567, "RootMeanSquared": 2.77,
        "Entropy": 1.27, "Uniformity": 0.512,
    },
    "glcm": {
        "MaximumProbability": 0.503, "JointAverage": 2.14, "SumSquares": 3.1, "JointEntropy": 2.4,
        "DifferenceAverage": 1.43, "DifferenceVariance": 3.06, "DifferenceEntropy": 1.56, "SumAverage": 4.29,
        "ClusterTendency": 7.07, "SumEntropy": 1.92, "JointEnergy": 0.303, "Contrast": 5.32, "Id": 0.677,
        "Idn": 0.851, "Idm": 0.618, "Idmn": 0.898, "InverseVariance": 0.0604, "Correlation": 0.157,
        "Autocorrelation": 5.06, "ClusterShade": 16.6, "ClusterProminence": 145, "Imc1": -0.157, "Imc2": 0.52,
    },
    "glrlm": {
        "ShortRunEmphasis": 0.705, "LongRunEmphasis": 3.06, "LowGrayLevelRunEmphasis": 0.603,
        "HighGrayLevelRunEmphasis": 9.7, "ShortRunLowGrayLevelEmphasis": 0.352, "ShortRunHighGrayLevelEmphasis": 8.54,
        "LongRunLowGrayLevelEmphasis": 2.39, "LongRunHighGrayLevelEmphasis": 17.6, "GrayLevelNonUniformity": 21.8,
        "GrayLevelNonUniformityNormalized": 0.43, "RunLengthNonUniformity": 26.9,
        "RunLengthNonUniformityNormalized": 0.513, "RunPercentage": 0.68, "GrayLevelVariance": 3.46,
        "RunVariance": 0.574, "RunEntropy": 2.43,
    },
    "glszm": {
        "SmallAreaEmphasis": 0.255, "LargeAreaEmphasis": 550, "LowGrayLevelZoneEmphasis": 0.253,
        "HighGrayLevelZoneEmphasis": 15.6, "SmallAreaLowGrayLevelEmphasis": 0.0256,
        "SmallAreaHighGrayLevelEmphasis": 2.76, "LargeAreaLowGrayLevelEmphasis": 503,
        "LargeAreaHighGrayLevelEmphasis": 1490, "GrayLevelNonUniformity": 1.4,
        "GrayLevelNonUniformityNormalized": 0.28, "SizeZoneNonUniformity": 1, "SizeZoneNonUniformityNormalized": 0.2,
        "ZonePercentage": 0.0676, "GrayLevelVariance": 2.64, "ZoneVariance": 331, "ZoneEntropy": 2.32,
    },
    "gldm": {
        "SmallDependenceEmphasis": 0.045, "LargeDependenceEmphasis": 109, "LowGrayLevelEmphasis": 0.693,
        "HighGrayLevelEmphasis": 7.66, "SmallDependenceLowGrayLevelEmphasis": 0.00963,
        "SmallDependenceHighGrayLevelEmphasis": 0.736, "LargeDependenceLowGrayLevelEmphasis": 102,
        "LargeDependenceHighGrayLevelEmphasis": 235, "GrayLevelNonUniformity": 37.9, "GrayLevelVariance": 3.05,
        "DependenceNonUniformity": 4.86, "DependenceNonUniformityNormalized": 0.0657, "DependenceVariance": 22.1,
        "DependenceEntropy": 4.4,
    },
    "ngtdm": {"Coarseness": 0.0296, "Contrast": 0.584, "Busyness": 6.54, "Complexity": 13.5, "Strength": 0.763},
}  # fmt: skip


@pytest.fixture(scope="module")
def features():
    rows = [[int(digit) for digit in row] for row in PHANTOM.split()]
    grey = np.array(rows, np.int16).reshape(4, 4, 5).T
    inside = (grey != 9).astype(np.uint8)
    settings = RadiomicsSettings(
        {"Original": {}}, {family: tuple(names) for family, names in CLASSES.items()}, {"binWidth": 1}
    )
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    with pytest.warns(UserWarning, match="edge"):
        return extract(nib.Nifti1Image(grey, affine), nib.Nifti1Image(inside, affine), settings=settings).loc[
            1
        ]


@pytest.mark.parametrize(
    ("family", "name", "value"),
    [(family, name, value) for family, values in REFERENCE.items() for name, value in values.items()],
)
def test_reference_value(features, family, name, value):
    """Published with three significant digits."""
    assert features[f"original_{family}_{name}"] == pytest.approx(value, rel=5.1e-3)

"""Names, order and meaning of the features."""

from __future__ import annotations

import re

FIRST_ORDER = [
    "10Percentile",
    "90Percentile",
    "Energy",
    "Entropy",
    "InterquartileRange",
    "Kurtosis",
    "Maximum",
    "MeanAbsoluteDeviation",
    "Mean",
    "Median",
    "Minimum",
    "Range",
    "RobustMeanAbsoluteDeviation",
    "RootMeanSquared",
    "Skewness",
    "TotalEnergy",
    "Uniformity",
    "Variance",
]
GLCM = [
    "Autocorrelation",
    "ClusterProminence",
    "ClusterShade",
    "ClusterTendency",
    "Contrast",
    "Correlation",
    "DifferenceAverage",
    "DifferenceEntropy",
    "DifferenceVariance",
    "Id",
    "Idm",
    "Idmn",
    "Idn",
    "Imc1",
    "Imc2",
    "InverseVariance",
    "JointAverage",
    "JointEnergy",
    "JointEntropy",
    "MaximumProbability",
    "SumAverage",
    "SumEntropy",
    "SumSquares",
]
GLRLM = [
    "GrayLevelNonUniformity",
    "GrayLevelNonUniformityNormalized",
    "GrayLevelVariance",
    "HighGrayLevelRunEmphasis",
    "LongRunEmphasis",
    "LongRunHighGrayLevelEmphasis",
    "LongRunLowGrayLevelEmphasis",
    "LowGrayLevelRunEmphasis",
    "RunEntropy",
    "RunLengthNonUniformity",
    "RunLengthNonUniformityNormalized",
    "RunPercentage",
    "RunVariance",
    "ShortRunEmphasis",
    "ShortRunHighGrayLevelEmphasis",
    "ShortRunLowGrayLevelEmphasis",
]
GLSZM = [
    "GrayLevelNonUniformity",
    "GrayLevelNonUniformityNormalized",
    "GrayLevelVariance",
    "HighGrayLevelZoneEmphasis",
    "LargeAreaEmphasis",
    "LargeAreaHighGrayLevelEmphasis",
    "LargeAreaLowGrayLevelEmphasis",
    "LowGrayLevelZoneEmphasis",
    "SizeZoneNonUniformity",
    "SizeZoneNonUniformityNormalized",
    "SmallAreaEmphasis",
    "SmallAreaHighGrayLevelEmphasis",
    "SmallAreaLowGrayLevelEmphasis",
    "ZoneEntropy",
    "ZonePercentage",
    "ZoneVariance",
]
GLDM = [
    "DependenceEntropy",
    "DependenceNonUniformity",
    "DependenceNonUniformityNormalized",
    "DependenceVariance",
    "GrayLevelNonUniformity",
    "GrayLevelVariance",
    "HighGrayLevelEmphasis",
    "LargeDependenceEmphasis",
    "LargeDependenceHighGrayLevelEmphasis",
    "LargeDependenceLowGrayLevelEmphasis",
    "LowGrayLevelEmphasis",
    "SmallDependenceEmphasis",
    "SmallDependenceHighGrayLevelEmphasis",
    "SmallDependenceLowGrayLevelEmphasis",
]
NGTDM = ["Busyness", "Coarseness", "Complexity", "Contrast", "Strength"]

MATRICES = {
    "firstorder": "first-order statistics",
    "glcm": "grey-level co-occurrence matrix",
    "glrlm": "grey-level run length matrix",
    "glszm": "grey-level size zone matrix",
    "gldm": "grey-level dependence matrix",
    "ngtdm": "neighbouring grey tone difference matrix",
}
CLASSES: dict[str, list[str]] = {
    "firstorder": FIRST_ORDER,
    "glcm": GLCM,
    "glrlm": GLRLM,
    "glszm": GLSZM,
    "gldm": GLDM,
    "ngtdm": NGTDM,
}
KERNEL_ORDER = [(family, feature) for family, features in CLASSES.items() for feature in features]
# pyradiomics has one more GLCM feature, so that a parameter file which names none asks for it too
MCC = "MCC"
SUBBANDS = ("LLH", "LHL", "LHH", "HLL", "HLH", "HHL", "HHH", "LLL")


def describe_feature(name: str) -> dict[str, str]:
    """Return what a column of a table of radiomics is, as a BIDS sidecar says it.

    Parameters
    ----------
    name : str
        Image type, class and feature as pyradiomics joins them, e.g. `wavelet-LLH_glcm_Contrast`.

    Examples
    --------
    >>> describe_feature("original_glcm_JointEntropy")["Description"]
    'Joint entropy (grey-level co-occurrence matrix) of the original T1w, as pyradiomics defines it.'
    """
    image, _, rest = name.partition("_")
    family, _, feature = rest.partition("_")
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", feature).capitalize()
    of = "the original T1w" if image == "original" else f"the T1w after the filter {image}"
    return {"Description": f"{spaced} ({MATRICES.get(family, family)}) of {of}, as pyradiomics defines it."}

"""Names, order and meaning of the features."""

from __future__ import annotations

from collections.abc import Iterable

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

FAMILIES = {
    "firstorder": "first-order statistic of the intensities",
    "glcm": "grey-level co-occurrence matrix",
    "glrlm": "grey-level run-length matrix",
    "glszm": "grey-level size-zone matrix",
    "gldm": "grey-level dependence matrix",
    "ngtdm": "neighbouring grey-tone difference matrix",
}


def image_words(image_type: str) -> str:
    """Say what an image type is, e.g. `wavelet-LLH` or `log-sigma-1-0-mm-3D`."""
    if image_type.startswith("wavelet-"):
        return f"subband {image_type.removeprefix('wavelet-')} (x, y, z) of the undecimated wavelet transform"
    if image_type.startswith("log-sigma-"):
        sigma = image_type.removeprefix("log-sigma-").removesuffix("-mm-3D").replace("-", ".")
        return f"Laplacian of Gaussian with sigma {sigma} mm"
    return f"{image_type} image"


def column_descriptions(columns: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the columns of a visit's radiomics table for its JSON sidecar.

    Parameters
    ----------
    columns : iterable of str
        Names of the features (`feature_names`, or the columns of `extract`'s table).

    Returns
    -------
    dict
        `index`, `name` and every feature, each with a `Description`.
    """
    about = {
        "index": {"Description": "Value of the region in the label image."},
        "name": {"Description": "Region."},
    }
    return about | {name: {"Description": describe_feature(name)} for name in columns}


def describe_feature(name: str) -> str:
    """Describe one column, e.g. `original_glcm_Contrast`."""
    image_type, family, feature = name.rsplit("_", 2)
    words = FAMILIES.get(family, family)
    return f"{feature} ({words}), {image_words(image_type)}; definition of pyradiomics 3.0.1."

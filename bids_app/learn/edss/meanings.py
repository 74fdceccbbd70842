"""What a column of study A means, in plain words: its region, its feature, and the image it was measured on."""

from __future__ import annotations

import re

CLINICAL = {
    "age": "years at the scan",
    "sex": "1 male, 0 female",
    "disease_duration": "years since the first symptoms",
    "disease_course_SP": "1 secondary progressive, 0 relapsing-remitting",
}
VOLUMES = {"volume.TLV": "total lesion volume", "volume.WBV": "whole-brain volume"}
CHACO = "share of the region's connections that pass through lesions"
CLASSES = {
    "firstorder": "distribution of grey values, wherever they lie",
    "glcm": "grey values of neighbouring voxels: how regular the texture is",
    "glrlm": "lengths of runs of equal grey: how coarse the texture is",
    "glszm": "sizes of zones of equal grey: how patchy the texture is",
    "gldm": "how many neighbours resemble a voxel: how smooth the texture is",
    "ngtdm": "difference from the neighbours' mean: how busy the texture is",
}
FEATURES = {  # by name inside a class, where a few words say more than the class alone
    "firstorder_10Percentile": "how dark the darkest tenth is",
    "firstorder_90Percentile": "how bright the brightest tenth is",
    "firstorder_Energy": "sum of squared grey values: grows with brightness and with the region's size",
    "firstorder_Entropy": "how many different grey values occur",
    "firstorder_InterquartileRange": "spread of the middle half of the grey values",
    "firstorder_Kurtosis": "how far a few voxels stick out from the rest",
    "firstorder_Maximum": "the brightest voxel",
    "firstorder_Mean": "mean brightness",
    "firstorder_MeanAbsoluteDeviation": "spread of the grey values",
    "firstorder_Median": "brightness of the middle voxel",
    "firstorder_Minimum": "the darkest voxel",
    "firstorder_Range": "from the darkest to the brightest voxel",
    "firstorder_RobustMeanAbsoluteDeviation": "spread of the grey values without the extremes",
    "firstorder_RootMeanSquared": "brightness, bright voxels counting more",
    "firstorder_Skewness": "whether bright or dark voxels trail off",
    "firstorder_TotalEnergy": "sum of squared grey values times voxel volume: grows with brightness and size",
    "firstorder_Uniformity": "how much one grey value prevails",
    "firstorder_Variance": "spread of the grey values",
    "glcm_Contrast": "how much neighbours differ in grey",
    "glcm_Correlation": "how well a voxel's grey foretells its neighbour's",
    "glcm_Idm": "how alike neighbours are",
    "glcm_Idmn": "how alike neighbours are",
    "glcm_Id": "how alike neighbours are",
    "glcm_Idn": "how alike neighbours are",
    "glcm_Imc1": "how much a voxel tells of its neighbour (information; nearer 0 is less)",
    "glcm_Imc2": "how much a voxel tells of its neighbour (information)",
    "glcm_JointEntropy": "how many different pairs of neighbours occur",
    "glcm_JointEnergy": "how much one pair of neighbours prevails",
    "glcm_ClusterShade": "whether bright or dark patches stand out",
    "glcm_ClusterProminence": "how far patches stand out",
    "glcm_ClusterTendency": "how far voxels of like grey lie together",
    "ngtdm_Busyness": "how fast grey changes from voxel to voxel",
    "ngtdm_Coarseness": "how large patches of like grey are",
    "ngtdm_Complexity": "how many different, quickly changing greys there are",
    "ngtdm_Contrast": "how much grey differs overall and between neighbours",
    "ngtdm_Strength": "how clearly patches stand apart",
}
PATTERNS = (  # of the run, zone and dependence classes
    (r"^GrayLevelNonUniformity", "how unevenly grey levels are used"),
    (r"(RunLength|SizeZone|Dependence)NonUniformity", "how unevenly {unit} sizes are used"),
    (r"^(Short|Small)\w*LowGray", "share of small dark {unit}s"),
    (r"^(Short|Small)\w*HighGray", "share of small bright {unit}s"),
    (r"^(Long|Large)\w*LowGray", "share of large dark {unit}s"),
    (r"^(Long|Large)\w*HighGray", "share of large bright {unit}s"),
    (r"^(Short|Small)", "share of small {unit}s: fine texture"),
    (r"^(Long|Large)", "share of large {unit}s: coarse texture"),
    (r"^LowGray", "share of dark {unit}s"),
    (r"^HighGray", "share of bright {unit}s"),
    (r"GrayLevelVariance", "spread of grey over {unit}s"),
    (r"Entropy", "how many kinds of {unit} occur"),
    (r"Variance", "spread of {unit} sizes"),
    (r"Percentage", "how many {unit}s for the region's size: fineness of texture"),
)
UNITS = {"glrlm": "run", "glszm": "zone", "gldm": "neighbourhood"}
PARTS = {
    "Sup": "superior",
    "Mid": "middle",
    "Inf": "inferior",
    "Ant": "anterior",
    "Post": "posterior",
    "Orb": "orbital",
    "Oper": "opercular",
    "Tri": "triangular",
    "Med": "medial",
    "Cingulum": "cingulate",
    "Cerebelum": "cerebellar lobule",
    "Crus1": "crus I",
    "Crus2": "crus II",
    "ParaHippocampal": "parahippocampal",
    "SupraMarginal": "supramarginal",
}
WHOLE = {  # names that their parts do not give
    "NAWM": "normal-appearing white matter",
    "Rolandic_Oper": "Rolandic operculum",
    "Supp_Motor_Area": "supplementary motor area",
    "Paracentral_Lobule": "paracentral lobule",
    "Temporal_Pole_Sup": "superior temporal pole",
    "Temporal_Pole_Mid": "middle temporal pole",
    "Frontal_Sup_Medial": "medial superior frontal",
    "Heschl": "Heschl's gyrus",
}
SIDES = {"L": "left", "R": "right"}


def column_meaning(name: str, family: str, image_type: str, feature: str) -> str:
    """Say what a column measures.

    Parameters
    ----------
    name, family, image_type, feature : str
        As in the cohort's table of columns; the last two are empty outside radiomics.
    """
    if family == "chaco":
        return CHACO
    if family != "radiomics":
        return CLINICAL.get(name) or VOLUMES.get(name, "")
    kind, _, short = feature.partition("_")
    words = FEATURES.get(feature) or _pattern(kind, short) or CLASSES.get(kind, "")
    return words + image_words(image_type)


def _pattern(kind: str, short: str) -> str:
    unit = UNITS.get(kind)
    if not unit:
        return ""
    return next((words.format(unit=unit) for pattern, words in PATTERNS if re.search(pattern, short)), "")


def image_words(image_type: str) -> str:
    """Say how the T1w was filtered, to stand behind a feature's meaning; nothing for the original."""
    if image_type.startswith("wavelet-"):
        band = image_type.removeprefix("wavelet-")
        fine = [axis for axis, letter in zip("xyz", band, strict=False) if letter == "H"]
        return f", of {'fine detail along ' + ', '.join(fine) if fine else 'the smoothed image'}"
    if image_type.startswith("log-sigma-"):
        size = (
            image_type.removeprefix("log-sigma-").removesuffix("-mm-3D").replace("-", ".").removesuffix(".0")
        )
        return f", of blobs and edges {size} mm wide"
    return ""


def region_words(name: str) -> str:
    """Return a region's name in words, e.g. `right superior frontal orbital` for `Frontal_Sup_Orb_R`."""
    stem, _, last = name.rpartition("_")
    side = SIDES.get(last, "") if stem else ""
    stem = stem if side else name
    first, *rest = (PARTS.get(part, part.lower()) for part in stem.split("_"))
    if stem in WHOLE:
        words = WHOLE[stem]
    elif stem.startswith("Cerebelum_Crus"):
        words = f"cerebellar {rest[0]}"
    elif stem.startswith(("Cerebelum", "Vermis")):
        words = f"{first} {'-'.join(rest)}"
    else:
        words = " ".join([*rest[:1], first, *rest[1:]])
    return f"{side} {words}".strip()

"""What to extract: pyradiomics' own parameters, the paper's being the default."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bids_app.errors import InputError
from bids_app.features.radiomics.catalogue import CLASSES, GLCM, MCC, SUBBANDS
from bids_app.features.radiomics.values import check_values

# at these values (or left out) a setting changes nothing for the engine
NEUTRAL: dict[str, tuple[object, ...]] = {
    "distances": ([1], (1,)),
    "force2D": (False,),
    "symmetricalGLCM": (True,),
    "weightingNorm": (None,),
    "resampledPixelSpacing": (None,),
    "resegmentRange": (None,),
    "preCrop": (False,),
    "level": (1,),
    "start_level": (0,),
    "correctMask": (False,),
    "geometryTolerance": (None,),
}
HANDLED = {
    "binWidth", "binCount", "normalize", "normalizeScale", "removeOutliers", "voxelArrayShift", "gldm_a",
    "sigma", "wavelet", "minimumROIDimensions", "minimumROISize", "normalizeInsideMask",
}  # fmt: skip
WITHOUT_EFFECT = {
    "label", "label_channel", "additionalInfo", "interpolator", "padDistance", "force2Ddimension",
    "resegmentMode", "resegmentShape", "gradientUseSpacing", "enableCExtensions",
}  # fmt: skip
INSIDE_MASK = "normalizeInsideMask"
SECTIONS = {"setting", "imageType", "featureClass", "voxelSetting"}


@dataclass(frozen=True)
class RadiomicsSettings:
    """Parameters of an extraction, under pyradiomics' own names.

    Attributes
    ----------
    image_types : mapping of str to mapping
        `Original`, `LoG`, `Wavelet`, ..., each with settings of its own; in the order of the columns.
    feature_classes : mapping of str to tuple of str
        Features of each class, in the order of the columns; an empty tuple is all of the class.
    setting : mapping of str to object
        Settings of all images. One is Demyelin's own: `normalizeInsideMask` (mean and standard deviation of the
        intensities inside a mask, where pyradiomics takes the whole image, background included).
    """

    image_types: Mapping[str, Mapping[str, Any]]
    feature_classes: Mapping[str, tuple[str, ...]]
    setting: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for setting in (self.setting, *self.image_types.values()):
            check_values(setting)

    @classmethod
    def from_file(cls, path: str | Path) -> RadiomicsSettings:
        """Read a pyradiomics parameter file (YAML or JSON).

        Raises
        ------
        InputError
            If the file cannot be read, is not a parameter file, or a setting has an impossible value.
        """
        import yaml

        try:
            content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))  # JSON is YAML too
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{path}: cannot be read as radiomics parameters: {reason}") from error
        if not isinstance(content, dict) or not content or not set(content) <= SECTIONS:
            known = ", ".join(sorted(SECTIONS))
            raise InputError(f"{path}: not a pyradiomics parameter file: its sections may be {known}")
        if any(not isinstance(part, dict) for part in content.values()):
            raise InputError(f"{path}: each section must list names and values")
        if content.get("voxelSetting"):
            raise InputError(f"{path}: voxelSetting makes feature maps; this extracts one value per region")
        try:
            return cls.from_dict(content)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> RadiomicsSettings:
        """Take parameters as a mapping with the sections of a parameter file."""
        types = content.get("imageType") or {"Original": {}}
        features = content.get("featureClass") or dict.fromkeys(
            ["firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm", "shape", "shape2D"]
        )
        return cls(
            image_types={name: dict(values or {}) for name, values in types.items()},
            feature_classes={name: tuple(chosen or ()) for name, chosen in features.items()},
            setting=dict(content.get("setting") or {}),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the parameters with the sections of a parameter file."""
        return {
            "imageType": {name: dict(values) for name, values in self.image_types.items()},
            "featureClass": {name: list(chosen) for name, chosen in self.feature_classes.items()},
            "setting": dict(self.setting),
        }

    def for_pyradiomics(self) -> str:
        """Return the parameters as JSON that pyradiomics accepts."""
        content = self.to_dict()
        content["setting"]["additionalInfo"] = False
        if content["setting"].pop(INSIDE_MASK, False):
            raise InputError(
                f"radiomics setting {INSIDE_MASK} cannot be combined with settings left to pyradiomics"
            )
        return json.dumps(content)

    def of_image(self, image_type: str) -> dict[str, Any]:
        """Return the settings of one image type: the common ones and its own over them."""
        return {**self.setting, **self.image_types[image_type]}

    def uncovered(self) -> list[str]:
        """Return what Demyelin's own engine does not do, so that pyradiomics has to; empty where it does all."""
        reasons = [
            f"image type {name}" for name in self.image_types if name not in ("Original", "LoG", "Wavelet")
        ]
        for family, chosen in self.feature_classes.items():
            if family not in CLASSES:
                reasons.append(f"feature class {family}")
            elif family == "glcm" and not chosen:
                reasons.append(f"GLCM feature {MCC}")
            else:
                reasons += [f"{family} feature {name}" for name in chosen if name not in CLASSES[family]]
        for name, value in [
            *self.setting.items(),
            *(i for values in self.image_types.values() for i in values.items()),
        ]:
            neutral = name in NEUTRAL and value in NEUTRAL[name]
            if not (neutral or name in HANDLED or name in WITHOUT_EFFECT):
                reasons.append(f"setting {name}: {value}")
        return reasons

    def image_names(self) -> list[str]:
        """Return the names of the filtered images in the order of the columns (own engine's types only)."""
        names = []
        for image_type in self.image_types:
            if image_type == "Original":
                names.append("original")
            elif image_type == "LoG":
                names += [log_name(sigma) for sigma in self.of_image("LoG").get("sigma", [])]
            elif image_type == "Wavelet":
                names += [f"wavelet-{band}" for band in SUBBANDS]
        return names


def log_name(sigma: float) -> str:
    """Return pyradiomics' name of a Laplacian of Gaussian image."""
    return f"log-sigma-{str(sigma).replace('.', '-')}-mm-3D"


PAPER_GLCM = [
    "Autocorrelation",
    "JointAverage",
    "ClusterProminence",
    "ClusterShade",
    "ClusterTendency",
    "Contrast",
    "Correlation",
    "DifferenceAverage",
    "DifferenceEntropy",
    "DifferenceVariance",
    "JointEnergy",
    "JointEntropy",
    "Imc1",
    "Imc2",
    "Idm",
    "Idmn",
    "Id",
    "Idn",
    "InverseVariance",
    "MaximumProbability",
    "SumEntropy",
    "SumSquares",
]
assert set(PAPER_GLCM) == set(GLCM) - {"SumAverage"}

PAPER_SETTINGS = RadiomicsSettings(
    image_types={"Original": {}, "LoG": {"sigma": [1.0, 3.0, 5.0]}, "Wavelet": {}},
    feature_classes={
        "firstorder": (),
        "glcm": tuple(PAPER_GLCM),
        "glrlm": (),
        "glszm": (),
        "gldm": (),
        "ngtdm": (),
    },
    setting={"normalize": True, "normalizeScale": 100, "binWidth": 5, "voxelArrayShift": 300},
)

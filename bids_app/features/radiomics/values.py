"""What values settings may have: those that pyradiomics' own schema allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

from bids_app.errors import InputError


def _number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _above_zero(value: Any) -> bool:
    return _number(value) and value > 0


def _wavelet(value: Any) -> bool:
    import pywt

    return value in pywt.wavelist(kind="discrete")


Rule = tuple[Callable[[Any], bool], str]
POSITIVE: Rule = (_above_zero, "a number above 0")
COUNT: Rule = (lambda v: _whole(v) and v > 0, "a whole number above 0")
RULES: dict[str, Rule] = {
    "binWidth": POSITIVE,
    "binCount": COUNT,
    "normalize": (lambda v: isinstance(v, bool), "true or false"),
    "normalizeScale": POSITIVE,
    "removeOutliers": POSITIVE,
    "minimumROIDimensions": (lambda v: _whole(v) and 1 <= v <= 3, "1, 2 or 3"),
    "minimumROISize": COUNT,
    "voxelArrayShift": (_whole, "a whole number"),
    "gldm_a": (lambda v: _whole(v) and v >= 0, "a whole number from 0"),
    "sigma": (
        lambda v: isinstance(v, list | tuple) and all(map(_above_zero, v)),
        "a list of numbers above 0",
    ),
    "wavelet": (_wavelet, "the name of a discrete wavelet"),
}


def check_values(setting: Mapping[str, Any]) -> None:
    """Refuse values that would fail, or mean something else, deep in an extraction.

    Settings without a rule, and None for one that is left out, pass.

    Raises
    ------
    InputError
        Naming the setting, its value and what it may be.
    """
    for name, value in setting.items():
        if name in RULES and value is not None and not RULES[name][0](value):
            raise InputError(f"radiomics setting {name}: {value!r}; it must be {RULES[name][1]}")

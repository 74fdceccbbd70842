"""A published rule as a baseline: lesions whose places speak for multiple sclerosis (Matthews et al. 2013)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.errors import InputError

PLACE = ("place", "location", "class")
REGION = ("region", "nearest_region")
BODY_Y, BODY_Z = (-40.0, 10.0), (10.0, 40.0)  # body of the lateral ventricle, template mm
INFERIOR_TEMPORAL = ("Temporal_Inf", "Temporal_Pole_Mid", "Fusiform")
FINGER = 2.0  # longest over second axis of an ovoid lesion at the ventricle


def speaks_for_ms(lesions: pd.DataFrame) -> bool:
    """Apply the rule to one visit's lesion table.

    "At least one lesion adjacent to the body of the lateral ventricle and in the inferior temporal lobe; or a
    subcortical U-fibre lesion; or a Dawson's finger", taken from the table as: a periventricular lesion with
    -40 <= y <= 10 and 10 <= z <= 40 mm, and a lesion nearest to the inferior temporal gyrus, middle temporal
    pole or fusiform gyrus; or a juxtacortical lesion; or a periventricular lesion at least twice as long as
    wide (where the table has `elongation`). The rule was made for readers; this is its nearest automatic form.

    Parameters
    ----------
    lesions : DataFrame
        One row per lesion with its place, region and template coordinates.

    Raises
    ------
    InputError
        If a column that the rule needs is missing.

    References
    ----------
    Matthews et al., Neurology 2013, 80:1330.
    """
    place = _column(lesions, PLACE).astype(str).str.lower()
    region = _column(lesions, REGION).astype(str)
    y, z = (_column(lesions, (f"{a}_template", f"template_{a}")).to_numpy(float) for a in ("y", "z"))
    beside = place.str.startswith("periventricular").to_numpy()
    body = beside & (y >= BODY_Y[0]) & (y <= BODY_Y[1]) & (z >= BODY_Z[0]) & (z <= BODY_Z[1])
    temporal = region.str.startswith(INFERIOR_TEMPORAL).to_numpy()
    cortical = place.str.startswith("juxtacortical").to_numpy()
    finger = np.zeros(len(lesions), bool)
    if "elongation" in lesions:
        finger = beside & (pd.to_numeric(lesions["elongation"], errors="coerce") >= FINGER).to_numpy()
    return bool((body.any() and temporal.any()) or cortical.any() or finger.any())


def _column(lesions: pd.DataFrame, names: Iterable[str]) -> pd.Series:
    for name in names:
        if name in lesions:
            return lesions[name]
    raise InputError(
        f"lesion table has none of the columns {', '.join(names)}; run the participant level again"
    )


def rule_calls(tables: Iterable[Path]) -> npt.NDArray[np.bool_]:
    """Return what the rule says of each visit; no lesions at all do not speak for multiple sclerosis.

    Raises
    ------
    InputError
        If a table cannot be read or lacks a column.
    """
    calls = []
    for path in tables:
        try:
            lesions = pd.read_csv(path, sep="\t", na_values="n/a")
            calls.append(len(lesions) > 0 and speaks_for_ms(lesions))
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: lesion table cannot be read ({error})") from error
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
    return np.array(calls, dtype=bool)

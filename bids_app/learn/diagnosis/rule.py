"""A published rule as a baseline: lesions whose places speak for multiple sclerosis (Matthews et al. 2013)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.errors import InputError

COLUMNS = ("place", "nearest_region", "template_y", "template_z", "artefact_prone")
BODY_Y, BODY_Z = (-40.0, 10.0), (10.0, 40.0)  # body of the lateral ventricle, template mm
INFERIOR_TEMPORAL = ("Temporal_Inf", "Temporal_Pole_Mid", "Fusiform")


def speaks_for_ms(lesions: pd.DataFrame) -> bool:
    """Apply the rule to one visit's lesion table.

    "At least one lesion adjacent to the body of the lateral ventricle and in the inferior temporal lobe; or a
    subcortical U-fibre lesion; or a Dawson's finger", as near as a table of lesions comes to it: a
    periventricular lesion with -40 <= y <= 10 and 10 <= z <= 40 mm, and one nearest to the inferior temporal
    gyrus, middle temporal pole or fusiform gyrus; or a juxtacortical lesion. Lesions flagged as prone to
    artefact do not count. The table does not tell a lesion's shape, so Dawson's fingers go unseen.

    Parameters
    ----------
    lesions : DataFrame
        A `seg-lesions_dseg.tsv`: one row per lesion.

    Raises
    ------
    InputError
        If a column that the rule needs is missing.

    References
    ----------
    Matthews et al., Neurology 2013, 80:1330.
    """
    missing = [name for name in COLUMNS if name not in lesions]
    if missing:
        raise InputError(f"lesion table has no column {missing[0]}; run the participant level again")
    sure = lesions[lesions["artefact_prone"].isna()]
    beside = sure[sure["place"] == "periventricular"]
    body = beside["template_y"].between(*BODY_Y) & beside["template_z"].between(*BODY_Z)
    temporal = sure["nearest_region"].astype(str).str.startswith(INFERIOR_TEMPORAL)
    cortical = sure["place"] == "juxtacortical_cortical"
    return bool((body.any() and temporal.any()) or cortical.any())


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
            calls.append(speaks_for_ms(pd.read_csv(path, sep="\t", na_values="n/a")))
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: lesion table cannot be read ({error})") from error
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
    return np.array(calls, dtype=bool)

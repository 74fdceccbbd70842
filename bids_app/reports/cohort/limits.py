"""What a reader must not conclude from a study's results, in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bids_app.learn.study import Study, Tables

RESEARCH = (
    "A tool for research on groups; no number here is suitable for decisions about an individual patient."
)
FEW_PERMUTATIONS = 100  # the smallest P is then about .01, and P near .05 has a standard error of .02


def limits(study: Study, tables: Tables, settings: Mapping[str, Any]) -> list[str]:
    """Return the study's own limits, those of its null distribution, and what holds for every study.

    Parameters
    ----------
    study : Study
    tables : mapping of str to DataFrame
        Of its result.
    settings : mapping
        Of its result.
    """
    return [*study.limits(tables, settings), *_null(tables), RESEARCH]


def _null(tables: Tables) -> list[str]:
    if "null_summary" not in tables:
        return [
            "The null distribution was not computed (--permutations 0), so nothing here shows what chance alone "
            "would give."
        ]
    n = int(np.min(tables["null_summary"]["permutations"]))
    if n >= FEW_PERMUTATIONS:
        return []
    return [
        f"The null distribution rests on {n} permutations; the smallest P value it can give is {1 / (n + 1):.2g}; use "
        "--permutations for more."
    ]

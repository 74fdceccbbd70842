"""Who is left after each step of choosing visits, for flow diagrams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd


def flow_step(name: str, kept: pd.DataFrame, before: int, reason: str) -> dict[str, Any]:
    """Return a row of the flow.

    Parameters
    ----------
    name : str
        Of the step.
    kept : DataFrame
        Visits left, with participant_id.
    before : int
        Number of visits before it.
    reason : str
        Why the others are out.
    """
    return {
        "step": name,
        "n_visits": len(kept),
        "n_patients": kept["participant_id"].nunique(),
        "excluded": before - len(kept),
        "reason": reason,
    }


def flow_table(steps: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return the steps as a table: step, n_visits, n_patients, excluded, reason."""
    return pd.DataFrame(steps, columns=["step", "n_visits", "n_patients", "excluded", "reason"])

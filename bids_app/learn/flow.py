"""Who is left after each step of choosing visits, for flow diagrams."""

from __future__ import annotations

import pandas as pd

COLUMNS = ["step", "n_visits", "n_patients", "excluded", "reason"]


def flow_step(name: str, kept: pd.DataFrame, before: int, reason: str) -> dict[str, object]:
    """Return a row of the flow.

    Parameters
    ----------
    name : str
        Of the step.
    kept : DataFrame
        Visits left, with participant_id.
    before : int
        Visits before it.
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

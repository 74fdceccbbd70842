"""How visits are called in tables of both studies."""

from __future__ import annotations

import pandas as pd


def visit_names(participant: pd.Series, session: pd.Series) -> pd.Series:
    """Return `sub-01_ses-2` from identifiers with or without prefix; `sub-01` where there is no session."""
    sub = "sub-" + participant.astype(str).str.removeprefix("sub-")
    has = session.notna() & (session.astype(str) != "")
    return sub.where(~has, sub + "_ses-" + session.astype(str).str.removeprefix("ses-"))

"""How both studies read a table of visits: what visits are called, sex as a number."""

from __future__ import annotations

import pandas as pd

from bids_app.errors import InputError
from bids_app.visit_name import VisitName

SEXES = {"m": 1.0, "male": 1.0, "1": 1.0, "1.0": 1.0, "f": 0.0, "female": 0.0, "0": 0.0, "0.0": 0.0}


def visit_names(participant: pd.Series, session: pd.Series) -> pd.Series:
    """Return `sub-01_ses-2` from identifiers with or without prefix; `sub-01` where there is no session."""
    sessions = session.astype(object).where(session.notna(), "").astype(str)
    names = map(VisitName.from_ids, participant.astype(str), sessions)
    return pd.Series([name.prefix for name in names], participant.index, dtype=object)


def is_male(sex: pd.Series) -> pd.Series:
    """Return 1 for men, 0 for women, NaN where unknown.

    Raises
    ------
    InputError
        If a value is none of M, F, male, female, 1 (male) and 0 (female), in any case.
    """
    text = sex.astype("string").str.strip().str.lower()
    unknown = text[text.notna() & ~text.isin(list(SEXES))]
    if not unknown.empty:
        raise InputError(f"participants.tsv: column sex holds {unknown.iloc[0]!r}; use M, F or n/a")
    return text.map(SEXES).astype(float)

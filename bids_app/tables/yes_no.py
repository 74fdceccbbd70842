"""Columns of yes and no, however they say it."""

from __future__ import annotations

import pandas as pd

WORDS = {
    **dict.fromkeys(("yes", "true", "t", "1", "1.0", "y", "j", "ja", "oui", "si", "sí"), 1.0),
    **dict.fromkeys(("no", "false", "f", "0", "0.0", "n", "nein", "non"), 0.0),
}


def read_yes_no(cells: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return 1 for yes, 0 for no, NaN where a cell says neither; and the cells that say something else.

    Parameters
    ----------
    cells : Series
        Text or numbers, missing where nothing was said.

    Returns
    -------
    values : Series
        1, 0 or NaN, with the index of `cells`.
    unread : Series
        Cells that say something else.
    """
    words = cells.where(cells.notna(), "").astype(str).str.strip().str.casefold()
    values = words.map(WORDS).astype(float)
    return values, cells[values.isna() & (words != "")]

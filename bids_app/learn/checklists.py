"""Reporting checklists as tables: what a run can say of each item, and what its authors must add."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

AUTHORS = "to be written by the authors"


def checklist_table(items: Iterable[tuple[str, str, str]]) -> pd.DataFrame:
    """Return a checklist as a table.

    Parameters
    ----------
    items : iterable of (str, str, str)
        Number and topic of each item, and what this run says of it; empty where it knows nothing.

    Returns
    -------
    DataFrame
        item, topic, this_run, authors_must_add.
    """
    rows = [(item, topic, answer or AUTHORS, not answer) for item, topic, answer in items]
    return pd.DataFrame(rows, columns=["item", "topic", "this_run", "authors_must_add"])

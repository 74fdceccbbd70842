"""Dates as people and programs write them."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import pandas as pd

DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:[ ,]+\d{1,2}:\d{2}(?::\d{2})?)?")
SLASHED = re.compile(
    r"(\d{1,2})([/-])(\d{1,2})\2(\d{4})(?:[ ,]+(\d{1,2}:\d{2}(?::\d{2})?(?: ?[AP]M)?))?", re.IGNORECASE
)
COMPACT = re.compile(r"(?:19|20)\d{6}")
MONTHS = 12  # of a year


class Dates(NamedTuple):
    """Dates of a column.

    Attributes
    ----------
    days : Series of datetime64
        Whole days; NaT where missing or not read.
    unread : list
        Labels of cells that are no date, or could be two.
    note : str
        How dates that are not as BIDS has them were read; empty where all are.
    """

    days: pd.Series
    unread: list[Any]
    note: str


def read_dates(cells: pd.Series) -> Dates:
    """Read a column of dates, all of them by one rule.

    As BIDS has them (`2021-03-30`, ISO 8601, also `20210330`) first. With dots the day comes first. With slashes or
    hyphens the day or the month does: where one of the column's dates can be read in one order alone, all are read so;
    else they are left unread.

    Parameters
    ----------
    cells : Series of str
        None or NaN where missing.
    """
    text = cells.where(cells.notna(), None).map(lambda cell: str(cell).strip() if cell is not None else None)
    order = _order([cell for cell in text if cell])
    plain = text.map(lambda cell: _as_iso(cell, order) if cell else None)
    days = pd.to_datetime(plain.astype("string"), format="ISO8601", errors="coerce", utc=True).dt.normalize()
    unread = list(text.index[days.isna() & text.notna()])
    read = [label for label in text.index if text[label] and plain[label] not in (None, text[label])]
    changed = [str(text[label]) for label in read if not COMPACT.fullmatch(str(text[label]))]
    note = (
        f"{len(changed)} dates such as {changed[0]!r} read with the {order or 'day'} first" if changed else ""
    )
    return Dates(days, unread, note)


def _order(cells: list[str]) -> str:
    """Return what the first number of dates with slashes or hyphens is, `day` or `month`; empty where none decides."""
    found = [match for cell in cells if (match := SLASHED.fullmatch(cell))]
    first = any(int(match[1]) > MONTHS for match in found)
    second = any(int(match[3]) > MONTHS for match in found)
    return "" if first == second else "day" if first else "month"


def _as_iso(cell: str, order: str) -> str | None:
    """Return a date as BIDS has it, None where it could be two; what is no date of these kinds is left as it is."""
    if COMPACT.fullmatch(cell):
        return f"{cell[:4]}-{cell[4:6]}-{cell[6:]}"
    if match := DOTTED.fullmatch(cell):
        day, month, year = match[1], match[2], match[3]
    elif match := SLASHED.fullmatch(cell):
        if not order and match[1] != match[3]:
            return None
        day, month = (match[1], match[3]) if order == "day" else (match[3], match[1])
        year = match[4]
    else:
        return cell
    return f"{year}-{int(month):02d}-{int(day):02d}"

"""Days between a scan and what study A's criteria ask for, where a table holds dates."""

from __future__ import annotations

import pandas as pd

from bids_app.tables.dates import read_dates

SCAN = "acq_time"  # BIDS' name, in sessions.tsv
DATES = {
    "days_to_edss": "edss_date",
    "days_since_relapse": "relapse_date",
    "days_since_steroids": "steroids_date",
}


def add_days(visits: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Fill the columns of days from those of dates and the scan's `acq_time`; days that are given stay.

    Parameters
    ----------
    visits : DataFrame
        One row per visit; `edss_date`, `relapse_date`, `steroids_date` and `acq_time` as BIDS writes times.
    notes : list of str
        Gets the dates that cannot be read, which are missing then, and dates that are of no use as no scan has one.
    """
    dated = {name: date for name, date in DATES.items() if date in visits and visits[date].notna().any()}
    if not dated:
        return visits
    if SCAN not in visits or visits[SCAN].isna().all():
        notes.append(
            f"column {next(iter(dated.values()))} needs the date of the scan and was not used: add {SCAN} to "
            "sub-*_sessions.tsv or participants.tsv, or give days instead of dates"
        )
        return visits
    scan = _as_dates(visits, SCAN, notes)
    filled = visits.copy()
    for name, date in dated.items():
        days = (_as_dates(visits, date, notes) - scan).dt.days * (1 if name == "days_to_edss" else -1)
        filled[name] = visits[name].fillna(days) if name in visits else days
    return filled


def _as_dates(visits: pd.DataFrame, name: str, notes: list[str]) -> pd.Series:
    """Return whole days: a visit in the evening and a rating in the morning are of one day."""
    dates = read_dates(visits[name])
    if dates.note:
        notes.append(f"column {name}: {dates.note}")
    if dates.unread:
        notes.append(
            f"column {name}: {len(dates.unread)} cells such as {str(visits[name][dates.unread[0]])!r} are no dates "
            "such as 2021-03-30, year first, or could be two: taken as missing"
        )
    return dates.days

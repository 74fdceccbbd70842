"""When a visit's images were made, by the tables of a raw dataset."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from bids_app.tables.dates import read_dates
from bids_app.tables.match import match_ids, with_prefix
from bids_app.tables.text import plain, read_table
from bids_app.visit_name import SESSION, VisitName

SCANS = ("FLAIR", "T1w")  # whose time is the visit's, the first that has one


def visit_time(root: Path, name: VisitName) -> str | None:
    """Return `acq_time` of a visit as it is written: of its table of scans, else of the participant's of sessions.

    Parameters
    ----------
    root : Path
        The raw dataset.
    name : VisitName
        The visit.

    Raises
    ------
    InputError
        If a table is there and cannot be read.
    """
    scans = root / name.folder / f"{name.prefix}_scans.tsv"
    if scans.is_file() and (time := _scan_time(scans)):
        return time
    sessions = root / name.sessions_table
    if name.session is None or not sessions.is_file():
        return None
    cells = read_table(sessions).cells
    columns = {plain(str(column)): column for column in cells}
    if not {"sessionid", "acqtime"} <= columns.keys():
        return None
    rows = cells[[columns["sessionid"], columns["acqtime"]]].dropna().set_axis(["session", "time"], axis=1)
    known = rows["session"].map(lambda cell: with_prefix(cell, SESSION))
    assert name.session_id is not None
    same = match_ids(known.unique(), [name.session_id], SESSION)
    times = _one_order(rows["time"])[known.map(same.get).notna()]
    return str(times.iloc[0]) if len(times) else None


def _one_order(times: pd.Series) -> pd.Series:
    """Return dates as BIDS has them where all of a table tell how they are written, else as they are."""
    read = read_dates(times)
    return read.days.dt.strftime("%Y-%m-%d") if read.note and not read.unread else times


def _scan_time(path: Path) -> str | None:
    """Return when the FLAIR image, else the T1w image, was made, by a table of scans."""
    cells = read_table(path).cells
    known = {"filename": "filename", "acqtime": "acq_time"}
    cells = cells.rename(columns={header: known.get(plain(str(header)), header) for header in cells})
    if not {"filename", "acq_time"} <= set(cells):
        return None
    rows = cells.dropna(subset=["filename", "acq_time"])
    dates = _one_order(rows["acq_time"])
    for suffix in SCANS:
        times = rows.loc[rows["filename"].str.contains(rf"_{suffix}\.nii", regex=True), "acq_time"]
        if len(times):
            return str(dates[times.index[0]])
    return None


def days_between(earlier: str, later: str) -> int | None:
    """Return the days from one time to another, None where one is not a date as BIDS writes it."""
    times = read_dates(pd.Series([earlier, later])).days
    return None if times.isna().any() else int((times[1] - times[0]).days)

"""When a visit's images were made, by the tables of a raw dataset."""

from __future__ import annotations

from pathlib import Path

from bids_app.tables.match import with_prefix
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
    for session, time in cells[[columns["sessionid"], columns["acqtime"]]].dropna().itertuples(index=False):
        if with_prefix(session, SESSION) == name.session_id:
            return str(time)
    return None


def _scan_time(path: Path) -> str | None:
    """Return when the FLAIR image, else the T1w image, was made, by a table of scans."""
    cells = read_table(path).cells
    if not {"filename", "acq_time"} <= set(cells):
        return None
    rows = cells.dropna(subset=["filename", "acq_time"])
    for suffix in SCANS:
        times = rows.loc[rows["filename"].str.contains(rf"_{suffix}\.nii", regex=True), "acq_time"]
        if len(times):
            return str(times.iloc[0])
    return None


def days_between(earlier: str, later: str) -> int | None:
    """Return the days from one time to another, None where one is not a date as BIDS writes it."""
    import pandas as pd

    times = pd.to_datetime(
        pd.Series([earlier, later]), format="ISO8601", errors="coerce", utc=True
    ).dt.normalize()
    return None if times.isna().any() else int((times[1] - times[0]).days)

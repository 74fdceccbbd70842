"""Rows of tables joined to visits, and what stayed over on either side counted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bids_app.errors import InputError
from bids_app.tables import KEYS, People, match_ids
from bids_app.tables.times import visit_time
from bids_app.visit_name import PARTICIPANT, SESSION, VisitName

CHANGING = ("edss", "age", "disease_duration", "days_to_edss", "days_since_relapse", "days_since_steroids")


def join_people(visits: pd.DataFrame, people: People, notes: list[str], *, over: bool) -> pd.DataFrame:
    """Add a table's columns to the visits.

    A row of a session belongs to that visit and wins over what is known of the participant; a row of a participant
    holds for all visits and wins only if `over`.

    Parameters
    ----------
    visits : DataFrame
        participant_id, session_id and what is known already.
    people : People
        The table.
    notes : list of str
        Gets how many rows and visits stayed over.
    over : bool
        Whether rows of participants replace what is known.
    """
    table = people.values.copy()
    same = match_ids(table["participant_id"].unique(), visits["participant_id"].unique(), PARTICIPANT)
    _tell_close(same, people.name, notes)
    table["participant_id"] = table["participant_id"].map(same.get)
    if "session_id" not in people.keys:
        _tell_unknown(people, table, visits, notes)
        table = table[table["participant_id"].notna()]
        _tell_held(visits, table, people.name, notes)
        _tell_differing(visits, table, people.name, notes, over=over)
        return overlay(visits, table, KEYS[:1], over=over)
    of_session = table["session_id"].notna()
    alone = table[~of_session & table["participant_id"].notna()].drop(columns="session_id")
    rows = table[of_session].copy()
    rows["session_id"] = _sessions(rows, visits)
    lost = rows["participant_id"].isna() | rows["session_id"].isna()
    _tell_lost(people, of_session, lost, notes)
    visits = overlay(visits, alone, KEYS[:1], over=over) if len(alone) else visits
    rows = rows[~lost]
    of_sessions = _keyed(visits)[visits["session_id"].notna()]  # the others can have no row here
    without = of_sessions[~of_sessions.isin(_keyed(rows))]
    if len(rows) and len(without):
        notes.append(
            f"{people.name}: {len(without)} of {len(of_sessions)} visits have no row ({without.iloc[0]} ...)"
        )
    _tell_differing(visits, rows, people.name, notes, over=True)
    return overlay(visits, rows.drop_duplicates(list(KEYS)), KEYS, over=True)


def _keyed(table: pd.DataFrame) -> pd.Series:
    return table["participant_id"].astype(str) + "_" + table["session_id"].astype(str)


def _sessions(rows: pd.DataFrame, visits: pd.DataFrame) -> pd.Series:
    """Return the sessions of rows as the visits call them, None where there is none."""
    known = visits.dropna(subset=["session_id"]).groupby("participant_id")["session_id"].unique()
    found = rows["session_id"].copy()
    for person, some in rows.groupby("participant_id")["session_id"]:
        same = match_ids(some.unique(), known.get(person, []), SESSION)
        found.loc[some.index] = some.map(lambda one, same=same: same.get(one))
    return found


def _tell_close(same: dict[str, str], name: str, notes: list[str]) -> None:
    close = [(one, known) for one, known in same.items() if one != known]
    if close:
        notes.append(f"{name}: {len(close)} participants such as {close[0][0]} read as {close[0][1]}")


def _tell_lost(people: People, of_session: pd.Series, lost: pd.Series, notes: list[str]) -> None:
    if not lost.any():
        return
    first = people.values[of_session].loc[lost.index[lost][0]]
    notes.append(
        f"{people.name}: {int(lost.sum())} of {len(lost)} rows match no visit, such as {first['participant_id']} "
        f"{first['session_id']}"
    )


def _tell_unknown(people: People, table: pd.DataFrame, visits: pd.DataFrame, notes: list[str]) -> None:
    """Count rows of people without visits and people without a row; of participants.tsv the reader of cohorts does."""
    if people.name == "participants.tsv":
        return
    lost = people.values["participant_id"][table["participant_id"].isna()]
    if len(lost):
        notes.append(
            f"{people.name}: {len(lost)} of {len(table)} rows match no visit, such as {lost.iloc[0]}"
        )
    without = sorted(set(visits["participant_id"]) - set(table["participant_id"]))
    if without:
        notes.append(f"{people.name}: {len(without)} participants have no row ({without[0]} ...)")


def _tell_differing(
    visits: pd.DataFrame, table: pd.DataFrame, name: str, notes: list[str], *, over: bool
) -> None:
    """Tell of values that another table has otherwise; those of a session may differ from the participant's."""
    keys = [key for key in KEYS if key in table and (key != "session_id" or over)]
    both = visits.merge(table.drop_duplicates(keys), on=keys, how="inner", suffixes=("", " here"))
    for column in [one for one in table if f"{one} here" in both and not (over and one in CHANGING)]:
        first, second = both[column], both[f"{column} here"]
        differ = first.notna() & second.notna() & (first.astype(str) != second.astype(str))
        if differ.any():
            who = both.loc[differ, "participant_id"].iloc[0]
            used = "here" if over else "there"
            notes.append(
                f"{name}: column {column} differs from what another table has for {int(differ.sum())} visits, such as "
                f"{second[differ].iloc[0]} here and {first[differ].iloc[0]} there for {who}: the value {used} was used"
            )


def _tell_held(visits: pd.DataFrame, table: pd.DataFrame, name: str, notes: list[str]) -> None:
    """Tell that a value which changes over time is one for all visits of a participant."""
    several = visits["participant_id"].value_counts()
    people = table[table["participant_id"].isin(several.index[several > 1])]
    held = [column for column in CHANGING if column in people and people[column].notna().any()]
    if held:
        notes.append(
            f"{name}: one {', '.join(held)} for all visits of {len(people)} participants, where no table of sessions "
            "has the visit's own"
        )


def overlay(visits: pd.DataFrame, table: pd.DataFrame, keys: Sequence[str], *, over: bool) -> pd.DataFrame:
    """Join a table's columns to the visits; values known on both sides are the table's if `over`.

    Parameters
    ----------
    visits : DataFrame
        A row a visit.
    table : DataFrame
        Columns to join.
    keys : sequence of str
        Columns that both are joined by.
    over : bool
        Whether the table's values win where both have one.
    """
    known = visits[list(keys)].merge(table, on=list(keys), how="left", validate="many_to_one")
    joined = visits.copy()
    for name in known.columns.difference(list(KEYS), sort=False):
        new = known[name].set_axis(visits.index)
        if name in visits:
            first, second = (new, visits[name]) if over else (visits[name], new)
            new = first.where(first.notna(), second)
        joined[name] = new
    return joined


def with_scan_times(visits: pd.DataFrame, root: Path, notes: list[str]) -> pd.DataFrame:
    """Fill `acq_time` from `*_scans.tsv` where no table of people has it.

    Parameters
    ----------
    visits : DataFrame
        A row a visit: participant_id, session_id.
    root : Path
        The raw dataset.
    notes : list of str
        Notes are appended to it.
    """
    times: dict[int, str] = {}
    known = visits["acq_time"] if "acq_time" in visits else pd.Series(None, index=visits.index, dtype=object)
    for place in visits.index[known.isna()]:
        name = VisitName.from_ids(visits.loc[place, "participant_id"], visits.loc[place, "session_id"])
        try:
            time = visit_time(root, name)
        except InputError as error:
            notes.append(f"{error}; the table was left out")
            continue
        if time:
            times[place] = time
    if not times:
        return visits
    return visits.assign(acq_time=known.astype(object).fillna(pd.Series(times)))

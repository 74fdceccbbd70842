"""Ratings of visits by people who looked at the reports: which ones may be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bids_app.errors import InputError
from bids_app.tables.match import PREFIXES, match_ids, with_prefix
from bids_app.tables.notes import Notes
from bids_app.tables.text import plain, read_table
from bids_app.visit_name import PARTICIPANT, SESSION, VisitName

ACCEPT, LOOK, EXCLUDE = "accept", "look again", "exclude"
RATINGS = (ACCEPT, LOOK, EXCLUDE)
ARTEFACTS = (
    "motion",
    "noise",
    "ghosts or ringing",
    "stripes or missing slices",
    "field of view cut",
    "wrong or other contrast",
    "brain mask",
    "registration",
    "lesion mask",
    "other disease or surgery",
)
RATING_COLUMNS = ("participant_id", "session_id", "rating", "artefacts", "comment", "rater", "date")


@dataclass(frozen=True)
class Ratings:
    """What a table of ratings says of visits.

    Attributes
    ----------
    excluded : DataFrame
        visit, reason (artefacts and comment): one row per visit that is to be left out.
    again : list of str
        Visits to look at again, which stay in.
    notes : list of str
        What was noticed in the table.
    """

    excluded: pd.DataFrame
    again: list[str]
    notes: list[str]


def read_ratings(path: Path, visits: Sequence[VisitName]) -> Ratings:
    """Read a table of ratings, as the reports save it or as people write it.

    A line without a session holds for all sessions of the participant. A visit with several lines is left out if one
    of them says so. Without a column `rating` every visit listed is left out.

    Parameters
    ----------
    path : Path
        Table with participant_id (or visit, e.g. `sub-01_ses-1`), session_id, rating (accept, look again, exclude),
        artefacts and comment.
    visits : sequence of VisitName
        Visits that may be meant.

    Raises
    ------
    InputError
        If it cannot be read, names no visits, or no line is of one of these visits.
    """
    table = read_table(path)
    cells, notes = _named(path, table.cells), table.notes
    if cells.empty:
        raise InputError(f"{path}: has no lines; give one for each visit to leave out")
    meant = _visits(cells, visits, notes)
    if not any(meant.values()):
        raise InputError(
            f"{path}: none of its {len(cells)} lines is of a visit here ({visits[0]} ...); "
            "column participant_id needs the visits' names"
        )
    reasons, again = dict[str, dict[str, None]](), dict[str, None]()
    for line, cell in cells.iterrows():
        rating = _rating(cell, line, notes) if "rating" in cells else EXCLUDE
        for visit in meant[line]:
            if rating == EXCLUDE:
                reasons.setdefault(visit, {})[_reason(cell)] = None
            elif rating == LOOK:
                again[visit] = None
    excluded = pd.DataFrame(
        [(visit, "; ".join(some)) for visit, some in reasons.items()], columns=["visit", "reason"]
    )
    return Ratings(excluded, [visit for visit in again if visit not in reasons], notes.lines())


def _named(path: Path, cells: pd.DataFrame) -> pd.DataFrame:
    """Return the cells with the columns' names as `RATING_COLUMNS` spells them.

    Raises
    ------
    InputError
        If none says which visit is meant.
    """
    known = {plain(name): name for name in (*RATING_COLUMNS, "visit")}
    named = cells.rename(
        columns={header: known[plain(str(header))] for header in cells if plain(str(header)) in known}
    )
    named = named.loc[:, ~named.columns.duplicated()]
    if not {"visit", "participant_id"} & set(named):
        has = ", ".join(map(str, cells.columns))
        raise InputError(f"{path}: column participant_id (or visit) is missing; it has {has}")
    return named


def _visits(cells: pd.DataFrame, visits: Sequence[VisitName], notes: Notes) -> dict[object, list[str]]:
    """Return the visits that each line means, by the line's number."""
    named_visits: dict[object, VisitName] = {}
    for line, cell in cells.iterrows():
        try:
            named_visits[line] = _name(cell)
        except ValueError:
            notes.say(f"line {line} names no visit: left out")
    people = match_ids(
        {name.participant_id for name in named_visits.values()},
        {name.participant_id for name in visits},
        PARTICIPANT,
    )
    found: dict[object, list[str]] = {line: [] for line in cells.index}
    lost = []
    for line, name in named_visits.items():
        mine = [visit for visit in visits if visit.participant_id == people.get(name.participant_id)]
        if name.session_id:
            sessions = match_ids({name.session_id}, {v.session_id for v in mine if v.session_id}, SESSION)
            mine = [visit for visit in mine if visit.session_id == sessions.get(name.session_id, "")]
        found[line] = [visit.prefix for visit in mine]
        lost += [] if mine else [name.prefix]
    if lost:
        notes.say(f"{len(lost)} of {len(cells)} lines are of no visit here, such as {lost[0]}")
    return found


def _name(cell: pd.Series) -> VisitName:
    """Return the visit that a line names.

    Raises
    ------
    ValueError
        If it names none.
    """
    visit, person, session = (cell.get(name) for name in ("visit", "participant_id", "session_id"))
    if isinstance(visit, str):
        return VisitName.parse(with_prefix(visit, PREFIXES["participant_id"]))
    if not isinstance(person, str):
        raise ValueError("no name")
    return VisitName.from_ids(with_prefix(person, PREFIXES["participant_id"]), session)


def _rating(cell: pd.Series, line: object, notes: Notes) -> str:
    """Return a line's rating; one that cannot be read asks for a look, and is told."""
    value = cell["rating"]
    if not isinstance(value, str):
        return ACCEPT
    spelt = {plain(rating): rating for rating in RATINGS} | {
        "look": LOOK,
        "excluded": EXCLUDE,
        "accepted": ACCEPT,
    }
    if plain(value) not in spelt:
        notes.cell("rating", f"is none of {', '.join(RATINGS)}: the visit stays in", line, value)
        return LOOK
    return spelt[plain(value)]


def _reason(cell: pd.Series) -> str:
    """Return why a visit is left out, in the rater's words."""
    parts = [cell.get(name) for name in ("artefacts", "comment")]
    return ": ".join(part for part in parts if isinstance(part, str)) or "no reason given"

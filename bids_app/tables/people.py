"""A table of people or visits in the form that the rest of Demyelin reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bids_app.errors import InputError
from bids_app.tables.columns import ALL, KEYS, NUMBERS, OTHER_NAMES, OTHERS, TEXTS
from bids_app.tables.match import PREFIXES, with_prefix
from bids_app.tables.notes import Notes
from bids_app.tables.text import agree, plain, read_table
from bids_app.tables.values import NAME_UNIT, as_found, as_numbers, as_texts, check_together, unit_of

WHOSE = re.compile(r"participant|subject|^subj?(?![a-z])|patient|id$|code$", re.IGNORECASE)


@dataclass(frozen=True)
class People:
    """A table with a row for each participant or visit.

    Attributes
    ----------
    path : Path
        The file.
    keys : tuple of str
        `participant_id`, and `session_id` where the table has it: what makes a row.
    values : DataFrame
        The keys (with `sub-` and `ses-`), then the columns, those that Demyelin knows under its names and in standard
        form: numbers as floats in its units, `sex` M or F, `disease_course` RR, SP, PP, CIS, RIS or as written,
        `diagnosis` and `site` in one spelling; missing values are NaN or None.
    notes : list of str
        What was changed, in counts, and what is doubtful, by line and column.
    name : str
        What notes call the table.
    """

    path: Path
    keys: tuple[str, ...]
    values: pd.DataFrame
    notes: list[str]
    name: str = ""


def read_people(path: Path, *, columns: Mapping[str, str] | None = None, name: str | None = None) -> People:
    """Read `participants.tsv` or a table of phenotypes.

    Parameters
    ----------
    path : Path
        The table; a JSON file beside it tells `Units` and `Levels`.
    columns : mapping of str to str, optional
        Own column names by Demyelin's; one that the table lacks is the caller's business.
    name : str, optional
        What notes call the table; by default the file's name.

    Raises
    ------
    InputError
        If it cannot be read, or has no column `participant_id`.
    """
    table = read_table(path, name)
    return _people(path, table.cells, table.notes, columns or {}, _about([path.with_suffix(".json")]))


def read_sessions(
    tables: Mapping[str, Path], *, columns: Mapping[str, str] | None = None
) -> tuple[People | None, list[str]]:
    """Read the tables of sessions of participants as one; one that cannot be read costs itself alone.

    Parameters
    ----------
    tables : mapping of str to Path
        `sub-01_sessions.tsv` by participant, `sub-01`.
    columns : mapping of str to str, optional
        As for `read_people`.

    Returns
    -------
    people : People or None
        None where no table could be read.
    refused : list of str
        What is wrong with those that could not.
    """
    notes, parts, refused, headers = Notes("sub-*_sessions.tsv"), [], [], dict(columns or {})
    headers.pop("participant_id", None)
    for participant, path in tables.items():
        try:
            table = read_table(path)
            if "session_id" not in _named(table.cells, headers, Notes(""))[0]:
                raise InputError(f"{path}: column session_id is missing")
        except InputError as error:
            refused.append(f"{error}; the table was left out")
            continue
        notes.take(table.notes)
        cells = table.cells.set_axis([f"{path.name} {line}" for line in table.cells.index])
        named = [column for column in cells if _known_as(str(column)) == "participant_id"]
        parts.append(cells.drop(columns=named).assign(participant_id=participant))
    if not parts:
        return None, refused
    roots = dict.fromkeys(path.parent.parent for path in tables.values())
    places = [
        *(root / "sessions.json" for root in roots),
        *(path.with_suffix(".json") for path in tables.values()),
    ]
    joined = pd.concat(parts).astype(object)
    joined = joined.where(joined.notna(), None)
    return _people(next(iter(tables.values())), joined, notes, headers, _about(places)), refused


def _people(
    path: Path,
    found: pd.DataFrame,
    notes: Notes,
    columns: Mapping[str, str],
    about: Mapping[str, Mapping[str, Any]],
) -> People:
    """Give the cells of a table their standard form."""
    cells, headers = _named(found, columns, notes)
    cells = _split_visits(cells, notes)
    keys = tuple(key for key in KEYS if key in cells)
    if "participant_id" not in keys:
        raise InputError(
            f"{path}: column participant_id is missing; it has {', '.join(map(str, found.columns))}"
            + _hint([str(name) for name in found.columns])
        )
    cells = _with_keys(cells, keys, notes)
    values = pd.DataFrame({key: cells[key] for key in keys}, index=cells.index)
    for column in [str(column) for column in cells if column not in keys]:
        said = next(
            (
                about[name]
                for name in (columns.get(column), *headers.get(column, ()), column)
                if name in about
            ),
            {},
        )
        if unit := unit_of(next(iter(headers.get(column, ())), column), column):
            said = {NAME_UNIT: unit, **said}
        values[column] = _standard(column, cells[column], said, notes)
    check_together(values, notes)
    return People(path, keys, _one_row_each(values, keys, notes), notes.lines(), notes.name)


def _named(
    found: pd.DataFrame, columns: Mapping[str, str], notes: Notes
) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """Return the cells with Demyelin's names of columns, and the table's own names by these.

    Those mapped come first, then those that differ in case alone or have a unit in brackets, then other names.
    """
    by_plain = {plain(str(header)): str(header) for header in reversed(found.columns)}
    chosen = {
        name: header if header in found else by_plain.get(plain(header)) for name, header in columns.items()
    }
    taken = {name: found[header] for name, header in chosen.items() if header is not None}
    hidden = {plain(name) for name in columns}  # a column of that name is not what was asked for
    rest = [
        str(header)
        for header in found
        if plain(str(header)) not in hidden and (str(header) in taken or header not in chosen.values())
    ]
    groups: dict[str, list[str]] = {}
    for header in rest:
        groups.setdefault(_known_as(header), []).append(header)
    for header in rest:
        name = OTHER_NAMES.get(plain(header))
        if name and name not in groups and name not in taken and header in groups:
            groups[name] = groups.pop(header)
    named = {}
    for name, some in groups.items():
        named[name] = agree(found[some], name, notes) if len(some) > 1 else found[some[0]]
        if some != [name]:
            notes.say(f"column {', '.join(some)}: read as {name}")
    mapped = {name: [header] for name, header in chosen.items() if header is not None}
    return pd.DataFrame(named | taken, index=found.index, dtype=object), groups | mapped


def _hint(names: Sequence[str]) -> str:
    """Return what to do about a table that does not say whose its rows are."""
    if len(names) == 1:
        return "; separate the columns by tabs"
    meant = next((name for name in names if WHOSE.search(name)), None)
    return f"; if it is {meant}, rename that or give --columns participant_id={meant}" if meant else ""


def _known_as(header: str) -> str:
    """Return Demyelin's name of a column that differs in case, blanks or a unit in brackets alone, else its own."""
    known = {plain(name): name for name in ALL}
    return known.get(plain(header)) or known.get(plain(re.sub(r"[(\[].*[)\]]\s*$", "", header))) or header


def _split_visits(cells: pd.DataFrame, notes: Notes) -> pd.DataFrame:
    """Return cells with a column session_id where participant_id holds visits, `sub-01_ses-1`."""
    if "session_id" in cells or "participant_id" not in cells:
        return cells
    parts = cells["participant_id"].astype("string").str.extract(r"^(.*?)_(ses-[0-9A-Za-z+]+)$")
    of_visit = parts[1].notna()
    if not of_visit.any():
        return cells
    notes.say(f"{int(of_visit.sum())} rows have a visit as participant_id: read as participant and session")
    people = cells["participant_id"].where(~of_visit, parts[0].astype(object))
    return cells.assign(participant_id=people, session_id=parts[1].astype(object).where(of_visit, None))


def _with_keys(cells: pd.DataFrame, keys: Sequence[str], notes: Notes) -> pd.DataFrame:
    """Return the rows that say whose they are, their identifiers with prefix."""
    cells = cells.copy()
    without = cells.index[cells["participant_id"].isna()]
    if len(without):
        notes.say(f"{len(without)} rows have no participant_id (line {without[0]} ...): left out")
        cells = cells.drop(index=without)
    for key in keys:
        full = cells[key].map(
            lambda cell, key=key: with_prefix(cell, PREFIXES[key]) if isinstance(cell, str) else None
        )
        changed = cells.index[cells[key].notna() & (full != cells[key])]
        if len(changed):
            first = cells[key][changed[0]]
            notes.say(f"{len(changed)} rows have {key} such as {first!r}: read as {full[changed[0]]}")
        cells[key] = full
    return cells


def _standard(column: str, cells: pd.Series, about: Mapping[str, Any], notes: Notes) -> pd.Series:
    if column in NUMBERS:
        return as_numbers(column, cells, about, notes)
    if column in TEXTS:
        return as_texts(column, cells, about, notes)
    return cells if column in OTHERS else as_found(column, cells, notes)  # 20210330 is a date


def _about(places: Iterable[Path]) -> dict[str, Mapping[str, Any]]:
    """Return what JSON files say of a table's columns, by the columns' names and by Demyelin's; later ones win."""
    known = {plain(name): name for name in ALL}
    said: dict[str, Mapping[str, Any]] = {}
    for place in places:
        try:
            content = json.loads(place.read_text(encoding="utf-8-sig", errors="replace"))
        except (OSError, ValueError, RecursionError):
            continue
        for column, about in content.items() if isinstance(content, dict) else ():
            if isinstance(about, dict):
                said[str(column)] = said[known.get(plain(column), str(column))] = about
    return said


def _one_row_each(values: pd.DataFrame, keys: Sequence[str], notes: Notes) -> pd.DataFrame:
    """Return one row a participant or visit: of several, what they agree in; the rest is missing, and named."""
    doubled = values.duplicated(list(keys), keep=False)
    if not doubled.any():
        return values.reset_index(drop=True)
    rows = [values[~doubled]]
    for key, group in values[doubled].groupby(list(keys), dropna=False, sort=False):
        merged = group.iloc[[0]].copy()
        who = " ".join(str(part) for part in (key if isinstance(key, tuple) else (key,)) if part is not None)
        differing = []
        for column in [column for column in values if column not in keys]:
            known = group[column].dropna().unique()
            merged[column] = known[0] if len(known) == 1 else None
            differing += [str(column)] if len(known) > 1 else []
        lines = ", ".join(str(line) for line in group.index)
        what = (
            f"differ in {', '.join(differing)}, which is taken as missing" if differing else "agree: made one"
        )
        notes.say(f"{who} has {len(group)} rows (lines {lines}): they {what}")
        rows.append(merged)
    joined = pd.concat([part.astype(object) for part in rows]).sort_index()
    return joined.astype(dict(values.dtypes)).reset_index(drop=True)

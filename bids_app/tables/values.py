"""Cells of known columns in their standard form, each change and each doubt noted."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd

from bids_app.tables.columns import (
    CODES,
    COURSES,
    DAYS_IN,
    DIAGNOSES,
    EDSS_SCALE,
    NUMBERS,
    QUALIFIER,
    SEXES,
    UNIT_WORDS,
)
from bids_app.tables.notes import Notes
from bids_app.tables.text import MISSING, plain

WORDS = MISSING | {
    "none",
    "null",
    "nil",
    "missing",
    "unknown",
    "not known",
    "nd",
}  # in columns that are known

PLAIN_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
COMMA_NUMBER = re.compile(r"[+-]?\d+,\d+")
AND_MORE = re.compile(r"(\d+)\s*\+")  # 89+: how BIDS writes ages above 89
SAYS_MISSING = "says that it is not known: taken as missing"
UNREAD = "is not a number: taken as missing"

About = Mapping[str, Any]  # a column's entry in the table's JSON file


def as_numbers(name: str, cells: pd.Series, about: About, notes: Notes) -> pd.Series:
    """Return a known column of numbers as floats, in Demyelin's unit.

    Parameters
    ----------
    name : str
        Key of `columns.NUMBERS`.
    cells : Series of str, index line number
        None where missing.
    about : mapping
        `Units` and `Levels` of the column, where the table's JSON file has them.
    notes : Notes
        Gets the changes and doubts.
    """
    kind, levels = NUMBERS[name], _levels(about)
    factor, told = _factor(kind.unit, about)
    values: dict[Any, float] = {}
    for line, cell in cells.items():
        values[line] = math.nan
        if not isinstance(cell, str):
            continue
        if levels.get(cell, cell).casefold() in WORDS:
            notes.cell(name, SAYS_MISSING, line, cell)
            continue
        number = _number(name, cell, line, notes)
        if number is None:
            continue
        number *= factor
        if number in CODES:
            notes.cell(name, "is a code for what is missing: taken as missing", line, cell)
        elif name == "edss" and number not in EDSS_SCALE:
            notes.cell(name, "is not on the scale (0, 1 to 10 by halves): taken as missing", line, cell)
        elif not kind.low <= number <= kind.high:
            unit = f" {kind.unit}" if kind.unit else ""
            hint = " (Units in the JSON file tell others)" if kind.unit and not told else ""
            what = f"is outside {kind.low:g} to {kind.high:g}{unit}{hint}: taken as missing"
            notes.cell(name, what, line, cell)
        else:
            values[line] = number
    if told and any(not math.isnan(value) for value in values.values()):
        notes.say(f"column {name}: in {told} by its Units, turned into {kind.unit}")
    return pd.Series(values, index=cells.index, dtype=float, name=name)


def _factor(unit: str, about: About) -> tuple[float, str]:
    """Return by what values are multiplied to be in Demyelin's unit, and the table's own unit where it is another."""
    said = plain(str(about.get("Units", "")))
    found = UNIT_WORDS.get(said)
    own = UNIT_WORDS.get(unit)
    if found is None or own is None or found == own:
        return 1.0, ""
    return DAYS_IN[found] / DAYS_IN[own], found + "s"


def _number(name: str, cell: str, line: object, notes: Notes) -> float | None:
    if PLAIN_NUMBER.fullmatch(cell):
        number = float(cell)
        return number if math.isfinite(number) else None
    if COMMA_NUMBER.fullmatch(cell):
        notes.cell(name, "has a decimal comma: read as a point", line, cell)
        return float(cell.replace(",", "."))
    if name == "age" and (found := AND_MORE.fullmatch(cell)):
        return float(found[1])
    notes.cell(name, UNREAD, line, cell)
    return None


def check_together(table: pd.DataFrame, notes: Notes) -> None:
    """Take what cannot be of one person as missing, in place: a disease longer than a life, an onset after the scan."""
    for name, what in (("disease_duration", "longer than"), ("onset_age", "after")):
        if name in table and "age" in table:
            wrong = table[name] > table["age"]
            for line in table.index[wrong]:
                told = f"is {what} the age, {table.loc[line, 'age']:g}: taken as missing"
                notes.cell(name, told, line, f"{table.loc[line, name]:g}")
            table.loc[wrong, name] = math.nan


def as_texts(name: str, cells: pd.Series, about: About, notes: Notes) -> pd.Series:
    """Return a known column of words in their standard form.

    `sex` becomes M or F, else missing; `disease_course` RR, SP, PP, CIS or RIS where it says one of these without
    doubt, else it stays as written; `diagnosis` and `site` lose differences of case and blanks alone. Codes are
    words by the `Levels` of the table's JSON file.
    """
    levels = _levels(about)
    codes = {
        cell: levels[cell] for cell in cells.dropna().unique() if cell in levels and _is_code(name, cell)
    }
    decoded = cells.map(lambda cell: codes.get(cell, cell) if isinstance(cell, str) else None)
    if (used := sorted(codes)) and name != "site":
        notes.say(f"column {name}: {', '.join(used)} read by its Levels")
    decoded = decoded if name != "site" else cells
    gone = decoded.map(lambda cell: isinstance(cell, str) and cell.casefold() in WORDS)
    notes.cells(name, SAYS_MISSING, [(line, str(cells[line])) for line in cells.index[gone.astype(bool)]])
    decoded = decoded.where(~gone.astype(bool), None)
    if name == "sex":
        return _sexes(decoded, notes)
    if name == "disease_course":
        return _courses(decoded, notes)
    return _spellings(name, decoded, DIAGNOSES if name == "diagnosis" else (), notes)


def _is_code(name: str, cell: str) -> bool:
    """Whether a cell means nothing by itself; `MS` and `F` do, whatever longer words the Levels have for them."""
    if name == "sex":
        return cell.casefold().strip(" .") not in SEXES
    if name == "disease_course":
        return plain(cell) not in COURSES
    return not any(letter.isalpha() for letter in cell)


def _levels(about: About) -> dict[str, str]:
    """Return the words of a column's codes: a level is a text, or an object with a description."""
    levels = about.get("Levels")
    found = {}
    for code, level in levels.items() if isinstance(levels, dict) else ():
        word = level.get("Description", level.get("LongName")) if isinstance(level, dict) else level
        if isinstance(word, str):
            found[str(code).strip()] = " ".join(word.split())
    return found


def _sexes(cells: pd.Series, notes: Notes) -> pd.Series:
    values: dict[Any, str | None] = {}
    for line, cell in cells.items():
        values[line] = None
        if not isinstance(cell, str):
            continue
        values[line] = SEXES.get(cell.casefold().strip(" ."))
        if values[line] is None:
            coded = (
                " a code without Levels in the JSON file"
                if cell.replace(".", "").isdigit()
                else " neither M nor F"
            )
            notes.cell("sex", f"is{coded}: taken as missing", line, cell)
        elif cell != values[line]:
            notes.cell("sex", "read as M or F", line, cell)
    return pd.Series(values, index=cells.index, dtype=object, name="sex")


def _courses(cells: pd.Series, notes: Notes) -> pd.Series:
    values: dict[Any, str | None] = {}
    for line, cell in cells.items():
        values[line] = None
        if not isinstance(cell, str):
            continue
        course = COURSES.get(plain(QUALIFIER.sub("", cell)))
        values[line] = course or cell
        if course is None:
            notes.cell("disease_course", "is not one course known: left as written", line, cell)
        elif plain(cell) not in COURSES:
            notes.cell("disease_course", f"read as {course}", line, cell)
    return pd.Series(values, index=cells.index, dtype=object, name="disease_course")


def _spellings(name: str, cells: pd.Series, standard: tuple[str, ...], notes: Notes) -> pd.Series:
    """Return words that differ in case and blanks alone in one spelling: the standard one, else the most frequent."""
    known = {word.casefold(): word for word in standard}
    counts = Counter(cell for cell in cells if isinstance(cell, str))
    for cell, _ in sorted(counts.items(), key=lambda one: (-one[1], one[0])):
        known.setdefault(_folded(cell), cell)
    values = cells.map(lambda cell: known[_folded(cell)] if isinstance(cell, str) else None)
    changed = cells.index[cells.notna() & (values != cells)]
    notes.cells(name, "differ in spelling alone: made one", [(line, str(cells[line])) for line in changed])
    return values.astype(object)


def _folded(word: str) -> str:
    """Return a word without case and blanks; a whole number as pandas and Excel may have left it, 1.0, is 1."""
    return re.sub(r"^(\d+)\.0+$", r"\1", "".join(word.split()).casefold())


def as_found(cells: pd.Series) -> pd.Series:
    """Return an unknown column: as numbers where all cells are, without leading zeros; else as text."""
    known = [cell for cell in cells if isinstance(cell, str)]
    if known and all(PLAIN_NUMBER.fullmatch(cell) and not re.match(r"[+-]?0\d", cell) for cell in known):
        return pd.to_numeric(cells).astype(float)
    return cells

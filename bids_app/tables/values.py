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
    DENIED,
    DIAGNOSES,
    EDSS_SCALE,
    IN_FULL,
    LEAST_CAP,
    NUMBERS,
    QUALIFIER,
    SEXES,
    SUSPECT,
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
AND_MORE = re.compile(  # 89+, >89: how ages above 89 are published
    r"(?:(?:>=?|≥)\s*(\d+)|(\d+)\s*(?:\+|(?:years )?(?:or|and) (?:older|more|over|above)))", re.IGNORECASE
)
WITH_UNIT = re.compile(r"(\d+(?:[.,]\d+)?)\s*([^\W\d_]+(?: old)?)\.?")
DICOM_AGE = re.compile(r"(\d{3})([DWMY])")  # DICOM's age string
IN_UNIT = re.compile(r"\b(?:in|\() ?(days|weeks|months|years)\b", re.IGNORECASE)
SAYS_MISSING = "says that it is not known: taken as missing"
UNREAD = "is not a number: taken as missing"
NAME_UNIT = "unit in its name"  # key beside Units and Description, from `unit_of`
MAY_BE_CODE = "may be a code for what is missing: left as it is"

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
    factor, source_unit = _factor(name, about, notes)
    values: dict[Any, float] = {}
    for line, cell in cells.items():
        values[line] = math.nan
        if not isinstance(cell, str):
            continue
        if (level_of(cell, levels) or cell).casefold() in WORDS:
            notes.cell(name, SAYS_MISSING, line, cell)
            continue
        number = _number(name, cell, factor, line, notes)
        if number is None:
            continue
        if number in CODES:
            notes.cell(name, "is a code for what is missing: taken as missing", line, cell)
        elif name == "edss" and number not in EDSS_SCALE:
            notes.cell(name, "is not on the scale (0, 1 to 10 by halves): taken as missing", line, cell)
        elif not kind.low <= number <= kind.high:
            unit = f" {kind.unit}" if kind.unit else ""
            hint = " (Units in the JSON file tell others)" if kind.unit and not source_unit else ""
            what = f"is outside {kind.low:g} to {kind.high:g}{unit}{hint}: taken as missing"
            notes.cell(name, what, line, cell)
        else:
            values[line] = number
            if number in SUSPECT or (name == "age" and number == 0):
                notes.cell(name, MAY_BE_CODE, line, cell)
    if source_unit and any(not math.isnan(value) for value in values.values()):
        notes.say(f"column {name}: in {source_unit}, turned into {kind.unit}")
    return pd.Series(values, index=cells.index, dtype=float, name=name)


def unit_of(header: str, name: str) -> str:
    """Return the unit that a column's own name tells, as `Age (months)` and `duration_months`; empty for none."""
    if name not in NUMBERS or plain(header) == plain(name):
        return ""
    words = [word.casefold() for word in re.findall(r"[^\W\d_]+", header)]
    units = {
        UNIT_WORDS[word] for word in words if word in UNIT_WORDS and (len(word) > 1 or word == words[-1])
    }
    return units.pop() if len(units) == 1 and len(words) > 1 else ""


def _factor(name: str, about: About, notes: Notes) -> tuple[float, str]:
    """Return by what values are multiplied to be in Demyelin's unit, and what tells that they are in another."""
    unit, said = NUMBERS[name].unit, str(about.get("Units", "")).strip()
    standard = UNIT_WORDS.get(unit)
    if standard is None:
        return 1.0, ""
    in_words = IN_UNIT.search(str(about.get("Description", "")))
    named = str(about.get(NAME_UNIT, ""))
    found = UNIT_WORDS.get(plain(said or (in_words[1] if in_words else named)))
    if said and said.casefold() not in WORDS and found is None:
        notes.say(f"column {name}: its Units {said!r} are none known: taken as {unit}")
    if found is None or found == standard:
        return 1.0, ""
    return DAYS_IN[found] / DAYS_IN[
        standard
    ], f"{found}s by its {'Units' if said else 'Description' if in_words else 'name'}"


def _number(name: str, cell: str, factor: float, line: object, notes: Notes) -> float | None:
    """Return a cell in Demyelin's unit; `factor` turns the column's unit into that."""
    if PLAIN_NUMBER.fullmatch(cell) and math.isfinite(number := float(cell)):
        return number * factor
    if COMMA_NUMBER.fullmatch(cell):
        notes.cell(name, "has a decimal comma: read as a point", line, cell)
        return float(cell.replace(",", ".")) * factor
    standard = UNIT_WORDS.get(NUMBERS[name].unit)
    found = DICOM_AGE.fullmatch(cell) or WITH_UNIT.fullmatch(cell)
    if standard and found and (unit := UNIT_WORDS.get(_unit_word(found[2], found.re is DICOM_AGE))):
        notes.cell(name, f"has its unit: turned into {NUMBERS[name].unit}", line, cell)
        return float(found[1].replace(",", ".")) * DAYS_IN[unit] / DAYS_IN[standard]
    if name == "age" and (more := AND_MORE.fullmatch(cell)):
        least = float(more[1] or more[2]) * factor
        if least >= LEAST_CAP:
            notes.cell(name, "is a class of the oldest: read as its lower bound", line, cell)
            return least
    notes.cell(name, UNREAD, line, cell)
    return None


def _unit_word(text: str, dicom: bool) -> str:
    return {"D": "d", "W": "w", "M": "month", "Y": "y"}[text] if dicom else plain(text)


def check_together(table: pd.DataFrame, notes: Notes) -> None:
    """Take what cannot be of one person as missing, in place: a disease longer than a life, an onset after the scan."""
    for name, what in (("disease_duration", "longer than"), ("onset_age", "after")):
        if name in table and "age" in table:
            wrong = table[name] > table["age"]
            for line in table.index[wrong]:
                fault = f"is {what} the age, {table.loc[line, 'age']:g}: taken as missing"
                notes.cell(name, fault, line, f"{table.loc[line, name]:g}")
            table.loc[wrong, name] = math.nan


def as_texts(name: str, cells: pd.Series, about: About, notes: Notes) -> pd.Series:
    """Return a known column of words in their standard form.

    `sex` becomes M or F, else missing; `disease_course` RR, SP, PP, CIS or RIS where it says one of these without
    doubt, else it stays as written; `diagnosis` and `site` lose differences of case and blanks alone. Codes are
    words by the `Levels` of the table's JSON file.

    Parameters
    ----------
    name : str
        Of the column.
    cells : Series of str, (n,)
        As written.
    about : mapping
        The column's entry in the table's JSON file.
    notes : Notes
        Takes what is doubtful.
    """
    levels = _levels(about)
    codes = {
        cell: level
        for cell in cells.dropna().unique()
        if (level := level_of(cell, levels)) is not None and _is_code(name, cell, level)
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


def _is_code(name: str, cell: str, level: str) -> bool:
    """Tell whether a cell's level says more than the cell: `MS` and `F` say enough, an M that is a mujer does not."""
    if name == "sex":
        sex, said = _sex_of(cell), _sex_of(level)
        return sex is None or said not in (None, sex)
    if name == "disease_course":
        course, said = COURSES.get(plain(cell)), COURSES.get(plain(level))
        return course is None or said not in (None, course)
    return not any(letter.isalpha() for letter in cell)


def _levels(about: About) -> dict[str, str]:
    """Return the words of a column's codes: a level is a text, or an object with a description.

    Levels the wrong way round, `{"male": 1}`, are turned.
    """
    levels = about.get("Levels")
    found = {}
    for code, level in levels.items() if isinstance(levels, dict) else ():
        word = level.get("Description", level.get("LongName")) if isinstance(level, dict) else level
        if PLAIN_NUMBER.fullmatch(str(word).strip()):
            found[str(word).strip()] = " ".join(str(code).split())
        elif isinstance(word, str):
            found[str(code).strip()] = " ".join(word.split())
    return found


def level_of(cell: str, levels: Mapping[str, str]) -> str | None:
    """Return the words of a code; 1 is also 1.0 and 01, and f also F, where there is but one such."""
    if cell in levels:
        return levels[cell]

    def same(code: str) -> bool:
        if PLAIN_NUMBER.fullmatch(code) and PLAIN_NUMBER.fullmatch(cell):
            return float(code) == float(cell)
        return code.casefold() == cell.casefold()

    found = [word for code, word in levels.items() if same(code)]
    return found[0] if len(found) == 1 else None


def _sex_of(text: str) -> str | None:
    """Return the sex that a word means, or the one that a text names alone; None where there is doubt."""
    folded = text.casefold().strip(" .")
    if folded in SEXES:
        return SEXES[folded]
    words = re.findall(r"[^\W\d_]+", folded)
    named = {SEXES[word] for word in words if word in SEXES and len(word) > 2}
    return named.pop() if len(named) == 1 and not DENIED & set(words) else None


def _sexes(cells: pd.Series, notes: Notes) -> pd.Series:
    values: dict[Any, str | None] = {}
    letters = {cell.casefold() for cell in cells if isinstance(cell, str)}
    doubtful = {"h", "m"} <= letters and not {
        "f",
        "w",
    } & letters  # hombre and mujer, or hommes and a misprint
    for line, cell in cells.items():
        values[line] = None
        if not isinstance(cell, str):
            continue
        values[line] = _sex_of(cell)
        if doubtful and cell.casefold() == "m":
            values[line] = None
            notes.cell("sex", "may be male or mujer beside H, without Levels: taken as missing", line, cell)
        elif values[line] is None:
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
    if name == "diagnosis":
        unsure = cells.map(lambda cell: isinstance(cell, str) and cell.endswith("?")).astype(bool)
        unsure_cells = [(line, str(cells[line])) for line in cells.index[unsure]]
        notes.cells(name, "is not sure: taken as missing", unsure_cells)
        cells = cells.where(~unsure, None)
        present = {_folded(cell) for cell in cells if isinstance(cell, str)}
        known |= {full: word for full, word in IN_FULL.items() if word.casefold() in present}
    counts = Counter(cell for cell in cells if isinstance(cell, str))
    for cell, _ in sorted(counts.items(), key=lambda one: (-one[1], one[0])):
        known.setdefault(_folded(cell), cell)
    values = cells.map(lambda cell: known[_folded(cell)] if isinstance(cell, str) else None)
    changed = cells.index[cells.notna() & (values != cells)]
    notes.cells(name, "differ in spelling alone: made one", [(line, str(cells[line])) for line in changed])
    return values.astype(object)


def _folded(word: str) -> str:
    """Return a word without case, blanks and dots of an acronym; a whole number as Excel may have it, 1.0, is 1."""
    folded = re.sub(r"^(\d+)\.0+$", r"\1", "".join(word.split()).casefold())
    return folded.replace(".", "") if re.fullmatch(r"(?:[^\W\d_]\.)+", folded) else folded


def as_found(name: str, cells: pd.Series, notes: Notes) -> pd.Series:
    """Return an unknown column: as numbers where all cells are, without leading zeros; else as text.

    Commas count as points where with them all cells are numbers.

    Parameters
    ----------
    name : str
        Of the column.
    cells : Series of str, (n,)
        As written.
    notes : Notes
        Takes what was changed.
    """
    commas = cells[
        cells.map(lambda cell: isinstance(cell, str) and bool(COMMA_NUMBER.fullmatch(cell))).astype(bool)
    ]
    points = cells.where(~cells.index.isin(commas.index), commas.str.replace(",", "."))
    known = [cell for cell in points if isinstance(cell, str)]
    if known and all(PLAIN_NUMBER.fullmatch(cell) and not re.match(r"[+-]?0\d", cell) for cell in known):
        notes.cells(
            name, "has a decimal comma: read as a point", [(line, str(cell)) for line, cell in commas.items()]
        )
        values = points.astype(float)
        endless = values.abs() == math.inf  # 1e400
        notes.cells(name, UNREAD, [(line, str(cell)) for line, cell in cells[endless].items()])
        return values.mask(endless)
    return cells

"""From the bytes of a table to its cells: encoding, separator, quotes, header, rows."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from bids_app.errors import InputError
from bids_app.tables.notes import EXAMPLES, Notes

BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx and .xls
MISSING = frozenset({"", "n/a", "na", "n.a.", "nan", "#n/a", "-", "--", "---", ".", "?"})
QUOTED = re.compile(r'^"((?:[^"]|"")*)"$')
OPEN_LINES = 50  # lines that a quoted cell may go on for
OPENS = re.compile(r'(?:^|\t) *"')  # a quote where a cell begins; another is an inch
UNSEEN = re.compile(r"[\0\u00ad\u200b-\u200f\u2060\ufeff]")  # characters of no width, as web pages leave them
SEPARATORS = "\t;,|"


@dataclass(frozen=True)
class Table:
    """A table as text.

    Attributes
    ----------
    path : Path
        The file.
    cells : DataFrame of str, index line number
        Names of columns as in the file, without blanks around them; None where a cell says that it is missing.
    notes : Notes
        What was noticed.
    """

    path: Path
    cells: pd.DataFrame
    notes: Notes = field(repr=False)


def plain(name: str) -> str:
    """Return a name without case, blanks, underscores, hyphens and dots, for comparing."""
    return re.sub(r"[\s_.\-]+", "", name).casefold()


def read_table(path: Path, name: str | None = None) -> Table:
    """Read a table of text whatever program wrote it.

    UTF-8, UTF-16 and Windows' Latin-1; tabs, semicolons or commas; quoted cells; blank lines and lines of comment (`#`)
    are left out. A line with more cells than the header is left out and named; one with fewer is missing the rest.

    Parameters
    ----------
    path : Path
        The file.
    name : str, optional
        What notes call it; by default the file's name.

    Raises
    ------
    InputError
        If it cannot be read, is a workbook, or has no header.
    """
    notes = Notes(name or path.name)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if raw.startswith(WORKBOOKS):
        raise InputError(f"{path}: is an Excel workbook; save it as text with tabs")
    lines = re.split(r"\r\n|\r|\n", _decode(path, raw, notes))
    start, separator = _separator(lines, notes)
    rows = [row for row in _rows(lines, start, separator) if not _is_comment(row[1])]
    if not rows:
        raise InputError(f"{path}: empty; it needs a header with the names of columns")
    (_, names), *body = rows
    header = _header(path, names, notes)
    kept, index = [], []
    blank = [line for line, row in body if not any(row)]
    for line, cells in body:
        if not any(cells):
            continue
        if any(cells[len(header) :]):
            notes.say(f"line {line} has {len(cells)} cells, the header {len(header)}: the line was left out")
            continue
        if len(cells) < len(header):
            notes.say(
                f"line {line} has {len(cells)} cells, the header {len(header)}: the rest is taken as missing"
            )
        kept.append((cells + [""] * len(header))[: len(header)])
        index.append(line)
    inner = [line for line in blank if index and line < index[-1]]
    if inner:
        notes.say(f"{len(inner)} blank lines were left out (line {inner[0]} ...)")
    found = pd.DataFrame(kept, index=index, columns=header, dtype=object)
    return Table(path, _merge_columns(_without_missing(found, notes), notes), notes)


def _decode(path: Path, raw: bytes, notes: Notes) -> str:
    for mark, encoding in BOMS:
        if raw.startswith(mark):
            if encoding != "utf-8-sig":
                notes.say("is in UTF-16: read as such")
            return raw.decode(encoding, errors="replace")
    if b"\0" in raw[:200]:
        encoding = "utf-16-le" if raw[1:2] == b"\0" else "utf-16-be"
        if (raw[1:2] == b"\0") == (raw[:1] == b"\0"):
            raise InputError(f"{path}: not a table of text; it holds zero bytes")
        notes.say("is in UTF-16: read as such")
        return raw.decode(encoding, errors="replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        notes.say("is not in UTF-8: read as Latin-1 (Windows-1252)")
        return raw.decode("cp1252", errors="replace")


def _separator(lines: Sequence[str], notes: Notes) -> tuple[int, str]:
    """Return where the table starts and what stands between its cells: a tab where the header has one."""
    for number, line in enumerate(lines):
        if found := re.fullmatch(r"\s*sep=(.)\s*", line):  # as Excel writes it
            notes.say(f"cells are separated by {found[1]!r}, not tabs: read as such")
            return number + 1, found[1]
        if line.strip() and not line.lstrip().startswith("#"):
            separator = next((one for one in SEPARATORS if one in line), "\t")
            if separator != "\t":
                notes.say(f"cells are separated by {separator!r}, not tabs: read as such")
            return number, separator
    return 0, "\t"


def _rows(lines: Sequence[str], start: int, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each line, from 1, and its cells without blanks around them.

    A cell in quotes may hold separators and go on for lines; between tabs only where the line then has as many cells as
    the header, for a lone quote there is an inch.
    """
    number, width = start, 0
    while number < len(lines):
        text, last = lines[number], number
        cells = _cells(text, separator)
        if separator != "\t" and text.count('"') % 2:
            far = min(len(lines), number + OPEN_LINES)
            last = next((n for n in range(number + 1, far) if lines[n].count('"') % 2), number)
            cells = _cells("\n".join(lines[number : last + 1]), separator)
        elif separator == "\t" and width and len(cells) != width and OPENS.search(text):
            cells, last = _quoted(lines, number, width) or (cells, number)
        cells = [" ".join(UNSEEN.sub("", cell).split()) for cell in cells]
        width = width or (len(cells) if any(cells) and not _is_comment(cells) else 0)
        yield number + 1, cells
        number = last + 1


def _quoted(lines: Sequence[str], number: int, width: int) -> tuple[list[str], int] | None:
    """Return a row between tabs with a cell in quotes that holds tabs or line ends, and its last line, if it is one."""
    for last in range(number, min(len(lines), number + OPEN_LINES)):
        text = "\n".join(lines[number : last + 1])
        if text.count('"') % 2 == 0:
            cells = next(csv.reader(io.StringIO(text, newline=""), delimiter="\t"), [])
            if len(cells) == width:
                return cells, last
    return None


def _cells(text: str, separator: str) -> list[str]:
    if separator == "\t":
        return [
            QUOTED.sub(lambda found: found[1].replace('""', '"'), cell.strip()) for cell in text.split("\t")
        ]
    if text.count('"') % 2:
        return text.split(separator)
    try:
        return next(csv.reader(io.StringIO(text), delimiter=separator), [])
    except csv.Error:
        return text.split(separator)


def _is_comment(cells: Sequence[str]) -> bool:
    return bool(cells) and cells[0].startswith("#") and cells[0].casefold() != "#n/a"


def _header(path: Path, names: Sequence[str], notes: Notes) -> list[str]:
    """Return the names of columns; one without a name is called by its place."""
    header = list(names)
    while header and not header[-1]:
        header.pop()
    if not header:
        raise InputError(f"{path}: its first line has no names of columns")
    if unnamed := [place + 1 for place, name in enumerate(header) if not name]:
        notes.say(f"column {unnamed[0]} has no name")
    return [name or f"column {place + 1}" for place, name in enumerate(header)]


def _without_missing(cells: pd.DataFrame, notes: Notes) -> pd.DataFrame:
    """Return the cells, None where one says that it is missing."""
    gone = cells.apply(lambda column: column.map(lambda cell: cell.casefold() in MISSING)).astype(bool)
    words = pd.Series(cells.to_numpy()[gone.to_numpy()]) if len(cells) else pd.Series(dtype=object)
    other = sorted(set(words) - {"n/a", ""})
    if other:
        said = ", ".join(repr(word) for word in other[:EXAMPLES]) + (" ..." if len(other) > EXAMPLES else "")
        notes.say(f"{int(words.isin(other).sum())} cells say {said}: taken as missing, which BIDS writes n/a")
    return cells.where(~gone, None)


def _merge_columns(cells: pd.DataFrame, notes: Notes) -> pd.DataFrame:
    """Join columns of the same name; cells in which they differ are missing, and named."""
    if cells.columns.is_unique:
        return cells
    joined = {}
    for name in dict.fromkeys(cells.columns):
        same = cells.loc[:, [name]]
        joined[name] = agree(same, str(name), notes)
    return pd.DataFrame(joined, index=cells.index, dtype=object)


def agree(same: pd.DataFrame, name: str, notes: Notes) -> pd.Series:
    """Return one column of several that should say the same; where they do not, the cell is missing, and named.

    Parameters
    ----------
    same : DataFrame, (n, k)
        The columns.
    name : str
        Their name.
    notes : Notes
        Takes what does not agree.
    """
    values = same.apply(
        lambda row: list(dict.fromkeys(cell for cell in row if isinstance(cell, str))), axis=1
    )
    if same.shape[1] > 1:
        notes.say(f"column {name} is there {same.shape[1]} times: joined")
    for line, found in values.items():
        if len(found) > 1:
            notes.cell(
                name,
                "differ between columns of that name: taken as missing",
                line,
                " and ".join(found),
            )
    return values.map(lambda found: found[0] if len(found) == 1 else None)

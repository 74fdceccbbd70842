"""Notes on a table, one line for each kind of change or doubt, with the first lines that it concerns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

EXAMPLES = 3  # named in a message; the tables have all


class Notes:
    """Collects what was noticed in one file.

    Parameters
    ----------
    name : str
        The file, as people know it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._found: dict[tuple[str, str], list[tuple[object, str]]] = {}
        self._plain: Counter[str] = Counter()

    def say(self, text: str) -> None:
        """Note something about the file as a whole."""
        self._plain[text] += 1

    def cell(self, column: str, what: str, line: object, value: str) -> None:
        """Note something about a cell; `what` follows its value, as in `'2.7' is not on the scale`.

        Parameters
        ----------
        column : str
            Name of the column.
        what : str
            What is said of it.
        line : object
            Number of the line.
        value : str
            What the cell holds.
        """
        self._found.setdefault((column, what), []).append((line, value))

    def cells(self, column: str, what: str, found: Iterable[tuple[object, str]]) -> None:
        """Note the same of several cells.

        Parameters
        ----------
        column : str
            Name of the column.
        what : str
            What is said of them.
        found : iterable of (line, value)
            The cells.
        """
        for line, value in found:
            self.cell(column, what, line, value)

    def take(self, other: Notes) -> None:
        """Take the notes of another file in, as said of this one."""
        self._plain += other._plain
        for key, found in other._found.items():
            self._found.setdefault(key, []).extend(found)

    def lines(self) -> list[str]:
        """Return the notes."""
        lines = [
            f"{self.name}: {text}" + (f" ({n} files)" if n > 1 else "") for text, n in self._plain.items()
        ]
        for (column, what), found in self._found.items():
            values = list(dict.fromkeys(value for _, value in found))
            some = ", ".join(repr(value) for value in values[:EXAMPLES]) + (
                " ..." if len(values) > EXAMPLES else ""
            )
            where = ", ".join(str(line) for line, _ in found[:EXAMPLES]) + (
                " ..." if len(found) > EXAMPLES else ""
            )
            count = f"{len(found)} cells, lines {where}" if len(found) > 1 else f"line {where}"
            lines.append(f"{self.name}: column {column} ({count}): {some} {what}")
        return lines

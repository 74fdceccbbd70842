"""What `.bidsignore` leaves out of a dataset; its patterns are those of gitignore."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple


class Pattern(NamedTuple):
    """One line of the file: a path matches `rule`, and is then left out, or kept where `keeps`."""

    rule: re.Pattern[str]
    keeps: bool
    line: str


class Ignore:
    """Tell which paths of a dataset its `.bidsignore` leaves out.

    Parameters
    ----------
    root : Path
        The dataset; without a readable `.bidsignore` nothing is left out.
    """

    def __init__(self, root: Path) -> None:
        try:
            lines = (root / ".bidsignore").read_text(encoding="utf-8-sig", errors="replace").splitlines()
        except OSError:
            lines = []
        self._patterns = [made for line in lines if (made := _pattern(line))]

    def matches(self, path: str) -> str | None:
        """Return the line that leaves a path (relative, with `/`) out, None where it is kept; the last one decides."""
        for pattern in reversed(self._patterns):
            if pattern.rule.fullmatch(path):
                return None if pattern.keeps else pattern.line
        return None


def _pattern(line: str) -> Pattern | None:
    text = line.strip()
    if not text or text.startswith("#"):
        return None
    keeps, text = text.startswith("!"), text.removeprefix("!")
    only_folder, text = text.endswith("/"), text.rstrip("/")
    anchored, text = "/" in text, text.removeprefix("/")
    if not text:
        return None
    start = "" if anchored else "(?:.*/)?"
    end = "/.*" if only_folder else "(?:/.*)?"  # all that lies in a folder goes with it
    try:
        return Pattern(re.compile(start + _regex(text) + end, re.DOTALL), keeps, line.strip())
    except re.error:
        return None


def _regex(text: str) -> str:
    """Return gitignore's wildcards as a regular expression: `*` stays within a folder's name, `**` does not."""
    pieces = re.split(r"(\*\*/|/\*\*$|\*\*|\*|\?|\[[^\]]+\])", text)
    known = {"**/": "(?:.*/)?", "/**": "/.*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(
        known.get(piece)
        or (piece.replace("[!", "[^") if re.fullmatch(r"\[[^\]]+\]", piece) else re.escape(piece))
        for piece in pieces
    )

"""The commands that the pages tell people to type."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(bash|sh)\n(.*?)^```", re.M | re.S)
INDENTED = re.compile(r"^    (demyelin.*)$", re.M)
INLINE = re.compile(r"`(demyelin(?:-\w+)? [^`]+)`")
IMAGE = re.compile(r"(.*/)?demyelin(:\S+|\.sif)?$")
SUBSTITUTION = re.compile(r"\$\((?:[^()]|\([^()]*\))*\)")
PROGRAMS = ("demyelin", "demyelin-phantom", "demyelin-connectome")
KNOWN = {
    "docker",
    "apptainer",
    "sbatch",
    "bosh",
    "datalad",
    "cd",
    "make",
    "pip",
    "export",
    "find",
    "main",
    "python",
    "git",
}


class Command(NamedTuple):
    """One simple command of a page: program and arguments, as typed."""

    page: str
    words: list[str]

    @property
    def demyelin(self) -> tuple[str, list[str]] | None:
        """Program and arguments of Demyelin's, also inside docker and apptainer; None where there is none."""
        name = Path(self.words[0]).name
        if name in PROGRAMS:
            return name, self.words[1:]
        if self.words[0] in ("docker", "apptainer") and self.words[1] == "run":
            for place, word in enumerate(self.words[2:], start=2):
                if IMAGE.match(word) and not self.words[place - 1].startswith("-"):
                    return "demyelin", self.words[place + 1 :]
        return None


def commands() -> list[Command]:
    """Return every simple command in the shell blocks of all pages, in order."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = [match[2] for match in FENCE.finditer(text)]
        outside = FENCE.sub("", text)
        blocks += [match[1] for match in INDENTED.finditer(outside)]
        blocks += [match[1] for match in INLINE.finditer(outside) if "..." not in match[1]]
        for block in blocks:
            for line in block.replace("\\\n", " ").splitlines():
                found += [Command(page.name, words) for words in _simple(line)]
    return found


def _simple(line: str) -> list[list[str]]:
    """Split a line at && and ; and drop comments, assignments and what $(...) would run."""
    line = SUBSTITUTION.sub("VALUE", line)
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|")
    lexer.whitespace_split = True
    words: list[str] = []
    out = []
    for token in [*lexer, ";"]:
        if token in ("&&", ";", "||", "|"):
            if words:
                out.append(words)
            words = []
        elif words or not re.match(r"\w+=", token):
            words.append(token)
    return out

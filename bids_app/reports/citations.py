"""A text with citations as Markdown, LaTeX and BibTeX; the bibliography is `data/bibliography.toml`."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Any

CITED = re.compile(r" ?\[@(\w+)\]")
UNPUBLISHED = "misc"  # BibTeX's kind of entry without journal, volume and pages
SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}


@lru_cache(maxsize=1)
def bibliography() -> dict[str, dict[str, Any]]:
    """Return every reference by its key, fields as in BibTeX."""
    return tomllib.loads((files("bids_app") / "data" / "bibliography.toml").read_text(encoding="utf-8"))


def cited(text: str) -> list[str]:
    """Return the keys that a text cites as `[@key]`, in order of first use.

    Raises
    ------
    KeyError
        If the bibliography lacks one.
    """
    keys = list(dict.fromkeys(CITED.findall(text)))
    for key in keys:
        bibliography()[key]
    return keys


def as_markdown(text: str) -> str:
    """Return a text with numbers in brackets and a list of references, as Markdown."""
    keys = cited(text)
    numbered = CITED.sub(lambda found: f" [{keys.index(found[1]) + 1}]", text)
    references = "\n".join(f"{number}. {reference(key)}" for number, key in enumerate(keys, 1))
    return f"# Methods\n\n{numbered}\n\n## References\n\n{references}\n"


def as_latex(text: str) -> str:
    """Return a text as LaTeX with cite commands, whose keys are those of `as_bibtex`."""
    pieces = CITED.split(text)
    parts = [
        f"~\\cite{{{piece}}}" if place % 2 else "".join(SPECIAL.get(letter, letter) for letter in piece)
        for place, piece in enumerate(pieces)
    ]
    return "\\section{Methods}\n\n" + "".join(parts) + "\n"


def as_bibtex(text: str) -> str:
    """Return the references of a text as BibTeX entries."""
    return "\n".join(_entry(key, bibliography()[key]) for key in cited(text))


def reference(key: str) -> str:
    """Return one reference as a line of text."""
    one = bibliography()[key]
    if one.get("kind") == UNPUBLISHED:
        return f"{one['title']}. {one['note']}."
    first, *rest = (name.split(",")[0] for name in one["author"].split(" and "))
    people = first + (" et al." if rest else ".")
    pages = one["pages"].replace("--", "-")
    return (
        f"{people} {one['title']}. {one['journal']} {one['year']}; {one['volume']}:{pages}. doi:{one['doi']}"
    )


def _entry(key: str, one: dict[str, Any]) -> str:
    """Return a BibTeX entry; capitals of the title are kept."""
    title = re.sub(r"\b(\w*[A-Z]\w*)\b", r"{\1}", one["title"])
    fields = {name: value for name, value in (one | {"title": title}).items() if name != "kind"}
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@{one.get('kind', 'article')}{{{key},\n{lines}}}\n"

"""The words of documentation, help, reports and messages: none that only this project would understand."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bids_app.cli import build_parser
from bids_app.features.connectome_cli import build_parser as connectome_parser
from bids_app.phantom.cli import build_parser as phantom_parser

ROOT = Path(__file__).parents[2]
# what a native scientific editor took out, so that it does not come back; a pattern and what to write
FORBIDDEN = {
    r"no number says": "say what is not available",
    r"very much lesion": "unusually large lesion volume",
    r"honest|honesty": "leak-free, unbiased",
    r"without a skull": "skull-stripped",
    r"\bdealt\b|\bdeals? anew": "permuted, assigned",
    r"\bno medical device": "not a medical device",
    r"\bthe machine\b (?!that|of)": "the classifier, the computer, the scanner",
    r"\beach head sorts": "click a heading to sort",
    r"\bsurvive[sd]?\b": "reliability, handled, remain",
    r"\bmend(s|ed)?\b": "correct, repair",
    r"to try things out": "for testing only",
    r"\bthe house\b": "the project, the structure",
    r"\broom has\b": "package",
    r"what is no (lesion|number)": "normal tissue, not a number",
    r"mask that came": "the supplied mask",
    r"\ba journal will ask": "reporting checklist",
    r"\d%(?!%)": "a space before the sign, as bids_app.spelling.percent writes it",
    r"(?<![\w.<{])mm3\b": "mm\N{SUPERSCRIPT THREE}",
}


def strings(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the texts of a module that people may read: all literals but docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield f"{path.relative_to(ROOT)}:{node.lineno}", node.value


def texts() -> Iterator[tuple[str, str]]:
    """Yield the place and the words of everything that people read."""
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            yield f"{path.relative_to(ROOT)}:{number}", line
    for path in sorted((ROOT / "bids_app/reports/templates").glob("*.j2")):
        yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "bids_app").rglob("*.py")):
        yield from strings(path)
    for make in (build_parser, connectome_parser, phantom_parser):
        parser = make()
        yield f"{parser.prog} --help", parser.format_help()


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_house_words_do_not_come_back(pattern):
    found = [
        f"{place}: {match[0]!r} -> {FORBIDDEN[pattern]}"
        for place, text in texts()
        if (match := re.search(pattern, text, re.IGNORECASE))
    ]
    assert found == []


def test_the_patterns_find_what_they_forbid():
    bad = (
        "No number says.",
        "Very much lesion: look",
        "A mask of 3 mm3",
        "no medical device",
        "Each head sorts.",
        "in 95% of visits",
    )
    for text in bad:
        assert any(re.search(pattern, text, re.IGNORECASE) for pattern in FORBIDDEN), text
    assert not any(re.search(pattern, "volume_mm3, {volume_mm3}", re.IGNORECASE) for pattern in FORBIDDEN)

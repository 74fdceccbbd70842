"""The version is written in `bids_app/__init__.py`; whatever repeats it says the same."""

from __future__ import annotations

import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from bids_app import __version__

ROOT = Path(__file__).parents[1]
NUMBER = r"(\d+\.\d+\.\d+\S*?)"
REPEATED = {  # pattern, and how often it stands in the file
    "CITATION.cff": (rf"^version: {NUMBER}$", 1),
    "CHANGES.md": (rf"\A.*?^## {NUMBER} ", 1),
    "Dockerfile": (rf"^ARG VERSION={NUMBER}$", 1),
    "boutiques.json": (rf'"(?:tool-version": "|image": "ghcr\.io/demyelin/demyelin:){NUMBER}"', 2),
    "brainlife/main": (rf"demyelin/demyelin:{NUMBER}\}}", 1),
    "docs/clusters.md": (rf"demyelin/demyelin:{NUMBER} ", 1),
}


@pytest.mark.parametrize("name", REPEATED)
def test_version_is_the_same_everywhere(name):
    pattern, times = REPEATED[name]
    found = re.findall(pattern, (ROOT / name).read_text(encoding="utf-8"), re.M | re.S)
    assert found == [__version__] * times, f"{name}: write {__version__}"


def test_no_other_file_repeats_it():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    paths = [ROOT / name for name in listed.splitlines()]
    texts = {
        p for p in paths if p.suffix in (".md", ".toml", ".cff", ".yml", ".json", ".py", "") and p.is_file()
    }
    image = re.compile(rf"demyelin[:= -]+{re.escape(__version__)}\b")
    found = {p.relative_to(ROOT).as_posix() for p in texts if image.search(p.read_text(errors="ignore"))}
    assert found <= set(REPEATED)


def test_what_is_installed_has_it():
    assert version("demyelin") == __version__

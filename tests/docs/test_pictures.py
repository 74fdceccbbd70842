"""Pictures of README and documentation: all there, all used, all of this version."""

from __future__ import annotations

import re

import pytest
from pages import ROOT
from PIL import Image

from bids_app import __version__

FOLDER = ROOT / "docs" / "pictures"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PICTURES = sorted(FOLDER.glob("*.png"))


def test_pages_show_pictures_that_exist_and_each_is_shown():
    shown = {
        (page.parent / path).resolve()
        for page in PAGES
        for path in re.findall(r"!\[[^\]]+\]\(([^)]+\.png)\)", page.read_text(encoding="utf-8"))
    }
    assert {path for path in shown if not path.exists()} == set()
    assert {path.resolve() for path in PICTURES} <= shown


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_a_picture_is_of_this_version(path):
    with Image.open(path) as image:
        assert image.text.get("Software") == f"Demyelin {__version__}", "make pictures"
        assert min(image.size) > 200
    assert path.stat().st_size < 600_000

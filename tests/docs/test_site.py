"""The site: built without a warning, complete, and fetching nothing from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from pages import ROOT

from bids_app import cli
from bids_app.derivatives.names import OUTPUTS

pytest.importorskip("material")
pytest.importorskip("latex2mathml")
pytest.importorskip("mkdocstrings")
LOADS = re.compile(
    r"""(?:<(?:script|img|iframe)[^>]*\ssrc|<link[^>]*rel="?(?:stylesheet|icon|preconnect)[^>]*href)="?(https?:[^"\s>]+)"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_built_and_in_the_navigation(site):
    home = (site / "index.html").read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert (site / f"{page.stem}.html").is_file()
        assert f'href="{page.stem}.html"' in home or page.stem == "index"


def test_nothing_is_loaded_from_elsewhere(site):
    for page in site.glob("*.html"):
        assert LOADS.findall(page.read_text(encoding="utf-8")) == [], page.name
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?https?:|@import ['\"]?https?:", sheet.read_text(encoding="utf-8"))


def test_outputs_and_options_are_complete(site):
    outputs = (site / "outputs.html").read_text(encoding="utf-8")
    for output in OUTPUTS.values():
        assert (
            f"<code>{output.ending.format(template='TEMPLATE', atlas='ATLAS', before='LABEL')}</code>"
            in outputs
        )
    options = (site / "options.html").read_text(encoding="utf-8")
    for action in cli.build_parser()._actions:
        for name in action.option_strings[:1]:
            assert name in ("-h", "--version", "--print-completion") or name in options


def test_equations_are_mathml(site):
    methods = (site / "methods.html").read_text(encoding="utf-8")
    assert methods.count("<math") >= 9
    assert "\\frac" not in methods


def test_search_works_from_disk(site):
    assert (site / "search" / "search_index.js").is_file()
    assert 'src="vendor/iframe-worker.js"' in (site / "index.html").read_text(encoding="utf-8")


def test_a_word_typed_into_the_search_finds_its_page(site, open_page):
    opened = open_page(site / "index.html")
    opened.page.get_by_role("textbox", name="Search").click()
    opened.page.keyboard.type("ChaCo")
    found = opened.page.locator(".md-search-result__link").first
    found.wait_for()
    assert opened.outside() == []
    found.click()
    opened.page.wait_for_url(lambda url: "index.html" not in url)
    assert "chaco" in opened.page.locator("article").inner_text().lower()

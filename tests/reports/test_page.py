"""The shell of every report, in a browser."""

from __future__ import annotations

import pytest
from jinja2 import ChoiceLoader, DictLoader

from bids_app.reports import page

PAGE = """{% extends "base.html.j2" %}{% import "macros.html.j2" as ui %}
{% block title %}{{ name }}{% endblock %}{% block heading %}{{ name }}{% endblock %}
{% block nav %}<li><a href="#one">One</a></li>{% endblock %}
{% block main %}<section id="one"><h2>One</h2>
{% for level in ("good", "look", "bad", "none") %}<p>{{ ui.status(level) }}</p>{% endfor %}
{{ ui.table(["Region", {"label": "Volume", "numeric": True}], rows, "Volumes", id="volumes", tall=True,
   source={"name": "volumes.tsv", "data": "data:text/tab-separated-values,Region%09Volume%0Ab%0910.0"}) }}
{{ ui.tabs("cite", "Citation", [{"label": "Markdown", "text": name}, {"label": "BibTeX", "text": "@article{b}"}]) }}
</section>{% endblock %}"""
EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>"
ROWS = [
    ["b", 10.0],
    ["a10", {"text": "2 mL", "value": 2.0}],
    ["a9", "n/a"],
    [EVIL, {"text": "x", "value": 5, "href": "#one"}],
]


@pytest.fixture
def written(tmp_path, monkeypatch):
    environment = page._environment()
    both = ChoiceLoader([DictLoader({"test.html.j2": PAGE}), environment.loader])
    monkeypatch.setattr(environment, "loader", both)
    path = tmp_path / "page.html"
    path.write_text(page.render("test.html.j2", name=EVIL, rows=ROWS), encoding="utf-8")
    return path


def column(opened, number):
    return opened.page.locator(f"#volumes tbody tr > :nth-child({number})").all_inner_texts()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_shell_is_quiet_offline_accessible_and_as_wide_as_the_screen(written, open_page, scheme, width):
    opened = open_page(written, scheme=scheme, width=width)
    opened.assert_clean()
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width


def test_hostile_names_are_text(written, open_page):
    opened = open_page(written)
    assert opened.page.locator("h1").inner_text() == EVIL
    assert EVIL in column(opened, 1)
    assert opened.page.locator("main img, main script").count() == 0


def test_foreign_script_and_style_may_not_run(written, open_page):
    broken = written.with_name("broken.html")
    text = written.read_text().replace("<h2>One", "<script>document.title='broken'</script><h2>One")
    broken.write_text(text)
    opened = open_page(broken)
    assert opened.page.title() != "broken"
    assert any("Content Security Policy" in line for line in opened.complaints)


def test_tables_sort_by_mouse_and_keyboard_with_missing_values_last(written, open_page):
    opened = open_page(written)
    volume = opened.page.get_by_role("button", name="Volume")
    volume.click()
    assert column(opened, 2) == ["10.0", "x", "2 mL", "n/a"]
    volume.focus()
    opened.page.keyboard.press("Enter")
    assert column(opened, 2) == ["2 mL", "x", "10.0", "n/a"]
    assert opened.page.locator("#volumes th").nth(1).get_attribute("aria-sort") == "ascending"
    opened.page.get_by_role("button", name="Region").click()
    assert column(opened, 1)[1:] == ["a9", "a10", "b"]


def test_a_table_can_be_saved(written, open_page):
    opened = open_page(written)
    with opened.page.expect_download() as download:
        opened.page.get_by_role("link", name="Download as TSV").click()
    assert download.value.suggested_filename == "volumes.tsv"
    assert download.value.path().read_text().splitlines()[:2] == ["Region\tVolume", "b\t10.0"]


def test_tabs_by_keyboard_and_copy(written, open_page):
    opened = open_page(written)
    opened.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened.page.get_by_role("tab", name="Markdown").focus()
    opened.page.keyboard.press("ArrowRight")
    assert opened.page.get_by_role("tabpanel").inner_text().endswith("@article{b}")
    opened.page.get_by_role("button", name="Copy BibTeX").click()
    opened.page.get_by_text("Copied").wait_for()
    assert opened.page.evaluate("navigator.clipboard.readText()") == "@article{b}"


def test_theme_is_the_systems_until_chosen_and_is_kept(written, open_page):
    opened = open_page(written, scheme="dark")
    back = "getComputedStyle(document.body).backgroundColor"
    dark = opened.page.evaluate(back)
    opened.page.get_by_role("button", name="Light page").click()
    assert opened.page.evaluate(back) != dark
    opened.page.reload()
    opened.page.get_by_role("button", name="Dark page").wait_for()
    assert opened.page.evaluate(back) != dark


def test_without_script_everything_is_there(written, open_page):
    opened = open_page(written, script=False)
    assert opened.page.get_by_text("@article{b}").is_visible()
    assert opened.page.get_by_role("button").count() == 0

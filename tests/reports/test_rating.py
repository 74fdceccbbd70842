"""Rating visits in the browser, and leaving out those that were excluded."""

from __future__ import annotations

from pathlib import Path

import made_visits
import pytest

from bids_app.reports.visit import write_visit_report
from bids_app.reports.visits_page import write_visits_page
from bids_app.tables.ratings import read_ratings
from bids_app.visit_name import VisitName

NAMES = ("sub-01", "sub-02_ses-1", "sub-03")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three visits with reports, one failed, and the page of all."""
    root = tmp_path_factory.mktemp("rated")
    for name in NAMES:
        made_visits.make_visit(root, name)
        write_visit_report(root, name, settings=made_visits.settings(), with_viewer=False)
    write_visits_page(root, ["sub-04"])
    return root


def loaded(page) -> bool:
    """Wait for the picture; the page's policy forbids what Playwright's own waiting evaluates in it."""
    for _ in range(100):
        if page.evaluate("() => document.getElementById('picture').naturalWidth > 0"):
            return True
        page.wait_for_timeout(50)
    return False


def saved(opened, what: str, target: Path) -> Path:
    with opened.page.expect_download() as download:
        opened.page.click(f"form[data-rating] [data-save={what}]")
    download.value.save_as(target)
    return target


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_page_of_all_visits_is_quiet_offline_and_accessible(folder, open_page, scheme, width):
    opened = open_page(folder / "qc.html", scheme=scheme, width=width)
    opened.page.wait_for_selector("#picture:not([hidden])")
    opened.assert_clean()
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_click_goes_from_visit_to_visit_with_pictures_that_are_there(folder, open_page):
    page = open_page(folder / "qc.html").page
    seen = []
    for _ in NAMES:
        seen.append(page.inner_text("#visit-name"))
        assert loaded(page)
        assert seen[-1] in page.get_attribute("#picture", "src")
        page.click("[data-step='1']")
    assert seen == list(NAMES)
    assert page.inner_text("#visit-flags").strip() == "Failed"  # the fourth
    page.keyboard.press("p")
    assert page.inner_text("#visit-name") == NAMES[-1]
    page.click("#visit-report")
    assert page.url.endswith("sub-03.html")


def test_rating_is_kept_saved_and_read_by_the_group_level(folder, open_page, tmp_path):
    opened = open_page(folder / "sub-02_ses-1.html")
    page = opened.page
    page.check("input[value=exclude]")
    page.check("input[value=motion]")
    page.fill("input[name=comment]", "blurred,\tsee <b>ventricles</b>")
    page.goto((folder / "qc.html").as_uri() + "#sub-02_ses-1")  # another page of the same folder
    assert page.inner_text("#visit-name") == "sub-02_ses-1"
    assert page.is_checked("#look input[value=exclude]")
    page.click("[data-step='1']")
    page.keyboard.press("1")
    rated = page.locator("[data-rated]").all_inner_texts()
    assert rated == ["not rated", "exclude", "accept", "not rated"]
    found = read_ratings(saved(opened, "all", tmp_path / "ratings.tsv"), [VisitName.parse(n) for n in NAMES])
    assert dict(found.excluded.itertuples(index=False)) == {
        "sub-02_ses-1": "motion: blurred, see <b>ventricles</b>"
    }
    assert found.notes == []
    page.select_option("#filter", "unrated")
    assert page.locator("#visits tbody tr:visible").count() == 2
    assert opened.complaints == []


def test_clear_forgets_a_rating(folder, open_page):
    page = open_page(folder / "sub-01.html").page
    page.check("input[value=accept]")
    page.click("[data-clear]")
    page.reload()
    assert page.locator("form input[type=radio]:checked").count() == 0


def test_a_visit_without_a_report_comes_last_and_has_no_link_to_one(folder, open_page):
    page = open_page(folder / "qc.html").page
    assert page.locator("#visits tbody th").all_inner_texts()[-1] == "sub-04"
    page.get_by_role("button", name="Show sub-04").click()
    assert page.inner_text("#visit-name") == "sub-04"
    assert page.locator("#visit-report").is_hidden()

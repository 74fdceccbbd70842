"""The cohort's page in a browser: both studies through the command line, with hostile names and a bad scan."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest

from bids_app.cli import main
from bids_app.derivatives import write_table, write_text
from bids_app.derivatives.names import OUTPUTS, anat_folder
from bids_app.image.quality import QUALITY_COLUMNS, flags
from bids_app.phantom.cli import main as phantom

EVIL = "<img src=x onerror=alert(1)>"
SITE = "<script>alert($1)</script>"


def make_study(root: Path, options: list[str], command: list[str]) -> Path:
    """Write a study-shaped phantom, make it hostile, run the group level; return the derivatives."""
    assert phantom([str(root), "--derivatives-only", "--nprocs", "1", *options]) == 0
    out = root / "derivatives" / "demyelin"
    people = pd.read_csv(root / "participants.tsv", sep="\t", dtype=str, keep_default_na=False)
    first = people["participant_id"].iloc[0]
    people["participant_id"] = people["participant_id"].replace(first, f"sub-{EVIL}")
    people["site"] = people["site"].replace("site2", SITE)
    people[EVIL] = EVIL
    absent = people.iloc[[1]].assign(participant_id="sub-<b>never scanned</b>")
    write_table(pd.concat([people, absent]), root / "participants.tsv")
    (out / first).rename(out / f"sub-{EVIL}")
    for path in (out / f"sub-{EVIL}").rglob(f"{first}_*"):
        path.rename(path.with_name(path.name.replace(first, f"sub-{EVIL}")))
    write_visits(out)
    write_text((root / "participants.tsv").read_text(), root / "kept.tsv")
    arguments = ["--folds", "3", "--permutations", "1", "--nprocs", "1", *command]
    assert main([str(root), str(out), "group", *arguments]) == 0
    return out


def write_visits(out: Path) -> None:
    """Give visits quality numbers and a page; the scan of the hostile name is bad, and one visit has no page."""
    rng = np.random.default_rng(1)
    tables = sorted(out.glob("sub-*/**/*_seg-lesions_dseg.tsv"))
    for k, table in enumerate(tables[1:]):
        name = table.name.removesuffix("_seg-lesions_dseg.tsv")
        numbers = {
            "snr_t1w_wm": rng.normal(14, 1),
            "flair_slice_outlier": rng.uniform(1, 8),
            "lesion_count": k,
        }
        if EVIL in name:
            numbers["flair_slice_outlier"] = 60.0
        row = dict.fromkeys(QUALITY_COLUMNS) | numbers | {"flags": ",".join(flags(numbers)) or None}
        path = anat_folder(out, Path(*name.split("_"))) / OUTPUTS["qc"].path(name, template="", atlas="")
        write_table(pd.DataFrame([row]), path)
        write_text(f"<!doctype html><title>visit {k}</title>", out / f"{name}.html")


@pytest.fixture(scope="module")
def study_a(tmp_path_factory) -> Path:
    options = ["--study", "A", "--visits", "36,12", "--regions", "7"]
    command = ["--analysis", "edss", "--external-site", SITE, "--outer-folds", "3"]
    return make_study(tmp_path_factory.mktemp("a") / "bids", options, command)


@pytest.fixture(scope="module")
def study_b(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("b") / "bids"
    options = ["--study", "B", "--visits", "20,14", "--patients", "10,8"]
    return make_study(root, options, ["--analysis", "diagnosis", "--outer-folds", "2"])


def outlying_links(out: Path, opened) -> list[str]:
    return [link.get_attribute("href") for link in opened.page.locator(".strip a:has(.far)").all()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("study", ["study_a", "study_b"])
def test_page_is_quiet_offline_and_accessible(study, scheme, request, open_page):
    opened = open_page(
        request.getfixturevalue(study) / "group.html", scheme=scheme, width=1280 if scheme == "light" else 400
    )
    opened.assert_clean()
    opened.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    opened.assert_clean()
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_hostile_names_are_text(study_a, open_page):
    opened = open_page(study_a / "group.html")
    text = opened.page.locator("main").text_content()
    assert EVIL in text
    assert SITE in text
    assert "<b>never scanned</b>" in text
    assert opened.page.locator("main script, main img, main b").count() == 0


def test_an_outlier_opens_its_visit(study_a, open_page):
    opened = open_page(study_a / "group.html")
    links = [href for href in outlying_links(study_a, opened) if "onerror" in unquote(href)]
    assert links, "the bad scan does not stand out"
    assert (study_a / unquote(links[0])).is_file()
    bad = opened.page.locator(f'.strip a[href="{links[0]}"]').first
    bad.focus()
    opened.page.keyboard.press("Enter")
    opened.page.wait_for_url("**/*onerror*")
    assert opened.page.title().startswith("visit")


def test_every_link_leads_somewhere(study_a, study_b):
    for out in (study_a, study_b):
        page = (out / "group.html").read_text(encoding="utf-8")
        links = re.findall(r'href="([^"#][^"]*)"', page)
        places = {unquote(link) for link in links if not link.startswith("data:")}
        assert places
        assert not [
            place for place in places if not (out / place.replace("&lt;", "<").replace("&gt;", ">")).is_file()
        ]


def test_tables_sort_and_are_saved_in_full(study_a, open_page):
    opened = open_page(study_a / "group.html")
    table = opened.page.get_by_role("table", name="How well each model predicts")
    table.get_by_role("button", name="MAE").click()
    shown = [float(cell.get_attribute("data-value")) for cell in table.locator("tbody td:nth-child(9)").all()]
    assert shown == sorted(shown, reverse=True)
    with opened.page.expect_download() as download:
        opened.page.locator('a[download="edss_performance.tsv"]').click()
    assert download.value.suggested_filename == "edss_performance.tsv"
    assert download.value.path().read_bytes() == (study_a / "group" / "edss_performance.tsv").read_bytes()


def test_figures_have_words_and_files(study_a, study_b, open_page):
    wanted = {
        study_a: [
            "flow",
            "predictions-ridge",
            "performance",
            "selection",
            "regions",
            "gap",
            "null",
            "calibration",
        ],
        study_b: [
            "flow",
            "frequency-RRMS",
            "frequency-NMOSD",
            "chi2-RRMS",
            "selected-RRMS",
            "by-size-RRMS",
            "roc-RRMS",
            "gap-RRMS",
            "null-RRMS",
        ],
    }
    for out, names in wanted.items():
        prefix = "edss" if out == study_a else "diagnosis"
        opened = open_page(out / "group.html")
        for name in names:
            figure = opened.page.locator(f"#{prefix}_{name}")
            assert len(figure.locator("svg").get_attribute("aria-label")) > 60
            assert len(figure.locator("figcaption").text_content()) > 80
            file = out / "group" / "figures" / f"{prefix}_{name}"
            assert len(pd.read_csv(file.with_suffix(".tsv"), sep="\t").columns) > 1
            assert file.with_suffix(".svg").read_text().startswith("<?xml")


def test_flow_counts_who_has_no_derivatives(study_a):
    flow = pd.read_csv(study_a / "group" / "figures" / "cohort_flow.tsv", sep="\t")
    assert flow["n_patients"].tolist() == [49, 48]
    assert flow["excluded"].tolist() == [0, 1]
    sets = pd.read_csv(study_a / "group" / "figures" / "edss_flow.tsv", sep="\t").set_index("step")[
        "n_visits"
    ]
    assert sets["Training"] + sets["Internal test"] + sets["External test"] == sets["one visit per patient"]


def test_every_point_says_its_visit_and_opens_its_report(study_a, open_page):
    opened = open_page(study_a / "group.html")
    strip = opened.page.locator(".strip").first
    shown = strip.locator("circle, .far").count()
    titles = strip.locator("title").all_text_contents()
    assert shown == len(titles) > 40
    assert all(title.startswith("sub-") for title in titles)
    visits = opened.page.locator("#edss_predictions-ridge a, [id^=edss_predictions] a")
    assert visits.count() > 20
    first = visits.first
    assert unquote(first.get_attribute("href")) == f"{first.locator('title').text_content()}.html"
    assert first.get_attribute("aria-label").endswith("open its report")


def test_methods_and_references_stand_on_the_page(study_a, study_b, open_page):
    for out, name, words in (
        (study_a, "edss", ("Pontillo et al.", "doi:10.3174/ajnr.A7274")),
        (study_b, "diagnosis", ("Asan Medical Center", "doi:10.1007/BF00994018")),
    ):
        text = open_page(out / "group.html").page.locator(f"#{name}-methods pre").first.text_content()
        assert all(word in text for word in words)
        assert "[@" not in text

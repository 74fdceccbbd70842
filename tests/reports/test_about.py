"""What a page says of its run: images as acquired, settings in effect, never a programmer's null."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_visits import make_visit, settings

from bids_app.reports.about import effective_settings, image_facts, run_facts, words
from bids_app.reports.visit import write_visit_report
from bids_app.visit_name import VisitName

METHOD = {"threshold": 0.15, "peak": 0.95, "min_volume_mm3": 3.0}


def test_images_have_voxels_scanner_date_and_times(bids, add_scan):
    path = add_scan("sub-01_ses-1_FLAIR.nii.gz", zooms=(0.9, 0.9, 3.0))
    said = {
        "Manufacturer": "Siemens",
        "ManufacturersModelName": "Prisma",
        "MagneticFieldStrength": 3,
        "RepetitionTime": 9.0,
        "EchoTime": 0.125,
    }
    (bids / "FLAIR.json").write_text(json.dumps(said))
    table = bids / "sub-01/ses-1/sub-01_ses-1_scans.tsv"
    table.write_text("filename\tacq_time\nanat/sub-01_ses-1_FLAIR.nii.gz\t2021-03-30T10:00:00\n")
    (row,) = image_facts(bids, VisitName("01", "1"), [None, path])
    assert row == [
        "sub-01/ses-1/anat/sub-01_ses-1_FLAIR.nii.gz",
        "0.9 \N{MULTIPLICATION SIGN} 0.9 \N{MULTIPLICATION SIGN} 3",
        "6 \N{MULTIPLICATION SIGN} 6 \N{MULTIPLICATION SIGN} 6",
        "Siemens, Prisma, 3 T",
        "2021-03-30T10:00:00",
        "9000 / 125 / ?",
    ]


def test_an_image_that_says_nothing_of_itself(bids, add_scan):
    (row,) = image_facts(bids, VisitName("01"), [add_scan("sub-01_FLAIR.nii.gz")])
    assert row[3:] == ["not stated", "not stated", "? / ? / ?"]


def test_settings_are_those_in_effect():
    rows = dict(effective_settings(settings(), METHOD))
    assert rows["Lesion threshold"] == "0.15"
    assert rows["Lesions: peak"] == "0.95"
    assert rows["Atlas"] == "AAL"
    assert rows["Connectome"] == "none"
    assert rows["Working grid"] == "1 mm"
    assert dict(effective_settings(settings(lesion_threshold=0.4), METHOD))["Lesion threshold"] == "0.4"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"),
        (True, "yes"),
        (0.50, "0.5"),
        (["a", 2], "a, 2"),
        ({"k": None}, "k: none"),
        ("f" * 64, "f" * 12),
    ],
)
def test_values_in_words(value, text):
    assert words(value) == text


def test_settings_on_the_page_are_words_and_its_lights_do_not_overlap(tmp_path, bids, open_page):
    make_visit(tmp_path)
    about = {"run": run_facts(bids, tmp_path), "images": [["sub-01_T1w.nii.gz", "1", "2", "3", "4", "5"]]}
    page, *_ = write_visit_report(tmp_path, "sub-01", settings=settings(), about=about, with_viewer=False)
    opened = open_page(Path(page))
    text = opened.page.inner_text("#about")
    for word in ("null", '"AAL"', "0.0\n", "None"):
        assert word not in text
    for word in ("Demyelin", "test (", "Container", "Settings in effect"):
        assert word in text
    gaps = opened.page.locator(".lights li").evaluate_all(
        "all => all.map((one) => { const [a, b] = one.children; const range = document.createRange();"
        "range.selectNodeContents(a); return b.getBoundingClientRect().left - range.getBoundingClientRect().right; })"
    )
    assert len(gaps) >= 5
    assert min(gaps) > 0

"""A visit's report, made from small derivatives and used in a browser by mouse and keyboard."""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd
import pytest
from made_visits import EVIL, SPHERES, make_tables, make_visit, place, settings

from bids_app.derivatives import write_json, write_table
from bids_app.derivatives.names import OUTPUTS
from bids_app.image.calibration import CONTRASTS, INSERTED_COLUMNS
from bids_app.image.criteria import NO_DIAGNOSIS, in_space
from bids_app.image.lesion_table import CLASSES
from bids_app.reports.visit import write_visit_report

OTHERS = 9


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("derivatives")
    for number in range(OTHERS):
        make_tables(root, f"sub-{number + 10}", seed=number + 1)
    make_visit(root, "sub-01_ses-1")
    make_visit(root, "sub-02", t1w=False)
    return root


@pytest.fixture(scope="module")
def written(root) -> Path:
    """The page of a visit with T1w, nine others to compare with, and hostile texts."""
    start = time.process_time()
    page, *figures = write_visit_report(root, "sub-01_ses-1", settings=settings(), notes=[EVIL])
    assert time.process_time() - start < 15
    assert page.stat().st_size < 10e6
    assert {path.suffix for path in figures} == {".png", ".html"}
    assert all(path.parent == root / "sub-01" / "figures" for path in figures)
    return page


def opacity(opened, where):
    return float(opened.page.locator(where).evaluate("one => getComputedStyle(one).opacity"))


def drawn(opened, where):
    """Return how many pixels of a canvas are not clear."""
    return opened.page.locator(where).evaluate(
        "one => one.getContext('2d').getImageData(0, 0, one.width, one.height)"
        ".data.filter((byte, at) => at % 4 === 3 && byte).length"
    )


def slide(opened, where, value):
    opened.page.locator(where).evaluate(
        f"one => {{ one.value = {value}; one.dispatchEvent(new Event('input', {{bubbles: true}})); }}"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_quiet_offline_and_open_to_everybody(written, open_page, scheme):
    opened = open_page(written, scheme=scheme)
    opened.assert_clean()


def test_fits_a_narrow_screen(written, open_page):
    opened = open_page(written, width=400)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 400
    assert opened.barriers() == []


def test_hostile_texts_are_shown_as_text(written, open_page):
    opened = open_page(written)
    assert opened.page.locator("#summary li", has_text=EVIL).count() == 1
    assert opened.page.locator("#lesion-rows td", has_text=EVIL).count() == len(SPHERES)
    assert opened.page.locator("#pairs th", has_text=EVIL).count() == 1
    assert opened.page.locator("img[src=x], main script").count() == 0


def test_summary_says_it_in_words_and_with_an_icon(written, open_page):
    opened = open_page(written)
    lesions = opened.page.locator(".lights li", has_text="Lesions:")
    assert "4, " in lesions.inner_text()
    assert "1 periventricular" in lesions.inner_text()
    assert "Look" in lesions.inner_text()  # one lies where artefacts look like lesions
    assert lesions.locator("svg").count() == 1
    assert "synthetic" in opened.page.locator(".lights li", has_text="Disconnection:").inner_text()


def test_flicker_by_mouse_keyboard_and_blend(written, open_page):
    opened = open_page(written)
    second, button = "#alignment .second", opened.page.locator("#alignment [data-flicker]")
    assert opacity(opened, second) == 0
    button.click()
    assert (opacity(opened, second), button.inner_text()) == (1, "Showing FLAIR")
    button.press("Enter")
    assert (opacity(opened, second), button.inner_text()) == (0, "Showing T1w")
    opened.page.locator("#alignment .sheet").click()
    assert opacity(opened, second) == 1
    opened.page.locator("#alignment .scroll").press("f")
    assert opacity(opened, second) == 0
    opened.page.locator("#alignment [data-blend]").focus()
    for _ in range(3):
        opened.page.keyboard.press("PageUp")
    assert 0 < opacity(opened, second) < 1


def test_flicker_plays_and_stops(written, open_page):
    opened = open_page(written)
    play = opened.page.locator("#template [data-play]")
    play.click()
    opened.page.locator("#template [data-flicker][aria-pressed=true]").wait_for()
    opened.page.locator("#template [data-flicker][aria-pressed=false]").wait_for()
    play.click()
    assert play.get_attribute("aria-pressed") == "false"


def test_threshold_and_opacity_move_the_probability(written, open_page):
    opened = open_page(written)
    slide(opened, "#probability [data-threshold]", 0.2)
    canvas = "#probability canvas"
    opened.page.locator(canvas).wait_for()
    many = drawn(opened, canvas)
    slide(opened, "#probability [data-threshold]", 0.9)
    opened.page.wait_for_timeout(200)
    assert 0 < drawn(opened, canvas) < many / 2
    assert opened.page.locator("#probability output").inner_text() == "0.90"
    slide(opened, "#probability [data-fade]", 30)
    assert opacity(opened, canvas) == pytest.approx(0.3)
    opened.page.locator("#probability [data-show]").first.uncheck()
    assert opened.page.locator(canvas).is_hidden()
    assert opened.complaints == []


def test_sides_of_all_pictures_are_mirrored_with_their_letters_and_back(written, open_page):
    opened = open_page(written)
    page = opened.page
    first = page.locator("#lesions .marks g").first  # an axial tile of "Lesions on FLAIR"
    image = page.locator("section#lesions .sheet > img").first

    def halves():
        """Brightness of the first tile's halves, and of a sagittal tile's."""
        return image.evaluate(
            """async (one) => { await one.decode(); const c = document.createElement("canvas");
            [c.width, c.height] = [one.naturalWidth, one.naturalHeight];
            const pen = c.getContext("2d", {willReadFrequently: true});
            pen.drawImage(one, 0, 0);
            const sum = (x, y) => pen.getImageData(x, y, 88, 176).data.reduce((a, b) => a + b, 0);
            return [sum(0, 0), sum(88, 0), sum(0, 528), sum(88, 528)]; }"""
        )

    letters = first.locator("text")
    before = halves()
    assert letters.all_text_contents()[:2] == ["L", "R"]
    page.click("#sides")
    page.wait_for_selector("body[data-sides=radiological]")
    left, right, *sagittal = halves()
    assert (left, right) == pytest.approx((before[1], before[0]), rel=0.01)
    assert sagittal == pytest.approx(before[2:], rel=1e-3)
    assert letters.all_text_contents()[:2] == ["R", "L"]
    assert {"left is on the right"} == {
        text.split("person's ")[1].split(" (")[0]
        for text in page.locator("[data-side]").all_inner_texts()
        if text
    }
    slide(opened, "#probability [data-threshold]", 0.3)  # painted anew, mirrored as well
    page.click("#sides")
    page.wait_for_selector("body[data-sides=neurological]")
    assert halves() == pytest.approx(before, rel=0.01)
    assert opened.complaints == []


def test_every_tile_has_its_sides_and_every_value_layer_its_scale(written, open_page):
    page = open_page(written).page
    for figure in page.locator("[data-stack]").all():
        assert figure.locator(".marks g").count() == 28
        for mark in figure.locator(".marks g").all()[::9]:
            letters = mark.locator("text").all_text_contents()
            assert letters[:2] in (["L", "R"], ["P", "A"])
            assert letters[2].endswith(" mm")
        assert figure.locator(".bars").count() == figure.locator("[data-raw]").count()
    assert (
        page.locator("#disconnection [data-raw]").count() == 1
    )  # on the connectome's grid, not the template's
    for bar in page.locator(".bars").all():
        assert bar.locator("svg rect, svg path").count() >= 9


def test_lesion_rows_show_their_pictures(written, open_page):
    opened = open_page(written)
    title = opened.page.locator("#chosen figcaption strong")
    assert title.inner_text() == "lesion-001."
    opened.page.get_by_role("link", name="lesion-003").click()
    assert title.inner_text() == "lesion-003."
    opened.page.keyboard.press("ArrowDown")
    assert title.inner_text() == "lesion-004."
    opened.page.get_by_role("button", name="Volume, mm³").focus()
    opened.page.keyboard.press("Enter")
    opened.page.keyboard.press("Enter")
    names = opened.page.locator("#lesion-rows tbody th").all_inner_texts()
    assert names == ["lesion-004", "lesion-003", "lesion-002", "lesion-001"]
    shown = opened.page.locator("#chosen img")
    assert shown.evaluate("one => one.complete && one.naturalWidth") > 600


def test_regions_are_held_against_the_others(written, root, open_page):
    opened = open_page(written)
    text = opened.page.locator("#regions").inner_text()
    assert f"{OTHERS} other participants" in text
    heads = opened.page.locator("#regions-rows thead th").all_inner_texts()
    assert heads == ["Region", "Grey matter, mL", "Volume z", "Disconnection, %", "Disconnection z"]
    assert opened.page.locator(".glass img").count() == 2
    assert opened.page.locator("#texture-rows tbody tr").count() == 116


def test_methods_can_be_pasted_in_three_ways(written, open_page):
    opened = open_page(written)
    methods = opened.page.locator("#methods")
    assert "## References" in methods.get_by_role("tabpanel").inner_text()
    methods.get_by_role("tab", name="LaTeX").click()
    latex = methods.get_by_role("tabpanel").inner_text()
    assert "\\cite{AAL}" in latex
    assert "a \\& b\\_c.fib.gz" in latex
    methods.get_by_role("tab", name="BibTeX").click()
    assert "@article{deepbet," in methods.get_by_role("tabpanel").inner_text()


def test_on_paper_both_backgrounds_stand_and_no_controls(written, open_page):
    opened = open_page(written, scheme="dark")
    opened.page.emulate_media(media="print")
    assert opacity(opened, "#alignment .second") == 1
    first, second = (
        opened.page.locator(f"#alignment .sheet img{s}").bounding_box() for s in (":first-child", ".second")
    )
    assert second["y"] >= first["y"] + first["height"]
    assert opened.page.locator(".controls:visible, button:not(.sort):visible").count() == 0
    assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_without_script_pictures_tables_and_texts_are_there(written, open_page):
    opened = open_page(written, script=False)
    assert opened.page.locator("#alignment .second").is_visible()
    assert opened.page.get_by_text("@article{deepbet,").is_visible()


def test_flair_alone_has_its_own_pictures_and_asks_for_a_look(root, open_page):
    page, *figures = write_visit_report(root, "sub-02", settings=settings())
    opened = open_page(page)
    opened.assert_clean()
    light = opened.page.locator(".lights li", has_text="Registration:").inner_text()
    assert "Look" in light
    assert "0.45" in light
    assert "ventricles" in light  # what to do
    assert {"sub-02_desc-flair-lesions.png", "sub-02_desc-belief.png"} <= {path.name for path in figures}


def test_few_others_are_no_norms(tmp_path, open_page):
    make_visit(tmp_path)
    page, *_ = write_visit_report(tmp_path, "sub-01", settings=settings())
    assert "No comparison" in page.read_text()


def test_damaged_image_is_told_and_the_rest_is_shown(tmp_path):
    anat = make_visit(tmp_path)
    damaged = place(anat, "sub-01", "flair")
    damaged.write_bytes(damaged.read_bytes()[:500])
    page, *figures = write_visit_report(tmp_path, "sub-01", settings=settings())
    assert f"{damaged.name}: damaged" in page.read_text()
    assert any(path.name.endswith("_desc-tissues.png") for path in figures)


def test_bundles_and_changes_since_the_visit_before_are_shown(tmp_path):
    anat = make_visit(tmp_path, "sub-01_ses-2")
    bundles = place(anat, "sub-01_ses-2", "chaco_bundles")
    bundles.write_text("index\tname\tchaco\n1\tlow\t0.1\n2\thigh\t0.7\n")
    rows = "1\told\tunchanged\t20\t21\n2\tyoung\tnew\t0\t40\n"
    (anat / "sub-01_ses-2_seg-lesions_desc-since1_dseg.tsv").write_text(
        f"index\tname\tchange\tvolume_before_mm3\tvolume_after_mm3\n{rows}"
    )
    text = write_visit_report(tmp_path, "sub-01_ses-2", settings=settings())[0].read_text()
    assert 'href="sub-01_ses-1.html"' not in text
    (tmp_path / "sub-01_ses-1.html").touch()
    text = write_visit_report(tmp_path, "sub-01_ses-2", settings=settings())[0].read_text()
    assert 'href="sub-01_ses-1.html"' in text
    assert text.index(">high<") < text.index(">low<")
    assert "Lesions: 1 new, 1 unchanged; 0.02 mL then, 0.06 mL now." in text
    assert text.index(">young<") < text.index(">old<")


def add_pair(anat, percent, error, **meta):
    """Add a pair whose brain changed, with what was measured of known change."""
    stem = "sub-01_ses-2"

    def put(key, rows, **about):
        path = anat / OUTPUTS[key].path(stem, template="", atlas="", before="1")
        write_json(about, write_table(pd.DataFrame(rows), path).with_suffix(".json"))

    put("changes", {"change": ["unchanged"], "volume_before_mm3": [20], "volume_after_mm3": [21]}, **meta)
    volumes = {"name": ["brain"], "percent": [percent], "percent_per_year": [percent / 2]}
    put("volume_changes", volumes | {"error_percent": [error]})
    graded = {
        "pair": [1, 2],
        "name": "brain",
        "injected_percent": [0, -0.6],
        "measured_percent": [0.02, -0.55],
    }
    put("volume_calibration", graded)
    lesions = [("new", 11.0, 0), ("new", 95.0, 1), ("growth", 50.0, 1), ("false", 12.0, None)]
    put(
        "change_calibration",
        dict(zip(("name", "volume_mm3", "found"), zip(*lesions, strict=True), strict=True)),
    )


@pytest.mark.parametrize(
    ("percent", "words"),
    [
        (-0.6, "Brain volume changed by -0.60 % (-0.30 % a year; error 0.13 %)."),
        (0.1, "No change of brain volume measured: +0.10 % lies inside the error of this pair, 0.13 %."),
    ],
)
def test_change_inside_the_error_is_no_change_measured(tmp_path, percent, words):
    anat = make_visit(tmp_path, "sub-01_ses-2")
    add_pair(anat, percent, 0.13, ProtocolDifferences=["FLAIR scanner: a, then <b>"])
    text = write_visit_report(tmp_path, "sub-01_ses-2", settings=settings())[0].read_text()
    assert words in text
    assert "The protocol differs." in text
    assert "FLAIR scanner: a, then &lt;b&gt;" in text
    assert ">-0.60 → -0.55<" in text
    assert "0 of 1 of 10 mm³, 1 of 1 of 100 mm³ were called new or enlarged" in text
    assert "of present ones that doubled, 1 of 1; 1 elsewhere in 2 pairs." in text


def test_a_refused_volume_change_is_told_with_the_reason(tmp_path):
    anat = make_visit(tmp_path, "sub-01_ses-2")
    add_pair(anat, 0.1, None)
    path = anat / OUTPUTS["volume_changes"].path("sub-01_ses-2", template="", atlas="", before="1")
    write_json({"NotMeasured": "The FLAIRs differ."}, path.with_suffix(".json"))
    text = write_visit_report(tmp_path, "sub-01_ses-2", settings=settings())[0].read_text()
    assert "Change of brain volume was not measured: the FLAIRs differ." in text
    assert "Brain volume changed" not in text


def test_criteria_are_told_with_what_was_not_imaged(tmp_path):
    anat = make_visit(tmp_path, "sub-01_ses-2")
    counts = {f"{name}_count": int(name == "periventricular") for name in CLASSES}
    write_table(in_space(counts), place(anat, "sub-01_ses-2", "criteria"))
    text = write_visit_report(tmp_path, "sub-01_ses-2", settings=settings())[0].read_text()
    assert "Dissemination in space, 2024 McDonald criteria" in text
    assert "Lesions seen: periventricular. None seen: juxtacortical or cortical, infratentorial." in text
    assert "Not imaged: spinal cord, optic nerve. 2 areas are needed." in text
    assert NO_DIAGNOSIS in text


def test_detection_limits_are_told(tmp_path):
    anat = make_visit(tmp_path, "sub-01_ses-2")
    rows = [(name, 1, 100.0, c, int(name != "faint")) for name, c in CONTRASTS.items()]
    lesions = pd.DataFrame(rows, columns=list(INSERTED_COLUMNS)[1:]).assign(index=[1, 2, 3])
    write_table(lesions, place(anat, "sub-01_ses-2", "calibration_lesions"))
    table = pd.DataFrame(
        {"name": ["all", *CONTRASTS], "limit_mm3": [45.4, None, 60, 10], "false_mm3": [12, None, None, None]}
    )
    write_table(table, place(anat, "sub-01_ses-2", "detection_limits"))
    text = write_visit_report(tmp_path, "sub-01_ses-2", settings=settings())[0].read_text()
    assert (
        "80 % of lesions are found from 45 mm³: strong ones from 10 mm³ or less, medium ones from 60 mm³"
        in text
    )
    assert "faint ones at no size up to 1000 mm³; 12 mm³ appeared" in text
    assert ">0 of 1<" in text


def test_the_same_derivatives_give_the_same_page(root):
    texts = [write_visit_report(root, "sub-02", settings=settings())[0].read_text() for _ in range(2)]
    assert texts[0] == texts[1]


def test_tables_that_are_saved_are_the_derivatives_own(written, open_page):
    opened = open_page(written)
    links = opened.page.locator("a[download]").all()
    assert len(links) >= 3
    for link in links:
        name = link.get_attribute("download")
        with opened.page.expect_download() as download:
            link.click()
        assert (
            download.value.path().read_bytes() == (written.parent / "sub-01/ses-1/anat" / name).read_bytes()
        )

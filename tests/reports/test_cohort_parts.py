"""Parts of the cohort's page: outliers, cells of tables, figures in HTML, who is in it."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from bids_app.figures.drawing import INK, Drawing, keep_all, new_figure
from bids_app.figures.inline import inline_svg
from bids_app.learn.study import load_study
from bids_app.reports.cohort.limits import limits
from bids_app.reports.cohort.participants import characteristics
from bids_app.reports.cohort.quality import modified_z, quality_rows
from bids_app.reports.cohort.tables import page_table


def drawn(words: str) -> Drawing:
    figure, (ax,) = new_figure(height=2)
    ax.plot([0, 1], [0, 1], color=INK, label=words)
    ax.imshow(np.eye(2))
    ax.set_title(words)
    ax.legend()
    return Drawing("one", words, words, "caption", pd.DataFrame({"a": [1]}), figure)


def test_a_figure_is_the_same_bytes_and_its_words_are_text(tmp_path):
    words = "\N{GREEK SMALL LETTER MU} $\\frac{1}$ <b>&\x07"
    (kept,) = keep_all([lambda: drawn(words)], tmp_path / "a")
    (again,) = keep_all([lambda: drawn(words)], tmp_path / "b")
    assert kept.svg.read_bytes() == again.svg.read_bytes()
    root = ElementTree.fromstring(kept.svg.read_bytes())
    assert any(
        "$\\frac{1}$ <b>&" in (text.text or "") for text in root.iter("{http://www.w3.org/2000/svg}text")
    )


def test_a_figure_in_a_page_has_no_style_and_names_of_its_own(tmp_path):
    (kept,) = keep_all([lambda: drawn("title")], tmp_path)
    text = str(inline_svg(kept.svg, "first", 'a "quoted" <alt>'))
    assert "style" not in text
    assert 'aria-label="a &quot;quoted&quot; &lt;alt&gt;"' in text
    root = ElementTree.fromstring(text)
    names = [element.get("id") for element in root.iter() if element.get("id")]
    assert names and all(name.startswith("first-") for name in names)
    links = [element.get("href") for element in root.iter() if (element.get("href") or "").startswith("#")]
    assert links and all(link[1:] in names for link in links)
    clips = [element.get("clip-path") for element in root.iter() if element.get("clip-path")]
    assert clips and all(clip.removeprefix("url(#").removesuffix(")") in names for clip in clips)


def test_visits_are_compared_with_their_site_where_it_is_large_enough():
    rng = np.random.default_rng(0)
    values = pd.Series([*rng.normal(10, 0.2, 20), *rng.normal(20, 0.2, 20), 10.0, 60.0])
    site = pd.Series([*["a"] * 20, *["b"] * 21, "c"])
    far = modified_z(values, site).abs() > 3.5
    assert far[40]  # usual at site a, not at its own
    assert far[41]  # a site of one: compared with all
    assert far[:40].mean() < 0.1
    assert (modified_z(pd.Series([1.0] * 9), pd.Series(["a"] * 9)) == 0).all()


def test_visits_that_stand_out_come_first_with_their_reasons():
    table = pd.DataFrame(
        {
            "visit": ["sub-1", "sub-2"],
            "site": None,
            "cnr_t1w": [2.0, 0.3],
            "outside": [None, "cnr_t1w"],
            "unlike": [None, "cnr_t1w,lesion_count"],
        }
    )
    rows = quality_rows(table)
    assert rows["visit"].tolist() == ["sub-2", "sub-1"]
    assert rows["outliers"].tolist() == [2, 0]
    assert (
        rows["why"][0]
        == "T1w contrast-to-noise: outside the usual range; Number of lesions: unlike the others"
    )


def test_cells_hold_estimates_with_intervals_and_links(tmp_path):
    frame = pd.DataFrame(
        {
            "visit": ["sub-1", "sub-2"],
            "r": [0.5, np.nan],
            "r_low": [0.25, np.nan],
            "r_high": [0.75, np.nan],
            "p": [0.0004, 0.2],
            "n": [1200, 3],
            "protocol": ["paper", "nested"],
            "inside": [True, False],
            "empty": [np.nan, np.nan],
        }
    )
    file = tmp_path / "group/x.tsv"
    file.parent.mkdir()
    file.write_text("visit\nsub-1\n")
    table = page_table(
        frame, title="t", about="a", file="group/x.tsv", root=tmp_path, links={"sub-1": "sub-1.html"}
    )
    assert [column["label"] for column in table["columns"]] == [
        "visit",
        "r (95 % CI)",
        "P",
        "n",
        "protocol",
        "inside",
    ]
    first, second = table["rows"]
    assert first[0] == {"text": "sub-1", "href": "sub-1.html"}
    assert first[1] == {"text": "0.50 (0.25 to 0.75)", "value": 0.5}
    assert first[2]["text"] == "< .001"
    assert first[3]["text"] == "1,200"
    assert first[4:] == ["as published", "yes"]
    assert second[:2] == ["sub-2", "n/a"]
    assert (
        table["data"] == "data:text/tab-separated-values;charset=utf-8,visit%0Asub-1%0A"
    )  # the file, as it is


def test_participants_are_counted_once():
    visits = pd.DataFrame(
        {
            "participant_id": ["sub-1", "sub-1", "sub-2"],
            "diagnosis": ["MS", "MS", None],
            "sex": ["F", "F", "M"],
            "age": [30.0, 31.0, 50.0],
        }
    )
    table = characteristics(visits).set_index("diagnosis")
    assert table.loc["MS", ["visits", "participants", "women"]].tolist() == [2, 1, "1 (100 %)"]
    assert table.loc["not known", "participants"] == 1
    assert len(characteristics(visits[["participant_id"]])) == 1


@pytest.mark.parametrize(("offset", "shifted"), [(0.9, True), (0.1, False)])
def test_limits_name_a_shift_at_another_site(offset, shifted):
    tables = {
        "calibration": pd.DataFrame({"protocol": ["held out"], "set": ["external"], "offset": [offset]})
    }
    words = " ".join(limits(load_study("edss"), tables, {"external_site": "b"}))
    assert ("0.9 EDSS points too high" in words) == shifted
    assert "--permutations 0" in words

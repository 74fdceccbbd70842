"""Criteria from what is seen, with what is not imaged said."""

from __future__ import annotations

import pytest

from bids_app.image.criteria import SPACE_COLUMNS, TIME_COLUMNS, WORDS, in_space, over_time
from bids_app.image.lesion_table import CLASSES


@pytest.mark.parametrize(
    ("places", "met"),
    [
        ((), "no"),
        (("periventricular",), "no"),
        (("periventricular", "deep_white_matter"), "no"),
        (("periventricular", "infratentorial"), "yes"),
        (("juxtacortical_cortical", "infratentorial", "periventricular"), "yes"),
    ],
)
def test_two_areas_are_dissemination_in_space_by_either_revision(places, met):
    table = in_space({f"{name}_count": int(name in places) for name in CLASSES})
    assert list(table.columns) == list(SPACE_COLUMNS)
    assert table["met"].tolist() == [met, met]
    assert table["not_imaged"].tolist() == ["spinal cord", "spinal cord, optic nerve"]
    areas = table[["with_lesions", "without_lesions", "not_imaged"]].fillna("")
    counted = [sum(len(cell.split(", ")) for cell in row if cell) for row in areas.to_numpy()]
    assert counted == [4, 5]
    assert all(CLASSES[name].words in areas["with_lesions"][0] for name in places if CLASSES[name].counts)


@pytest.mark.parametrize(
    ("new", "enlarged", "time", "neda"), [(0, 0, "no", "yes"), (0, 1, "no", "no"), (2, 0, "yes", "no")]
)
def test_time_needs_a_new_lesion_and_neda_no_activity(new, enlarged, time, neda):
    table = over_time({"new": new, "enlarged": enlarged})
    assert list(table.columns) == list(TIME_COLUMNS)
    assert dict(zip(table["name"], table["met"], strict=True)) == {
        "dissemination_in_time": time,
        "neda_mri": neda,
    }


def test_each_criterion_has_words():
    names = [
        *in_space({f"{name}_count": 0 for name in CLASSES})["name"],
        *over_time({"new": 0, "enlarged": 0})["name"],
    ]
    assert names == list(WORDS)

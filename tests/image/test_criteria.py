"""Criteria from what is seen, with what is not imaged said."""

from __future__ import annotations

import pytest

from bids_app.image.criteria import CRITERIA_COLUMNS, criteria
from bids_app.image.lesion_table import CLASSES


def found(table, name):
    return table.set_index("criterion").loc[name]


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
    table = criteria({f"{name}_count": int(name in places) for name in CLASSES})
    assert list(table.columns) == list(CRITERIA_COLUMNS)
    for year, of in (("2017", 4), ("2024", 5)):
        row = found(table, f"dissemination_in_space_{year}")
        assert row["met"] == met
        assert f"of {of} areas" in row["because"]
        assert ("optic nerve" in row["because"]) == (year == "2024")
    assert found(table, "dissemination_in_time")["met"] == "n/a"


@pytest.mark.parametrize(
    ("new", "enlarged", "time", "neda"), [(0, 0, "no", "yes"), (0, 1, "no", "no"), (2, 0, "yes", "no")]
)
def test_time_needs_a_new_lesion_and_neda_no_activity(new, enlarged, time, neda):
    table = criteria({f"{name}_count": 1 for name in CLASSES}, {"new": new, "enlarged": enlarged})
    assert found(table, "dissemination_in_time")["met"] == time
    assert found(table, "neda_mri")["met"] == neda

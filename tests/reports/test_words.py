"""Traffic lights: which numbers ask for a look, and why."""

from __future__ import annotations

import pandas as pd
import pytest
from made_visits import make_tables, place

from bids_app.derivatives import write_table
from bids_app.derivatives.reader import Derivatives
from bids_app.image.template import BUILT_IN
from bids_app.reports.norms import quality_norms
from bids_app.reports.words import lights, quality_rows


@pytest.fixture
def row(tmp_path):
    """Return a function that gives a visit's row of signal to noise, among nine others with 18 +- 1."""

    def give(snr: float, flags: str = "n/a", others: int = 9):
        for number in range(others):
            make_tables(tmp_path, f"sub-{number + 10}", seed=number + 1)
        folder = tmp_path / "sub-01" / "anat"
        write_table(
            pd.DataFrame([{"snr_t1w_wm": snr, "skull_stripped": 0, "flags": flags}]),
            place(folder, "sub-01", "qc"),
        )
        visit = Derivatives(tmp_path).visit("sub-01", template=BUILT_IN, atlas="AAL")
        rows = quality_rows(visit, quality_norms(visit))
        assert next(r for r in rows if r["key"] == "skull_stripped")["level"] == "none"
        return next(r for r in rows if r["key"] == "snr_t1w_wm"), lights(visit, None, rows, [])

    return give


def test_far_below_the_others_asks_for_a_look_and_says_why(row):
    found, note = row(9.0)
    assert found["level"] == "look"
    assert found["why"].startswith("modified z score -")
    light = next(one for one in note if one["label"] == "Scan quality")
    assert light["level"] == "look"
    assert "motion" in light["text"]


def test_far_better_than_the_others_is_good(row):
    assert row(60.0)[0]["level"] == "good"


def test_outside_the_usual_range_asks_for_a_look_without_others(row):
    found, _ = row(3.0, flags="snr_t1w_wm", others=2)
    assert (found["level"], found["why"], found["z"]) == ("look", "usual: at least 5", "n/a")

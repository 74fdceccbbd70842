"""Visits that a rater excluded: out of the cohort, counted with their reasons, listed in full."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from bids_app.cohort.excluded import LISTED, exclude_rated, reasons
from bids_app.cohort.visits import Cohort
from bids_app.errors import InputError
from bids_app.learn.flow import flow_step


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    names = ["sub-1", "sub-2", "sub-3", "sub-4"]
    visits = pd.DataFrame({"participant_id": names, "session_id": [None] * 4})
    return Cohort(tmp_path, visits, flow=[flow_step("visits with derivatives", visits, 4, "")])


def ratings(folder: Path, *lines: str) -> Path:
    path = folder / "ratings.tsv"
    path.write_text("\n".join(["participant_id\trating\tartefacts\tcomment", *lines]) + "\n")
    return path


def test_out_counted_listed_and_in_the_flow(cohort, tmp_path):
    path = ratings(
        tmp_path,
        "sub-1\texclude\tmotion\tblurred",
        "sub-3\texclude\tmotion\tn/a",
        "sub-4\tlook again\tn/a\tn/a",
    )
    left = exclude_rated(cohort, path)
    assert left.visits["participant_id"].tolist() == ["sub-2", "sub-4"]
    assert left.flow[-1]["excluded"] == 2
    assert left.flow[-1]["reason"] == "excluded by rating: motion 2"
    assert any("2 visits excluded (motion 2)" in note for note in left.notes)
    assert any("1 visit rated 'look again' stay" in note for note in left.notes)
    listed = pd.read_csv(tmp_path / LISTED, sep="\t")
    assert dict(listed.itertuples(index=False)) == {"sub-1": "motion: blurred", "sub-3": "motion"}
    assert cohort.visits["participant_id"].tolist() == ["sub-1", "sub-2", "sub-3", "sub-4"]


def test_nothing_left_is_refused(cohort, tmp_path):
    path = ratings(tmp_path, *(f"sub-{k}\texclude\tn/a\tn/a" for k in range(1, 5)))
    with pytest.raises(InputError, match="excludes every visit"):
        exclude_rated(cohort, path)


def test_reasons_are_counted_and_few():
    assert reasons(["motion: a", "motion: b", "noise", "x", "y"]) == "motion 2, noise 1, x 1 and 1 more"

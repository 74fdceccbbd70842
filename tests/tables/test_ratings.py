"""Ratings of visits: what the reports save and what people write."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_app.errors import InputError
from bids_app.tables.ratings import ARTEFACTS, RATINGS, read_ratings
from bids_app.visit_name import VisitName

VISITS = [VisitName("01", "1"), VisitName("01", "2"), VisitName("02", "1"), VisitName("03")]


def write(folder: Path, *lines: str) -> Path:
    path = folder / "ratings.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_excluded_with_reasons_and_looks_stay_in(tmp_path):
    path = write(
        tmp_path,
        "participant_id\tsession_id\trating\tartefacts\tcomment\trater\tdate",
        "sub-01\tses-1\texclude\tmotion, noise\tblurred\tA\t2024-01-01",
        "sub-01\tses-2\taccept\tn/a\tn/a\tA\t2024-01-01",
        "sub-02\tses-1\tLook again\tn/a\tn/a\tA\t2024-01-01",
        "sub-03\tn/a\texclude\tn/a\tn/a\tA\t2024-01-01",
    )
    found = read_ratings(path, VISITS)
    assert dict(found.excluded.itertuples(index=False)) == {
        "sub-01_ses-1": "motion, noise: blurred",
        "sub-03": "no reason given",
    }
    assert found.again == ["sub-02_ses-1"]
    assert found.notes == []


def test_one_of_several_raters_is_enough(tmp_path):
    path = write(tmp_path, "visit\trating\tcomment", "sub-03\taccept\tfine", "sub-03\texclude\tstripes")
    assert list(read_ratings(path, VISITS).excluded["reason"]) == ["stripes"]


def test_a_plain_list_excludes_all_it_names_and_a_participant_all_sessions(tmp_path):
    path = write(tmp_path, "participant_id", "1")
    assert list(read_ratings(path, VISITS).excluded["visit"]) == ["sub-01_ses-1", "sub-01_ses-2"]


def test_what_cannot_be_read_stays_in_and_is_told(tmp_path):
    path = write(
        tmp_path, "visit\trating", "sub-02_ses-1\tbad", "sub-03\texclude", "sub-77\texclude", "n/a\texclude"
    )
    found = read_ratings(path, VISITS)
    assert list(found.excluded["visit"]) == ["sub-03"]
    assert found.again == ["sub-02_ses-1"]
    notes = " | ".join(found.notes)
    for words in ("'bad'", "sub-77", "line 5"):
        assert words in notes


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["name\trating", "x\texclude"], "participant_id"),
        (["participant_id\trating"], "no lines"),
        (["participant_id\trating", "sub-99\texclude"], "none of its 1 lines"),
    ],
)
def test_tables_of_no_use_are_refused_in_one_line(tmp_path, lines, words):
    with pytest.raises(InputError, match=words) as error:
        read_ratings(write(tmp_path, *lines), VISITS)
    assert "\n" not in str(error.value)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(VISITS),
            st.sampled_from(RATINGS),
            st.lists(st.sampled_from(ARTEFACTS), unique=True),
        ),
        min_size=1,
    )
)
def test_every_exclusion_counts_whatever_the_order(tmp_path_factory, some):
    rows = [
        f"{name.participant_id}\t{name.session_id or 'n/a'}\t{rating}\t{', '.join(wrong) or 'n/a'}"
        for name, rating, wrong in some
    ]
    path = write(tmp_path_factory.mktemp("r"), "participant_id\tsession_id\trating\tartefacts", *rows)
    out = {name.prefix for name, rating, _ in some if rating == "exclude"}
    assert set(read_ratings(path, VISITS).excluded["visit"]) == out

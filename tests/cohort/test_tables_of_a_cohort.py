"""Tables that lie beside a cohort: each value is used, or told not to be."""

from __future__ import annotations

import pytest

from bids_app.cohort import read_cohort
from bids_app.errors import InputError

VISITS = ["sub-01_ses-01", "sub-01_ses-02", "sub-02_ses-01", "sub-02_ses-02"]
PEOPLE = "participant_id\tage\tsex\tedss\nsub-01\t30\tF\t2\nsub-02\t40\tM\t3\n"


@pytest.fixture
def cohort(tmp_path):
    """Return a function that reads the cohort of visits and tables."""

    def read(files, visits=VISITS):
        for name in visits:
            folder = tmp_path.joinpath("out", *name.split("_"), "anat")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}_seg-lesions_dseg.tsv").write_text("index\tvolume_mm3\n")
        for name, text in {"participants.tsv": PEOPLE, **files}.items():
            path = tmp_path / "raw" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return read_cohort(tmp_path / "out", tmp_path / "raw" / "participants.tsv")

    return read


def test_sessions_without_padding(cohort):
    read = cohort(
        {
            "sub-01/sub-01_sessions.tsv": "session_id\tedss\n1\t2.5\n2\t3.5\n",
            "sub-02/sub-02_sessions.tsv": "session_id\tedss\nses-1\t4\nses-3\t4.5\n",
        }
    )
    assert read.visits["edss"].tolist() == [2.5, 3.5, 4, 3]
    assert "sub-*_sessions.tsv: 1 of 4 rows match no visit, such as sub-02 ses-3" in read.notes
    assert any("1 of 4 visits have no row (sub-02_ses-02" in note for note in read.notes)


def test_visits_without_a_session_lack_no_row_of_sessions(cohort):
    table = "session_id\tedss\n1\t2.5\n"
    read = cohort({"sub-01/sub-01_sessions.tsv": table}, ["sub-01_ses-01", "sub-01_ses-02", "sub-02"])
    assert any("1 of 2 visits have no row (sub-01_ses-02 ...)" in note for note in read.notes)


def test_a_table_of_phenotypes_with_visits_in_one_column(cohort):
    read = cohort({"phenotype/edss.tsv": "participant_id\tedss\nsub-01_ses-01\t2,5\nsub-01_ses-02\t3.5\n"})
    assert read.visits["edss"].tolist() == [2.5, 3.5, 3, 3]


def test_values_that_differ_between_tables_are_told(cohort):
    read = cohort({"phenotype/a.tsv": "participant_id\tage\tsex\nsub-01\t35\tF\nsub-77\t40\tM\n"})
    assert read.visits["age"].tolist() == [30, 30, 40, 40]
    said = " ".join(read.notes)
    assert (
        "phenotype/a.tsv: column age differs from what another table has for 2 visits, such as 35.0 here"
        in said
    )
    assert "phenotype/a.tsv: 1 of 2 rows match no visit, such as sub-77" in said
    assert "phenotype/a.tsv: 1 participants have no row (sub-02 ...)" in said
    assert "column sex differs" not in said


def test_tables_that_lie_where_none_is_read_are_told(cohort):
    read = cohort({"sessions.tsv": "a\n", "phenotype/edss.csv": "a\n"})
    assert any(note.startswith("2 tables are not read (sessions.tsv ...)") for note in read.notes)


def test_a_table_of_sessions_of_visits_without_is_told(cohort):
    read = cohort({"sub-01/sub-01_sessions.tsv": "session_id\tedss\nses-1\t2.5\n"}, ["sub-01", "sub-02"])
    assert any("1 tables of sessions are not used" in note for note in read.notes)


def test_dates_of_a_column_are_read_by_one_rule(cohort):
    read = cohort(
        {
            "participants.tsv": "participant_id\tedss\tedss_date\nsub-01\t2\t13.01.2020\nsub-02\t3\t5.2.2020\n",
            "sub-01/sub-01_sessions.tsv": "session_id\tacq_time\nses-01\t2020-01-01\n",
            "sub-02/sub-02_sessions.tsv": "session_id\tacq_time\nses-01\t1/2/2020\nses-02\t2/2/2020\n",
        }
    )
    days = read.visits["days_to_edss"]
    assert days[0] == 12 and days[1:3].isna().all() and days[3] == 3
    assert any("read with the day first" in note for note in read.notes)
    assert any("'1/2/2020'" in note and "could be two" in note for note in read.notes)


def test_a_table_under_another_ending_is_named(cohort, tmp_path):
    cohort({})
    (tmp_path / "raw/participants.tsv").rename(tmp_path / "raw/participants.csv")
    with pytest.raises(InputError, match=r"there is participants.csv: save it as participants.tsv"):
        read_cohort(tmp_path / "out", tmp_path / "raw" / "participants.tsv")

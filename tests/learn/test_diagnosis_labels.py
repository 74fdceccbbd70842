"""Labels as they are: a few patients of other diagnoses, revised diagnoses, and messages that name what was found."""

from __future__ import annotations

import pandas as pd
import pytest

from bids_app.errors import InputError
from bids_app.learn.diagnosis.grid import PAPER_SIZES, parse_sizes
from bids_app.learn.diagnosis.scans import check_folds, check_patients, least_patients, select_scans


def visits(**patients):
    rows, number = [], 0
    for label, n in patients.items():
        for _ in range(n):
            number += 1
            rows += [(f"sub-{number:02d}", f"ses-{s}", label) for s in (1, 2)]
    return pd.DataFrame(rows, columns=["participant_id", "session_id", "diagnosis"])


@pytest.mark.parametrize("others", [{"MOGAD": 3}, {"HC": 1}, {"CIS": 2, "RIS": 1, "HC": 4}])
def test_a_few_of_other_diagnoses_do_not_stop_the_rest(others):
    scans = select_scans(visits(RRMS=12, NMOSD=8, **others), least_patients=5)
    assert scans.classes == ("RRMS", "NMOSD") and len(scans.table) == 40
    for name, n in others.items():
        assert any(f"{name} ({n})" in note and "--classes" in note for note in scans.notes)
    assert scans.flow[-1]["excluded"] == 2 * sum(others.values())


def test_classes_that_are_named_are_never_left_out():
    table = visits(RRMS=12, NMOSD=8, MOGAD=3)
    assert select_scans(table, classes=["RRMS", "MOGAD"], least_patients=5).classes == ("RRMS", "MOGAD")
    assert len(select_scans(visits(RRMS=12, NMOSD=8, MOGAD=6), least_patients=5).classes) == 3


def test_messages_name_the_words_found():
    with pytest.raises(InputError, match=r"found MS: .*it holds HC \(3 patients\), MS \(9 patients\)"):
        check_patients(visits(MS=9, HC=3), ("MS", "NMOSD"))
    with pytest.raises(InputError, match=r"--classes; it holds HC \(1 patients\), MS \(9 patients\)"):
        select_scans(visits(MS=9, HC=1))


def test_a_revised_diagnosis_is_refused_with_advice_that_works():
    table = visits(RRMS=6, NMOSD=6)
    table.loc[(table["participant_id"] == "sub-02") & (table["session_id"] == "ses-2"), "diagnosis"] = "NMOSD"
    with pytest.raises(
        InputError, match=r"sub-02 has more than one diagnosis \(NMOSD, RRMS\).*--last-diagnosis"
    ):
        select_scans(table)
    scans = select_scans(table, last_diagnosis=True)
    assert set(scans.table.loc[scans.table["participant_id"] == "sub-02", "diagnosis"]) == {"NMOSD"}
    assert any("1 patients have more than one diagnosis" in n and "sub-02" in n for n in scans.notes)
    dated = table.assign(acq_time=["2020-05-01", "2019-05-01"] * 12)  # the second session came first
    scans = select_scans(dated, last_diagnosis=True)
    assert set(scans.table.loc[scans.table["participant_id"] == "sub-02", "diagnosis"]) == {"RRMS"}


@pytest.mark.parametrize(("cv", "outer"), [(10, 5), (3, 3), (2, 2), (5, 10)])
def test_least_patients_is_what_the_folds_need(cv, outer):
    n = least_patients(cv, outer)
    check_folds(select_scans(visits(RRMS=n, NMOSD=n)), cv, outer)
    with pytest.raises(InputError, match="too few"):
        check_folds(select_scans(visits(RRMS=n, NMOSD=n - 1)), cv, outer)


def test_sizes_as_they_are_written():
    assert parse_sizes(["16", "27", "all"]) == (16, 27, "all")
    assert parse_sizes([]) == PAPER_SIZES
    for text in ("0", "-4", "2.5", "many", ""):
        with pytest.raises(InputError, match="--sizes"):
            parse_sizes(["8", text])

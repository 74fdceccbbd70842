"""Days from dates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bids_app.cohort.dates import add_days


def visits(**columns):
    return pd.DataFrame({"participant_id": ["sub-01", "sub-02", "sub-03"], **columns})


def test_days_are_counted_from_the_scan_whatever_the_hour():
    table = visits(
        acq_time=["2021-03-30T23:50:00", "1899-12-31", "2021-03-30"],
        edss_date=["2021-04-02T00:10:00", "1899-12-30", None],
        relapse_date=["2021-03-01", None, "2021-04-05"],
    )
    made = add_days(table, [])
    assert made["days_to_edss"].tolist()[:2] == [3, -1] and np.isnan(made["days_to_edss"][2])
    assert made["days_since_relapse"].tolist()[::2] == [29, -6] and np.isnan(made["days_since_relapse"][1])
    assert "days_since_steroids" not in made
    assert "days_to_edss" not in table


def test_days_that_are_given_stay():
    table = visits(acq_time="2021-03-30", edss_date="2021-04-01", days_to_edss=[7.0, np.nan, 0.0])
    assert add_days(table, [])["days_to_edss"].tolist() == [7, 2, 0]


def test_no_dates_nothing_changes():
    table = visits(edss=[1.0, 2.0, 3.0])
    assert add_days(table, []) is table


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"edss_date": "2021-04-01"}, "needs the date of the scan and was not used: add acq_time"),
        ({"edss_date": "2021-04-01", "acq_time": None}, "needs the date of the scan"),
        ({"edss_date": "01/04/2021", "acq_time": "2021-03-30"}, "such as '01/04/2021' are no dates"),
        ({"edss_date": "2021-04-01", "acq_time": 20}, "acq_time: 3 cells such as '20'"),
    ],
)
def test_what_cannot_be_read_is_missing_and_told(columns, message):
    notes = []
    made = add_days(visits(**columns), notes)
    assert any(message in note for note in notes)
    assert "days_to_edss" not in made or made["days_to_edss"].isna().all()

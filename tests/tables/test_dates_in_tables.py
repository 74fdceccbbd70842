"""Dates as people write them: read where one reading is possible, else left alone."""

from __future__ import annotations

import datetime

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_app.tables.dates import read_dates
from bids_app.tables.times import days_between


@pytest.mark.parametrize(
    ("cells", "days", "message"),
    [
        (["2021-03-30", "2021-03-30T10:00:00Z", None], ["2021-03-30", "2021-03-30", None], ""),
        (["20210330"], ["2021-03-30"], ""),
        (["30.03.2021", "1.2.2021 10:30"], ["2021-03-30", "2021-02-01"], "day first"),
        (["30/03/2021", "01/02/2021"], ["2021-03-30", "2021-02-01"], "day first"),
        (["3/30/2021", "1-2-2021"], ["2021-03-30", "2021-01-02"], "month first"),
        (["01/02/2021", "03/03/2021"], [None, "2021-03-03"], "day first"),
        (["13/02/2021", "02/13/2021"], [None, None], ""),
        (["13.01.20", "15 Feb 2020", "43831", "x"], [None] * 4, ""),
        (["31.02.2021"], [None], "day first"),
    ],
)
def test_a_column(cells, days, message):
    read = read_dates(pd.Series(cells, dtype=object))
    assert [None if pd.isna(day) else f"{day:%Y-%m-%d}" for day in read.days] == days
    assert message in read.note and bool(read.note) == bool(message)
    lost = [cell for cell, day in zip(cells, days, strict=True) if cell and day is None]
    assert [cells[label] for label in read.unread] == lost


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.dates(datetime.date(1990, 1, 1), datetime.date(2030, 1, 1)), min_size=1, max_size=5),
    st.sampled_from(["%Y-%m-%d", "%Y%m%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y"]),
)
def test_no_date_becomes_another(dates, form):
    read = read_dates(pd.Series([date.strftime(form) for date in dates]))
    for place, date in enumerate(dates):
        assert pd.isna(read.days[place]) == (place in read.unread)
        assert pd.isna(read.days[place]) or read.days[place].date() == date


def test_days_between_dates_of_different_forms():
    assert days_between("2021-03-30", "01.04.2021") == 2
    assert days_between("2021-03-30", "soon") is None

"""Tables with cells and columns that could be misread: what is sure is read and told, the rest is named."""

from __future__ import annotations

import json
import math

import pandas as pd
import pytest

from bids_app.errors import InputError
from bids_app.tables import match_ids, read_people
from bids_app.tables.yes_no import read_yes_no


@pytest.fixture
def people(tmp_path):
    """Return a function that reads a table of this text, with a JSON file beside it."""

    def read(text, about=None, columns=None):
        path = tmp_path / "participants.tsv"
        path.write_bytes(text.encode())
        if about:
            path.with_suffix(".json").write_text(json.dumps(about))
        return read_people(path, columns=columns)

    return read


def column(name, *cells):
    """Return a table of one column."""
    return "\n".join([f"participant_id\t{name}", *(f"sub-{n:02d}\t{cell}" for n, cell in enumerate(cells))])


@pytest.mark.parametrize(
    ("cell", "value", "message"),
    [
        ("30 years", 30, "has its unit: turned into years"),
        ("360 months", 30, "has its unit"),
        ("030Y", 30, "has its unit"),
        ("360M", 30, "has its unit"),
        ("30 Jahre", 30, "has its unit"),
        (">89", 89, "lower bound"),
        ("90 or older", 90, "lower bound"),
        (">30", None, "is not a number"),
        ("30+", None, "is not a number"),
        ("30-35", None, "is not a number"),
        ("30 apples", None, "is not a number"),
        ("99", 99, "may be a code for what is missing"),
        ("0", 0, "may be a code for what is missing"),
        ("9999", None, "is a code for what is missing"),
    ],
)
def test_an_age(people, cell, value, message):
    read = people(column("age", cell))
    found = read.values["age"][0]
    assert found == pytest.approx(value) if value is not None else found != found
    assert any(message in note and "line 2" in note for note in read.notes)


@pytest.mark.parametrize("cell", ["6-6.5", "10.5", "<2", "6.5*", "0.5", "1,75", "II", "3?", "-1"])
def test_an_edss_that_is_none(people, cell):
    read = people(column("edss", cell, "2"))
    assert read.values["edss"].isna().tolist() == [True, False]
    assert any(f"'{cell}'" in note and "taken as missing" in note for note in read.notes)


@pytest.mark.parametrize(
    ("header", "about", "columns", "message"),
    [
        ("age", {"age": {"Units": "months"}}, None, "in months by its Units"),
        ("age", {"age": {"Description": "age at scan in months"}}, None, "in months by its Description"),
        ("Age (months)", None, None, "in months by its name"),
        ("age_months", None, {"age": "age_months"}, "in months by its name"),
        ("months_old", {"months_old": {"Units": "Monate"}}, {"age": "months_old"}, "in months by its Units"),
    ],
)
def test_a_unit_wherever_it_is_said(people, header, about, columns, message):
    read = people(column(header, "360", "30 years"), about, columns)
    assert read.values["age"].tolist() == [30, 30]
    assert any(message in note for note in read.notes)


def test_a_unit_that_nobody_knows_is_told(people):
    read = people(column("age", "30"), {"age": {"Units": "moons"}})
    assert any("Units 'moons' are none known: taken as years" in note for note in read.notes)


@pytest.mark.parametrize(
    ("cells", "levels", "values"),
    [
        (["M", "W", "w", "weibl."], None, ["M", "F", "F", "F"]),
        (["1", "2", "9"], {"1": "kvinna", "2": "man", "9": "unknown"}, ["F", "M", None]),
        (["1.0", "02"], {"1": "male", "2": "female"}, ["M", "F"]),
        (["1", "2"], {"male": 1, "female": "2"}, ["M", "F"]),
        (["M", "H"], {"M": "mujer", "H": "hombre"}, ["F", "M"]),
        (["M", "K"], {"M": "mand", "K": "kvinde"}, ["M", "F"]),
        (["1", "0"], {"1": "female sex at birth", "0": "male (as told)"}, ["F", "M"]),
        (["1", "0"], {"1": "not male", "0": "male or female"}, [None, None]),
        (["M", "H"], None, [None, None]),
        (["1", "2"], None, [None, None]),
        (["trans man", "f/m", "XY"], None, [None, None, None]),
    ],
)
def test_a_sex(people, cells, levels, values):
    read = people(column("sex", *cells), {"sex": {"Levels": levels}} if levels else None)
    assert read.values["sex"].tolist() == values
    lost = values.count(None)
    assert sum("taken as missing" in note for note in read.notes) >= bool(lost)


def test_a_diagnosis_in_full_is_the_acronym_where_both_are_there(people):
    read = people(column("diagnosis", "MS", "Multiple Sclerosis", "M.S.", "MS?", "NMOSD"))
    assert read.values["diagnosis"].tolist() == ["MS", "MS", "MS", None, "NMOSD"]
    assert any("'MS?' is not sure" in note for note in read.notes)
    alone = people(column("diagnosis", "Multiple Sclerosis", "Healthy"))
    assert alone.values["diagnosis"].tolist() == ["Multiple Sclerosis", "Healthy"]


@pytest.mark.parametrize("cell", ['"a\tb"', '"a\nb"', '"a "" b"'])
def test_a_quoted_cell_between_tabs_may_hold_tabs_and_lines(people, cell):
    read = people(f'participant_id\tnote\tage\nsub-01\t{cell}\t30\nsub-02\t5"\t31\n')
    assert read.values["participant_id"].tolist() == ["sub-01", "sub-02"]
    assert read.values["age"].tolist() == [30, 31]


def test_characters_that_nobody_sees_and_bars(people):
    read = people("\ufeff\ufeffparticipant_id|age\nsub-01\u200b|30\n")
    assert read.values.iloc[0].tolist() == ["sub-01", 30]


def test_whose_the_rows_are(people):
    visits = people("participant_id\tedss\nsub-01_ses-1\t2\nsub-01_ses-2\t3\nsub-02\t4\n")
    assert visits.keys == ("participant_id", "session_id")
    assert visits.values["session_id"].tolist() == ["ses-1", "ses-2", None]
    assert people("participant_id\tsession\nsub-01\t1\n").values["session_id"].tolist() == ["ses-1"]
    assert people("participant_id\tsession\tsession_id\nsub-01\tx\t1\n").values["session_id"].tolist() == [
        "ses-1"
    ]
    with pytest.raises(InputError, match="give --columns participant_id=Subject"):
        people("Subject\tage\nsub-01\t30\n")
    with pytest.raises(InputError, match="separate the columns by tabs"):
        people("participant_id age\nsub-01 30\n")
    assert match_ids(["sub-sub07"], ["sub-07"], "sub-") == {"sub-sub07": "sub-07"}


def test_dates_stay_as_they_are_written(people):
    assert people(column("acq_time", "20210330", "20210401")).values["acq_time"].tolist() == [
        "20210330",
        "20210401",
    ]


def test_yes_and_no_however_said():
    values, unread = read_yes_no(pd.Series(["Yes", "nein", "TRUE", " 0 ", "1.0", None, "", "perhaps"]))
    assert values.fillna(-1).tolist() == [1, 0, 1, 0, 1, -1, -1, -1]
    assert unread.tolist() == ["perhaps"]
    assert read_yes_no(pd.Series([1.0, 0.0, float("nan")]))[0].fillna(-1).tolist() == [1, 0, -1]


def test_a_column_of_ones_own_with_decimal_commas_is_one_of_numbers(people):
    read = people(column("nfl", "12,5", "9", "n/a"))
    assert read.values["nfl"].fillna(-1).tolist() == [12.5, 9, -1]
    assert any("column nfl" in note and "decimal comma" in note for note in read.notes)
    mixed = people(column("nfl", "12,5", "low", "01"))
    assert mixed.values["nfl"].tolist() == ["12,5", "low", "01"]


@pytest.mark.parametrize("name", ["age", "volume"])
@pytest.mark.parametrize(
    "cell", ["-9223372036854775809", "99999999999999999999", "1" * 40, "1e400", "-1e999"]
)
def test_a_number_of_any_size_is_read_or_told(people, name, cell):
    read = people(column(name, "30", cell))
    values = read.values[name]
    assert values[0] == 30
    if name == "volume" and abs(float(cell)) < math.inf:
        assert values[1] == float(cell)
    else:  # no number, or no age
        assert math.isnan(values[1])
        assert any(f"column {name}" in note and "line 3" in note for note in read.notes), read.notes

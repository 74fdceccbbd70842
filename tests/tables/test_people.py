"""Tables as people write them: what is put right, what is named, and that no value is lost without a word."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_app.errors import InputError
from bids_app.tables import match_ids, read_people, read_sessions, read_table


def people(tmp_path, text, *, about=None, columns=None, encoding="utf-8"):
    path = tmp_path / "participants.tsv"
    path.write_bytes(text.encode(encoding))
    if about:
        (tmp_path / "participants.json").write_text(json.dumps(about))
    return read_people(path, columns=columns)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("separator", ["\t", ";", ","])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_whatever_program_wrote_it(tmp_path, encoding, separator, ends):
    rows = [
        ["participant_id", "age", "site"],
        ["sub-01", "30", "Zürich"],
        ["", "", ""],
        ["sub-02", "41", "Genève"],
    ]
    text = ends.join(separator.join(row) for row in rows) + ends * 3
    read = people(tmp_path, text, encoding=encoding)
    assert read.values["age"].tolist() == [30, 41]
    assert read.values["site"].tolist() == ["Zürich", "Genève"]
    assert any("blank lines" in note for note in read.notes)


def test_quotes_comments_and_short_and_long_lines(tmp_path):
    text = 'sep=;\n# a comment\nparticipant_id;age;note\nsub-01;30;"a; b"\nsub-02;41\nsub-03;50;x;y\nsub-04;51;5"\n'
    read = people(tmp_path, text)
    assert read.values["participant_id"].tolist() == ["sub-01", "sub-02", "sub-04"]
    assert read.values["note"].tolist() == ["a; b", None, '5"']
    notes = " ".join(read.notes)
    assert "line 5 has 2 cells" in notes and "line 6 has 4 cells" in notes


def test_a_workbook_and_an_empty_file_are_refused(tmp_path):
    path = tmp_path / "participants.tsv"
    path.write_bytes(b"PK\x03\x04rest")
    with pytest.raises(InputError, match="Excel workbook"):
        read_people(path)
    path.write_bytes(b"\n\n")
    with pytest.raises(InputError, match="empty"):
        read_people(path)
    path.write_bytes(b"subject\tage\nsub-01\t3\n")
    with pytest.raises(InputError, match="column participant_id is missing; it has subject, age"):
        read_people(path)


@pytest.mark.parametrize("header", ["Participant_ID", "participant id ", "PARTICIPANT-ID", "participantId"])
def test_names_of_columns_in_any_case(tmp_path, header):
    read = people(tmp_path, f"{header}\tEDSS\tAge \tSEX\tDisease Course\n01\t2.0\t30\tf\tRRMS\n")
    row = read.values.iloc[0]
    assert row.tolist() == ["sub-01", 2.0, 30.0, "F", "RR"]
    assert any("read as edss" in note for note in read.notes)
    assert any("'01': read as sub-01" in note for note in read.notes)


@pytest.mark.parametrize(
    ("column", "cell", "value", "message"),
    [
        ("age", "30,5", 30.5, "decimal comma"),
        ("age", "89+", 89, None),
        ("age", "old", None, "is not a number"),
        ("age", "999", None, "outside 0 to 120 years"),
        ("age", "-999", None, "code for what is missing"),
        ("age", "NA", None, "taken as missing"),
        ("edss", "2.7", None, "not on the scale"),
        ("edss", "0.5", None, "not on the scale"),
        ("edss", "2,5", 2.5, "decimal comma"),
        ("edss", "11", None, "not on the scale"),
        ("disease_duration", "50", None, "longer than the age, 30"),
        ("onset_age", "31", None, "after the age"),
        ("sex", "Female", "F", "read as M or F"),
        ("sex", "w", "F", "read as M or F"),
        ("sex", "1", None, "a code without Levels"),
        ("sex", "x", None, "neither M nor F"),
        ("disease_course", "SPMS active", "SP", "read as SP"),
        ("disease_course", "relapsing-remitting", "RR", None),
        ("disease_course", "CIS/RRMS", "CIS/RRMS", "not one course known: left as written"),
        ("diagnosis", "nmosd", "NMOSD", "spelling alone"),
        ("diagnosis", "ms ", "MS", "spelling alone"),
        ("site", "2", "2", None),
    ],
)
def test_a_cell(tmp_path, column, cell, value, message):
    extra = "" if column == "age" else "\tage"
    text = f"participant_id\t{column}{extra}\nsub-01\t{cell}" + ("\t30" if extra else "") + "\n"
    read = people(tmp_path, text)
    found = read.values[column].iloc[0]
    assert (found == value) if value is not None else found != found or found is None
    assert message is None or any(message in note for note in read.notes), read.notes


def test_codes_and_units_by_the_json_file(tmp_path):
    about = {
        "sex": {"Levels": {"0": "Female", "1": {"Description": "male"}}},
        "Age": {"Units": "days"},
        "edss": {"Levels": {"9": "missing"}},
        "diagnosis": {"Levels": {"1": "MS", "2": "NMOSD"}},
    }
    text = "participant_id\tsex\tAge\tedss\tdiagnosis\nsub-01\t0\t10957.5\t9\t1\nsub-02\t1\t20000\t3\t2\n"
    read = people(tmp_path, text, about=about)
    assert read.values["sex"].tolist() == ["F", "M"]
    assert read.values["age"].iloc[0] == pytest.approx(30)
    assert read.values["edss"].isna().tolist() == [True, False]
    assert read.values["diagnosis"].tolist() == ["MS", "NMOSD"]
    assert any("in days by its Units" in note for note in read.notes)


def test_several_rows_of_one_participant(tmp_path):
    text = "participant_id\tage\tsite\nsub-01\t30\tA\nsub-01\t31\tA\nsub-02\t40\tB\nsub-02\t40\tB\n"
    read = people(tmp_path, text)
    assert read.values["participant_id"].tolist() == ["sub-01", "sub-02"]
    assert read.values["age"].isna().tolist() == [True, False]
    assert read.values["site"].tolist() == ["A", "B"]
    notes = " ".join(read.notes)
    assert "sub-01 has 2 rows (lines 2, 3): they differ in age" in notes and "sub-02 has 2 rows" in notes


def test_a_row_for_each_session(tmp_path):
    text = "participant_id\tsession_id\tedss\n01\t1\t2\n01\t2\t3\n"
    read = people(tmp_path, text)
    assert read.keys == ("participant_id", "session_id")
    assert read.values["session_id"].tolist() == ["ses-1", "ses-2"]


def test_columns_by_own_names(tmp_path):
    text = "participant_id\tage\tage_at_scan\tEDSS_baseline\nsub-01\t1\t30\t2\n"
    read = people(
        tmp_path, text, columns={"age": "age_at_scan", "edss": "edss_baseline", "onset_age": "age_at_scan"}
    )
    assert read.values[["age", "edss", "onset_age"]].iloc[0].tolist() == [30, 2, 30]


def test_columns_of_one_name(tmp_path):
    read = people(tmp_path, "participant_id\tedss\tEDSS\tEDSS\nsub-01\t2\t\t2\nsub-02\t2\t3\t\n")
    assert read.values["edss"].isna().tolist() == [False, True]
    assert any("differ between columns" in note for note in read.notes)


def test_identifiers_match_where_there_is_no_doubt():
    assert match_ids(["sub-1", "sub-02"], ["sub-01", "sub-02"], "sub-") == {
        "sub-02": "sub-02",
        "sub-1": "sub-01",
    }
    assert match_ids(["sub-1"], ["sub-01", "sub-001"], "sub-") == {}
    assert match_ids(["sub-1", "sub-001"], ["sub-01"], "sub-") == {}
    assert match_ids(["ses-01"], ["ses-1"], "ses-") == {"ses-01": "ses-1"}
    assert match_ids(["sub-MS7"], ["sub-ms07"], "sub-") == {"sub-MS7": "sub-ms07"}


def test_tables_of_sessions_are_one_and_name_their_files(tmp_path):
    paths = {}
    for number, text in enumerate(
        ["session_id\tedss\n1\t2\nses-2\t2.7\n", "Session_ID\tEDSS\n1\t3\n", "edss\n1\n"]
    ):
        person = f"sub-0{number}"
        paths[person] = tmp_path / person / f"{person}_sessions.tsv"
        paths[person].parent.mkdir()
        paths[person].write_text(text)
    read, refused = read_sessions(paths)
    assert read.values["edss"].tolist()[0] == 2 and len(read.values) == 3
    assert any("sub-00_sessions.tsv 3" in note and "'2.7'" in note for note in read.notes)
    assert len(refused) == 1 and "sub-02_sessions.tsv: column session_id is missing" in refused[0]


CELLS = st.one_of(
    st.sampled_from(
        [
            "n/a",
            "",
            "NA",
            "-",
            "3",
            "3.5",
            "2,5",
            "2.7",
            "999",
            "-999",
            "89+",
            "F",
            "male",
            "0",
            "RRMS",
            "SPMS active",
        ]
    ),
    st.sampled_from(
        ["CIS/RRMS", "MS", "ms", "nmosd", "Genève", "unknown", "none", "x y", '"', "'", "#1", "1.0", "=1+1"]
    ),
    st.text(alphabet='aéB1.,;-" ', max_size=5),
)
NAMES = ["age", "EDSS", "sex", "disease_course", "diagnosis", "site", "disease_duration", "other"]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True),
    st.lists(st.lists(CELLS, min_size=4, max_size=4), min_size=1, max_size=6),
)
def test_no_value_is_lost_without_a_word(names, rows):
    header = ["participant_id", *names]
    lines = [[f"sub-{number:02d}", *row[: len(names)]] for number, row in enumerate(rows)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "participants.tsv"
        path.write_text("\n".join("\t".join(cells) for cells in [header, *lines]) + "\n")
        read, plain = read_people(path), read_table(path)
    said = " ".join(read.notes)
    assert len(read.values) == len(rows)
    missing = plain.cells.isna().to_numpy().sum()
    empty = ("", "n/a", '""', '" "')  # a quoted nothing is nothing
    written = sum(" ".join(cell.split()) not in empty for row in lines for cell in row)
    counted = sum(int(found) for found in re.findall(r"(\d+) cells say", said))
    assert written == plain.cells.notna().to_numpy().sum() + counted and missing >= counted
    for name in names:
        column = name.casefold()
        lost = plain.cells[name].notna().to_numpy() & read.values[column].isna().to_numpy()
        noted = 0
        for note in read.notes:
            if f"column {column} (" in note and "taken as missing" in note:
                found = re.search(r"\((\d+) cells, lines", note)
                noted += int(found[1]) if found else 1
        assert noted >= lost.sum(), (read.notes, plain.cells)


def test_words_that_mean_something_by_themselves_stay_whatever_longer_words_the_levels_have(tmp_path):
    path = tmp_path / "participants.tsv"
    path.write_text("participant_id\tsex\tdisease_course\tdiagnosis\nsub-1\tF\tSP\tMS\nsub-2\tM\tRR\tHC\n")
    levels = {
        "sex": {"Levels": {"F": "female", "M": "male"}},
        "disease_course": {"Levels": {"SP": "secondary progressive", "RR": "relapsing-remitting"}},
        "diagnosis": {"Levels": {"MS": "multiple sclerosis", "HC": "healthy control"}},
    }
    path.with_suffix(".json").write_text(json.dumps(levels))
    read = read_people(path)
    assert read.values["diagnosis"].tolist() == ["MS", "HC"]
    assert read.values["disease_course"].tolist() == ["SP", "RR"]
    assert not read.notes

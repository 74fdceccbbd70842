"""The tables of all visits as one matrix: gaps, text, damage and the cache, each told and none fatal to the others."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from bids_app.cohort.features import read_features
from bids_app.derivatives import write_table
from bids_app.errors import InputError

VISITS = pd.DataFrame({"participant_id": ["sub-1", "sub-2", "sub-3"], "session_id": [None, "ses-a", None]})


def file(root, key, ending, atlas="AAL"):
    return root.joinpath(*key.split("_"), "anat", f"{key}_atlas-{atlas}_desc-{ending}_dseg.tsv")


@pytest.fixture
def derivatives(tmp_path):
    for number, key in enumerate(["sub-1", "sub-2_ses-a", "sub-3"]):
        names = {"index": [1, 2], "name": ["Left", "Right"]}
        write_table(
            pd.DataFrame(names | {"volume_mm3": [10.0 + number, 20.0]}), file(tmp_path, key, "volumes")
        )
        radiomics = {
            "original_firstorder_Mean": [0.5 * number, None],
            "log-sigma-1-0-mm-3D_glcm_Id": [1.0, 2.0],
        }
        write_table(pd.DataFrame(names | radiomics), file(tmp_path, key, "radiomics"))
    return tmp_path


def test_columns_are_named_by_family_region_and_measure_and_gaps_are_missing(derivatives):
    table = read_features(derivatives, VISITS)
    assert table.values["volume.Left"].tolist() == [10, 11, 12]
    assert table.values["radiomics.Left.original_firstorder_Mean"].tolist() == [0, 0.5, 1]
    assert "radiomics.Right.original_firstorder_Mean" not in table.values  # missing for everybody
    about = table.columns.set_index("column").loc["radiomics.Right.log-sigma-1-0-mm-3D_glcm_Id"]
    assert (about["family"], about["region"], about["image_type"], about["feature"]) == (
        "radiomics",
        "Right",
        "log-sigma-1-0-mm-3D",
        "glcm_Id",
    )
    assert any("3 of 3 visits have no chaco table" in note for note in table.notes)


@pytest.mark.parametrize(
    ("shares", "alone", "partly"),
    [((0.0, 0.5, 1.0), 1, 1), ((0.0, 0.0, None), 2, 0), ((1.0, 0.99, None), 0, 0), ((0.2, 0.97, 0.9), 0, 3)],
)
def test_lesions_that_no_flair_could_show_are_counted(derivatives, shares, alone, partly):
    for key, share in zip(["sub-1", "sub-2_ses-a", "sub-3"], shares, strict=True):
        said = {} if share is None else {"FlairCoverage": share}
        file(derivatives, key, "volumes").with_suffix(".json").write_text(json.dumps(said))
    notes = read_features(derivatives, VISITS).notes
    assert [f"lesions of {alone} of 3 visits were found by the T1w alone" in note for note in notes].count(
        True
    ) == (alone > 0)
    assert [f"the FLAIR of {partly} of 3 visits" in note for note in notes].count(True) == (partly > 0)


def test_text_among_numbers_is_missing_and_told(derivatives):
    path = file(derivatives, "sub-3", "volumes")
    path.write_text(path.read_text().replace("12.0", "twelve").replace("\t12\n", "\ttwelve\n"))
    table = read_features(derivatives, VISITS)
    assert np.isnan(table.values["volume.Left"].iloc[2])
    assert any("'twelve', not a number" in note and "sub-3" in note for note in table.notes)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "empty or unreadable"),
        ("index\tname\tvolume_mm3\n1\tLeft\n", "a row is cut short"),
        ("index\tname\tvolume_mm3\n1\tLeft\t10\t11\n", "a row is cut short"),
        ("index\tname\tthickness\n1\tLeft\t2\n", "needs columns index, name, volume_mm3"),
        (b"\xff\xfe\x00", "empty or unreadable"),
    ],
)
def test_damaged_tables_are_one_clear_line(derivatives, content, words):
    path = file(derivatives, "sub-3", "volumes")
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=words) as caught:
        read_features(derivatives, VISITS)
    assert path.name in str(caught.value)


def test_regions_of_two_atlases_are_refused(derivatives):
    write_table(
        pd.DataFrame({"index": [1], "name": ["A"], "volume_mm3": [1.0]}),
        file(derivatives, "sub-1", "volumes", "Other"),
    )
    with pytest.raises(InputError, match=r"several atlases \(AAL, Other\)"):
        read_features(derivatives, VISITS)


def test_no_table_at_all_is_refused(tmp_path):
    with pytest.raises(InputError, match="no visit has volumes, radiomics or disconnection"):
        read_features(tmp_path, VISITS)


def test_the_cache_gives_the_same_and_a_changed_or_damaged_one_is_read_anew(derivatives):
    first = read_features(derivatives, VISITS)
    pd.testing.assert_frame_equal(read_features(derivatives, VISITS).values, first.values)
    path = file(derivatives, "sub-1", "volumes")
    path.write_text(path.read_text().replace("20", "2000"))
    assert read_features(derivatives, VISITS).values["volume.Right"].iloc[0] == 2000
    (derivatives / "group/cache/features.npy").write_bytes(b"damaged")
    again = read_features(derivatives, VISITS)
    assert any("damaged cache" in note for note in again.notes)
    assert again.values["volume.Right"].tolist() == [2000, 20, 20]


def test_the_order_of_visits_is_the_callers(derivatives):
    turned = VISITS.iloc[::-1].reset_index(drop=True)
    assert read_features(derivatives, turned).values["volume.Left"].tolist() == [12, 11, 10]


@pytest.mark.parametrize("seed", range(4))
def test_columns_have_one_order_whatever_was_read_before_and_however_tables_are_written(derivatives, seed):
    fresh = read_features(derivatives, VISITS)
    rng = np.random.default_rng(seed)
    shutil.rmtree(derivatives / "group")
    read_features(derivatives, VISITS.iloc[rng.permutation(3)[: 1 + seed % 3]].reset_index(drop=True))
    for path in derivatives.glob("sub-*/**/*_dseg.tsv"):
        table = pd.read_csv(path, sep="\t")
        measures = rng.permutation(table.columns[2:])
        write_table(table.loc[rng.permutation(len(table)), ["index", "name", *measures]], path)
    again = read_features(derivatives, VISITS)
    pd.testing.assert_frame_equal(again.values, fresh.values)
    pd.testing.assert_frame_equal(again.columns, fresh.columns)
    pd.testing.assert_frame_equal(read_features(derivatives, VISITS).values, fresh.values)

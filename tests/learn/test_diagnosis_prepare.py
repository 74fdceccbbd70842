"""What enters a diagnosis: bad and odd maps left out and named, the same scan under two names told and used once."""

from __future__ import annotations

import shutil
from dataclasses import replace
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from test_diagnosis import QUICK, make_cohort, visit_paths

from bids_app.derivatives import save_image
from bids_app.errors import InputError
from bids_app.learn.diagnosis import run
from bids_app.learn.diagnosis.prepare import prepare

OPTIONS = replace(QUICK, permutations=0, variants=())
TEMPLATE = "MNI152NLin2009aSym"


@pytest.fixture
def cohort(tmp_path):
    return make_cohort(tmp_path / "derivatives", {"RRMS": 8, "NMOSD": 7})


def change(path, act):
    image = nib.load(path)
    data = act(np.asarray(image.dataobj, np.float64))
    save_image(nib.Nifti1Image(data.astype(np.float32), image.affine), path)


def copy_patient(cohort, old, new, diagnosis=None, act=lambda data: data):
    """Give a patient's scans to another name, saved anew."""
    rows = cohort.visits[cohort.visits["participant_id"] == old].assign(participant_id=new)
    if diagnosis:
        rows["diagnosis"] = diagnosis
    for source in sorted((cohort.derivatives / old).rglob("*.*")):
        target = cohort.derivatives / str(source.relative_to(cohort.derivatives)).replace(old, new)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
        if "belief" in source.name:
            change(target, act)
    visits = pd.concat([cohort.visits, rows], ignore_index=True)
    return SimpleNamespace(visits=visits, derivatives=cohort.derivatives)


def test_bad_and_odd_files_are_left_out_counted_and_the_rest_is_as_if_they_had_not_been(cohort, tmp_path):
    beliefs, masks = (list(visit_paths(cohort)[kind].values()) for kind in ("belief", "lesions"))
    change(beliefs[3], lambda data: data * 1000)
    masks[8].write_bytes(masks[8].read_bytes()[:100])
    beliefs[20].write_bytes(b"no image")
    found = run(cohort, seed=1, protocol="nested", options=OPTIONS)
    bad = found.tables["left_out"]
    names = [f"sub-{k // 2 + 1:02d}_ses-{k % 2 + 1}" for k in (3, 8, 20)]
    assert sorted(bad["visit"]) == names
    assert bad["file"].str.contains("belief").sum() == 2
    (step,) = found.tables["flow"].query("step == 'without unreadable or odd maps'").to_dict("records")
    assert (step["n_visits"], step["excluded"]) == (27, 3)
    assert any("3 visits were left out" in note and names[0] in note for note in found.notes)
    kept = ~(cohort.visits["participant_id"] + "_" + cohort.visits["session_id"]).isin(names)
    clean = SimpleNamespace(visits=cohort.visits[kept], derivatives=cohort.derivatives)
    alone = run(clean, seed=1, protocol="nested", options=OPTIONS)
    pd.testing.assert_frame_equal(found.tables["performance"], alone.tables["performance"])
    assert "left_out" not in alone.tables


def test_too_few_left_is_one_clear_line(cohort):
    for path in list(visit_paths(cohort)["belief"].values())[2:16]:
        path.write_bytes(b"")
    with pytest.raises(InputError, match="class RRMS has 1 patient"):
        run(cohort, seed=1, options=OPTIONS)


@pytest.mark.parametrize(
    "act", [lambda data: data, lambda data: np.round(data * 1024) / 1024, lambda data: data * 0.9]
)
def test_one_patient_under_two_names_is_one_person_and_each_scan_counts_once(cohort, tmp_path, act):
    doubled = copy_patient(cohort, "sub-02", "sub-99", act=act)
    ready = prepare(doubled, OPTIONS, TEMPLATE, tmp_path / "store")
    assert len(ready.scans.table) == len(ready.store.belief) == len(ready.prints) == 30
    assert ready.tables["duplicates"]["same_as"].tolist() == ["sub-02_ses-1", "sub-02_ses-2"]
    assert ready.store.visits == tuple(ready.scans.table["visit"])
    assert any("1 people have scans under more than one participant_id" in n for n in ready.scans.notes)
    np.testing.assert_array_equal(  # the rows are still those of the files
        ready.store.belief[5],
        np.asarray(nib.load(ready.paths["belief"][ready.store.visits[5]]).dataobj)[ready.store.mask],
    )


def test_a_name_that_shares_one_scan_keeps_its_others_in_the_same_fold(cohort, tmp_path):
    doubled = copy_patient(cohort, "sub-02", "sub-99")
    another = list(visit_paths(doubled)["belief"].values())[
        -1
    ]  # sub-99_ses-2: another scan of the same person
    change(another, lambda data: data + np.random.default_rng(0).normal(0, 0.08, data.shape) * (data != 0))
    ready = prepare(doubled, OPTIONS, TEMPLATE, tmp_path / "store")
    table = ready.scans.table
    assert len(table) == 31
    assert ready.scans.patient[table["participant_id"] == "sub-99"].tolist() == ["sub-02"]


def test_a_shared_scan_with_two_diagnoses_is_left_out_on_both_sides(cohort, tmp_path):
    doubled = copy_patient(cohort, "sub-02", "sub-99", diagnosis="NMOSD")
    ready = prepare(doubled, OPTIONS, TEMPLATE, tmp_path / "store")
    assert not set(ready.scans.table["participant_id"]) & {"sub-02", "sub-99"}
    assert any("share a scan and not the diagnosis" in note for note in ready.scans.notes)


def test_a_clean_cohort_has_neither(cohort, tmp_path):
    ready = prepare(cohort, OPTIONS, TEMPLATE, tmp_path / "store")
    assert not ready.tables and len(ready.scans.table) == 30

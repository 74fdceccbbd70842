"""Study B from files to notes where no disease is planted, but a scanner, an intensity or a site is."""

from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from test_diagnosis import QUICK, make_cohort

from bids_app import cli
from bids_app.derivatives import save_image, write_json
from bids_app.learn.diagnosis import run
from bids_app.learn.diagnosis.baselines import INTENSITY, SITE
from bids_app.learn.study import load_study

OPTIONS = replace(QUICK, permutations=0)


def without_disease(folder, seed=0, patients=10):
    """Make a cohort whose classes have the same lesions: all are drawn as RRMS, every second patient is renamed."""
    cohort = make_cohort(folder, {"RRMS": 2 * patients}, scans=1, seed=seed)
    number = cohort.visits["participant_id"].str[4:].astype(int)
    cohort.visits["diagnosis"] = np.where(number % 2 == 0, "NMOSD", "RRMS")
    return cohort


def brighter(cohort, factor):
    """Scale the intensity of one class as another scanner would: B + 1 is intensity over that of grey matter."""
    for name in cohort.visits["participant_id"][cohort.visits["diagnosis"] == "NMOSD"]:
        (path,) = (cohort.derivatives / name).rglob("*desc-belief_FLAIR.nii.gz")
        image = nib.load(path)
        data = np.asarray(image.dataobj) * np.float32(factor)
        save_image(nib.Nifti1Image(data, image.affine), path)


def areas(result):
    table = result.tables["variants"].query("metric == 'auc'").set_index("model")["estimate"]
    leak_free = (
        result.tables["performance"].query("protocol == 'nested' and metric == 'auc'")["estimate"].iloc[0]
    )
    return table, leak_free


def test_a_class_that_another_scanner_made_is_told_by_intensity_and_warned_of(tmp_path):
    cohort = without_disease(tmp_path)
    brighter(cohort, 1.35)
    result = run(cohort, seed=1, options=OPTIONS)
    table, machine = areas(result)
    assert table[INTENSITY] >= max(machine, 0.9)
    (note,) = [note for note in result.notes if f"by {INTENSITY} alone" in note]
    assert "differences between scanners or acquisitions may be what is learned" in note


def test_sites_that_are_the_classes_are_warned_of_and_beat_the_machine(tmp_path):
    cohort = without_disease(tmp_path)
    first = (cohort.visits["diagnosis"] == "RRMS").to_numpy()
    order = np.arange(len(first)) // 2 % 10
    cohort.visits["site"] = np.where(first ^ (order < 3), "a", "b")  # 7 of 10 in each class
    result = run(cohort, seed=1, options=OPTIONS)
    table, machine = areas(result)
    assert table[SITE] == pytest.approx(0.7, abs=0.12)
    assert table[SITE] > machine
    assert any("unevenly over sites" in note for note in result.notes)
    assert any(f"by {SITE} alone with an AUC of 0." in note for note in result.notes)


def test_without_anything_planted_calls_are_at_chance_or_not_made(tmp_path):
    found = []
    for seed in range(4):
        result = run(
            without_disease(tmp_path / str(seed), seed), seed=seed, options=replace(OPTIONS, variants=())
        )
        calls = result.tables["calls"].query("protocol == 'nested'").set_index("metric")["estimate"]
        found.append(calls["balanced accuracy"])
    assert 0.3 < np.mean(found) < 0.7


def test_few_of_one_class_are_called_too_or_no_call_is_made(tmp_path):
    cohort = make_cohort(tmp_path, {"RRMS": 28, "NMOSD": 8}, scans=1, seed=3)  # 78 to 22, disease planted
    result = run(cohort, seed=1, options=OPTIONS)
    estimates = result.tables["performance"].query("protocol == 'nested'").set_index("metric")["estimate"]
    assert estimates["sensitivity"] >= 0.6 and estimates["specificity"] >= 0.6


def test_acute_scans_stand_beside_all_scans(tmp_path):
    cohort = make_cohort(tmp_path / "out", {"RRMS": 8, "NMOSD": 8}, seed=5)
    cohort.visits["acute"] = np.where(cohort.visits["session_id"] == "ses-1", "yes", "no")
    words = "--acute acute --protocol nested --folds 3 --outer-folds 3 --permutations 0 --sizes 16"
    write_json({"Name": "x", "BIDSVersion": "1.10.0"}, tmp_path / "bids" / "dataset_description.json")
    settings = cli.parse([str(tmp_path / "bids"), str(cohort.derivatives), "group", *words.split()])
    result = load_study("diagnosis").run(cohort, settings, 1)
    table = result.tables["acute"].set_index(["scans", "metric"])
    assert table.loc[("acute scans", "auc"), "n"] == 16
    assert table.loc[("all scans", "auc"), "n"] == 32

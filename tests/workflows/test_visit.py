"""Whole visits of a phantom, against its truth and the listing of what a run must write."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nibabel.processing import resample_from_to
from processed import TOOL, demyelin

from bids_app.derivatives import write_table
from bids_app.phantom.cli import main as phantom

EXPECTED = Path(__file__).parents[1] / "expected"


def listing(root: Path) -> list[str]:
    """Return the files below a folder; logs of runs without their times."""
    names = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    return sorted({re.sub(r"_\d{8}T\d{6}\.log$", "_TIME.log", name) for name in names})


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def truth_of(bids: Path, ending: str, like: nib.Nifti1Image) -> np.ndarray:
    path = bids / "derivatives/truth/sub-001/anat" / f"sub-001_{ending}.nii.gz"
    return np.asarray(resample_from_to(nib.load(path), (like.shape, like.affine), order=0).dataobj)


def found(out: Path, ending: str) -> nib.Nifti1Image:
    return nib.load(out / "sub-001" / "anat" / f"sub-001_{ending}.nii.gz")


def test_exactly_the_expected_files(processed):
    out = processed.out
    assert listing(out) == (EXPECTED / "phantom.txt").read_text().splitlines()


def test_disconnection_says_which_connectome_it_is_from(processed):
    out = processed.out
    stem = out / "sub-001" / "anat" / "sub-001_atlas-AAL_desc-chaco_dseg"
    table = pd.read_csv(stem.with_suffix(".tsv"), sep="\t")
    assert len(table) == 116
    assert table["chaco"].dropna().between(0, 1).all()
    assert table["chaco"].max() > 0
    meta = json.loads(stem.with_suffix(".json").read_text())
    assert meta["Connectome"]["Synthetic"] is True
    assert meta["Connectome"]["NStreamlines"] == 3000
    bundles = pd.read_csv(stem.with_name("sub-001_seg-bundles_desc-chaco_dseg.tsv"), sep="\t")
    assert bundles["name"].tolist() == ["even", "odd"]
    assert bundles["n_streamlines"].tolist() == [1500, 1500]
    for path in (out / "sub-001" / "anat").glob("*chaco*.json"):
        assert json.loads(path.read_text())["Connectome"]["Synthetic"] is True
    notes = json.loads((out / "logs" / "done" / "sub-001.json").read_text())["notes"]
    assert any("synthetic connectome" in note for note in notes)
    assert any("resampled" in note for note in notes)


def test_derivatives_are_valid_bids(processed):
    out = processed.out
    done = subprocess.run(
        [TOOL / "bids-validator-deno", "--format", "json", out], capture_output=True, text=True, check=False
    )
    assert [i for i in json.loads(done.stdout)["issues"]["issues"] if i["severity"] == "error"] == []


def test_brain_tissues_lesions_and_parcels_match_the_truth(processed):
    bids, _, out = processed
    brain = found(out, "desc-brain_mask")
    true_brain = truth_of(bids, "desc-brain_mask", brain) > 0
    assert dice(np.asarray(brain.dataobj) > 0, true_brain) >= 0.95
    labels, true_labels = np.asarray(found(out, "dseg").dataobj), truth_of(bids, "dseg", brain)
    assert dice(labels == 1, true_labels == 1) >= 0.80
    assert dice(labels == 2, true_labels == 2) >= 0.80
    lesions = np.asarray(found(out, "label-L_mask").dataobj) > 0
    assert dice(lesions, truth_of(bids, "label-L_mask", brain) > 0) >= 0.60
    parcels, true_parcels = (
        np.asarray(found(out, "atlas-AAL_dseg").dataobj),
        truth_of(bids, "atlas-AAL_dseg", brain),
    )
    regions = np.unique(true_parcels)[1:]
    assert np.mean([dice(parcels == r, true_parcels == r) for r in regions]) >= 0.70


def test_volumes_match_the_truth(processed):
    bids, _, out = processed
    truth = json.loads((bids / "derivatives/truth/sub-001/anat/sub-001_desc-truth_volumes.json").read_text())
    table = pd.read_csv(out / "sub-001/anat/sub-001_atlas-AAL_desc-volumes_dseg.tsv", sep="\t")
    volumes = table.set_index("name")["volume_mm3"] / 1000
    assert volumes["TIV"] == pytest.approx(truth["TIV"], rel=0.05)
    assert volumes["WBV"] == pytest.approx(truth["WBV"], rel=0.05)


def test_a_second_run_writes_nothing(processed):
    bids, connectome, out = processed
    before = {name: (out / name).stat().st_mtime_ns for name in listing(out) if "logs/" not in name}
    again = demyelin(bids, out, "participant", "--fast", "--connectome", connectome)
    assert "0 processed, 2 already finished" in again.stdout
    assert before == {name: (out / name).stat().st_mtime_ns for name in listing(out) if "logs/" not in name}


STUDIES = {  # options of drawn visits to learn from, beside those that were processed
    "A": ("--visits", "30,0", "--regions", "7"),
    "B": ("--visits", "16,10", "--patients", "8,5"),
}


@pytest.fixture(scope="module")
def group(processed, tmp_path_factory) -> Path:
    """Derivatives of the processed visits among drawn ones of both studies, after the group level."""
    root = tmp_path_factory.mktemp("cohort")
    bids, out = root / "bids", root / "out"
    people = [
        pd.read_csv(processed.bids / "participants.tsv", sep="\t").replace({"diagnosis": {"MS": "RRMS"}})
    ]
    shutil.copytree(processed.out, out)
    for study, options in STUDIES.items():
        made = root / study
        assert phantom([str(made), "--derivatives-only", "--study", study, *options, "--nprocs", "1"]) == 0
        shutil.copytree(made / "derivatives" / "demyelin", out, dirs_exist_ok=True)
        drawn = pd.read_csv(made / "participants.tsv", sep="\t")
        people.append(drawn.assign(diagnosis=None) if study == "A" else drawn)
    write_table(pd.concat(people), bids / "participants.tsv")
    for source, target in ((processed.bids, bids), (processed.out, out)):
        shutil.copy(source / "dataset_description.json", target)
    quick = ("--folds", "3", "--outer-folds", "3", "--permutations", "0", "--repeated-splits", "2")
    done = demyelin(bids, out, "group", *quick)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_both_studies_learn_from_processed_visits(group):
    edss = pd.read_csv(group / "group" / "edss_predictions.tsv", sep="\t").set_index("visit")
    assert edss.loc["sub-001", "predicted"].notna().all()
    assert set(edss["protocol"]) >= {"paper", "nested"}
    scans = pd.read_csv(group / "group" / "diagnosis_scans.tsv", sep="\t").set_index("visit")
    assert scans.loc[["sub-001", "sub-002"], "diagnosis"].tolist() == ["RRMS", "NMOSD"]
    assert scans["nested_decision"].notna().all()
    for study in ("edss", "diagnosis"):
        assert list((group / "group" / "models").glob(f"{study}*.skops"))
    page = (group / "group.html").read_text(encoding="utf-8")
    assert page.count("<figure") >= 16

"""The synthetic cohort: same bytes, valid BIDS, a truth that agrees with itself."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bids_app.phantom.cli import main
from bids_app.phantom.people import draw_person


def make(folder: Path, *more: str) -> Path:
    assert main([str(folder), "--resolution", "4", "--seed", "3", *more]) == 0
    return folder


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    return make(
        tmp_path_factory.mktemp("phantom") / "cohort",
        "--participants",
        "2",
        "--sessions",
        "2",
        "--sites",
        "2",
    )


def hashes(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def truth(cohort: Path, visit: str, ending: str) -> np.ndarray:
    sub, ses = visit.split("_")
    path = cohort / "derivatives" / "truth" / sub / ses / "anat" / f"{visit}_{ending}.nii.gz"
    return np.asarray(nib.load(path).dataobj)


def test_same_seed_same_bytes_whatever_the_size(cohort, tmp_path):
    again = hashes(make(tmp_path / "again", "--participants", "1", "--sessions", "2", "--sites", "2"))
    first = hashes(cohort)
    images = [name for name in again if name.endswith(".nii.gz")]
    assert len(images) >= 14
    assert {name: again[name] for name in images} == {name: first[name] for name in images}


def test_another_seed_is_another_cohort(cohort, tmp_path):
    other = make(tmp_path / "other", "--participants", "1", "--sessions", "2", "--seed", "4")
    name = "sub-001/ses-1/anat/sub-001_ses-1_T1w.nii.gz"
    assert hashes(other)[name] != hashes(cohort)[name]


@pytest.mark.parametrize("part", [".", "derivatives/truth"])
def test_both_datasets_are_valid_bids(cohort, part):
    validator = Path(sys.executable).parent / "bids-validator-deno"
    done = subprocess.run(
        [validator, "--format", "json", cohort / part], capture_output=True, text=True, check=False
    )
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []


def test_lesions_only_come_and_lie_in_the_brain(cohort):
    first, second = (truth(cohort, f"sub-001_ses-{n}", "label-L_mask") > 0 for n in (1, 2))
    assert 0 < first.sum() < second.sum()
    assert (second[first]).mean() > 0.9
    assert not (first & ~(truth(cohort, "sub-001_ses-1", "desc-brain_mask") > 0)).any()
    white = truth(cohort, "sub-001_ses-1", "label-WM_probseg")
    assert white[first].mean() > 0.5


def test_truth_agrees_with_itself(cohort):
    visit = "sub-001_ses-1"
    brain, labels = truth(cohort, visit, "desc-brain_mask") > 0, truth(cohort, visit, "dseg")
    assert ((labels > 0) == brain).all()
    total = sum(truth(cohort, visit, f"label-{tissue}_probseg") for tissue in ("GM", "WM", "CSF"))
    assert np.allclose(total[brain], 1, atol=1e-3)
    folder = cohort / "derivatives/truth/sub-001/ses-1/anat"
    volumes = json.loads((folder / f"{visit}_desc-truth_volumes.json").read_text())
    assert volumes["TIV"] == pytest.approx(brain.sum() * 0.064)
    assert 1000 < volumes["WBV"] < volumes["TIV"] < 2500


def test_lesions_are_bright_on_flair_and_dark_on_t1w(cohort):
    raw = cohort / "sub-001/ses-1/anat/sub-001_ses-1_"
    t1w = np.asarray(nib.load(f"{raw}T1w.nii.gz").dataobj).astype(float)
    lesion = truth(cohort, "sub-001_ses-1", "label-L_mask") > 0
    white = (truth(cohort, "sub-001_ses-1", "label-WM_probseg") > 0.95) & ~lesion
    assert t1w[lesion].mean() < 0.9 * t1w[white].mean()
    flair = nib.load(f"{raw}FLAIR.nii.gz")
    assert flair.shape[2] * flair.affine[2, 2] == pytest.approx(t1w.shape[2] * 4, abs=4)


def test_participants_table(cohort):
    table = pd.read_csv(cohort / "participants.tsv", sep="\t")
    assert list(table["diagnosis"]) == ["MS", "NMOSD"]
    assert list(table["site"]) == ["site1", "site2"]
    assert ((table["edss"] * 2) % 1 == 0).all()
    assert table["edss"].between(0, 9.5).all()
    assert np.allclose(table["onset_age"], table["age"] - table["disease_duration"], atol=0.11)


def test_disability_rises_with_age_lesions_and_course():
    person = draw_person(1, "MS", 1, 1)
    assert person.edss(0.5) <= person.edss(20.0) <= 9.5
    assert person.edss(5.0) <= person.edss(5.0, years=15)
    people = [draw_person(number, "MS", 1, 1) for number in range(300)]
    counts, atrophy = zip(*[(p.lesion_count, p.atrophy) for p in people], strict=True)
    assert np.corrcoef(counts, atrophy)[0, 1] > 0.5
    free = [draw_person(number, "NMOSD", 1, 1).lesion_count == 0 for number in range(300)]
    assert 0.2 < np.mean(free) < 0.4


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--diagnosis", "ALS"], "choose from MS, RRMS, NMOSD"),
        (["--participants", "0"], "at least 1"),
        (["--resolution", "0.2"], "from 1 to 4"),
        (["--noise", "7"], "--noise"),
    ],
)
def test_wrong_options_are_one_line(tmp_path, capsys, args, words):
    assert main([str(tmp_path / "new"), *args]) == 2
    assert words in capsys.readouterr().err


def test_an_existing_folder_is_refused(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main([str(tmp_path)]) == 2
    assert "already there" in capsys.readouterr().err

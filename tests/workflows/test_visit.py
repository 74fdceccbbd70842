"""Whole visits of a phantom, against its truth and the listing of what a run must write."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nibabel.processing import resample_from_to

from bids_app.features.connectome import Connectome
from bids_app.features.streamlines import from_list
from bids_app.image.atlas import load_atlas
from bids_app.phantom.cli import main as phantom

EXPECTED = Path(__file__).parents[1] / "expected"
TOOL = Path(sys.executable).parent


def demyelin(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TOOL / "demyelin", *map(str, args)], capture_output=True, text=True, check=False)


def listing(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def make_connectome(folder: Path) -> Path:
    """Straight lines between random voxels of the atlas."""
    grid = load_atlas().image
    rng = np.random.default_rng(1)
    labelled = np.argwhere(np.asanyarray(grid.dataobj) > 0)
    ends = nib.affines.apply_affine(grid.affine, labelled[rng.integers(len(labelled), size=(3000, 2))])
    lines = from_list(list(ends))
    named = lines._replace(bundle=np.arange(3000, dtype=np.int16) % 2, bundles=("even", "odd"))
    return Connectome.from_streamlines(
        named, affine=grid.affine, shape=grid.shape, about={"Synthetic": True}
    ).save(folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[Path, Path]:
    """One MS phantom with T1w and FLAIR, and one NMOSD with FLAIR alone, processed at 2 mm."""
    root = tmp_path_factory.mktemp("run")
    bids, out = root / "bids", root / "out"
    assert phantom([str(bids), "--participants", "2", "--resolution", "2", "--seed", "1"]) == 0
    for path in (bids / "sub-002" / "anat").glob("*_T1w.*"):
        path.unlink()
    connectome = make_connectome(root / "connectome")
    done = demyelin(bids, out, "participant", "--fast", "-v", "--connectome", connectome)
    assert done.returncode == 0, done.stdout + done.stderr
    return bids, out


def truth_of(bids: Path, ending: str, like: nib.Nifti1Image) -> np.ndarray:
    path = bids / "derivatives/truth/sub-001/anat" / f"sub-001_{ending}.nii.gz"
    return np.asarray(resample_from_to(nib.load(path), (like.shape, like.affine), order=0).dataobj)


def found(out: Path, ending: str) -> nib.Nifti1Image:
    return nib.load(out / "sub-001" / "anat" / f"sub-001_{ending}.nii.gz")


@pytest.mark.slow
def test_exactly_the_expected_files(run):
    _, out = run
    assert listing(out) == (EXPECTED / "phantom.txt").read_text().splitlines()


@pytest.mark.slow
def test_disconnection_says_which_connectome_it_is_from(run):
    _, out = run
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


@pytest.mark.slow
def test_derivatives_are_valid_bids(run):
    _, out = run
    done = subprocess.run(
        [TOOL / "bids-validator-deno", "--format", "json", out], capture_output=True, text=True, check=False
    )
    assert [i for i in json.loads(done.stdout)["issues"]["issues"] if i["severity"] == "error"] == []


@pytest.mark.slow
def test_brain_tissues_lesions_and_parcels_match_the_truth(run):
    bids, out = run
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


@pytest.mark.slow
def test_volumes_match_the_truth(run):
    bids, out = run
    truth = json.loads((bids / "derivatives/truth/sub-001/anat/sub-001_desc-truth_volumes.json").read_text())
    table = pd.read_csv(out / "sub-001/anat/sub-001_atlas-AAL_desc-volumes_dseg.tsv", sep="\t")
    volumes = table.set_index("name")["volume_mm3"] / 1000
    assert volumes["TIV"] == pytest.approx(truth["TIV"], rel=0.05)
    assert volumes["WBV"] == pytest.approx(truth["WBV"], rel=0.05)


@pytest.mark.slow
def test_a_second_run_writes_nothing_and_force_writes_again(run):
    bids, out = run
    before = {name: (out / name).stat().st_mtime_ns for name in listing(out) if "logs/" not in name}
    again = demyelin(bids, out, "participant", "--fast", "--connectome", out.parent / "connectome")
    assert "0 processed, 2 already finished" in again.stdout
    assert before == {name: (out / name).stat().st_mtime_ns for name in listing(out) if "logs/" not in name}

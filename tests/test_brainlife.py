"""A brainlife task: config.json in, data types and product.json out."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bids_app.brainlife import main, read_task, write_bids, write_products
from bids_app.layout import find_visits
from bids_app.phantom.cli import main as phantom

FOLDER = Path(__file__).resolve().parents[1] / "brainlife"


@pytest.fixture
def task_folder(tmp_path: Path) -> Path:
    """A task as brainlife prepares it, from the sample."""
    (tmp_path / "input").mkdir()
    image = nib.Nifti1Image(np.ones((5, 5, 5), np.int16), np.eye(4))
    for name in ("t1", "flair", "mask"):
        nib.save(image, tmp_path / "input" / f"{name}.nii.gz")
    (tmp_path / "config.json").write_text((FOLDER / "config.sample.json").read_text())
    return tmp_path


def change(folder: Path, **values: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return path


def test_sample_becomes_a_visit_with_its_lesion_mask(task_folder):
    task = read_task(task_folder / "config.json")
    arguments = write_bids(task, task_folder)
    assert arguments == ["--derivatives", f"lesions={task_folder / 'lesions'}"]
    assert task.options == ("--random-seed", "1")
    (visit,) = find_visits(task_folder / "bids", lesions_dir=task_folder / "lesions")
    assert visit.name == "sub-001_ses-1"
    assert [path.name for path in visit.images] == [
        "sub-001_ses-1_T1w.nii.gz",
        "sub-001_ses-1_FLAIR.nii.gz",
        "sub-001_ses-1_label-L_mask.nii.gz",
    ]


def test_flair_alone_without_names(task_folder):
    path = change(task_folder, t1=None, lesion=None, _inputs=[{"meta": None}, 3], fast=True)
    task = read_task(path)
    assert write_bids(task, task_folder) == []
    assert (task.name, task.options[0]) == ("sub-01", "--fast")


def test_names_from_brainlife_cannot_lead_elsewhere(task_folder):
    path = change(task_folder, _inputs=[{"meta": {"subject": "../../evil sub", "session": "<b>1"}}])
    assert read_task(path).name == "sub-evilsub_ses-b1"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"flair": None}, "flair is missing"),
        ({"flair": "input/none.nii.gz"}, "no such file"),
        ({"t1": 3}, "t1 must be the path"),
        ({"random_seed": "one"}, "whole number"),
    ],
)
def test_unusable_config_is_one_line_and_exit_code_2(task_folder, capsys, values, message):
    assert main([str(change(task_folder, **values))]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_products(task_folder):
    task = read_task(task_folder / "config.json")
    out = task_folder / "output"
    made, figures = out / task.folder, out / "sub-001" / "figures"
    made.mkdir(parents=True)
    figures.mkdir()
    (out / f"{task.name}.html").write_text("<html></html>")
    nib.save(
        nib.Nifti1Image(np.ones((3, 3, 3), np.uint8), np.eye(4)), made / f"{task.name}_label-L_mask.nii.gz"
    )
    table = pd.DataFrame({"volume_mm3": [10.0, 2.5]})
    table.to_csv(made / f"{task.name}_seg-lesions_dseg.tsv", sep="\t", index=False)
    parcels = pd.DataFrame({"index": [1, 2], "name": ["A", "B"]})
    parcels.to_csv(made / f"{task.name}_atlas-AAL_dseg.tsv", sep="\t", index=False)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 900, 3), np.uint8)).save(
        figures / f"{task.name}_desc-lesions.png"
    )
    write_products(task, out, task_folder)
    product = json.loads((task_folder / "product.json").read_text())
    assert product["meta"] == {"lesions": 2, "lesion_volume_ml": 0.013}
    (picture,) = [one for one in product["brainlife"] if one["type"] == "image/png"]
    assert base64.b64decode(picture["base64"]).startswith(b"\x89PNG")
    assert (task_folder / "lesions/mask.nii.gz").exists()
    labels = json.loads((task_folder / "parcellation/label.json").read_text())
    assert labels[1] == {"name": "B", "label": 2, "voxel_value": 2}


@pytest.mark.slow
def test_phantom_through_the_app(tmp_path):
    assert phantom([str(tmp_path / "phantom"), "--participants", "1", "--resolution", "2"]) == 0
    anat = tmp_path / "phantom/sub-001/anat/sub-001_"
    config = {"t1": f"{anat}T1w.nii.gz", "flair": f"{anat}FLAIR.nii.gz", "fast": True}
    task = tmp_path / "task"
    task.mkdir()
    (task / "config.json").write_text(json.dumps(config))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"DEMYELIN_IMAGE": "none", "PATH": path}
    done = subprocess.run(
        [str(FOLDER / "main")], cwd=task, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    product = json.loads((task / "product.json").read_text())
    assert product["meta"]["lesions"] > 0
    assert [one["type"] for one in product["brainlife"]] == ["success", "image/png", "image/png"]
    assert (task / "product.json").stat().st_size < 200_000
    for name in ("lesions/mask.nii.gz", "t1w/t1.nii.gz", "parcellation/parc.nii.gz", "html/index.html"):
        assert (task / name).stat().st_size > 1000

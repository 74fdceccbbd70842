"""What a hostile dataset or neighbour must not be able to do."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

import bids_app
from bids_app import cli
from bids_app.derivatives.dataset import start_dataset
from bids_app.errors import InputError
from bids_app.reports.cohort import write_cohort_report
from bids_app.reports.visit import write_visit_report
from bids_app.workflows.engine import work_folder

EVIL = "<img src=x onerror=alert(1)>"
FORBIDDEN = re.compile(
    r"import pickle|pickle\.|cloudpickle|shell=True|os\.system|os\.popen|allow_pickle=True|joblib\.load|yaml\.load\("
    r"|\beval\(|\bexec\(|\|\s*safe\b|Markup\((?!ElementTree\.tostring\()"  # a serialised tree is escaped
)


def sources() -> list[Path]:
    root = Path(bids_app.__file__).parent
    return [*root.rglob("*.py"), *root.rglob("*.j2")]


def test_no_pickle_no_shell_and_no_unescaped_html():
    assert len(sources()) > 80
    found = [
        f"{path.name}: {hit.group()}" for path in sources() for hit in FORBIDDEN.finditer(path.read_text())
    ]
    assert found == []


@pytest.fixture
def with_work(bids, tmp_path):
    """Return a function that makes settings with a given work folder."""
    return lambda work: cli.parse([str(bids), str(tmp_path / "out"), "participant", "-w", str(work)])


def test_work_folder_in_a_sticky_place_is_a_folder_of_ones_own(with_work, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    scratch.chmod(0o1777)
    with work_folder(with_work(scratch)) as work:
        assert work.parent == scratch
        assert stat.S_IMODE(work.stat().st_mode) == 0o700


def test_own_folder_in_a_sticky_place_must_not_be_planted(with_work, tmp_path):
    scratch, planted = tmp_path / "scratch", tmp_path / "planted"
    scratch.mkdir()
    planted.mkdir()
    scratch.chmod(0o1777)
    (scratch / f"demyelin-{os.geteuid()}").symlink_to(planted)
    with pytest.raises(InputError, match="must be yours"), work_folder(with_work(scratch)):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_work_folder_of_somebody_else_is_refused(with_work, tmp_path):
    work = tmp_path / "work"
    work.mkdir(mode=0o700)
    os.chown(work, 12345, 12345)
    with pytest.raises(InputError, match="must be yours"), work_folder(with_work(work)):
        pass


def test_new_work_folder_is_closed_to_others(with_work, tmp_path):
    with work_folder(with_work(tmp_path / "new" / "work")) as work:
        assert stat.S_IMODE(work.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["logs", "group"])
def test_output_folder_with_a_link_that_leads_out_is_refused(bids, tmp_path, name):
    out, outside = tmp_path / "out", tmp_path / "outside"
    out.mkdir()
    outside.mkdir()
    (out / name).symlink_to(outside)
    with pytest.raises(InputError, match="leads out of the output folder"):
        start_dataset(out, bids)
    assert list(outside.iterdir()) == []


def test_visit_whose_output_leads_out_fails_and_writes_nothing(bids, add_scan, tmp_path, capsys):
    add_scan("sub-01_FLAIR.nii.gz")
    out, outside = tmp_path / "out", tmp_path / "outside"
    out.mkdir()
    outside.mkdir()
    (out / "sub-01").symlink_to(outside)
    assert cli.main([str(bids), str(out), "participant", "--skip-bids-validation"]) == 1
    assert "leads out of the output folder" in capsys.readouterr().out
    assert list(outside.iterdir()) == []


def test_visit_report_shows_hostile_names_and_notes_as_text(bids, tmp_path):
    settings = cli.parse([str(bids), str(tmp_path / "out"), "participant"]).results()
    name, anat = f"sub-{EVIL}", tmp_path / f"sub-{EVIL}" / "anat"
    anat.mkdir(parents=True)
    image = nib.Nifti1Image(np.ones((8, 8, 8), np.float32), np.eye(4))
    for ending in ("desc-preproc_FLAIR", "desc-brain_mask", "label-L_mask"):
        nib.save(image, anat / f"{name}_{ending}.nii.gz")
    table = pd.DataFrame({"name": [EVIL], "volume_mm3": [1.0]})
    table.to_csv(anat / f"{name}_seg-lesions_dseg.tsv", sep="\t", index=False)
    page, *figures = write_visit_report(tmp_path, name, settings=settings, notes=[EVIL])
    text = page.read_text()
    assert figures
    assert text.count("&lt;img src=x") >= 3
    assert "<img src=x" not in text


def test_cohort_report_shows_hostile_labels_as_text(tmp_path):
    visits = pd.DataFrame({"participant_id": [f"sub-{EVIL}"], "session_id": [None], "diagnosis": [EVIL]})
    text = write_cohort_report(tmp_path, visits, {}, [EVIL]).read_text()
    assert text.count("&lt;img src=x") >= 2
    assert "<img src=x" not in text

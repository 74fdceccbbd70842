"""Files are whole or absent; finished visits are known again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bids_app.derivatives import atomic, save_image, write_json, write_table
from bids_app.derivatives.dataset import start_dataset
from bids_app.derivatives.files import remove_partials
from bids_app.derivatives.records import VisitLocks, fingerprint, forget, is_done, mark_done
from bids_app.errors import InputError, VisitError


def test_atomic_leaves_nothing_when_the_block_fails(tmp_path):
    target = tmp_path / "a" / "file.txt"
    with pytest.raises(RuntimeError), atomic(target) as aside:
        aside.write_text("half")
        raise RuntimeError
    assert list(target.parent.iterdir()) == []


def test_a_full_disk_is_told_with_the_files_own_name(tmp_path):
    target = tmp_path / "table.tsv"

    def write():
        with atomic(target) as aside:
            aside.write_text("half", encoding="utf-8")
            Path("/dev/full").write_text("more", encoding="utf-8")

    with pytest.raises(OSError, match="No space left") as caught:
        write()
    assert caught.value.filename == str(target)
    assert not list(tmp_path.iterdir())


def test_atomic_keeps_the_old_file_until_the_new_one_is_whole(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("old")
    with atomic(target) as aside:
        aside.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"


def test_partials_of_a_killed_run_are_removed_for_that_visit_only(tmp_path):
    mine, other = tmp_path / ".partial-00-sub-01_T1w.nii.gz", tmp_path / ".partial-00-sub-02_T1w.nii.gz"
    mine.touch()
    other.touch()
    remove_partials(tmp_path, "sub-01")
    assert not mine.exists()
    assert other.exists()


def test_image_bytes_are_the_same_each_time_and_masks_are_uint8(tmp_path):
    image = nib.Nifti1Image(np.eye(4).reshape(4, 4, 1).astype(np.uint8), np.diag([2, 2, 2, 1.0]))
    one, two = (save_image(image, tmp_path / name, dtype=np.uint8) for name in ("a.nii.gz", "b.nii.gz"))
    assert one.read_bytes() == two.read_bytes()
    back = nib.load(one)
    assert back.get_data_dtype() == np.uint8
    assert back.header["sform_code"] == back.header["qform_code"] > 0


def test_table_writes_na_and_json_refuses_nan(tmp_path):
    path = write_table(pd.DataFrame({"a": [1.5, np.nan]}), tmp_path / "t.tsv")
    assert path.read_text() == "a\n1.5\nn/a\n"
    with pytest.raises(ValueError, match="JSON"):
        write_json({"a": float("nan")}, tmp_path / "t.json")


@pytest.fixture
def finished(tmp_path):
    """A finished visit with one input and one output."""
    source, product = tmp_path / "in.nii", tmp_path / "out" / "sub-01" / "x.nii"
    source.write_text("scan")
    product.parent.mkdir(parents=True)
    product.write_text("result")
    mark_done(
        tmp_path / "out",
        "sub-01",
        inputs={source.name: fingerprint(source)},
        settings={"fast": True},
        outputs=[product],
    )
    return tmp_path / "out", source, product


def done(out, source, settings=None):
    return is_done(out, "sub-01", [source], settings or {"fast": True})


def test_done_until_something_changes(finished):
    out, source, product = finished
    assert done(out, source)
    os.utime(source, (1, 1))
    assert done(out, source), "a new time with the same bytes is the same input"
    assert not done(out, source, {"fast": False})
    source.write_text("SCAN")
    assert not done(out, source)
    source.write_text("scan")
    product.write_text("resul")
    assert not done(out, source)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 1, "settings": 2, "inputs": 3}'])
def test_corrupted_record_means_not_done(finished, text):
    out, source, _ = finished
    (out / "logs" / "done" / "sub-01.json").write_text(text)
    assert not done(out, source)


def test_done_at_a_level_is_done_at_the_lesser_ones(finished):
    out, source, _ = finished
    for level, expected in {"minimal": True, "standard": True, "full": False}.items():
        assert is_done(out, "sub-01", [source], {"fast": True}, level) is expected


def test_forgotten_visit_is_not_done(finished):
    out, source, _ = finished
    forget(out, "sub-01")
    assert not done(out, source)


def test_a_visit_is_held_by_one_process(tmp_path):
    code = (
        "import sys; from pathlib import Path; from bids_app.derivatives.records import VisitLocks\n"
        "locks = VisitLocks(Path(sys.argv[1])); locks.hold('sub-01'); print('held', flush=True); input()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "held\n"
    locks = VisitLocks(tmp_path)
    locks.hold("sub-02")
    with pytest.raises(VisitError, match="another run is processing"):
        locks.hold("sub-01")
    other.kill()
    other.wait()
    locks.hold("sub-01")
    locks.close()


def test_output_folder_of_another_program_is_refused(tmp_path):
    write_json({"Name": "x", "GeneratedBy": [{"Name": "fmriprep"}]}, tmp_path / "dataset_description.json")
    with pytest.raises(InputError, match="another program"):
        start_dataset(tmp_path, tmp_path)


def test_output_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        start_dataset(tmp_path / "file" / "out", tmp_path)

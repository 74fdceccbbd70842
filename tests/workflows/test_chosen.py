"""The plan of a run: told, written, and how the run ends where nothing can be done."""

from __future__ import annotations

import pytest

from bids_app import cli


def table(out):
    lines = (out / "logs" / "chosen.tsv").read_text(encoding="utf-8").splitlines()
    assert lines[0].split("\t") == ["visit", "role", "image", "used", "reason"]
    return [line.split("\t") for line in lines[1:]]


@pytest.fixture
def two(bids, add_scan):
    """One participant with both images, one with a T1w alone."""
    for name in ("sub-01_T1w", "sub-01_run-2_T1w", "sub-01_FLAIR", "sub-02_T1w"):
        add_scan(f"{name}.nii.gz")
    return bids


def test_a_dry_run_tells_writes_and_computes_nothing(two, tmp_path, capsys):
    out = tmp_path / "out"
    assert cli.main([str(two), str(out), "participant", "--dry-run"]) == 0
    output = capsys.readouterr().out
    assert "2 visits of 2 participants: 1 with T1w and FLAIR, 0 with FLAIR alone, 1 left out" in output
    assert "1 image left out by name alone" in output
    assert [row[:4] for row in table(out)] == [
        ["sub-01", "flair", "sub-01/anat/sub-01_FLAIR.nii.gz", "yes"],
        ["sub-01", "t1w", "sub-01/anat/sub-01_T1w.nii.gz", "yes"],
        ["sub-01", "t1w", "sub-01/anat/sub-01_run-2_T1w.nii.gz", "no"],
        ["sub-02", "t1w", "sub-02/anat/sub-02_T1w.nii.gz", "no"],
    ]
    assert not list(out.glob("sub-*")) and not (out / "logs" / "done").exists()


def test_a_run_for_each_participant_ends_in_one_table(two, tmp_path):
    out = tmp_path / "out"
    for label in ("01", "02", "01"):
        assert cli.main([str(two), str(out), "participant", "--dry-run", "--participant-label", label]) == 0
    assert [row[0] for row in table(out)] == ["sub-01", "sub-01", "sub-01", "sub-02"]


@pytest.mark.parametrize("strict", [True, False])
def test_nothing_left_is_exit_1_and_left_out_is_no_failure(two, tmp_path, capsys, strict):
    options = ["--participant-label", "02", "--skip-bids-validation", *["--strict"] * strict]
    assert cli.main([str(two), str(tmp_path / "out"), "participant", *options]) == 1
    output = capsys.readouterr().out
    word = "failed" if strict else "left out"
    assert f"{word}  sub-02: no FLAIR image" in output
    assert ("1 failed" in output) == strict and ("1 left out" in output.splitlines()[-1]) == (not strict)


def test_two_folders_of_masks_are_refused(two, tmp_path, capsys):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    options = [f"lesions={tmp_path / name}" for name in ("a", "b")]
    assert cli.main([str(two), str(tmp_path / "out"), "participant", "-d", *options]) == 2
    assert "lesions= is given twice" in capsys.readouterr().err
    (tmp_path / "c").touch()
    for path, why in (
        ("", "give lesions=DIR"),
        (tmp_path / "c", "is a file"),
        (tmp_path / "d", "no such folder"),
    ):
        assert cli.main([str(two), str(tmp_path / "out"), "participant", "-d", f"lesions={path}"]) == 2
        assert why in capsys.readouterr().err

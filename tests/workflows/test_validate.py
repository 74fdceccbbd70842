"""The validator looks at what is read, says what it found, and ends in time."""

from __future__ import annotations

import json
import time

import pytest

from bids_app.errors import InputError
from bids_app.layout import find_visits
from bids_app.workflows import validate as room


def validated(bids, tmp_path):
    log = tmp_path / "validator.json"
    room.validate(bids, find_visits(bids), log)
    return json.loads(log.read_text())


def test_what_is_never_read_stops_nothing(bids, add_scan, tmp_path, capsys):
    for name in ("sub-01_T1w", "sub-01_FLAIR", "sub-02_FLAIR"):
        add_scan(f"{name}.nii.gz")
    (bids / "participants.tsv").write_text("participant_id\tsex\nsub-09\tzz\n")
    (bids / "participants.json").write_text(json.dumps({"sex": {"Levels": {"M": "male"}}}))
    (bids / "task-rest_bold.json").write_text("not json")
    (bids / "T1w.json").write_text(json.dumps({"MagneticFieldStrength": 3}))
    (bids / "sub-01" / "func").mkdir()
    (bids / "sub-01" / "func" / "nonsense.nii.gz").touch()
    (bids / "sub-02" / "anat" / "sub-02_T2w.nii.gz").symlink_to("../../.git/annex/objects/a/b")
    assert validated(bids, tmp_path) == {"participants": 2, "errors": []}
    assert "warning" not in capsys.readouterr().out


def test_errors_beside_the_images_are_one_line(bids, add_scan, tmp_path, capsys):
    add_scan("sub-01_FLAIR.nii.gz")
    add_scan("sub-01_acq-b_foo.nii.gz")
    add_scan("sub-01_bar.nii.gz")
    assert len(validated(bids, tmp_path)["errors"]) == 2
    assert capsys.readouterr().out.count("warning: not valid BIDS: 2 errors, such as /sub-01/anat/") == 1


def test_the_description_stops_it(bids, add_scan, tmp_path):
    add_scan("sub-01_FLAIR.nii.gz")
    about = {"Name": "x", "BIDSVersion": "1.10.0", "Authors": "not a list"}
    (bids / "dataset_description.json").write_text(json.dumps(about))
    with pytest.raises(InputError, match=r"not valid BIDS: /dataset_description\.json"):
        validated(bids, tmp_path)


def test_it_ends_in_time_and_says_so(bids, add_scan, tmp_path, capsys, monkeypatch):
    add_scan("sub-01_FLAIR.nii.gz")
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(room, "_program", lambda: str(slow))
    monkeypatch.setattr(room, "LIMIT_S", 1.0)
    began = time.monotonic()
    assert validated(bids, tmp_path)["participants"] == 0
    assert time.monotonic() - began < 20
    assert "stopped after 1 s, with 0 of 1 participants done" in capsys.readouterr().out

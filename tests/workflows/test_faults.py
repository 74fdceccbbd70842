"""Whole visits in trouble: two runs at once, kills, a full disk, a user without home, name and network.

Two FLAIR-only phantoms are processed once, in the worst of places; the other tests take up the kept
intermediate files, so that each comes quickly to the moment that it spoils.
"""

from __future__ import annotations

import gzip
import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import psutil
import pytest
from hostile import TOOL, as_stranger, on_small_disk, reasons

from bids_app.derivatives.files import PARTIAL
from bids_app.phantom.cli import main as phantom

pytestmark = pytest.mark.slow
PATIENCE = 900  # seconds


class Runs(NamedTuple):
    """Two runs at once into one output folder, and a third for a visit that the first one held."""

    bids: Path
    out: Path
    works: dict[str, Path]
    first: subprocess.CompletedProcess[str]
    second: subprocess.CompletedProcess[str]
    third: subprocess.CompletedProcess[str]


def start(*args: str | Path, wrap: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    command = [*wrap, str(TOOL), *map(str, args), "--fast", "--skip-bids-validation", "--nprocs", "1"]
    command += ["--connectome", "none"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    told = process.communicate(timeout=PATIENCE)
    return subprocess.CompletedProcess(process.args, process.returncode, *told)


def wait_for(happened: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Wait until something is the case while a process runs."""
    last = time.monotonic() + PATIENCE
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < last
        time.sleep(0.02)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Runs:
    root = tmp_path_factory.mktemp("faults") / "tiedostot ä ö"
    bids, out = root / "aineisto", root / "tulokset"
    root.mkdir()
    assert phantom([str(bids), "--participants", "3", "--resolution", "3", "--seed", "1"]) == 0
    for path in bids.glob("sub-*/anat/*_T1w.*"):
        path.unlink()
    shape = nib.load(bids / "sub-003/anat/sub-003_FLAIR.nii.gz").shape
    empty = nib.Nifti1Image(np.zeros(shape, np.int16), np.eye(4))
    (bids / "sub-003/anat/sub-003_FLAIR.nii.gz").write_bytes(gzip.compress(empty.to_bytes()))
    works = {label: root / f"work {label}" for label in ("001", "002")}
    wrap = as_stranger()
    common = (bids, out, "participant")
    first = start(*common, "--participant-label", "001", "003", "-w", works["001"], wrap=wrap)
    second = start(*common, "--participant-label", "002", "-w", works["002"], wrap=wrap)
    wait_for(lambda: works["001"].is_dir() and any(works["001"].rglob("*prepare_head*")), first)
    third = end(start(*common, "--participant-label", "001", wrap=wrap))
    return Runs(bids, out, works, end(first), end(second), third)


def again(runs: Runs, out: Path, label: str = "001", wrap: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """Start a run that takes up the intermediate files of the first one, into another output folder."""
    args = (runs.bids, out, "participant", "--participant-label", label, "-w", runs.works[label])
    return start(*args, wrap=wrap)


def check_whole(out: Path) -> None:
    """Read every file under its final name to its end."""
    for path in out.rglob("*"):
        if path.name.startswith(PARTIAL) or not path.is_file():
            continue
        if path.name.endswith(".nii.gz"):
            nib.load(path).get_fdata()
        elif path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".html":
            assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
        elif path.suffix == ".tsv":
            assert path.read_bytes().endswith(b"\n")


def check_complete(runs: Runs, out: Path, label: str) -> None:
    """Compare a visit's images with those of the undisturbed run; nothing half is left."""
    images = sorted(path.name for path in (runs.out / f"sub-{label}").rglob("*.nii.gz"))
    assert sorted(path.name for path in (out / f"sub-{label}").rglob("*.nii.gz")) == images
    for name in images:
        one, other = (folder / f"sub-{label}" / "anat" / name for folder in (runs.out, out))
        assert one.read_bytes() == other.read_bytes(), name
    assert (out / "logs" / "done" / f"sub-{label}.json").exists()
    assert not list(out.rglob(f"{PARTIAL}*"))


def test_two_runs_at_once_for_different_participants_both_finish(runs):
    assert runs.second.returncode == 0, runs.second.stdout + runs.second.stderr
    assert "1 processed" in runs.first.stdout
    for label in ("001", "002"):
        assert (runs.out / "logs" / "done" / f"sub-{label}.json").exists()
    check_whole(runs.out)


def test_failed_visit_spares_the_other_and_is_exit_1(runs):
    assert runs.first.returncode == 1
    assert list(reasons(runs.first)) == ["003"]
    assert "the image is empty" in reasons(runs.first)["003"]
    assert "1 processed, 0 already finished, 1 failed" in runs.first.stdout


def test_no_home_no_name_no_network_is_no_hindrance_and_tells_nothing(runs):
    assert runs.first.stderr == runs.second.stderr == ""


def test_second_run_for_the_same_visit_leaves_it_to_the_first(runs):
    assert runs.third.returncode == 1
    assert "another run is processing it" in reasons(runs.third)["001"]
    assert runs.third.stderr == ""


@pytest.mark.parametrize(("how", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 130)])
def test_killed_while_it_writes_results(runs, tmp_path, how, code):
    out = tmp_path / "out"
    running = again(runs, out)
    wait_for(lambda: any(out.glob("sub-001/anat/sub-*.nii.gz")), running)
    workers = psutil.Process(running.pid).children(recursive=True)
    running.send_signal(how)
    done = end(running)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert psutil.wait_procs(workers, timeout=10)[1] == []
    assert not (out / "logs" / "done" / "sub-001.json").exists()
    check_whole(out)
    assert end(again(runs, out)).returncode == 0
    check_complete(runs, out, "001")


def test_killed_in_the_middle_of_a_step(runs, tmp_path):
    (step,) = runs.works["002"].glob("demyelin_*/sub_002/segment_unfilled")
    shutil.rmtree(step)
    running = again(runs, tmp_path / "out", "002")
    wait_for(lambda: any(step.glob("tmp*")), running)
    time.sleep(1)
    running.kill()
    assert end(running).returncode == -signal.SIGKILL
    check_whole(tmp_path / "out")
    done = end(again(runs, tmp_path / "out", "002"))
    assert done.returncode == 0, done.stdout + done.stderr
    check_complete(runs, tmp_path / "out", "002")


def test_disk_full_while_it_writes_results(runs, tmp_path):
    out = tmp_path / "out"
    keep = ("sh", "-c", '"$@"; code=$?; cp -r "$0" "$0-kept"; exit $code', str(out))
    done = end(again(runs, out, wrap=(*on_small_disk(out, "6m"), *keep)))
    assert done.returncode == 1
    assert "No space left on device" in reasons(done)["001"]
    assert "Traceback" not in done.stdout + done.stderr
    kept = tmp_path / "out-kept"
    assert list(kept.rglob("*.nii.gz"))
    assert not list(kept.rglob(f"{PARTIAL}*"))
    assert not (kept / "logs" / "done" / "sub-001.json").exists()
    check_whole(kept)

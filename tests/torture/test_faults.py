"""Whole visits in trouble: two runs at once, kills, a full disk, a user without home, name and network.

Two FLAIR-only phantoms are processed once, in the worst of places; the other tests take up the kept
intermediate files, so that each comes quickly to the moment that it spoils.
"""

from __future__ import annotations

import gzip
import os
import re
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
from hostile import TOOL, as_stranger, on_small_disk, reasons, with_little_memory
from lives import check_whole

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


def start(
    *args: str | Path, wrap: tuple[str, ...] = (), env: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    command = [*wrap, str(TOOL), *map(str, args), "--fast", "--skip-bids-validation", "--nprocs", "1"]
    command += ["--connectome", "none"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, env=os.environ | (env or {}), **pipes)


def end(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    output = process.communicate(timeout=PATIENCE)
    return subprocess.CompletedProcess(process.args, process.returncode, *output)


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


def again(
    runs: Runs, out: Path, label: str = "001", wrap: tuple[str, ...] = (), env: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start a run that takes up the intermediate files of the first one, into another output folder."""
    args = (runs.bids, out, "participant", "--participant-label", label, "-w", runs.works[label])
    return start(*args, wrap=wrap, env=env)


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
    (step,) = runs.works["002"].glob("demyelin_*/sub_002/segment")
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


@pytest.mark.parametrize("size", ["64k", "1m", "2m", "3m", "4m"])
def test_disk_full_while_it_writes_results(runs, tmp_path, size, survived):
    out = tmp_path / "out"
    keep = ("sh", "-c", '"$@"; code=$?; cp -r "$0" "$0-kept"; exit $code', str(out))
    done = end(again(runs, out, wrap=(*on_small_disk(out, size), *keep)))
    assert done.returncode == 1
    assert re.fullmatch(r"/.*: No space left on device", reasons(done)["001"])
    assert "Traceback" not in done.stdout + done.stderr
    kept = tmp_path / "out-kept"
    assert not list(kept.rglob(f"{PARTIAL}*"))
    assert not (kept / "logs" / "done" / "sub-001.json").exists()
    check_whole(kept)
    assert end(again(runs, kept)).returncode == 0
    check_complete(runs, kept, "001")
    survived(
        f"output disk of {size}", "one line, exit 1, nothing half-written; the next run ends as undisturbed"
    )


SLOW = """
import os, time
sync = os.fsync
def slowly(stream):
    time.sleep(0.3)
    sync(stream)
os.fsync = slowly
"""
JUMPING = """
import itertools, time
now, day = time.time, itertools.cycle([86400, -86400])
time.time = lambda: now() + next(day)
time.time_ns = lambda: int(time.time() * 1e9)
"""


@pytest.mark.parametrize(("fault", "code"), [("slow disk", SLOW), ("clock that jumps by days", JUMPING)])
def test_slow_disk_and_jumping_clock(runs, tmp_path, fault, code, survived):
    """Every process of the run starts with this code, as Python imports `sitecustomize`."""
    (tmp_path / "sitecustomize.py").write_text(code)
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = end(again(runs, tmp_path / "out", env={"PYTHONPATH": path}))
    assert done.returncode == 0, done.stdout + done.stderr
    check_complete(runs, tmp_path / "out", "001")
    survived(fault, "the files of an undisturbed run")


def test_output_folder_whose_owner_is_somebody_else(runs, tmp_path, survived):
    """As on a network disk that squashes root: the run may write, but neither own nor change modes."""
    out = tmp_path / "out"
    out.mkdir()
    os.chown(out, 65534, 65534)
    out.chmod(0o777)
    done = end(again(runs, out, wrap=as_stranger()))
    assert done.returncode == 0, done.stdout + done.stderr
    check_complete(runs, out, "001")
    survived("output folder of another owner (root-squashed)", "the files of an undisturbed run")


@pytest.mark.parametrize("damage", [lambda text: text[:-40], lambda text: "", lambda text: "[1, 2"])
def test_damaged_done_record_means_that_the_visit_is_due(runs, tmp_path, damage, survived):
    out = tmp_path / "out"
    assert end(again(runs, out)).returncode == 0
    record = out / "logs" / "done" / "sub-001.json"
    record.write_text(damage(record.read_text()))
    done = end(again(runs, out))
    assert "1 processed, 0 already finished" in done.stdout, done.stdout + done.stderr
    check_complete(runs, out, "001")
    survived("damaged done record", "the visit is processed again")


def test_memory_that_ends(runs, tmp_path, survived):
    """The system kills the step that needs more than there is; no hang, and the advice to give --mem."""
    (step,) = runs.works["002"].glob("demyelin_*/sub_002/segment")
    shutil.rmtree(step)
    done = end(again(runs, tmp_path / "out", "002", wrap=with_little_memory(500)))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "out of memory; give --mem" in reasons(done)["002"]
    assert end(again(runs, tmp_path / "out", "002")).returncode == 0
    check_complete(runs, tmp_path / "out", "002")
    survived(
        "out-of-memory kill (control group of 500 MB)",
        "told with the advice to give --mem; the next run ends",
    )

"""On a real Slurm: both levels give the files of a serial run; killed steps and workers are told as such."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from joblib import Parallel, delayed

from bids_app.errors import DemyelinError
from bids_app.phantom.cli import main as phantom
from bids_app.workers import spread

RECIPE = Path(__file__).resolve().parents[2] / "docs" / "array.sbatch"
BIN = Path(sys.executable).parent
OPTIONS = ("--fast", "--nprocs", "1", "--skip-bids-validation", "--connectome", "none")
PATIENCE = 1200  # seconds

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def slurm() -> None:
    if not shutil.which("sbatch"):
        pytest.skip("needs Slurm: no sbatch")
    if subprocess.run(["sinfo", "-h"], capture_output=True, check=False, timeout=60).returncode:
        pytest.skip("needs a running Slurm: sinfo fails (is SLURM_CONF set?)")


@pytest.fixture(scope="module")
def bids(tmp_path_factory) -> Path:
    """Two participants; one has a FLAIR image only, which is quicker."""
    folder = tmp_path_factory.mktemp("slurm") / "bids"
    assert phantom([str(folder), "--participants", "2", "--resolution", "3", "--seed", "1"]) == 0
    for path in folder.glob("sub-002/anat/*_T1w.*"):
        path.unlink()
    return folder


@pytest.fixture(scope="module")
def serial(bids) -> dict[str, bytes]:
    out = bids.parent / "serial"
    done = run(str(BIN / "demyelin"), bids, out, "participant", *OPTIONS)
    assert done.returncode == 0, done.stdout + done.stderr
    return results(out)


def run(*command: str | Path, **env: str | Path) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    environ |= {name: str(value) for name, value in env.items()}
    return subprocess.run(
        [str(word) for word in command],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def results(out: Path) -> dict[str, bytes]:
    """Return the bytes of every image and table of the visits."""
    files = [*out.glob("sub-*/anat/*.nii.gz"), *out.glob("sub-*/anat/*.tsv")]
    return {path.name: path.read_bytes() for path in files}


def same(serial: dict[str, bytes], out: Path) -> None:
    made = results(out)
    assert len(serial) > 30
    assert made.keys() == serial.keys()
    assert [name for name in made if made[name] != serial[name]] == []


def test_array_job_gives_the_files_of_a_serial_run(bids, serial):
    out, log = bids.parent / "array", bids.parent / "array-%a.log"
    job = ("sbatch", "--wait", "--array=1-2", f"--output={log}", RECIPE, "--fast", "--connectome", "none")
    done = run(*job, BIDS=bids, OUT=out)
    output = "\n".join(path.read_text() for path in bids.parent.glob("array-*.log"))
    assert done.returncode == 0, done.stderr + output
    same(serial, out)


def test_nipype_plugin_gives_the_files_of_a_serial_run(bids, serial):
    out, work, plugin = (bids.parent / name for name in ("plugin", "work", "slurm.toml"))
    plugin.write_text('plugin = "SLURM"\n[plugin_args]\nsbatch_args = "--mem=4G --cpus-per-task=1"\n')
    options = (*OPTIONS, "--use-plugin", plugin, "--work-dir", work)
    done = run(BIN / "demyelin", bids, out, "participant", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    same(serial, out)


def test_step_that_the_system_kills_is_told_with_advice(bids):
    """Jobs run in a control group of 400 MB, as a Slurm that enforces --mem would do it."""
    group, template, plugin = (
        Path("/sys/fs/cgroup/memory/demyelin-slurm"),
        bids.parent / "job",
        bids.parent / "s.toml",
    )
    try:
        group.mkdir(exist_ok=True)
        (group / "memory.limit_in_bytes").write_text(str(400 * 2**20))
    except OSError as error:
        pytest.skip(f"needs a control group of its own: {error}")
    template.write_text(f"#!/bin/bash\necho $$ > {group}/cgroup.procs\n")
    plugin.write_text(f'plugin = "SLURM"\n[plugin_args]\ntemplate = "{template}"\n')
    options = (*OPTIONS, "--use-plugin", plugin, "--work-dir", bids.parent / "killed")
    done = run(
        BIN / "demyelin", bids, bids.parent / "out", "participant", "--participant-label", "002", *options
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "out of memory; give --mem" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_group_level_on_slurm_gives_the_serial_numbers(tmp_path):
    root = tmp_path / "study"
    study = ("--derivatives-only", "--study", "B", "--visits", "20,12", "--patients", "12,8", "--nprocs", "1")
    assert phantom([str(root), *study]) == 0
    out = root / "derivatives" / "demyelin"
    options = ("--analysis", "diagnosis", "--permutations", "0", "--folds", "2", "--outer-folds", "2")
    done = run(BIN / "demyelin", root, out, "group", *options, "--nprocs", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    alone = {path.name: path.read_bytes() for path in (out / "group").glob("*.tsv")}
    done = run(
        BIN / "demyelin", root, out, "group", *options, "--dask", "slurm", "--nprocs", "2", "--mem", "2"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(alone) > 3
    assert {path.name: path.read_bytes() for path in (out / "group").glob("*.tsv")} == alone
    assert not list((out / "logs" / "dask").glob(".dask-jobqueue*"))
    assert "Traceback" not in done.stdout + done.stderr


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_worker_that_the_system_kills_is_told_with_advice(tmp_path):
    with pytest.raises(DemyelinError, match="give --mem"), spread("slurm", tmp_path, memory_gb=1, workers=2):
        Parallel(n_jobs=-1)([delayed(die)()])
    assert run("squeue", "-h", "--states=PENDING,RUNNING").stdout == ""

"""On a real Slurm: the nipype plugin and the array job give the files of a serial run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bids_app.phantom.cli import main as phantom

RECIPE = Path(__file__).resolve().parents[2] / "docs" / "array.sbatch"
BIN = Path(sys.executable).parent
OPTIONS = ("--fast", "--nprocs", "1", "--skip-bids-validation")
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
    job = ("sbatch", "--wait", "--array=1-2", f"--output={log}", RECIPE, "--fast")
    done = run(*job, BIDS=bids, OUT=out)
    told = "\n".join(path.read_text() for path in bids.parent.glob("array-*.log"))
    assert done.returncode == 0, done.stderr + told
    same(serial, out)


def test_nipype_plugin_gives_the_files_of_a_serial_run(bids, serial):
    out, work, plugin = (bids.parent / name for name in ("plugin", "work", "slurm.toml"))
    plugin.write_text('plugin = "SLURM"\n[plugin_args]\nsbatch_args = "--mem=4G --cpus-per-task=1"\n')
    options = (*OPTIONS, "--use-plugin", plugin, "--work-dir", work)
    done = run(BIN / "demyelin", bids, out, "participant", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    same(serial, out)

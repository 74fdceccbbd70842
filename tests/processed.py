"""Two phantom visits processed once for all tests that look at what a whole run writes."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pytest

from bids_app.features.connectome import Connectome
from bids_app.features.streamlines import from_list
from bids_app.image.atlas import load_atlas
from bids_app.phantom.cli import main as phantom

TOOL = Path(sys.executable).parent


class Processed(NamedTuple):
    """A phantom dataset, the connectome that was used, and what the run wrote; not to be changed."""

    bids: Path
    connectome: Path
    out: Path


def demyelin(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TOOL / "demyelin", *map(str, args)], capture_output=True, text=True, check=False)


def make_connectome(folder: Path) -> None:
    """Straight lines between random voxels of the atlas."""
    grid = load_atlas().image
    rng = np.random.default_rng(1)
    labelled = np.argwhere(np.asanyarray(grid.dataobj) > 0)
    ends = nib.affines.apply_affine(grid.affine, labelled[rng.integers(len(labelled), size=(3000, 2))])
    lines = from_list(list(ends))
    named = lines._replace(bundle=np.arange(3000, dtype=np.int16) % 2, bundles=("even", "odd"))
    Connectome.from_streamlines(named, affine=grid.affine, shape=grid.shape, about={"Synthetic": True}).save(
        folder
    )


@pytest.fixture(scope="session")
def processed(tmp_path_factory: pytest.TempPathFactory) -> Processed:
    """One MS phantom with T1w and FLAIR, and one NMOSD with FLAIR alone, at 2 mm; made once for all workers."""
    base = tmp_path_factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "processed"
    root.mkdir(exist_ok=True)
    made = Processed(root / "bids", root / "connectome", root / "out")
    with (root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / "done").exists():
            _process(made)
            (root / "done").touch()
    return made


def _process(new: Processed) -> None:
    assert phantom([str(new.bids), "--participants", "2", "--resolution", "2", "--seed", "1"]) == 0
    for path in (new.bids / "sub-002" / "anat").glob("*_T1w.*"):
        path.unlink()
    make_connectome(new.connectome)
    run = demyelin(new.bids, new.out, "participant", "--fast", "-v", "--connectome", new.connectome)
    assert run.returncode == 0, run.stdout + run.stderr

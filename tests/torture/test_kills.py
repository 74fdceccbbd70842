"""SIGKILL at random moments of both levels: the next run ends with the bytes of an undisturbed one."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from lives import KILLS, TOOL, check_whole, contents, killed_again_and_again, run

from bids_app.derivatives.files import PARTIAL
from bids_app.phantom.cli import main as phantom

pytestmark = pytest.mark.slow


def torture(command: list[str], out: Path, again: tuple[Path, ...]) -> tuple[int, int]:
    """Compare a run that was killed `KILLS` times with an undisturbed one; return kills and lives."""
    begun = time.monotonic()
    assert run(command).returncode == 0
    lasting = time.monotonic() - begun
    expected = contents(out)
    assert expected

    def reset() -> None:
        for folder in again:
            shutil.rmtree(folder, ignore_errors=True)

    def finished() -> None:
        assert contents(out) == expected
        reset()

    reset()
    lives = killed_again_and_again(command, lasting, KILLS, lambda: check_whole(out), finished)
    assert contents(out) == expected
    assert not list(out.rglob(f"{PARTIAL}*"))
    return KILLS, lives


def test_participant_level_killed_at_random_moments(tmp_path, survived):
    bids, out, work = (tmp_path / name for name in ("bids", "out", "work"))
    assert phantom([str(bids), "--participants", "1", "--resolution", "4"]) == 0
    next(bids.glob("sub-*/anat/*_T1w.nii.gz")).unlink()
    options = ("--fast", "--nprocs", "1", "--skip-bids-validation", "--connectome", "none", "-w", str(work))
    kills, lives = torture([str(TOOL), str(bids), str(out), "participant", *options], out, (out, work))
    survived(
        f"SIGKILL at {kills} random moments of a visit", f"{lives} runs; the bytes of an undisturbed run"
    )


def test_group_level_killed_at_random_moments(tmp_path, survived):
    bids = tmp_path / "study"
    study = ("--derivatives-only", "--study", "B", "--visits", "20,12", "--patients", "12,8", "--nprocs", "1")
    assert phantom([str(bids), *study]) == 0
    out = bids / "derivatives" / "demyelin"
    options = (
        "--analysis",
        "diagnosis",
        "--permutations",
        "0",
        "--folds",
        "2",
        "--outer-folds",
        "2",
        "--nprocs",
        "1",
    )
    kills, lives = torture([str(TOOL), str(bids), str(out), "group", *options], out, (out / "group",))
    survived(
        f"SIGKILL at {kills} random moments of the group level",
        f"{lives} runs; the bytes of an undisturbed run",
    )

"""A truncated image in the middle of ten visits: the other nine are finished."""

from __future__ import annotations

import pytest
from hostile import reasons
from lives import TOOL, check_whole, run

from bids_app.phantom.cli import main as phantom

pytestmark = pytest.mark.slow


def test_the_other_nine_are_finished(tmp_path, survived):
    bids, out = tmp_path / "bids", tmp_path / "out"
    assert phantom([str(bids), "--participants", "10", "--resolution", "4"]) == 0
    for path in bids.glob("sub-*/anat/*_T1w.nii.gz"):
        path.unlink()
    scan = bids / "sub-005/anat/sub-005_FLAIR.nii.gz"
    scan.write_bytes(scan.read_bytes()[: scan.stat().st_size // 2])
    options = (
        "--fast",
        "--skip-bids-validation",
        "--connectome",
        "none",
        "--nprocs",
        "2",
        "--output-level",
        "minimal",
    )
    done = run([str(TOOL), str(bids), str(out), "participant", *options])
    assert done.returncode == 1
    assert list(reasons(done)) == ["005"]
    assert "truncated or damaged" in reasons(done)["005"]
    assert "9 processed, 0 already finished, 1 failed" in done.stdout
    assert len(list(out.glob("logs/done/*.json"))) == 9
    assert len(list(out.glob("sub-*.html"))) == 10  # the tenth page says what went wrong
    assert "truncated or damaged" in (out / "sub-005.html").read_text(encoding="utf-8")
    check_whole(out)
    survived("truncated image among ten visits", "one line with its path; the other nine are finished")

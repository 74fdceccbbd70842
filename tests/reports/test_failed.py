"""The page of a visit that failed."""

from __future__ import annotations

import pytest
from made_visits import EVIL, settings

from bids_app.reports.failed import write_failed_report


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_says_step_reason_and_how_to_report(tmp_path, open_page, scheme):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "sub-01_crash.txt").write_text("Traceback")
    page = write_failed_report(
        tmp_path,
        "sub-01",
        reason=f"{EVIL}: not readable",
        step="filling lesions",
        settings=settings(),
        images=[EVIL],
    )
    opened = open_page(page, scheme=scheme)
    opened.assert_clean()
    what = opened.page.locator("#what").inner_text()
    assert "Problem" in what
    assert "filling lesions" in what
    assert f"{EVIL}: not readable" in what
    opened.page.get_by_role("link", name="logs/sub-01_crash.txt").click()
    assert "Traceback" in opened.page.content()

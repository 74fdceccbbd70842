"""The page of a visit that failed: which step, why, what to do, and how to report it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bids_app.derivatives import write_text
from bids_app.reports.about import effective_settings
from bids_app.reports.page import render
from bids_app.reports.versions import versions


def write_failed_report(
    output_dir: Path, name: str, *, reason: str, step: str | None, settings: dict[str, Any], images: list[str]
) -> Path:
    """Write the page of a failed visit in place of its report.

    Parameters
    ----------
    output_dir : Path
        Root of the derivatives; the page is `<name>.html` there.
    name : str
        The visit's prefix, e.g. `sub-01_ses-1`.
    reason : str
        What went wrong, one line.
    step : str or None
        What the step does that failed, in words; None where none had started or none could tell.
    settings : dict
        What the results would have depended on.
    images : list of str
        The visit's input images.

    Returns
    -------
    Path
        The page.
    """
    log = output_dir / "logs" / f"{name}_crash.txt"
    text = render(
        "failed.html.j2",
        name=name,
        reason=reason,
        step=step,
        log=f"logs/{log.name}" if log.exists() else None,
        images=images,
        settings=effective_settings(settings),
        versions=versions(),
    )
    return write_text(text, output_dir / f"{name}.html")

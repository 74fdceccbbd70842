"""The page of a visit that failed: which step, why, what to do, and how to report it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bids_app.derivatives import write_text
from bids_app.reports.page import render
from bids_app.reports.versions import versions

STEPS = {
    "prepare_head": "preparing the first image: resampling, intensity non-uniformity, brain mask",
    "align_flair": "aligning the FLAIR with the T1w image",
    "align_to_template": "registration to the template",
    "align_coarsely": "first registration to the template",
    "segment": "tissue segmentation",
    "segment_unfilled": "first tissue segmentation",
    "find_lesions": "finding lesions",
    "check_lesions": "checking the lesion mask that came with the data",
    "take_lesions": "taking the lesion mask that came with the data",
    "fill": "filling lesions",
    "parcellate": "bringing the atlas to the image",
    "describe_lesions": "describing lesions",
    "to_other_spaces": "bringing maps to the template",
    "measure_volumes": "regional volumes",
    "measure_radiomics": "radiomics",
    "measure_disconnection": "disconnection",
    "assess": "quality numbers",
    "finish": "writing derivatives and report",
}


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
        Function of the step that failed; None where none had started or none could tell.
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
        step=STEPS.get(step, step.replace("_", " ")) if step else None,
        log=f"logs/{log.name}" if log.exists() else None,
        images=images,
        settings=sorted((key, json.dumps(value)) for key, value in settings.items()),
        versions=versions(),
    )
    return write_text(text, output_dir / f"{name}.html")

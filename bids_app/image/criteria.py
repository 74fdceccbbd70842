"""What brain MRI alone shows of the McDonald criteria and of NEDA; a description of images, no diagnosis."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from bids_app.image.places import CLASSES

NEEDED = 2  # areas with typical lesions, in both revisions
UNSEEN = {"2017": ("spinal cord",), "2024": ("spinal cord", "optic nerve")}
SOURCES = {
    "2017": "Thompson et al. 2018, Lancet Neurol 17:162, doi:10.1016/S1474-4422(17)30470-2",
    "2024": "Montalban et al. 2025, Lancet Neurol 24:850: the optic nerve is a fifth area",
}
CRITERIA_COLUMNS: dict[str, dict[str, object]] = {
    "criterion": {
        "Description": "What is asked.",
        "Levels": {
            **{
                f"dissemination_in_space_{year}": f"Typical lesions in at least {NEEDED} areas ({source})."
                for year, source in SOURCES.items()
            },
            "dissemination_in_time": "A new lesion on a later scan (both revisions; enhancing lesions are not seen).",
            "neda_mri": "No evidence of disease activity, its MRI part: no new and no enlarged lesion.",
        },
    },
    "met": {
        "Description": "Whether these images alone show it.",
        "Levels": {
            "yes": "Shown.",
            "no": "Not shown: what was not imaged may still show it.",
            "n/a": "No earlier visit.",
        },
    },
    "because": {"Description": "What was seen, and what was not imaged."},
}


def criteria(lesion_counts: Mapping[str, float], changes: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Say which criteria the lesions of a visit show by themselves.

    Parameters
    ----------
    lesion_counts : mapping
        `visit_summary` of the visit's lesion table.
    changes : mapping, optional
        `longitudinal.summary` of the comparison with the visit before.

    Returns
    -------
    DataFrame
        The columns of `CRITERIA_COLUMNS`, a row per criterion.
    """
    asked = [place for place in CLASSES.values() if place.counts]
    areas = [place for place in asked if lesion_counts[f"{place.name}_count"] > 0]
    seen = ", ".join(place.words for place in areas) or "none"
    rows = [
        {
            "criterion": f"dissemination_in_space_{year}",
            "met": "yes" if len(areas) >= NEEDED else "no",
            "because": f"{len(areas)} of {len(asked) + len(unseen)} areas have lesions ({seen}); not imaged: "
            + ", ".join(unseen),
        }
        for year, unseen in UNSEEN.items()
    ]
    return pd.DataFrame([*rows, *_over_time(changes)], columns=list(CRITERIA_COLUMNS))


def _over_time(changes: Mapping[str, float] | None) -> list[dict[str, str]]:
    """Return the rows that need an earlier visit."""
    if changes is None:
        why = "no earlier visit to compare with"
        return [
            {"criterion": name, "met": "n/a", "because": why}
            for name in ("dissemination_in_time", "neda_mri")
        ]
    new, enlarged = int(changes["new"]), int(changes["enlarged"])
    counts = f"{new} new, {enlarged} enlarged lesions"
    return [
        {"criterion": "dissemination_in_time", "met": "yes" if new else "no", "because": counts},
        {"criterion": "neda_mri", "met": "no" if new or enlarged else "yes", "because": counts},
    ]

"""What brain MRI alone shows of the McDonald criteria and of NEDA; a description of images, no diagnosis."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from bids_app.image.places import CLASSES

NO_DIAGNOSIS = "A description of these images in the words of the criteria; no diagnosis."
NEEDED = 2  # areas with typical lesions, in both revisions
UNSEEN = {"2017": ("spinal cord",), "2024": ("spinal cord", "optic nerve")}
SOURCES = {
    "2017": "Thompson et al. 2018, Lancet Neurol 17:162, doi:10.1016/S1474-4422(17)30470-2",
    "2024": "Montalban et al. 2025, Lancet Neurol 24:850: the optic nerve is a fifth area",
}
WORDS = {
    **{
        f"dissemination_in_space_{year}": f"Dissemination in space, {year} McDonald criteria"
        for year in UNSEEN
    },
    "dissemination_in_time": "Dissemination in time, by new lesions",
    "neda_mri": "No evidence of disease activity, its MRI part",
}
MET: dict[str, object] = {
    "Description": "Whether these images alone show it.",
    "Levels": {"yes": "Shown.", "no": "Not shown: what was not imaged may still show it."},
}


def _named(about: Mapping[str, str]) -> dict[str, dict[str, object]]:
    return {
        "index": {"Description": "Row."},
        "name": {"Description": "Criterion.", "Levels": dict(about)},
        "met": MET,
    }


SPACE_COLUMNS: dict[str, dict[str, object]] = {
    **_named(
        {
            f"dissemination_in_space_{year}": f"Typical lesions in at least {NEEDED} areas ({source})."
            for year, source in SOURCES.items()
        }
    ),
    "areas_needed": {"Description": "Areas with lesions that the criterion asks for."},
    "with_lesions": {"Description": "Areas with at least one lesion."},
    "without_lesions": {"Description": "Areas that were imaged and have none."},
    "not_imaged": {"Description": "Areas that brain MRI of this kind does not show."},
}
TIME_COLUMNS: dict[str, dict[str, object]] = {
    **_named(
        {
            "dissemination_in_time": "A new lesion on a later scan (both revisions; enhancing lesions are not seen).",
            "neda_mri": "No new and no enlarged lesion since the visit before (enhancing lesions are not seen).",
        }
    ),
    "new": {"Description": "New lesions since the visit before."},
    "enlarged": {"Description": "Enlarged lesions since the visit before."},
}


def in_space(lesion_counts: Mapping[str, float]) -> pd.DataFrame:
    """Say whether the lesions of a visit are disseminated in space, as far as brain MRI shows.

    Parameters
    ----------
    lesion_counts : mapping
        `lesion_table.visit_summary` of the visit's lesion table.

    Returns
    -------
    DataFrame
        The columns of `SPACE_COLUMNS`, a row for each revision of the McDonald criteria.
    """
    counted = [place for place in CLASSES.values() if place.counts]
    seen = [place.words for place in counted if lesion_counts[f"{place.name}_count"] > 0]
    other = [place.words for place in counted if place.words not in seen]
    rows = [
        {
            "index": number,
            "name": f"dissemination_in_space_{year}",
            "met": "yes" if len(seen) >= NEEDED else "no",
            "areas_needed": NEEDED,
            "with_lesions": ", ".join(seen) or None,
            "without_lesions": ", ".join(other) or None,
            "not_imaged": ", ".join(unseen),
        }
        for number, (year, unseen) in enumerate(UNSEEN.items(), 1)
    ]
    return pd.DataFrame(rows, columns=list(SPACE_COLUMNS))


def over_time(changes: Mapping[str, float]) -> pd.DataFrame:
    """Say what two visits show of dissemination in time and of disease activity.

    Parameters
    ----------
    changes : mapping
        `longitudinal.summary` of the comparison with the visit before.

    Returns
    -------
    DataFrame
        The columns of `TIME_COLUMNS`.
    """
    new, enlarged = int(changes["new"]), int(changes["enlarged"])
    met = {"dissemination_in_time": new > 0, "neda_mri": not new and not enlarged}
    rows = [
        {"index": number, "name": name, "met": "yes" if shown else "no", "new": new, "enlarged": enlarged}
        for number, (name, shown) in enumerate(met.items(), 1)
    ]
    return pd.DataFrame(rows, columns=list(TIME_COLUMNS))

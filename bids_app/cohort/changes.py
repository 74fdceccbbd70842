"""Change between visits and detection limits of all visits, as the group level shows them and study A may use them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bids_app.derivatives.reader import Derivatives, VisitFiles, read_meta, read_table
from bids_app.image.calibration import CONTRASTS
from bids_app.image.longitudinal import CHANGES
from bids_app.reports.cohort.change import GROUPS
from bids_app.visit_name import VisitName

MEASURES = {  # of a visit since the one before, as candidates of study A: column of the table of pairs
    "change_new_lesions_per_year": "new_per_year",
    "change_enlarged_lesions_per_year": "enlarged_per_year",
    "change_lesion_volume_mm3_per_year": "lesion_volume_mm3_per_year",
    "change_brain_percent_per_year": "brain_percent_per_year",
    "change_ventricles_percent_per_year": "lateral_ventricles_percent_per_year",
}
CHANGE = "change"  # what --candidates calls them
COHORT_CHANGE_COLUMNS: dict[str, dict[str, object]] = {
    "participant_id": {"Description": "Participant."},
    "session_id": {"Description": "The later visit."},
    "before": {"Description": "The visit before."},
    **{name: {"Description": f"{name.capitalize()} of the later visit, where known."} for name in GROUPS},
    "years": {
        "Description": "Between the visits, by acq_time of scans.tsv or sessions.tsv.",
        "Units": "year",
    },
    **{name: {"Description": f"Lesions: {change.rule}"} for name, change in CHANGES.items()},
    "neda_mri": {"Description": "1 where no lesion is new or enlarged, else 0."},
    "lesion_volume_before_mm3": {"Description": "Lesion volume at the visit before.", "Units": "mm^3"},
    "lesion_volume_after_mm3": {"Description": "Lesion volume at the later visit.", "Units": "mm^3"},
    "*_per_year": {
        "Description": "A number or percentage divided by the years; n/a where they are not known."
    },
    "*_percent": {"Description": "Change of a region's volume in percent of the mean of both.", "Units": "%"},
    "*_error_percent": {
        "Description": "What the percentage exceeds by chance in 5 % of pairs (--calibrate).",
        "Units": "%",
    },
    "new_put_in": {"Description": "New lesions of known size put into the visit before (--calibrate)."},
    "new_found": {"Description": "How many of them were called new or enlarged."},
    "false_per_pair": {
        "Description": "Lesions called new or enlarged in a simulated pair where none was put."
    },
    "protocol_differences": {
        "Description": "How what made the images of the two visits differs, if it does."
    },
}


def read_changes(derivatives: Path, visits: pd.DataFrame) -> pd.DataFrame:
    """Read what changed between the visits of a cohort, a row a pair.

    Parameters
    ----------
    derivatives : Path
        Root of Demyelin's derivatives.
    visits : DataFrame
        Columns participant_id, session_id and, as far as known, those of `GROUPS`.

    Returns
    -------
    DataFrame
        The columns of `COHORT_CHANGE_COLUMNS`, those with a star for each region; empty where no visits were compared.
    """
    groups = [name for name in GROUPS if name in visits and visits[name].notna().any()]
    rows = []
    for record in visits.to_dict("records"):
        visit = Derivatives(derivatives).visit(
            VisitName.from_ids(record["participant_id"], record["session_id"])
        )
        for path, entities in visit.find("changes"):
            table = read_table(path)
            if table is not None and "change" in table:
                about = {name: record[name] for name in groups}
                rows.append(_pair(visit, entities["before"], table, read_meta(path), about))
    return pd.DataFrame(rows)


def _pair(
    visit: VisitFiles, before: str, table: pd.DataFrame, meta: Mapping[str, Any], about: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a pair's row."""
    volume_file = visit.path("volume_changes", before=before)
    years = read_meta(volume_file).get("Years") or np.nan
    counts = {name: int((table["change"] == name).sum()) for name in CHANGES}
    active = sum(counts[name] for name, change in CHANGES.items() if change.active)
    load = [float(table[f"volume_{when}_mm3"].sum()) for when in ("before", "after")]
    row: dict[str, Any] = {
        "participant_id": visit.name.participant_id,
        "session_id": visit.name.session_id,
        "before": VisitName(visit.name.participant, before).session_id,
        **about,
        "years": years,
        **counts,
        "neda_mri": int(active == 0),
        "lesion_volume_before_mm3": load[0],
        "lesion_volume_after_mm3": load[1],
        **{f"{name}_per_year": counts[name] / years for name, change in CHANGES.items() if change.active},
        "lesion_volume_mm3_per_year": (load[1] - load[0]) / years,
    }
    row |= _volumes(read_table(volume_file)) | _graded(visit, before)
    return row | {"protocol_differences": "; ".join(meta.get("ProtocolDifferences") or []) or None}


def _volumes(table: pd.DataFrame | None) -> dict[str, float]:
    """Return the changes of volume of each region and their errors."""
    found: dict[str, float] = {}
    for row in [] if table is None else table.to_dict("records"):
        name = str(row["name"]).replace(" ", "_")
        for column in ("percent", "percent_per_year", "error_percent"):
            if column in row:
                found[f"{name}_{column}"] = float(row[column])
    return found


def _graded(visit: VisitFiles, before: str) -> dict[str, Any]:
    """Return what was found of the new lesions put into a pair, where it was calibrated."""
    table = read_table(visit.path("change_calibration", before=before))
    if table is None or table.empty:
        return {}
    new = table.loc[table["name"] == "new", "found"]
    pairs = read_table(visit.path("volume_calibration", before=before))
    n_pairs = table["pair"].nunique() if pairs is None else pairs["pair"].nunique()
    return {
        "new_put_in": len(new),
        "new_found": int(new.sum()),
        "false_per_pair": float((table["name"] == "false").sum() / n_pairs),
    }


def read_limits(derivatives: Path, visits: pd.DataFrame) -> pd.DataFrame:
    """Read the detection limits of the visits that were calibrated.

    Returns
    -------
    DataFrame
        A row a visit: participant_id, session_id, site where known, the limit (mm3) of all lesions and of each contrast
        (missing where even the largest lesions were not found), false_mm3.
    """
    rows = []
    for record in visits.to_dict("records"):
        name = VisitName.from_ids(record["participant_id"], record["session_id"])
        table = Derivatives(derivatives).visit(name).table("detection_limits")
        if table is None or not {"name", "limit_mm3", "false_mm3"} <= set(table.columns):
            continue
        limits = table.set_index("name")
        rows.append(
            {
                "participant_id": name.participant_id,
                "session_id": name.session_id,
                **({"site": record["site"]} if "site" in record else {}),
                **{f"{kind}_mm3": limits["limit_mm3"].get(kind) for kind in ("all", *CONTRASTS)},
                "false_mm3": limits["false_mm3"].get("all"),
            }
        )
    return pd.DataFrame(rows)


def with_changes(visits: pd.DataFrame, changes: pd.DataFrame) -> pd.DataFrame:
    """Add the measures of change since the visit before to the visits that have one before.

    Parameters
    ----------
    visits : DataFrame
        Columns participant_id and session_id.
    changes : DataFrame
        From `read_changes`; where several pairs end at a visit the first counts.

    Returns
    -------
    DataFrame
        `visits` with the columns of `MEASURES` that any pair has.
    """
    have = {
        name: column
        for name, column in MEASURES.items()
        if column in changes and changes[column].notna().any()
    }
    if not have:
        return visits
    keys = ["participant_id", "session_id"]
    once = changes.drop_duplicates(keys)[[*keys, *have.values()]]
    named = once.rename(columns={column: name for name, column in have.items()})
    return visits.merge(named, on=keys, how="left")

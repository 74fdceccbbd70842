"""What became of the lesions since the visit before: a sentence, the picture and the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from bids_app.derivatives.reader import VisitFiles, read_meta, read_table
from bids_app.image.longitudinal import CHANGES
from bids_app.image.pair_calibration import NEW_MM3
from bids_app.reports.extras import shown_table
from bids_app.reports.page import data_uri
from bids_app.visit_name import VisitName


def changes_figure(visit: VisitFiles, before: str) -> Path:
    """Return the place of the figure of what changed since the session `before`."""
    return visit.figures / f"{visit.prefix}_desc-since{before}.png"


def changes_context(visit: VisitFiles) -> list[dict[str, Any]]:
    """Return each comparison with an earlier visit for the page; empty where there is none.

    Parameters
    ----------
    visit : VisitFiles
        The later visit.
    """
    found = []
    active = [name for name, change in CHANGES.items() if change.active]
    for path, entities in visit.find("changes"):
        table = read_table(path)
        if table is None or "change" not in table:
            continue
        earlier = VisitName(visit.name.participant, entities["before"])
        picture = changes_figure(visit, entities["before"])
        page = VisitFiles(visit.root, earlier).page
        differing = [str(one) for one in read_meta(path).get("ProtocolDifferences") or []]
        order = table["change"].map({name: place for place, name in enumerate(CHANGES)})
        table = table.assign(_order=order).sort_values("_order", kind="stable").drop(columns="_order")
        found.append(
            {
                "before": earlier.session_id,
                "page": page.name if page.exists() else None,
                "words": _words(table)
                + _volume_words(visit, entities["before"])
                + _expansion_words(visit, entities["before"], table)
                + (" The protocol differs." if differing else ""),
                "level": "look" if differing or table["change"].isin(active).any() else "good",
                "protocol": differing,
                "graded": _graded(visit, entities["before"]),
                "src": data_uri(picture) if picture.exists() else None,
                "table": shown_table(visit, f"Since {earlier.session_id}", path, table),
            }
        )
    return found


def _words(table: pd.DataFrame) -> str:
    """Say how many lesions changed how, and the volumes."""
    counts = table["change"].value_counts()
    counted = ", ".join(f"{counts[name]} {name}" for name in CHANGES if counts.get(name, 0)) or "no lesions"
    if not {"volume_before_mm3", "volume_after_mm3"} <= set(table.columns):
        return f"{counted}."
    before, after = (table[name].sum() / 1000 for name in ("volume_before_mm3", "volume_after_mm3"))
    return f"{counted}; {before:.2f} mL then, {after:.2f} mL now."


def _volume_words(visit: VisitFiles, before: str) -> str:
    """Say how the brain's volume changed; nothing where it was not measured."""
    path = visit.path("volume_changes", before=before)
    if why := read_meta(path).get("NotMeasured"):
        return f" Change of brain volume was not measured: {str(why)[0].lower()}{str(why)[1:]}"
    table = read_table(path)
    if table is None or "percent" not in table or not (table["name"] == "brain").any():
        return ""
    row = table.set_index("name").loc["brain"]
    error = row.get("error_percent")
    if pd.notna(error) and abs(row["percent"]) <= error:
        return (
            f" No change of brain volume measured: {row['percent']:+.2f} % lies inside the error of this pair, "
            f"{error:.2f} %."
        )
    yearly = f"{row['percent_per_year']:+.2f} % a year" if pd.notna(row["percent_per_year"]) else ""
    more = "; ".join(words for words in (yearly, f"error {error:.2f} %" if pd.notna(error) else "") if words)
    return f" Brain volume changed by {row['percent']:+.2f} %" + (f" ({more})." if more else ".")


def _expansion_words(visit: VisitFiles, before: str, table: pd.DataFrame) -> str:
    """Say which lesions expand slowly; of two visits, which may."""
    followed = read_table(visit.path("expanding", before=before))
    if followed is not None and "slowly_expanding" in followed:
        some = followed.loc[followed["slowly_expanding"] == 1, "name"]
        named = f" ({', '.join(map(str, some))})" if len(some) else ""
        visits = int(followed["intervals"].max()) + 1 if len(followed) else 3
        return (
            f" Slowly expanding over {visits} visits: {len(some)} of {len(followed)} lesions followed{named}."
        )
    if "expansion_candidate" not in table or table["expansion_candidate"].isna().all():
        return ""
    some = table.loc[table["expansion_candidate"] == 1, "name"]
    named = f" ({', '.join(map(str, some))})" if len(some) else ""
    return f" Candidates for slowly expanding lesions: {len(some)}{named}; three visits would tell."


def _graded(visit: VisitFiles, before: str) -> dict[str, Any] | None:
    """Return what was measured of known change put into this pair; None where it was not calibrated."""
    volumes = read_table(visit.path("volume_calibration", before=before))
    if volumes is None or not {"pair", "name", "injected_percent", "measured_percent"} <= set(
        volumes.columns
    ):
        return None
    wide = volumes.pivot_table(
        index="name", columns="pair", values=["injected_percent", "measured_percent"], sort=False
    )
    pairs = sorted(volumes["pair"].unique())
    return {
        "columns": [
            "Region: put in, then measured, %",
            *({"label": f"Pair {pair}", "numeric": True} for pair in pairs),
        ],
        "rows": [
            [
                str(name),
                *(f"{row['injected_percent'][k]:+.2f} → {row['measured_percent'][k]:+.2f}" for k in pairs),
            ]
            for name, row in wide.iterrows()
        ],
        "words": _lesion_words(read_table(visit.path("change_calibration", before=before)), len(pairs)),
        "file": visit.path("volume_calibration", before=before).relative_to(visit.root).as_posix(),
    }


def _lesion_words(lesions: pd.DataFrame | None, n_pairs: int) -> str:
    """Say which of the lesions put into the visit before were called new or enlarged."""
    if lesions is None or "found" not in lesions:
        return "The lesion masks came with the data, so no lesions were put in."
    new = lesions[lesions["name"] == "new"]
    words = []
    for volume in NEW_MM3:
        here = new.loc[(new["volume_mm3"] / volume).between(2 / 3, 3 / 2), "found"]
        if len(here):
            words.append(f"{int(here.sum())} of {len(here)} of {volume:g} mm³")
    grown = lesions.loc[lesions["name"] == "growth", "found"]
    false = int((lesions["name"] == "false").sum())
    return (
        f"Of the new lesions put in, {', '.join(words) or 'none found room'} were called new or enlarged; of present "
        f"ones that doubled, {int(grown.sum())} of {len(grown)}; {false} elsewhere in {n_pairs} pairs."
    )

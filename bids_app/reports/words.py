"""A visit in plain words: traffic lights, first numbers, and what each quality number asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from bids_app.derivatives.reader import VisitFiles
from bids_app.image.coverage import BY_T1W
from bids_app.image.outliers import Side, stands_out
from bids_app.image.places import CLASSES
from bids_app.image.quality import BRAIN_MASK, QUALITY, REGISTRATION, SCAN, QualityNumber
from bids_app.reports.norms import Norms, by_region, evened, numbers
from bids_app.spelling import percent

VOLUMES = {
    "TIV": ("Intracranial volume", "grey matter, white matter and fluid"),
    "WBV": ("Whole brain", "grey + white"),
    "GM": ("Grey matter", ""),
    "WM": ("White matter", ""),
    "CSF": ("Cerebrospinal fluid", ""),
    "NAWM": ("Normal-appearing white matter", ""),
}

WITHOUT = {
    "T1w": "Without a T1w there are no regional measures.",
    "FLAIR": f"Without a FLAIR there is no belief map. Where no mask was supplied: {BY_T1W}",
}


def facts(visit: VisitFiles, lesions: pd.DataFrame | None) -> list[dict[str, str]]:
    """Return the first numbers a reader wants: label, value and note."""
    found = []
    if lesions is not None:
        volume = lesions["volume_mm3"].sum() / 1000
        found.append({"label": "Lesions", "value": str(len(lesions)), "note": ""})
        found.append({"label": "Lesion volume", "value": f"{volume:.2f} mL", "note": ""})
    volumes = by_region(visit.table("volumes"), "volume_mm3")
    if volumes is not None:
        for key, (label, note) in VOLUMES.items():
            if key in volumes.index:
                share = (
                    f"{percent(volumes[key] / volumes['TIV'], 1)} of TIV"
                    if key != "TIV" and "TIV" in volumes
                    else note
                )
                found.append({"label": label, "value": f"{volumes[key] / 1000:.0f} mL", "note": share})
    return found


def lights(
    visit: VisitFiles, lesions: pd.DataFrame | None, quality: Sequence[dict[str, Any]], notes: Sequence[str]
) -> list[dict[str, str]]:
    """Return the summary's traffic lights: level, label and words.

    Parameters
    ----------
    visit : VisitFiles
        The visit.
    lesions : DataFrame or None
        The lesion table.
    quality : sequence of dict
        What `quality_rows` returns.
    notes : sequence of str
        What was noticed while processing.
    """
    flagged = {row["key"]: row for row in quality if row["level"] == "look"}
    images = [
        name
        for name, key in (("T1w", "t1w"), ("FLAIR", "flair"), ("FLAIR", "flair_native"))
        if visit.has(key)
    ]
    found = [_lesion_light(lesions, flagged)]
    if images:
        found.append(_images_light(images))
    found.append(
        _light(
            REGISTRATION,
            flagged,
            quality,
            "Within the usual range; flicker between the images to check.",
        )
    )
    found.append(_light(BRAIN_MASK, flagged, quality, "Brain volume within the usual range."))
    found.append(_light(SCAN, flagged, quality, "Noise and contrast within the usual range."))
    found.append(_disconnection_light(visit))
    if notes:
        words = f"{len(notes)} noted during processing, listed below."
        found.append({"level": "none", "label": "Notes", "text": words, "word": "Read"})
    return found


def _images_light(images: Sequence[str]) -> dict[str, str]:
    lacking = "".join(f" {WITHOUT[name]}" for name in WITHOUT if name not in images)
    text = f"{' and '.join(images)}.{lacking}"
    return {"level": "look" if lacking else "good", "label": "Images", "text": text}


def _light(
    label: str, flagged: dict[str, Any], quality: Sequence[dict[str, Any]], fine: str
) -> dict[str, str]:
    keys = [name for name, number in QUALITY.items() if number.light == label]
    measured = {row["key"] for row in quality if row["value"] is not None}
    bad = [flagged[key] for key in keys if key in flagged]
    if bad:
        words = " ".join(
            f"{row['words']} is {row['text']}{row['unit']} ({row['why']}). {row['advice']}" for row in bad
        )
        return {"level": "look", "label": label, "text": words}
    if not measured & set(keys):
        return {"level": "none", "label": label, "text": "No quality measure is available."}
    return {"level": "good", "label": label, "text": fine}


def _lesion_light(lesions: pd.DataFrame | None, flagged: dict[str, Any]) -> dict[str, str]:
    if lesions is None:
        return {"level": "none", "label": "Lesions", "text": "No lesion table."}
    if lesions.empty:
        text = "None found. Look at the images: lesions below 3 mm or of low contrast may have been missed."
        return {"level": "look", "label": "Lesions", "text": text}
    volume = lesions["volume_mm3"].sum() / 1000
    counts = lesions["place"].value_counts() if "place" in lesions else pd.Series(dtype=int)
    where = ", ".join(f"{counts[key]} {place.words}" for key, place in CLASSES.items() if counts.get(key, 0))
    prone = int(lesions["artefact_prone"].notna().sum()) if "artefact_prone" in lesions else 0
    text = f"{len(lesions)}, {volume:.1f} mL" + (f": {where}." if where else ".")
    typical = [key for key, place in CLASSES.items() if place.counts]
    areas = sum(bool(counts.get(key, 0)) for key in typical)
    seen = f"{areas} of {len(typical)} (the spinal cord is not imaged)"
    text += f" Typical areas of multiple sclerosis with lesions: {seen}."
    if prone:
        text += f" {prone} at sites where artefacts look like lesions: check them in the lesion table."
    if "lesion_volume_ml" in flagged:
        text += f" {QUALITY['lesion_volume_ml'].advice}"
    level = "look" if prone or "lesion_volume_ml" in flagged else "good"
    return {"level": level, "label": "Lesions", "text": text}


def _disconnection_light(visit: VisitFiles) -> dict[str, str]:
    chaco = by_region(visit.table("chaco"), "chaco")
    if chaco is None:
        text = "Not measured: the run had no connectome (--connectome) or no T1w."
        return {"level": "none", "label": "Disconnection", "text": text}
    top = chaco.dropna().sort_values(ascending=False).head(3)
    regions = ", ".join(f"{str(name).replace('_', ' ')} {percent(value)}" for name, value in top.items())
    connectome = visit.meta("chaco").get("Connectome")
    if isinstance(connectome, dict) and connectome.get("Synthetic"):
        text = (
            f"Most disconnected: {regions}. The connectome is synthetic and serves for testing only: draw no "
            "conclusions from it."
        )
        return {"level": "look", "label": "Disconnection", "text": text}
    return {"level": "good", "label": "Disconnection", "text": f"Most disconnected: {regions}."}


def quality_rows(visit: VisitFiles, norms: Norms | None) -> list[dict[str, Any]]:
    """Return each quality number with its meaning, usual range, place among the others, and what to do.

    Parameters
    ----------
    visit : VisitFiles
        The visit.
    norms : Norms or None
        The other participants' numbers.
    """
    table = visit.table("qc")
    if table is None or table.empty:
        return []
    values, meta = numbers(table), visit.meta("qc")
    z = norms.z(evened(values)) if norms is not None else pd.Series(np.nan, values.index)
    listed = {name.strip() for name in str(table.iloc[0].get("flags", "")).split(",")}
    rows = []
    for key, value in values.items():
        name = str(key)
        away = float(z.get(key, np.nan))
        number = QUALITY.get(name) or _unknown(name)
        usual = _range(*number.usual)
        unit = f" {number.unit}" if number.unit else ""
        why = _why(away, number.worse, f"usual: {usual}{unit}" if name in listed else "")
        about = meta.get(name, {}) if isinstance(meta.get(name), dict) else {}
        rows.append(
            {
                "key": name,
                "name": number.label,
                "words": number.words,
                "unit": unit,
                "about": str(about.get("Description", "")),
                "value": None if pd.isna(value) else float(value),
                "text": "n/a" if pd.isna(value) else f"{value:.4g}",
                "usual": usual,
                "z": "n/a" if np.isnan(away) else f"{away:.1f}",
                "level": _level(
                    value, bool(why), number.has_usual_range or bool(number.worse and not np.isnan(away))
                ),
                "why": why,
                "advice": number.advice if why else "",
            }
        )
    return rows


def _unknown(name: str) -> QualityNumber:
    """Stand in for a number of another version of Demyelin, which this one does not know."""
    return QualityNumber(name, name.replace("_", " "), "", lambda _: np.nan)


def _why(z: float, worse: Side | None, outside: str) -> str:
    """Return why a number asks for a look: its usual range if it is outside, else how far the others are."""
    if outside or not stands_out(z, worse):
        return outside
    return f"modified z score {z:+.1f} among the other participants"


def _level(value: float, flagged: bool, judged: bool) -> str:
    if flagged:
        return "look"
    return "good" if judged and not pd.isna(value) else "none"


def _range(low: float, high: float) -> str:
    if np.isinf(low) and np.isinf(high):
        return "any"
    if np.isinf(high):
        return f"at least {low:g}"
    return f"at most {high:g}" if np.isinf(low) else f"{low:g} to {high:g}"

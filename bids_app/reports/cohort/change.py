"""What changed between visits, by diagnosis, site and treatment, and what each site's scans would show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bids_app.image.calibration import LARGEST_MM3
from bids_app.learn.names import visit_names
from bids_app.reports.cohort.participants import UNKNOWN
from bids_app.reports.cohort.tables import page_table
from bids_app.spelling import percent

GROUPS = (
    "diagnosis",
    "site",
    "treatment",
)  # columns of participants.tsv or sessions.tsv that pairs are shown by
CHANGE_FILE, LIMITS_FILE = "change", "detection_limits"  # in group/


def change_section(
    changes: pd.DataFrame,
    limits: pd.DataFrame,
    files: Mapping[str, str],
    links: Mapping[str, str],
    root: Path,
) -> dict[str, Any] | None:
    """Return the section for the page; None where no visits were compared and none was calibrated.

    Parameters
    ----------
    changes : DataFrame
        A row a pair (`cohort.changes.read_changes`).
    limits : DataFrame
        A row a visit (`cohort.changes.read_limits`).
    files, links : mapping of str to str
        Addresses of the two tables, and of visits' pages.
    root : Path
        Folder of the page.
    """
    if changes.empty and limits.empty:
        return None
    tables = []
    if len(changes):
        file = files[CHANGE_FILE]
        groups: dict[str, str | None] = {f"Change by {name}": name for name in GROUPS if name in changes}
        for title, group in (groups or {"Change between visits": None}).items():
            tables.append(
                page_table(_by(changes, group, _described), title=title, about=ABOUT, file=file, root=root)
            )
        pairs = changes.assign(visit=visit_names(changes["participant_id"], changes["session_id"]))
        first = ["visit", "before", *GROUPS, *SHOWN]
        pairs = pairs[[name for name in first if name in pairs]]
        tables.append(
            page_table(pairs, title="Every pair of visits", about=PAIRS, file=file, root=root, links=links)
        )
    if len(limits):
        by = "site" if "site" in limits else None
        title = "Detection limits by site" if by else "Detection limits"
        tables.append(
            page_table(
                _by(limits, by, _limits), title=title, about=LIMITS, file=files[LIMITS_FILE], root=root
            )
        )
    flagged = int(changes["protocol_differences"].notna().sum()) if len(changes) else 0
    return {"tables": tables, "n": len(changes), "flagged": flagged}


ABOUT = (
    "New and enlarged lesions are means a pair; no activity is the share of pairs without either (NEDA's MRI part). "
    "Percentages a year are of dated pairs, mean and standard deviation."
)
PAIRS = "An error is what the percentage exceeds by chance in 5 % of pairs, where the pair was calibrated."
LIMITS = (
    "Median over visits of the volume from which 80 % of lesions put into the scan are found: a difference in lesion "
    "load between sites that detect differently is not only biology."
)
SHOWN = (
    "years",
    "new",
    "enlarged",
    "resolved",
    "lesion_volume_before_mm3",
    "lesion_volume_after_mm3",
    "brain_percent",
    "brain_error_percent",
    "brain_percent_per_year",
    "protocol_differences",
)


def _by(
    table: pd.DataFrame, name: str | None, described: Callable[[pd.DataFrame], dict[str, Any]]
) -> pd.DataFrame:
    """Return a row for each group, or one for all."""
    if name is None:
        return pd.DataFrame([described(table)])
    values = table[name].astype(object).where(table[name].notna(), UNKNOWN).astype(str)
    return pd.DataFrame([{name: value} | described(part) for value, part in table.groupby(values, sort=True)])


def _described(pairs: pd.DataFrame) -> dict[str, Any]:
    return {
        "pairs": len(pairs),
        "participants": pairs["participant_id"].nunique(),
        "years (median)": round(float(pairs["years"].median()), 2)
        if pairs["years"].notna().any()
        else np.nan,
        "new lesions": float(pairs["new"].mean()),
        "enlarged lesions": float(pairs["enlarged"].mean()),
        "no activity": percent(pairs["neda_mri"].mean()),
        "brain, % a year": _mean(pairs, "brain_percent_per_year"),
        "lateral ventricles, % a year": _mean(pairs, "lateral_ventricles_percent_per_year"),
        "protocol differs": int(pairs["protocol_differences"].notna().sum()),
    }


def _mean(pairs: pd.DataFrame, name: str) -> str | None:
    values = pairs[name].dropna() if name in pairs else pd.Series(dtype=float)
    if values.empty:
        return None
    return f"{values.mean():+.2f}" + (f" ± {values.std():.2f}" if len(values) > 1 else "")


def _limits(visits: pd.DataFrame) -> dict[str, Any]:
    """Return the medians of a site; a limit beyond the largest lesion put in counts as infinite."""
    names = [name for name in visits if str(name).endswith("_mm3") and name != "false_mm3"]
    medians = {str(name): float(visits[name].fillna(np.inf).median()) for name in names}
    return {
        "visits": len(visits),
        **{
            f"{name.removesuffix('_mm3')}, mm³": f"{value:.0f}"
            if np.isfinite(value)
            else f"above {LARGEST_MM3:g}"
            for name, value in medians.items()
        },
        "false, mm³": float(visits["false_mm3"].median()),
    }

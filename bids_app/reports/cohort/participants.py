"""The participants of a cohort, in one table."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bids_app.spelling import percent

KEYS = ("diagnosis", "site")
UNKNOWN = "not known"


def characteristics(visits: pd.DataFrame) -> pd.DataFrame:
    """Count visits and participants by diagnosis and site, as far as known.

    Parameters
    ----------
    visits : DataFrame
        One row per visit: participant_id and, as far as known, diagnosis, site, age, sex, disease_duration, edss.

    Returns
    -------
    DataFrame
        One row per group: its names, visits, participants, and of the participants (each once, first visit) women, age,
        disease duration and EDSS.
    """
    keys = [key for key in KEYS if key in visits and visits[key].notna().any()]
    named = visits.assign(
        **{key: visits[key].astype(object).where(visits[key].notna(), UNKNOWN) for key in keys}
    )
    groups = named.groupby(keys, sort=True) if keys else [(("all",), named)]
    rows = []
    for names, part in groups:
        group = dict(zip(keys or ["group"], map(str, names), strict=True))
        rows.append(group | _described(part))
    return pd.DataFrame(rows).dropna(axis=1, how="all")


def _described(part: pd.DataFrame) -> dict[str, Any]:
    first = part.drop_duplicates("participant_id")
    row: dict[str, Any] = {"visits": len(part), "participants": len(first)}
    if "sex" in first and first["sex"].notna().any():
        women = first["sex"].dropna().astype(str).str.strip().str.upper().str.startswith("F")
        row["women"] = f"{int(women.sum())} ({percent(women.mean())})"
    for name, label in (("age", "age (mean ± SD)"), ("disease_duration", "disease duration (mean ± SD)")):
        values = (
            pd.to_numeric(first[name], errors="coerce").dropna() if name in first else pd.Series(dtype=float)
        )
        row[label] = f"{values.mean():.1f} ± {values.std():.1f}" if len(values) > 1 else None
    edss = (
        pd.to_numeric(first["edss"], errors="coerce").dropna() if "edss" in first else pd.Series(dtype=float)
    )
    row["EDSS (median, IQR)"] = (
        "{:.1f} ({:.1f} to {:.1f})".format(*edss.quantile([0.5, 0.25, 0.75])) if len(edss) else None
    )
    return row

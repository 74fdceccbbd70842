"""Which visits enter study A, and why the others do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.errors import InputError
from bids_app.learn import fingerprints
from bids_app.learn.flow import flow_step, flow_table
from bids_app.learn.names import is_male, visit_names

AGES = (18, 70)  # years; study A excluded those younger and older
COURSES = {
    "RR": ("rr", "rrms", "relapsing-remitting", "relapsing remitting"),
    "SP": ("sp", "spms", "secondary-progressive", "secondary progressive"),
}
WASHOUT_DAYS = 30  # study A: no relapse and no steroids in the 30 days before; here also from MRI to EDSS
FIRST = ("participant_id", "session_id", "site", "edss", "age", "sex", "disease_duration", "disease_course")
NOT_APPLIED = "not applied"
HIGHEST_EDSS = 10  # death due to MS (Kurtzke 1983)
Rule = Callable[[pd.DataFrame], pd.Series]


def standard_course(values: pd.Series) -> pd.Series:
    """Return disease courses as RR, SP, or as written where they are neither."""
    known = {word: course for course, words in COURSES.items() for word in words}
    text = values.astype("string").str.strip()
    return text.str.lower().map(known).fillna(text).astype(object)


def refuse_impossible(visits: pd.DataFrame) -> None:
    """Raise InputError if an EDSS is outside 0 to 10."""
    beyond = visits[(visits["edss"] < 0) | (visits["edss"] > HIGHEST_EDSS)]
    if not beyond.empty:
        row = beyond.iloc[0]
        raise InputError(
            f"participants.tsv: column edss holds {row['edss']:g} for {row['participant_id']}; EDSS goes from 0 to 10"
        )


def include(visits: pd.DataFrame, *, several: bool = False) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Apply study A's criteria where the columns for them exist.

    Parameters
    ----------
    visits : DataFrame
        A row per visit: participant_id, session_id, edss and, as far as known, age, sex, disease_course,
        days_to_edss, days_since_relapse, days_since_steroids, diagnosis.
    several : bool
        Keep all visits of a patient; else the one nearest in time to its EDSS (the first, where that is unknown).

    Returns
    -------
    included : DataFrame
        Rows of `visits`, sexes and courses by their standard names, rows ordered by participant and session, so that
        nothing later depends on the order of the input.
    flow : DataFrame
        A row per criterion: visits and patients left, visits excluded, the reason.

    Raises
    ------
    InputError
        If there is no EDSS, one is outside 0 to 10, or nobody is left.
    """
    if "edss" not in visits:
        raise InputError("participants.tsv: column edss is missing; --columns edss=NAME says which one it is")
    refuse_impossible(visits)
    left = _in_order(visits).assign(session_id=visits["session_id"].astype(object))
    left = left.sort_values(["participant_id", "session_id"], kind="stable", na_position="first")
    if "disease_course" in left:
        left["disease_course"] = standard_course(left["disease_course"])
    if "sex" in left:
        left["sex"] = is_male(left["sex"]).map({1.0: "M", 0.0: "F"}).astype(object)
    flow = [flow_step("visits with derivatives", left, len(left), "")]
    for name, reason, needs, rule in _rules():
        if needs == "edss" or (needs in left and left[needs].notna().any()):
            kept = left[rule(left)]
            flow.append(flow_step(name, kept, len(left), reason))
            left = kept
        else:
            flow.append(
                flow_step(name, left, len(left), f"{NOT_APPLIED}: no column {needs}, or no value in it")
            )
    if not several and not left.empty:
        nearest = left.get("days_to_edss", pd.Series(0, left.index)).abs().fillna(np.inf)
        first = left.assign(_far=nearest).sort_values(["participant_id", "_far"], kind="stable")
        kept = left.loc[first.drop_duplicates("participant_id").index].sort_values(
            "participant_id", kind="stable"
        )
        flow.append(flow_step("one visit per patient", kept, len(left), "further from the EDSS, or later"))
        left = kept
    if left.empty:
        lost = "; ".join(f"{row['excluded']} {row['reason']}" for row in flow[1:] if row["excluded"])
        raise InputError(f"participants.tsv: no visit is left for study A ({lost}); check the columns")
    return left.reset_index(drop=True), flow_table(flow)


def _in_order(visits: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that study A knows first, then the others by name, whatever their order in the table."""
    known = [name for name in FIRST if name in visits]
    return visits[[*known, *sorted(set(visits) - set(known), key=str)]]


def whole_patients(
    visits: pd.DataFrame, features: pd.DataFrame, columns: pd.DataFrame
) -> tuple[npt.NDArray[Any], list[str]]:
    """Return the patient of each visit, one for all that share their radiomics or volumes, and notes that name them.

    Parameters
    ----------
    visits : DataFrame, (n, ...)
    features : DataFrame, (n, p)
        Measures, rows as in `visits`.
    columns : DataFrame, (p, ...)
        column and family of each.
    """
    names = visit_names(visits["participant_id"], visits["session_id"]).tolist()
    groups, notes = visits["participant_id"].to_numpy(), []
    for family, what in (("radiomics", "radiomics"), ("volume", "volumes")):
        of_family = (columns["family"] == family) & (
            columns["column"] != "volume.TLV"
        )  # two may have no lesion
        pairs = fingerprints.same_measures(features, of_family.to_numpy())
        groups = fingerprints.kept_whole(groups, pairs)
        notes += fingerprints.note_on(names, pairs, what)
    return groups, notes


def _rules() -> list[tuple[str, str, str, Rule]]:
    """Return the criteria: step, reason of exclusion, column needed, who stays (unknown values stay)."""
    return [
        ("EDSS known", "without EDSS", "edss", lambda v: v["edss"].notna()),
        (
            "multiple sclerosis",
            "another diagnosis",
            "diagnosis",
            lambda v: (
                v["diagnosis"].isna()
                | v["diagnosis"].astype(str).str.strip().str.upper().isin({"MS", "RRMS", "SPMS", "RR", "SP"})
            ),
        ),
        ("age 18 to 70", "younger or older", "age", lambda v: v["age"].isna() | v["age"].between(*AGES)),
        (
            "RR or SP course",
            "another course",
            "disease_course",
            lambda v: v["disease_course"].isna() | v["disease_course"].isin(list(COURSES)),
        ),
        (
            "EDSS within 30 days of the scan",
            "EDSS more than 30 days away",
            "days_to_edss",
            lambda v: ~(v["days_to_edss"].abs() > WASHOUT_DAYS),
        ),
        (
            "no relapse within 30 days before",
            "recent relapse",
            "days_since_relapse",
            lambda v: ~v["days_since_relapse"].between(0, WASHOUT_DAYS),
        ),
        (
            "no steroids within 30 days before",
            "recent steroids",
            "days_since_steroids",
            lambda v: ~v["days_since_steroids"].between(0, WASHOUT_DAYS),
        ),
    ]

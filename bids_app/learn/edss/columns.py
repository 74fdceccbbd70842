"""The candidate variables of study A, and the order in which collinear ones yield."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from bids_app.errors import InputError
from bids_app.learn.names import is_male
from bids_app.learn.selection.base import STRIP

CLINICAL = ("age", "sex", "disease_duration", "disease_course_SP")
TOO_SMALL = ("Vermis_1_2", "Vermis_10")  # the two of AAL's regions that study A's 114 are taken to lack
GLOBAL = ("volume.TLV", "volume.WBV")
TIV = "volume.TIV"
SITE = "site"  # as numbers, for ComBat alone
KEPT_BY_COMBAT = (*CLINICAL, TIV)  # what sites may differ in by their patients
NOT_REGIONS = ("volume.TLV", TIV, "volume.GM", "volume.WM", "volume.CSF", "volume.NAWM")
VOLUMES = "volumes"  # what --candidates calls the regions' volumes
FIRST_ORDER, TEXTURE, LOG, WAVELET, OTHER = 2, 3, 4, 5, 6  # ranks after clinical (0), volumes and ChaCo (1)


def clinical_columns(visits: pd.DataFrame) -> pd.DataFrame:
    """Return the clinical candidates as numbers.

    Parameters
    ----------
    visits : DataFrame
        age (years), sex (M/F), disease_duration (years), disease_course (RR/SP); each where known.

    Returns
    -------
    DataFrame, (visits, <= 4), float32
        sex is 1 for male, disease_course_SP 1 for secondary progressive; columns without any value are left out.

    Raises
    ------
    InputError
        If a sex is neither M nor F.
    """
    columns = {}
    for name in ("age", "disease_duration"):
        if name in visits:
            columns[name] = visits[name]
    if "sex" in visits:
        columns["sex"] = is_male(visits["sex"])
    if "disease_course" in visits:
        course = visits["disease_course"]
        columns["disease_course_SP"] = (course == "SP").where(course.notna())
    table = pd.DataFrame(columns, index=visits.index).astype(np.float32)
    return table[[name for name in CLINICAL if name in table and table[name].notna().any()]]


def site_codes(visits: pd.DataFrame) -> dict[str, int]:
    """Return a number for each site, for ComBat.

    Raises
    ------
    InputError
        If a visit has no site, or there is only one.
    """
    site = visits[SITE].astype("string") if SITE in visits else pd.Series(pd.NA, visits.index, dtype="string")
    if site.isna().any():
        who = visits.loc[site.isna(), "participant_id"].iloc[0]
        raise InputError(
            f"--combat: participants.tsv has no site for {who}; fill in column site for everybody"
        )
    names = sorted(set(site))
    if len(names) < 2:
        raise InputError(f"--combat: {names[0]} is the only site; there is nothing to harmonise")
    return {name: number for number, name in enumerate(names)}


def harmonised(columns: Iterable[str]) -> list[str]:
    """Return those of the columns that ComBat changes: measures of the image, but not lesions and what they cut."""
    return [name for name in columns if name.startswith("radiomics.") or is_adjusted(name)]


def is_adjusted(name: str) -> bool:
    """Whether a column is a volume of the brain or a region, which becomes a z score."""
    return name.startswith("volume.") and name not in NOT_REGIONS and not name.endswith(TOO_SMALL)


def named_columns(visits: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """Return a user's own candidates as numbers.

    Raises
    ------
    InputError
        If participants.tsv has no such column, it holds text, or it is the outcome.
    """
    columns = {}
    for name in names:
        if name not in visits or name == "edss":
            known = ", ".join(str(c) for c in visits if c not in ("participant_id", "session_id", "edss"))
            raise InputError(
                f"--candidates {name}: {'the outcome cannot be a candidate' if name == 'edss' else 'no such column'}; "
                f"choose of {VOLUMES}, change, {known}"
            )
        numbers = pd.to_numeric(visits[name], errors="coerce")
        text = visits[name][numbers.isna() & visits[name].notna()]
        if len(text):
            raise InputError(
                f"--candidates {name}: holds {str(text.iloc[0])!r}, not a number; use numbers and n/a"
            )
        columns[name] = numbers.astype(np.float32)
    return pd.DataFrame(columns, index=visits.index)


def candidates(
    visits: pd.DataFrame, features: pd.DataFrame, columns: pd.DataFrame, more: Sequence[str] = ()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Join the clinical columns with study A's imaging measures.

    Parameters
    ----------
    visits : DataFrame, (n, ...)
    features : DataFrame, (n, p), float32
        Rows as in `visits`.
    columns : DataFrame, (p, ...)
        column, family, region, image_type, feature, icc.
    more : sequence of str
        Further candidates: `volumes` for those of the regions, or numeric columns of `visits`.

    Returns
    -------
    table : DataFrame, (n, q), float32
        Clinical columns, lesion and brain volume, intracranial volume (a covariate only), disconnection and
        radiomics of 114 regions and normal-appearing white matter.
    about : DataFrame, (q, ...)
        `columns` of these, with their rank of priority.
    """
    clinical = clinical_columns(visits)
    named = named_columns(visits, [name for name in more if name != VOLUMES and name not in CLINICAL])
    clinical = clinical.join(named.loc[:, named.notna().any()])
    family, name = columns["family"], columns["column"]
    wanted = (
        name.isin([*GLOBAL, TIV])
        | (name.map(is_adjusted).astype(bool) if VOLUMES in more else False)
        | (family == "chaco")
        | ((family == "radiomics") & ~columns["region"].isin(TOO_SMALL))
    )
    imaging = columns[wanted.to_numpy()].reset_index(drop=True)
    values = np.empty((len(visits), clinical.shape[1] + len(imaging)), np.float32)
    values[:, : clinical.shape[1]] = clinical
    source, of = features.to_numpy(), np.flatnonzero(wanted)
    for start in range(0, len(of), STRIP):  # a copy of all would be as large as the table
        part = of[start : start + STRIP]
        values[:, clinical.shape[1] + start :][:, : len(part)] = source[:, part]
    head = pd.DataFrame({"column": clinical.columns, "family": "clinical", "icc": np.nan})
    about = pd.concat([head, imaging], ignore_index=True) if len(imaging) else head
    about = about.reindex(columns=["column", "family", "region", "image_type", "feature", "icc"])
    about["rank"] = _ranks(about)
    return pd.DataFrame(values, visits.index, list(about["column"]), copy=False), about


def _ranks(about: pd.DataFrame) -> np.ndarray:
    """Return the rank of each column: clinical, volumes and ChaCo, first order, texture, LoG, wavelet."""
    image = about["image_type"].fillna("").astype(str)
    first = about["feature"].fillna("").astype(str).str.startswith("firstorder")
    conditions: list[Iterable[bool]] = [
        about["family"] == "clinical",
        about["family"].isin(["volume", "chaco"]),
        (image == "original") & first,
        image == "original",
        image.str.startswith("log"),
        image.str.startswith("wavelet"),
    ]
    return np.select([np.asarray(c) for c in conditions], [0, 1, FIRST_ORDER, TEXTURE, LOG, WAVELET], OTHER)


def priority(about: pd.DataFrame) -> list[str]:
    """Return the columns from the first to keep on: by rank, then the more stable, then by name."""
    ranked = about.assign(icc=about["icc"].fillna(-1)).sort_values(
        ["rank", "icc", "column"], ascending=[True, False, True], kind="stable"
    )
    return ranked["column"].tolist()

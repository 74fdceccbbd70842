"""Who was studied: characteristics by class, and of training against test scans (study B, Tables 1 and S1)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.spelling import percent

NUMBERS = ("onset_age", "age", "disease_duration", "months_since_episode", "attack_index", "edss")
CATEGORIES = ("sex", "site", "aqp4")
AT_SCANS = ("age", "disease_duration", "attack_index")


def by_class(visits: pd.DataFrame, label: str = "diagnosis") -> pd.DataFrame:
    """Compare patients between classes, each patient once (the first visit), and describe their scans.

    Scans of one patient are not independent, so that what is told of scans has no P.

    Parameters
    ----------
    visits : DataFrame
        One row per scan: participant_id, the class, clinical columns.
    label : str
        Column of the class.

    Returns
    -------
    DataFrame
        One row per characteristic: a column per class, P and test.
    """
    patients = visits.drop_duplicates("participant_id")
    table = compare(patients, patients[label].to_numpy())
    heads = {name: f"{name} (n = {n})" for name, n in patients[label].value_counts().items()}
    scans: list[dict[str, Any]] = [{"characteristic": "FLAIR scans, n"}]
    for name, n in visits[label].value_counts().items():
        scans[0][heads[name]] = str(n)
    for column in AT_SCANS:
        if column in visits and (values := pd.to_numeric(visits[column], errors="coerce")).notna().any():
            parts = values.groupby(visits[label])
            cells = {heads[name]: f"{part.mean():.1f} ± {part.std():.1f}" for name, part in parts}
            scans.append({"characteristic": f"{column} at the scans, mean ± SD"} | cells)
    return pd.concat([table, pd.DataFrame(scans)], ignore_index=True)


def by_split(visits: pd.DataFrame, is_test: npt.NDArray[np.bool_], label: str = "diagnosis") -> pd.DataFrame:
    """Compare training with test scans, each scan counted (Supplementary Table 1).

    Parameters
    ----------
    visits : DataFrame, (n, columns)
        A row a scan.
    is_test : ndarray of bool, (n,)
        Which scans are test.
    label : str
        Column of the class.
    """
    return compare(visits, np.where(is_test, "test", "training"), categories=(label, *CATEGORIES))


def compare(
    rows: pd.DataFrame, group: npt.NDArray[Any], categories: Sequence[str] = CATEGORIES
) -> pd.DataFrame:
    """Describe columns per group and test them: Student's t for numbers, Pearson's chi-square for categories.

    Chi-square without continuity correction is what reproduces the study's P values.

    Parameters
    ----------
    rows : DataFrame, (n, columns)
        A row a scan or patient.
    group : ndarray, (n,)
        Group of each row.
    categories : sequence of str
        Columns that are categories; those of `NUMBERS` are numbers.
    """
    groups = [str(name) for name in pd.unique(group)]
    heads = {name: f"{name} (n = {int(np.sum(group == name))})" for name in groups}
    out: list[dict[str, Any]] = []
    for column in NUMBERS:
        if column in rows and (values := pd.to_numeric(rows[column], errors="coerce")).notna().any():
            parts = {name: values[group == name].dropna() for name in groups}
            cells = {heads[name]: f"{part.mean():.1f} ± {part.std():.1f}" for name, part in parts.items()}
            out.append({"characteristic": f"{column}, mean ± SD"} | cells | _t_test(list(parts.values())))
    for column in categories:
        if column in rows and rows[column].nunique() > 1:
            out.extend(_category(rows[column], group, heads))
    return pd.DataFrame(out, columns=["characteristic", *heads.values(), "p", "test"])


def _t_test(parts: list[pd.Series]) -> dict[str, Any]:
    from scipy.stats import f_oneway, ttest_ind

    if min(map(len, parts)) < 2:
        return {"p": np.nan, "test": "too few"}
    if not any(np.ptp(part) > 0 for part in parts):
        return {"p": np.nan, "test": "no spread within groups"}
    test, name = (ttest_ind, "t test") if len(parts) == 2 else (f_oneway, "one-way ANOVA")
    with warnings.catch_warnings():  # scipy warns of a group of equal values, which is no fault
        warnings.simplefilter("ignore", RuntimeWarning)
        return {"p": float(test(*parts).pvalue), "test": name}


def _category(column: pd.Series, group: npt.NDArray[Any], heads: dict[str, str]) -> list[dict[str, Any]]:
    from scipy.stats import chi2_contingency

    counts = pd.crosstab(column.to_numpy(), group)
    p = float(chi2_contingency(counts, correction=False).pvalue) if min(counts.shape) > 1 else np.nan
    rows = []
    for k, value in enumerate(counts.index):
        shares = counts.loc[value] / counts.sum()
        cells = {heads[name]: f"{counts.loc[value, name]} ({percent(shares[name], 1)})" for name in heads}
        test = {"p": p, "test": "chi-square"} if k == 0 else {}
        rows.append({"characteristic": f"{column.name} {value}, n (%)"} | cells | test)
    return rows

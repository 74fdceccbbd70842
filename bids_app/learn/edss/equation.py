"""Ridge regression as a sum that a reader can do by hand; volumes as z scores; EDSS by course."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.learn.edss.columns import CLINICAL, TIV, clinical_columns, is_adjusted
from bids_app.learn.edss.serving import Parts
from bids_app.learn.selection import CovariateZScore, MedianImpute

INTERCEPT = "(intercept)"


def ridge_equation(models: Mapping[tuple[str, str], Parts]) -> pd.DataFrame:
    """Return what predicts by ridge regression: intercept + sum of weight x (value - mean) / sd.

    Parameters
    ----------
    models : mapping of (features, model) to dict
        Of `served`.

    Returns
    -------
    DataFrame
        Per set of features: the intercept, then each column with the median put where it is unknown, mean, sd and
        weight. A volume's value is its z score: (mm3 - expected) / z_sd, expected = z_intercept + the sum of
        z_<covariate> x covariate. With ComBat, the values are the harmonised ones.
    """
    rows: list[dict[str, Any]] = []
    for (features, name), parts in models.items():
        if name != "ridge":
            continue
        scaler, ridge = parts["model"][0], parts["model"][-1]
        rows.append({"features": features, "column": INTERCEPT, "weight": float(ridge.intercept_)})
        medians = dict(zip(parts["inputs"], parts["impute"].medians_.tolist(), strict=True))
        adjusted = _adjustment(parts)
        for k, column in enumerate(parts["columns"]):
            row = {"features": features, "column": column, "weight": float(ridge.coef_[k])}
            row |= {"mean": float(scaler.mean_[k]), "sd": float(scaler.scale_[k]), "median": medians[column]}
            rows.append(row | adjusted.get(column, {}))
    return pd.DataFrame(rows)


def _adjustment(parts: Parts) -> dict[str, dict[str, float]]:
    """Return by volume the terms of its z score."""
    step = parts["adjust"]
    if step is None:
        return {}
    terms = ["intercept", *(parts["inputs"][k] for k in step.covariates_)]
    return {
        parts["inputs"][column]: {
            **{f"z_{term}": float(value) for term, value in zip(terms, step.coef_[:, k], strict=True)},
            "z_sd": float(step.scale_[k]),
        }
        for k, column in enumerate(step.columns_)
    }


def volume_scores(
    measured: pd.DataFrame, visits: pd.DataFrame, names: pd.Series, rows: npt.NDArray[np.intp]
) -> pd.DataFrame:
    """Return whole-brain and regional volumes as z scores, adjusted for age, sex and TIV in the training visits.

    Parameters
    ----------
    measured : DataFrame, (n, p)
        Volumes.
    visits : DataFrame, (n, ...)
    names : Series
        Visit of each row.
    rows : ndarray of int
        Training rows, which the adjustment is learned from.

    Returns
    -------
    DataFrame
        A row per visit and region: z; empty without volumes.
    """
    volumes = [str(name) for name in measured if is_adjusted(str(name))]
    clinical = clinical_columns(visits)
    covariates = [name for name in ("age", "sex") if name in clinical]
    table = clinical[covariates].join(measured[[*([TIV] if TIV in measured else []), *volumes]])
    covariates += [TIV] if TIV in measured else []
    if not volumes or len(rows) < len(covariates) + 3:
        return pd.DataFrame()
    impute = MedianImpute().fit(table.iloc[rows][covariates])
    ready = table.assign(**impute.transform(table[covariates]))
    scores = {}
    for name in volumes:  # each on the visits where it is known
        known = ready[[*covariates, name]].iloc[rows].dropna()
        there = ready[name].notna()
        if len(known) < len(covariates) + 3:
            continue
        step = CovariateZScore(covariates, [name]).fit(known)
        scores[name.removeprefix("volume.")] = step.transform(ready.loc[there, [*covariates, name]])[name]
    wide = pd.DataFrame(scores, index=measured.index).assign(visit=names.to_numpy())
    return wide.melt("visit", var_name="region", value_name="z").dropna(ignore_index=True)


def course_difference(visits: pd.DataFrame, groups: npt.NDArray[Any]) -> pd.DataFrame:
    """Return EDSS of secondary progressive against relapsing-remitting patients, adjusted for age, sex and duration.

    Parameters
    ----------
    visits : DataFrame, (n, ...)
        edss, disease_course and, where known, age, sex, disease_duration.
    groups : ndarray, (n,)
        Patients; each counts once, by the first visit.

    Returns
    -------
    DataFrame
        One row: number, median and quartiles of each course; difference of means as it is and adjusted (linear model),
        with 95 % intervals and P; the covariates, and the patients where all are known. Empty with fewer than two of
        a course.
    """
    import statsmodels.api as sm

    people = visits[~pd.Series(groups, visits.index).duplicated()]
    clinical = clinical_columns(people)
    if "disease_course_SP" not in clinical:
        return pd.DataFrame()
    sp, edss = clinical["disease_course_SP"], people["edss"].astype(np.float64)
    if min((sp == 1).sum(), (sp == 0).sum()) < 2:
        return pd.DataFrame()
    row: dict[str, Any] = {}
    for name, value in (("SP", 1), ("RR", 0)):
        middle = edss[sp == value].quantile([0.5, 0.25, 0.75])
        row |= {
            f"n_{name}": int((sp == value).sum()),
            f"EDSS_{name}": "{:.1f} ({:.1f}-{:.1f})".format(*middle),
        }
    covariates = [name for name in CLINICAL if name in clinical and name != "disease_course_SP"]
    for label, columns in (("difference", []), ("adjusted", covariates)):
        design = clinical[["disease_course_SP", *columns]].dropna().astype(np.float64)
        if len(design) < design.shape[1] + 3 or design["disease_course_SP"].nunique() < 2:
            continue
        found = sm.OLS(edss[design.index], sm.add_constant(design, has_constant="add")).fit()
        low, high = found.conf_int().loc["disease_course_SP"]
        row |= {label: float(found.params["disease_course_SP"]), f"{label}_low": low, f"{label}_high": high}
        row |= {f"{label}_p": float(found.pvalues["disease_course_SP"]), f"{label}_n": len(design)}
    return pd.DataFrame([row | {"covariates": ", ".join(covariates)}])

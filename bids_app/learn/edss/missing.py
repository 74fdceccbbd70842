"""Missing values: which candidates have them, what was imputed, and what the numbers are without the imputed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.learn.edss.columns import CLINICAL, SITE, TIV
from bids_app.learn.edss.fitting import Fitted, Samples
from bids_app.learn.edss.scores import determination, mae, pearson

Index = npt.NDArray[np.intp]
SELECTED = "selected"


def missing_values(data: Samples, rows: Index, fitted: Fitted) -> pd.DataFrame:
    """Return which candidates have missing values, and whether they were kept.

    Parameters
    ----------
    data : Samples
    rows : ndarray of int
        Training rows.
    fitted : Fitted
        On these rows.

    Returns
    -------
    DataFrame
        A row per candidate, or per set of dropped candidates of one region that are missing in the same visits:
        candidate (the first), n_candidates, family, region, fate (selected, or the step that dropped it), visits
        without it in all and in training, and their shares.
    """
    gaps = data.X.drop(columns=SITE, errors="ignore").isna()
    gaps = gaps.iloc[:, np.flatnonzero(gaps.to_numpy().any(axis=0))]
    if gaps.empty:
        return pd.DataFrame()
    some, fates = [str(name) for name in gaps], _fates(data, fitted)
    about = data.about.set_index("column").reindex(some)
    packed = np.packbits(gaps.to_numpy(), axis=0).T
    table = pd.DataFrame(
        {"candidate": some, "family": about["family"].to_numpy(), "region": about["region"].to_numpy()}
    )
    table["fate"] = [fates.get(name, "a covariate only" if name == TIV else "") for name in some]
    table["pattern"] = [pattern.tobytes() for pattern in packed]
    alone = table["fate"].eq(SELECTED) | table["family"].eq("clinical") | table["candidate"].eq(TIV)
    table["own"] = np.where(alone, table["candidate"], "")
    keys = ["own", "family", "region", "fate", "pattern"]
    merged = table.groupby(keys, sort=False, dropna=False)["candidate"].agg(["first", "size"]).reset_index()
    counts = gaps[merged["first"].tolist()]
    out = merged[["first", "size", "family", "region", "fate"]].set_axis(
        ["candidate", "n_candidates", "family", "region", "fate"], axis=1
    )
    out["missing"], out["missing_training"] = counts.sum().to_numpy(), counts.iloc[rows].sum().to_numpy()
    out["share"] = out["missing"] / len(gaps)
    out["share_training"] = out["missing_training"] / len(rows)
    return out.sort_values(
        ["missing", "candidate"], ascending=[False, True], kind="stable", ignore_index=True
    )


def _fates(data: Samples, fitted: Fitted) -> dict[str, str]:
    """Return by candidate whether it was selected, or the step that dropped it."""
    names = {
        "StabilityFilter": "dropped: not stable",
        "RangeScaledVariance": "dropped: hardly varies",
        "CollinearityFilter": "dropped: collinear",
    }
    left = set(data.about["column"]) - {TIV}
    fates: dict[str, str] = {}
    empty = left & set(fitted.blind.steps[0].names)
    fates |= dict.fromkeys(empty, "dropped: never known in training")
    left -= empty
    for step in fitted.blind.steps:
        if type(step).__name__ in names:
            kept = set(step.get_feature_names_out()) & left
            fates |= dict.fromkeys(left - kept, names[type(step).__name__])
            left = kept
    lasso, chosen = set(fitted.selected.lasso_columns), set(fitted.selected.columns)
    fates |= dict.fromkeys(left - lasso, "dropped: no weight in the LASSO")
    fates |= dict.fromkeys(lasso - chosen, "dropped: not in the subset of CFS")
    return fates | dict.fromkeys(chosen, SELECTED)


def imputed_visits(data: Samples, columns: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return which visits have an imputed value in any of the columns, (n,)."""
    return data.X[[name for name in columns if name in data.X]].isna().any(axis=1).to_numpy()


def seen_by_models(data: Samples, fitted: Fitted) -> list[str]:
    """Return the clinical candidates and the selected columns."""
    return list(dict.fromkeys([*(c for c in CLINICAL if c in data.X), *fitted.selected.columns]))


def notes_on(data: Samples, rows: Index, sets: Mapping[str, Index], fitted: Fitted) -> list[str]:
    """Return what was imputed: each column that a model sees, in how many visits of each set.

    Parameters
    ----------
    data : Samples
    rows : ndarray of int
        Training rows.
    sets : mapping of str to ndarray of int
        Rows of each held-out set.
    fitted : Fitted
        On the training rows.
    """
    where = {"training": rows, **sets}
    out = []
    for name in seen_by_models(data, fitted):
        gaps = data.X[name].isna().to_numpy()
        if gaps.any():
            counts = ", ".join(
                f"{int(gaps[part].sum())} of {len(part)} {kind}" for kind, part in where.items()
            )
            out.append(f"{name}: unknown in {counts} visits, and imputed by the training median")
    return out


def sensitivity(predictions: pd.DataFrame, imputed: Sequence[str]) -> pd.DataFrame:
    """Return scores of all visits beside those of visits without any imputed value.

    Parameters
    ----------
    predictions : DataFrame
        visit, protocol, set, features, model, observed, predicted.
    imputed : sequence of str
        Visits with an imputed value in a column that a model sees.

    Returns
    -------
    DataFrame
        Per protocol, set, features and model: numbers of visits, r, R2 and mean absolute error of all, and the same
        without the imputed; empty where nothing was imputed.
    """
    if not len(imputed):
        return pd.DataFrame()
    rows = []
    keys = ["protocol", "set", "features", "model"]
    for key, part in predictions[predictions["features"] != "none"].groupby(keys, sort=False):
        without = part[~part["visit"].isin(list(imputed))]
        if 2 < len(without) < len(part):
            kept = {f"{name}_without": value for name, value in _scores(without).items()}
            rows.append(dict(zip(keys, key, strict=True)) | _scores(part) | kept)
    return pd.DataFrame(rows)


def _scores(part: pd.DataFrame) -> dict[str, Any]:
    observed, predicted = part["observed"].to_numpy(np.float64), part["predicted"].to_numpy(np.float64)
    measures = (("r", pearson), ("R2", determination), ("mae", mae))
    return {"n_visits": len(part)} | {name: measure(observed, predicted) for name, measure in measures}

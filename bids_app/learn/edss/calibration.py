"""Whether predicted EDSS and its intervals mean what they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.learn.edss.fitting import Fitted, Table
from bids_app.learn.edss.scores import ALPHA
from bids_app.learn.statistics import cluster_bootstrap, wilson_interval

GROUPS = 5
RESAMPLES = 500
NOMINAL = 1 - ALPHA


def calibration(predictions: pd.DataFrame, model: str, seed: int) -> pd.DataFrame:
    """Compare mean observed with mean predicted EDSS in groups of similar prediction.

    Parameters
    ----------
    predictions : DataFrame
        protocol, set, features, model, participant_id, observed, predicted.
    model : str
        Whose predictions.
    seed : int
        Of the bootstrap over patients (95 % intervals of the observed means).

    Returns
    -------
    DataFrame
        One row per protocol, set and group, from the lowest prediction to the highest: n_visits, predicted,
        observed, low, high; and of the whole set: slope (of observed on predicted; Cox 1958) and offset
        (mean predicted minus observed).
    """
    own = predictions[(predictions["features"] == "all") & (predictions["model"] == model)]
    rows = []
    for (protocol, where), part in own.groupby(["protocol", "set"], sort=False):
        x, y = part["predicted"].to_numpy(np.float64), part["observed"].to_numpy(np.float64)
        slope = float(np.cov(x, y)[0, 1] / np.var(x, ddof=1)) if np.ptp(x) > 0 else float("nan")
        whole = {"slope": slope, "offset": float(np.mean(x - y))}
        order = np.argsort(x, kind="stable")
        for number, members in enumerate(np.array_split(order, min(GROUPS, max(1, len(x) // 3))), start=1):
            row = {"protocol": protocol, "set": where, "model": model, "group": number}
            rows.append(
                row | _group(x[members], y[members], part["participant_id"].to_numpy()[members], seed) | whole
            )
    return pd.DataFrame(rows)


def _group(x: npt.NDArray[Any], y: npt.NDArray[Any], patients: npt.NDArray[Any], seed: int) -> dict[str, Any]:
    low, high = cluster_bootstrap(lambda rows: float(np.mean(y[rows])), patients, seed=seed, n=RESAMPLES)
    return {
        "n_visits": len(x),
        "predicted": float(np.mean(x)),
        "observed": float(np.mean(y)),
        "low": low,
        "high": high,
    }


def coverage(
    data: Table,
    visits: pd.Series,
    fitted: Fitted,
    widths: Mapping[tuple[str, str], float],
    sets: Mapping[str, npt.NDArray[np.intp]],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure how often held-out EDSS lies in its prediction interval.

    Parameters
    ----------
    data : Table
    visits : Series
        Name of each row of `data`.
    fitted : Fitted
        Without the patients that calibrated the intervals.
    widths : mapping of (features, model) to float
        Half widths.
    sets : mapping of str to ndarray of int
        Rows of each held-out set.

    Returns
    -------
    coverage : DataFrame
        One row per set and model: half_width, nominal and measured coverage with Wilson's 95 % interval, n_visits.
    each : DataFrame
        One row per visit and model: predicted, low, high, observed, inside.
    """
    rows, each = [], []
    for where, test in sets.items():
        for key, predicted in fitted.predict(data.X.iloc[test]).items():
            width, observed = widths[key], data.y[test]
            inside = np.abs(observed - predicted) <= width
            low, high = wilson_interval(int(inside.sum()), len(test))
            rows.append(
                {
                    "set": where,
                    "model": key[1],
                    "half_width": width,
                    "nominal": NOMINAL,
                    "coverage": float(inside.mean()),
                    "coverage_low": low,
                    "coverage_high": high,
                    "n_visits": len(test),
                }
            )
            shown = {"predicted": predicted, "low": predicted - width, "high": predicted + width}
            part = pd.DataFrame(shown | {"observed": observed, "inside": inside})
            part.insert(0, "visit", visits.iloc[test].to_numpy())
            each.append(part.assign(set=where, model=key[1]))
    return pd.DataFrame(rows), pd.concat(each, ignore_index=True) if each else pd.DataFrame()

"""Whether predicted EDSS and its intervals mean what they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.learn.edss.fitting import Samples
from bids_app.learn.edss.intervals import NOMINAL, bounds
from bids_app.learn.edss.serving import Parts, predict
from bids_app.learn.statistics import CALIBRATION_GROUPS, CURVE_BOOTSTRAPS, cluster_bootstrap, wilson_interval


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
    of_model = predictions[(predictions["features"] == "all") & (predictions["model"] == model)]
    rows = []
    for (protocol, where), part in of_model.groupby(["protocol", "set"], sort=False):
        x, y = part["predicted"].to_numpy(np.float64), part["observed"].to_numpy(np.float64)
        whole = {"slope": _slope(x, y), "offset": _mean_error(x, y)}
        order = np.argsort(x, kind="stable")
        for number, members in enumerate(
            np.array_split(order, min(CALIBRATION_GROUPS, max(1, len(x) // 3))), start=1
        ):
            row = {"protocol": protocol, "set": where, "model": model, "group": number}
            rows.append(
                row | _group(x[members], y[members], part["participant_id"].to_numpy()[members], seed) | whole
            )
    return pd.DataFrame(rows)


def _group(x: npt.NDArray[Any], y: npt.NDArray[Any], patients: npt.NDArray[Any], seed: int) -> dict[str, Any]:
    low, high = cluster_bootstrap(
        lambda rows: float(np.mean(y[rows])), patients, seed=seed, n=CURVE_BOOTSTRAPS
    )
    return {
        "n_visits": len(x),
        "predicted": float(np.mean(x)),
        "observed": float(np.mean(y)),
        "low": low,
        "high": high,
    }


def calibration_models(predictions: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return slope and mean error of every model on every set, with 95 % intervals (bootstrap over patients).

    Parameters
    ----------
    predictions : DataFrame
        protocol, set, features, model, participant_id, observed, predicted.
    seed : int

    Returns
    -------
    DataFrame
        One row per protocol, set, features and model: slope of observed on predicted (below 1: too bold) and mean
        error, predicted minus observed.
    """
    keys = ["protocol", "set", "features", "model"]
    rows = []
    for key, part in predictions[predictions["features"] != "none"].groupby(keys, sort=False):
        x, y = part["predicted"].to_numpy(np.float64), part["observed"].to_numpy(np.float64)
        patients = part["participant_id"].to_numpy()
        row = dict(zip(keys, key, strict=True)) | {"n_visits": len(part)}
        for name, measure in (("slope", _slope), ("mean_error", _mean_error)):

            def drawn(rows: Any, measure: Any = measure, x: Any = x, y: Any = y) -> float:
                return measure(x[rows], y[rows])

            low, high = cluster_bootstrap(drawn, patients, seed=seed, n=CURVE_BOOTSTRAPS)
            row |= {name: measure(x, y), f"{name}_low": low, f"{name}_high": high}
        rows.append(row)
    return pd.DataFrame(rows)


def _slope(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> float:
    """Return the slope of y on x; NaN where x does not vary."""
    return float(np.cov(x, y)[0, 1] / np.var(x, ddof=1)) if len(x) > 1 and np.ptp(x) > 0 else float("nan")


def _mean_error(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> float:
    return float(np.mean(x - y))


def coverage(
    data: Samples,
    visits: pd.Series,
    models: Mapping[tuple[str, str], Parts],
    sets: Mapping[str, npt.NDArray[np.intp]],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure how often held-out EDSS lies in the prediction interval of the very models that are saved.

    Parameters
    ----------
    data : Samples
    visits : Series
        Name of each row of `data`.
    models : mapping of (features, model) to dict
        As saved, with their intervals.
    sets : mapping of str to ndarray of int
        Rows of each held-out set.

    Returns
    -------
    coverage : DataFrame
        One row per set and model: mean width, nominal and measured coverage with Wilson's 95 % interval, n_visits.
    each : DataFrame
        One row per visit and model: predicted, low, high, observed, inside.
    """
    rows, each = [], []
    for where, test in sets.items():
        table, observed = data.X.iloc[test], data.y[test]
        for (features, name), parts in models.items():
            low, high = bounds(parts, table)
            inside = (observed >= low) & (observed <= high)
            key = {"set": where, "features": features, "model": name}
            rows.append(key | _covered(inside) | {"width": float(np.mean(high - low))})
            shown = {"predicted": predict(parts, table), "low": low, "high": high}
            part = pd.DataFrame(shown | {"observed": observed, "inside": inside})
            part.insert(0, "visit", visits.iloc[test].to_numpy())
            each.append(part.assign(**key))
    return pd.DataFrame(rows), pd.concat(each, ignore_index=True) if each else pd.DataFrame()


def _covered(inside: npt.NDArray[np.bool_]) -> dict[str, Any]:
    low, high = wilson_interval(int(inside.sum()), len(inside))
    return {
        "nominal": NOMINAL,
        "coverage": float(inside.mean()),
        "coverage_low": low,
        "coverage_high": high,
        "n_visits": len(inside),
    }

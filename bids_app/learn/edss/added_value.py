"""What imaging adds: the same models with all columns against clinical columns alone, on the same patients."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.learn.edss.scores import determination, mae, pearson
from bids_app.learn.statistics import SCORE_BOOTSTRAPS, cluster_bootstrap
from bids_app.protocol import Protocol

Array = npt.NDArray[np.float64]
KEYS = ["protocol", "set", "model"]
MEASURES = (("mae", mae), ("r", pearson), ("R2", determination))


def added_value(predictions: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return the difference between all columns and clinical columns alone.

    Parameters
    ----------
    predictions : DataFrame
        visit, participant_id, protocol, set, features, model, observed, predicted.
    seed : int
        Of the bootstrap over patients, who are drawn once for both (95 % intervals).

    Returns
    -------
    DataFrame
        One row per protocol, set and model: all minus clinical of the mean absolute error (below 0: imaging helps),
        r and R2 (above 0: imaging helps), with intervals, and numbers of visits and patients.
    """
    both = predictions[predictions["features"].isin(["all", "clinical"])]
    rows = []
    for key, part in both.groupby(KEYS, sort=False):
        wide = part.pivot(index="visit", columns="features", values="predicted")
        if set(wide.columns) != {"all", "clinical"}:
            continue
        who = part.drop_duplicates("visit").set_index("visit").loc[wide.index]
        rows.append(dict(zip(KEYS, key, strict=True)) | _difference(wide, who, seed))
    return pd.DataFrame(rows)


def _difference(wide: pd.DataFrame, who: pd.DataFrame, seed: int) -> dict[str, Any]:
    observed = who["observed"].to_numpy(np.float64)
    full, clinical = wide["all"].to_numpy(np.float64), wide["clinical"].to_numpy(np.float64)
    patients = who["participant_id"].to_numpy()
    out: dict[str, Any] = {"n_visits": len(wide), "n_patients": len(np.unique(patients))}
    for name, measure in MEASURES:

        def apart(rows: Any, measure: Any = measure) -> float:
            return measure(observed[rows], full[rows]) - measure(observed[rows], clinical[rows])

        low, high = cluster_bootstrap(apart, patients, seed=seed, n=SCORE_BOOTSTRAPS)
        out |= {name: apart(slice(None)), f"{name}_low": low, f"{name}_high": high}
    return out


def said(table: pd.DataFrame, model: str) -> list[str]:
    """Return in words what imaging adds for one model in each set where it is estimated without leakage.

    Parameters
    ----------
    table : DataFrame
        Of `added_value`.
    model : str
    """
    out = []
    for row in table[(table["model"] == model) & (table["protocol"] != Protocol.PAPER)].to_dict("records"):
        low, high = row["mae_low"], row["mae_high"]
        verdict = (
            "imaging lowers the error"
            if high < 0
            else "imaging raises the error"
            if low > 0
            else "no difference shown"
        )
        out.append(
            f"{row['set']}: mean absolute error {row['mae']:+.2f} ({low:+.2f} to {high:+.2f}) with imaging, against "
            f"clinical columns alone: {verdict}"
        )
    return out

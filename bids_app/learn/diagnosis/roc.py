"""ROC curves of both protocols, on the same footing as their AUCs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.protocol import CROSS_VALIDATED, Protocol

GRID = np.linspace(0, 1, 101)


def roc_points(scans: pd.DataFrame) -> pd.DataFrame:
    """Return the ROC curves of out-of-sample decisions.

    Parameters
    ----------
    scans : DataFrame
        One row per scan and positive class: positive, diagnosis, and of each protocol that ran its decision
        (`paper_decision`, `nested_decision`; missing where the scan was not tested) and `nested_fold`.

    Returns
    -------
    DataFrame
        positive, protocol, false_positive_rate, true_positive_rate. The leak-free curve is the mean of the outer
        folds' curves at equal false-positive rate (Fawcett 2006, vertical averaging), for decisions of
        different machines are not on one scale.
    """
    parts = []
    for positive, rows in scans.groupby("positive", sort=False):
        truth = (rows["diagnosis"] == positive).to_numpy()
        for protocol in CROSS_VALIDATED:
            if f"{protocol}_decision" not in rows:
                continue
            decision = rows[f"{protocol}_decision"].to_numpy(np.float64)
            fold = rows["nested_fold"].to_numpy() if protocol == Protocol.NESTED else np.zeros(len(rows))
            curve = _mean_curve(truth, decision, fold)
            parts.append(curve.assign(positive=positive, protocol=protocol))
    columns = ["positive", "protocol", "false_positive_rate", "true_positive_rate"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _mean_curve(
    truth: npt.NDArray[np.bool_], decision: npt.NDArray[np.float64], fold: npt.NDArray[np.generic]
) -> pd.DataFrame:
    from sklearn.metrics import roc_curve

    known = np.isfinite(decision)
    curves = []
    for number in np.unique(fold[known]):
        inside = known & (fold == number)
        if truth[inside].all() or not truth[inside].any():
            continue
        curves.append(roc_curve(truth[inside], decision[inside], drop_intermediate=False)[:2])
    if len(curves) == 1:
        x, y = curves[0]
    else:
        x = GRID
        y = (
            np.mean([np.interp(GRID, *curve) for curve in curves], axis=0)
            if curves
            else np.full(len(GRID), np.nan)
        )
        y = np.where(GRID == 0, 0.0, y)
    return pd.DataFrame({"false_positive_rate": x, "true_positive_rate": y})

"""How good predictions of EDSS are: as numbers, on the scale's own steps, and with their uncertainty."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from bids_app.learn.edss.models import MODELS
from bids_app.learn.statistics import cluster_bootstrap, rm_anova_gg

Array = npt.NDArray[np.float64]

LEVELS = np.array([0.0, *np.arange(1, 10.5, 0.5)])  # the steps of the scale: there is no 0.5
KEYS = ["protocol", "set", "features", "model"]
RESAMPLES = 1000
ALPHA = 0.1


def pearson(observed: Array, predicted: Array) -> float:
    """Return Pearson's r; NaN where a side does not vary."""
    a, b = observed - observed.mean(), predicted - predicted.mean()
    scale = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale > 1e-12 * len(a) else float("nan")


def mae(observed: Array, predicted: Array) -> float:
    """Return the mean absolute error."""
    return float(np.mean(np.abs(observed - predicted)))


def determination(observed: Array, predicted: Array) -> float:
    """Return the coefficient of determination, 1 - SS_residual / SS_total: below 0 if worse than the mean."""
    total = np.sum((observed - observed.mean()) ** 2)
    return float(1 - np.sum((observed - predicted) ** 2) / total) if total > 0 else float("nan")


def quantise(predicted: Array) -> Array:
    """Return the nearest step of the scale."""
    return LEVELS[np.abs(np.asarray(predicted)[:, None] - LEVELS).argmin(axis=1)]


def weighted_kappa(observed: Array, predicted: Array) -> float:
    """Return quadratically weighted kappa over the steps of the scale; NaN where nothing varies."""
    a, b = (np.searchsorted(LEVELS, quantise(v)).astype(float) for v in (observed, predicted))
    disagreement = np.mean((a - b) ** 2)
    expected = np.mean((a[:, None] - b[None, :]) ** 2)
    return float(1 - disagreement / expected) if expected > 0 else float("nan")


def score(rows: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Score predictions of one model on one set of visits.

    Parameters
    ----------
    rows : DataFrame
        participant_id, observed, predicted.
    seed : int
        Of the bootstrap over patients (95 % intervals).
    """
    observed, predicted = rows["observed"].to_numpy(), rows["predicted"].to_numpy()
    patients = rows["participant_id"].to_numpy()
    out: dict[str, Any] = {"n_visits": len(rows), "n_patients": len(np.unique(patients))}
    for name, measure in (("r", pearson), ("R2", determination), ("mae", mae)):
        drawn = partial(_drawn, measure, observed, predicted)
        low, high = cluster_bootstrap(drawn, patients, seed=seed, n=RESAMPLES)
        out |= {name: measure(observed, predicted), f"{name}_low": low, f"{name}_high": high}
    out["r2"] = out["r"] ** 2
    steps = np.abs(quantise(predicted) - observed)
    out |= {
        "exact": float(np.mean(steps == 0)),
        "within_half": float(np.mean(steps <= 0.5)),
        "within_one": float(np.mean(steps <= 1)),
        "weighted_kappa": weighted_kappa(observed, predicted),
    }
    return out


def _drawn(measure: Callable[[Array, Array], float], observed: Array, predicted: Array, rows: Any) -> float:
    return measure(observed[rows], predicted[rows])


def performance(predictions: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Score every model on every set, in both protocols."""
    rows = [
        dict(zip(KEYS, key, strict=True)) | score(part, seed)
        for key, part in predictions.groupby(KEYS, sort=False)
    ]
    return pd.DataFrame(rows)


def compare_models(predictions: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare absolute errors between the regressors, as study A: repeated-measures ANOVA, then pairs.

    Returns
    -------
    anova : DataFrame
        Per protocol and set: F, degrees of freedom and P after Greenhouse and Geisser, epsilon, partial eta2.
    pairs : DataFrame
        Paired t tests, P times the number of pairs (Bonferroni).
    """
    anova, pairs = [], []
    full = predictions[(predictions["features"] == "all") & predictions["model"].isin(MODELS)]
    for (protocol, where), part in full.groupby(["protocol", "set"], sort=False):
        errors = part.assign(error=(part["observed"] - part["predicted"]).abs()).pivot(
            index="visit", columns="model", values="error"
        )
        if min(errors.shape) < 2:
            continue
        anova.append({"protocol": protocol, "set": where} | rm_anova_gg(errors.to_numpy())._asdict())
        names = list(combinations(errors.columns, 2))
        for a, b in names:
            test = stats.ttest_rel(errors[a], errors[b])
            pairs.append(
                {
                    "protocol": protocol,
                    "set": where,
                    "model_a": a,
                    "model_b": b,
                    "difference": float((errors[a] - errors[b]).mean()),
                    "t": float(test.statistic),
                    "p_bonferroni": float(min(1.0, test.pvalue * len(names))),
                }
            )
    return pd.DataFrame(anova), pd.DataFrame(pairs)


def conformal_width(residuals: Array, alpha: float = ALPHA) -> float:
    """Return half the width of intervals that hold a new outcome with probability 1 - alpha.

    Split conformal prediction (Lei et al. 2018, J Am Stat Assoc 113:1094): the ceil((n + 1)(1 - alpha))-th
    smallest absolute residual of visits that the model was not fitted to; infinite where n is too small.
    """
    n = len(residuals)
    rank = int(np.ceil((n + 1) * (1 - alpha)))
    return float(np.sort(np.abs(residuals))[rank - 1]) if rank <= n else float("inf")

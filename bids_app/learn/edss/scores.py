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
from bids_app.learn.statistics import SCORE_BOOTSTRAPS, cluster_bootstrap, permutation_p, rm_anova_gg

Array = npt.NDArray[np.float64]

LEVELS = np.array([0.0, *np.arange(1, 10.5, 0.5)])  # the steps of the scale: there is no 0.5
STEP = 0.5  # of the scale, from 1 on
KEYS = ["protocol", "set", "features", "model"]
ALPHA = 0.1  # share of outcomes that may lie outside an interval: 90 % intervals; chosen by hand


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


def concordance(observed: Array, predicted: Array) -> float:
    """Return the share of pairs of unequal EDSS that are predicted in the right order, ties of predictions half."""
    order = np.sign(observed[:, None] - observed[None, :])
    agree = order * np.sign(predicted[:, None] - predicted[None, :])
    unequal = np.count_nonzero(order)
    return float((agree.sum() / unequal + 1) / 2) if unequal else float("nan")


def _ranked(measure: Callable[..., Any], observed: Array, predicted: Array) -> float:
    """Return a correlation of ranks; NaN where a side does not vary."""
    if np.ptp(observed) == 0 or np.ptp(predicted) == 0:
        return float("nan")
    return float(measure(observed, predicted).statistic)


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
        low, high = cluster_bootstrap(drawn, patients, seed=seed, n=SCORE_BOOTSTRAPS)
        out |= {name: measure(observed, predicted), f"{name}_low": low, f"{name}_high": high}
    out["r2"] = out["r"] ** 2
    out["rmse"] = float(np.sqrt(np.mean((observed - predicted) ** 2)))
    steps = np.abs(quantise(predicted) - observed)
    out |= {
        "exact": float(np.mean(steps == 0)),
        "within_half": float(np.mean(steps <= 0.5)),
        "within_one": float(np.mean(steps <= 1)),
        "weighted_kappa": weighted_kappa(observed, predicted),
        "spearman": _ranked(stats.spearmanr, observed, predicted),
        "kendall_tau": _ranked(stats.kendalltau, observed, predicted),
        "c_index": concordance(observed, predicted),
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


def off_the_scale(predictions: pd.DataFrame) -> list[str]:
    """Say which predictions lie outside 0 to 10 by more than half a step: extrapolations, kept as they are.

    Parameters
    ----------
    predictions : DataFrame
        A row a visit, protocol, set and model: visit, KEYS, predicted.

    Returns
    -------
    list of str
        One note for all, with the farthest; none where there are none.
    """
    away = np.maximum(-predictions["predicted"], predictions["predicted"] - LEVELS[-1])
    off = predictions[away > STEP / 2]
    if off.empty:
        return []
    worst = off.loc[away[off.index].idxmax()]
    which = ", ".join(worst[KEYS].astype(str))
    visits = off["visit"].nunique()
    return [
        f"{len(off)} of {len(predictions)} predictions ({visits} visit{'s' * (visits > 1)}) lie outside the scale of 0 "
        f"to 10, the farthest at {worst['predicted']:.3g} ({worst['visit']}; {which}): measures unlike those trained on"
    ]


def compare_models(predictions: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare absolute errors between the regressors, as study A: repeated-measures ANOVA, then pairs.

    Patients with several visits count once, by their mean error.

    Returns
    -------
    anova : DataFrame
        Per protocol and set: F, degrees of freedom and P after Greenhouse and Geisser, epsilon, partial eta2.
    pairs : DataFrame
        Paired t tests: mean difference with its interval, t, df, and P times the number of pairs (Bonferroni). The
        intervals hold 95 % together (Bonferroni too), so that one without 0 has a P below .05.
    """
    anova, pairs = [], []
    full = predictions[(predictions["features"] == "all") & predictions["model"].isin(MODELS)]
    for (protocol, where), part in full.groupby(["protocol", "set"], sort=False):
        errors = part.assign(error=(part["observed"] - part["predicted"]).abs()).pivot_table(
            index="participant_id", columns="model", values="error", sort=True
        )
        if min(errors.shape) < 2:
            continue
        key = {"protocol": protocol, "set": where}
        anova.append(key | rm_anova_gg(errors.to_numpy())._asdict())
        pairs += [key | pair for pair in _pairs(errors)]
    return pd.DataFrame(anova), pd.DataFrame(pairs)


def _pairs(errors: pd.DataFrame) -> list[dict[str, Any]]:
    """Compare each two columns of errors, (patients, models)."""
    names = list(combinations(errors.columns, 2))
    out = []
    for a, b in names:
        test = stats.ttest_rel(errors[a], errors[b])
        low, high = test.confidence_interval(1 - 0.05 / len(names))
        out.append(
            {
                "model_a": a,
                "model_b": b,
                "difference": float((errors[a] - errors[b]).mean()),
                "difference_low": float(low),
                "difference_high": float(high),
                "t": float(test.statistic),
                "df": int(test.df),
                "p_bonferroni": float(min(1.0, test.pvalue * len(names))),
            }
        )
    return out


def null_summary(null: pd.DataFrame) -> pd.DataFrame:
    """Return mean r under the null and permutation P, (1 + times reached) / (1 + permutations), of every model.

    Parameters
    ----------
    null : DataFrame
        protocol, model, permutation (0: the outcomes as they are), r.
    """
    rows = []
    for (protocol, model), part in null.groupby(["protocol", "model"], sort=False):
        observed = float(part.loc[part["permutation"] == 0, "r"].iloc[0])
        drawn = np.nan_to_num(part.loc[part["permutation"] > 0, "r"].to_numpy(np.float64), nan=0.0)
        p = permutation_p(observed, drawn)
        row = {
            "protocol": protocol,
            "model": model,
            "r": observed,
            "null_mean_r": float(drawn.mean()),
            "p": p,
        }
        rows.append(row | {"permutations": len(drawn)})
    return pd.DataFrame(rows)

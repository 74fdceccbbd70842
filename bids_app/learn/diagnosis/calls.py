"""What calls are worth: balanced accuracy, predictive values at stated prevalences, scans that are not called."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.learn.statistics import CALIBRATION_GROUPS, CURVE_BOOTSTRAPS, cluster_bootstrap
from bids_app.spelling import percent

Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]

COHORT, EVEN = "this cohort", "one to one"
# MS to NMOSD as study B's discussion has them: 100 against at most 5 per 100,000, and NMO to MS 1.06
PREVALENCES = {"Europe and North America": (100, 5), "Asia": (1, 1.06)}
MS, NMOSD = ("RRMS", "MS"), ("NMOSD", "NMO")
ONE_LABEL = 0.95  # share of scans with one label from which on calls tell hardly anything


def prevalences(positive: str, others: Sequence[str]) -> dict[str, float]:
    """Return the shares of the first class among the scans to be told apart, by where they hold."""
    known = positive in MS and set(others) <= set(NMOSD)
    return {EVEN: 0.5} | ({name: a / (a + b) for name, (a, b) in PREVALENCES.items()} if known else {})


def worth(
    y: Flags,
    first: Flags,
    patient: npt.NDArray[Any],
    seed: int,
    shares: Mapping[str, float],
    called: Flags | None = None,
) -> pd.DataFrame:
    """Return what calls are worth, one row per metric, intervals by a bootstrap over patients.

    Parameters
    ----------
    y, first : ndarray of bool, shape (n,)
        Scans of the first class, and scans called it.
    patient : ndarray, shape (n,)
    seed : int
    shares : mapping of str to float
        Shares of the first class for predictive values (`prevalences`), beside the cohort's own.
    called : ndarray of bool, shape (n,), optional
        Scans outside the zone of no call.

    Returns
    -------
    DataFrame
        Columns metric, prevalence, estimate, low, high, n, interval. `majority` is the accuracy of always calling the
        larger class; `called first` the share of scans called the first class; metrics with `, called scans` leave the
        zone of no call out, `coverage` is the share outside it.
    """
    metrics: dict[tuple[str, str], Callable[[Rows], float]] = {
        ("balanced accuracy", ""): lambda r: _balanced(y[r], first[r]),
        ("majority", ""): lambda r: max(float(y[r].mean()), 1 - float(y[r].mean())),
        ("called first", ""): lambda r: float(first[r].mean()),
        ("PPV", COHORT): lambda r: _share(y[r][first[r]]),
        ("NPV", COHORT): lambda r: _share(~y[r][~first[r]]),
    }
    for name, share in shares.items():
        for k, metric in enumerate(("PPV", "NPV")):
            metrics[metric, name] = partial(_predicted, y, first, share, k)
    if called is not None:
        metrics["coverage", ""] = lambda r: float(called[r].mean())
        of = ", called scans"
        metrics["sensitivity" + of, ""] = lambda r: _rates(y[r][called[r]], first[r][called[r]])[0]
        metrics["specificity" + of, ""] = lambda r: _rates(y[r][called[r]], first[r][called[r]])[1]
    every, rows = np.arange(len(y)), []
    for (metric, where), statistic in metrics.items():
        low, high = cluster_bootstrap(statistic, patient, seed=seed, n=CURVE_BOOTSTRAPS)
        rows.append((metric, where or None, statistic(every), low, high, len(y), "patient bootstrap"))
    columns = ["metric", "prevalence", "estimate", "low", "high", "n", "interval"]
    return pd.DataFrame(rows, columns=columns)


def _mean(values: Flags, rows: Rows) -> float:
    return float(values[rows].mean())


def _share(values: Flags) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _rates(y: Flags, first: Flags) -> tuple[float, float]:
    return _share(first[y]), _share(~first[~y])


def _balanced(y: Flags, first: Flags) -> float:
    return sum(_rates(y, first)) / 2


def _predicted(y: Flags, first: Flags, share: float, which: int, rows: Rows) -> float:
    return _predictive(*_rates(y[rows], first[rows]), share)[which]


def _predictive(sensitivity: float, specificity: float, share: float) -> tuple[float, float]:
    """Return positive and negative predictive value where the first class makes up `share` (Bayes)."""
    right, wrong = sensitivity * share, (1 - specificity) * (1 - share)
    missed, spared = (1 - sensitivity) * share, specificity * (1 - share)
    ppv = right / (right + wrong) if right + wrong > 0 else float("nan")
    return ppv, spared / (spared + missed) if spared + missed > 0 else float("nan")


def calibration(
    y: Flags, probability: npt.NDArray[np.float64], patient: npt.NDArray[Any], seed: int
) -> pd.DataFrame:
    """Compare probabilities with what happened, in groups of similar probability.

    Parameters
    ----------
    y : ndarray of bool, (n,)
        Scans of the first class.
    probability : ndarray, (n,)
        Of the first class, out of sample.
    patient : ndarray, (n,)
        Patient of each scan.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        From the lowest probability to the highest: group, n, predicted (mean), observed (share of the first class) with
        a 95 % interval by a bootstrap over patients; and of all scans the Brier score and that of the share alone.
    """
    order = np.argsort(probability, kind="stable")
    whole = {
        "brier": float(np.mean((probability - y) ** 2)),
        "brier_of_the_share": float(np.mean((y.mean() - y) ** 2)),
    }
    rows = []
    for number, some in enumerate(np.array_split(order, min(CALIBRATION_GROUPS, len(y))), start=1):
        of = y[some]
        low, high = cluster_bootstrap(partial(_mean, of), patient[some], seed=seed, n=CURVE_BOOTSTRAPS)
        row = {"group": number, "n": len(some), "predicted": float(probability[some].mean())}
        rows.append(row | {"observed": float(of.mean()), "low": low, "high": high} | whole)
    return pd.DataFrame(rows)


def warnings(table: pd.DataFrame, accuracy: float, protocol: str, classes: tuple[str, str]) -> list[str]:
    """Return what a reader of calls must be warned of.

    Parameters
    ----------
    table : DataFrame
        Of `worth`.
    accuracy : float
        Of the same calls.
    protocol : str
        As readers know it.
    classes : (str, str)
        First class, the other.
    """
    value = table.drop_duplicates("metric").set_index("metric")["estimate"]
    found, first = [], float(value["called first"])
    if max(first, 1 - first) >= ONE_LABEL:
        label = classes[0] if first >= ONE_LABEL else classes[1]
        share = "every scan is" if first in (0.0, 1.0) else f"{percent(max(first, 1 - first))} of scans are"
        found.append(
            f"{protocol}: {share} called {label}; such calls carry almost no information, whatever their accuracy"
        )
    if accuracy <= value["majority"]:
        found.append(
            f"{protocol}: accuracy {accuracy:.2f} is not above {value['majority']:.2f}, that of always calling the "
            "larger class; read balanced accuracy"
        )
    if "coverage" in value and value["coverage"] < 0.5:
        found.append(
            f"{protocol}: {percent(1 - value['coverage'])} of scans are indeterminate; the classes overlap too much "
            "here"
        )
    return found

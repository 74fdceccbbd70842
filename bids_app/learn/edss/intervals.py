"""Prediction intervals: what the served model predicts, plus and minus a quantile of its leak-free errors.

Steinberger and Leeb 2023, Ann Stat 51:290: intervals from the residuals of k-fold cross-validation hold what they
promise where the model changes little when a fold is left out. The errors are those of the leak-free protocol, with the
selection inside its folds and patients whole.

CV+ (Barber et al. 2021, Ann Stat 49:486) needs no such stability and covers more than it is asked for: the spread
between the folds' models is in the errors already, and CV+ adds that of their predictions of the new visit.
`bench/bench_intervals.py` measures both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.learn.edss.fitting import Samples
from bids_app.learn.edss.patients import HIGHEST_EDSS
from bids_app.learn.edss.protocols import Outer
from bids_app.learn.edss.scores import ALPHA, LEVELS
from bids_app.learn.edss.serving import DIGITS, Parts, predict
from bids_app.learn.statistics import conformal_quantile, per_group

Array = npt.NDArray[np.float64]
NOMINAL = 1 - ALPHA
METHOD = "cross-validation residuals (Steinberger and Leeb 2023)"


def with_intervals(
    data: Samples,
    rows: npt.NDArray[np.intp],
    models: Mapping[tuple[str, str], Parts],
    folds: Sequence[Outer],
    steps: bool,
) -> dict[tuple[str, str], Parts]:
    """Return models with the intervals that they serve, from the leak-free errors on their training rows.

    Parameters
    ----------
    data : Samples
    rows : ndarray of int
        Training rows.
    models : mapping
        Of `served`, on these rows.
    folds : sequence of Outer
        Of `leak_free`, on the same rows.
    steps : bool
        Whether intervals end on steps of the scale.

    Returns
    -------
    dict
        The models, each with `intervals`: `half_width` (in points of EDSS; infinite where patients are too few for the
        nominal coverage), `steps`, and `folds`, how many.
    """
    weight = per_group(data.groups[rows])

    def interval(key: tuple[str, str]) -> dict[str, Any]:
        error = np.empty(len(rows))
        for fold in folds:
            error[fold.test] = np.abs(data.y[rows[fold.test]] - fold.predicted[key])
        return {"half_width": conformal_quantile(error, ALPHA, weight), "steps": steps, "folds": len(folds)}

    return {key: parts | {"intervals": interval(key)} for key, parts in models.items()}


def bounds(parts: Mapping[str, Any], table: pd.DataFrame) -> tuple[Array, Array]:
    """Return the ends of each visit's interval, inside the scale's 0 to 10.

    Parameters
    ----------
    parts : mapping
        A model of `with_intervals`.
    table : DataFrame
        Raw columns that it needs.
    """
    around, interval = predict(parts, table), parts["intervals"]
    ends = np.array([around - interval["half_width"], around + interval["half_width"]])
    low, high = np.round(np.clip(ends, 0, HIGHEST_EDSS), DIGITS)
    return on_steps(low, high) if interval["steps"] else (low, high)


def on_steps(low: Array, high: Array) -> tuple[Array, Array]:
    """Return intervals whose ends are steps of the scale and that hold the same steps.

    An interval between two steps, which holds none, is widened to both.
    """
    first = np.searchsorted(LEVELS, low, side="left")
    last = np.searchsorted(LEVELS, high, side="right") - 1
    empty = first > last
    start = np.where(empty, last, first).clip(0, len(LEVELS) - 1)
    end = np.where(empty, first, last).clip(0, len(LEVELS) - 1)
    return LEVELS[start], LEVELS[end]

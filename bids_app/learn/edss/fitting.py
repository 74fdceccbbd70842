"""Study A's models on one training set: columns selected, regressors tuned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.learn.edss.models import BASELINES, ORDINAL, Splits, baseline, folds, tune
from bids_app.learn.edss.selection import Blind, Rules, Selected, fit_blind, select

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Samples:
    """What is learned from: rows ordered by participant and session.

    Attributes
    ----------
    X : DataFrame, (n, p), float32
    y : ndarray, (n,)
        EDSS.
    groups : ndarray, (n,)
        Participants.
    about : DataFrame, (p, ...)
    order : list of str
        Priority among collinear columns.
    """

    X: pd.DataFrame
    y: Array
    groups: npt.NDArray
    about: pd.DataFrame
    order: list[str]


@dataclass(frozen=True)
class Procedure:
    """How it is learned.

    Attributes
    ----------
    models : sequence of str
    cv, outer : int
        Folds of tuning; folds of the leak-free estimate.
    permutations : int
    seed : int
    rules : Rules
    n_jobs : int
    """

    models: Sequence[str]
    cv: int
    outer: int
    permutations: int
    seed: int
    rules: Rules = field(default_factory=Rules)
    n_jobs: int = 1


@dataclass(frozen=True)
class Fitted:
    """Models fitted to one training set.

    Attributes
    ----------
    blind : Blind
    selected : Selected
    searches : dict
        Tuned models by (features, model); features is `all` or `clinical`.
    columns : dict
        Columns by features.
    splits : list
        The folds they were tuned on.
    """

    blind: Blind
    selected: Selected
    searches: dict[tuple[str, str], Any]
    columns: dict[str, list[str]]
    splits: Splits
    constants: dict[str, float]

    def predict(self, X: pd.DataFrame) -> dict[tuple[str, str], Array]:
        """Return predictions for rows of the candidates' table by (features, model)."""
        ready = self.blind.transform(X)
        out = {
            key: search.predict(ready[self.columns[key[0]]].to_numpy(np.float64))
            for key, search in self.searches.items()
        }
        return out | {("none", name): np.full(len(X), value) for name, value in self.constants.items()}


def fit(
    data: Samples,
    rows: Index,
    design: Procedure,
    *,
    blind: Blind | None = None,
    models: Sequence[str] | None = None,
    ancillary: bool = True,
) -> Fitted:
    """Select columns and tune models on training rows.

    Parameters
    ----------
    data : Samples
    rows : ndarray
        Training rows.
    design : Procedure
    blind : Blind, optional
        Outcome-blind steps fitted on the same rows before.
    models : sequence of str, optional
        Default: the design's.
    ancillary : bool
        Also models of clinical columns alone, an ordinal model, and the mean and median.
    """
    y, groups = data.y[rows], data.groups[rows]
    blind = blind or fit_blind(data.X.iloc[rows], data.about, data.order, design.rules)
    selected = select(blind, y, groups, design.rules, design.seed)
    columns = {"all": selected.columns}
    patient = set(data.about.loc[data.about["family"] == "clinical", "column"])
    clinical = [str(name) for name in blind.training if name in patient]
    if ancillary and clinical:
        columns["clinical"] = clinical
    splits = folds(groups, design.cv, design.seed)
    searches = {
        (features, name): tune(name, blind.training[names], y, splits, design.seed)
        for features, names in columns.items()
        for name in [*(models or design.models), *([ORDINAL] if ancillary else [])]
    }
    constants = {name: baseline(name, y) for name in BASELINES} if ancillary else {}
    return Fitted(blind, selected, searches, columns, splits, constants)


def parameters(fitted: Fitted) -> dict[str, str]:
    """Return the tuned values of each model on all columns, readable."""
    return {
        model: ", ".join(f"{k.split('__')[1]}={v}" for k, v in search.best_params_.items())
        for (features, model), search in fitted.searches.items()
        if features == "all"
    }

"""Study A's selection as a whole: what is blind to the outcome first, then LASSO and CFS."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.errors import InputError
from bids_app.learn.edss.columns import KEPT_BY_COMBAT, SITE, TIV, harmonised, is_adjusted
from bids_app.learn.selection import (
    CFSSelect,
    CollinearityFilter,
    Combat,
    CovariateZScore,
    LassoSelect,
    MedianImpute,
    RangeScaledVariance,
    StabilityFilter,
)

STEPS = ("candidates", "stable", "variance", "collinearity", "lasso", "cfs")


@dataclass(frozen=True)
class Rules:
    """Thresholds of the selection; the defaults are study A's.

    Attributes
    ----------
    icc, variance, correlation : float
        Lowest intraclass correlation, lowest variance (after scaling to 0..1), highest correlation.
    lasso : {"1se", "min"} or int
        Which penalty (see `LassoSelect`).
    locally_predictive : bool
        For `CFSSelect`.
    cv : int
        Folds that choose the LASSO's penalty.
    """

    icc: float = 0.90
    variance: float = 0.01
    correlation: float = 0.8
    lasso: str | int = "1se"
    locally_predictive: bool = True
    cv: int = 10


def lasso_rule(text: str) -> str | int:
    """Return the rule of the LASSO's penalty from `1se`, `min` or a number of columns.

    Raises
    ------
    InputError
        If it is none of them.
    """
    if text in ("1se", "min"):
        return text
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise InputError(f"--lasso-penalty {text}: write 1se, min or how many columns to keep, e.g. 21")


@dataclass(frozen=True)
class Blind:
    """What the outcome has no part in: learned once per training set, used for every outcome.

    Attributes
    ----------
    steps : list
        Fitted transformers in order.
    training : DataFrame, (n, k)
        The training rows after them.
    counts : dict of str to int
        Columns left after each step.
    """

    steps: list
    training: pd.DataFrame
    counts: dict[str, int]

    @property
    def combat(self) -> Combat | None:
        """The harmonisation of sites, if there is one."""
        return next((step for step in self.steps if isinstance(step, Combat)), None)

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return other rows after the same steps."""
        for step in self.steps:
            X = step.transform(X)
        return X


@dataclass(frozen=True)
class Selected:
    """Columns chosen for an outcome.

    Attributes
    ----------
    columns : list of str
        In the order of the table.
    counts : dict of str to int
        Columns left after each step, `STEPS`.
    alpha : float
        Penalty of the LASSO.
    merit : float
        Of the CFS subset.
    lasso_columns : list of str
        Those that CFS chose from.
    """

    columns: list[str]
    counts: dict[str, int]
    alpha: float
    merit: float
    lasso_columns: list[str] = field(default_factory=list)


def fit_blind(X: pd.DataFrame, about: pd.DataFrame, order: list[str], rules: Rules) -> Blind:
    """Learn the outcome-blind steps from training rows.

    Parameters
    ----------
    X : DataFrame, (n, p)
        Candidates and, where known, intracranial volume; with sites as numbers, measures are harmonised (ComBat).
    about : DataFrame
        What the columns are.
    order : list of str
        Priority among collinear columns.
    rules : Rules
    """
    known = dict(zip(about["column"], about["icc"], strict=True))
    icc = {name: value for name, value in known.items() if np.isfinite(value)}
    counts = {"candidates": X.shape[1] - (TIV in X) - (SITE in X)}
    steps: list = [_Without(list(X.columns[X.isna().all().to_numpy()]))]
    present = [name for name in X.columns if name not in steps[0].names]
    covariates = [name for name in ("age", "sex", TIV) if name in present]
    adjusted = [name for name in present if is_adjusted(name)]
    steps += [MedianImpute()]
    if SITE in X:
        kept = [name for name in KEPT_BY_COMBAT if name in present]
        steps += [Combat(SITE, kept, harmonised(present))]
    if adjusted and len(X) > len(covariates) + 2:
        steps += [CovariateZScore(covariates, adjusted)]
    steps += [_Without([TIV, SITE]), StabilityFilter(icc, rules.icc)]
    filters = [RangeScaledVariance(rules.variance), CollinearityFilter(rules.correlation, order)]
    for step in steps:
        X = step.fit(X).transform(X)
    counts["stable"] = X.shape[1]
    for name, step in zip(("variance", "collinearity"), filters, strict=True):
        X = step.fit(X).transform(X)
        counts[name] = X.shape[1]
    return Blind(steps + filters, X, counts)


class _Without:
    """Leave columns out by name."""

    def __init__(self, names: list[str]) -> None:
        self.names = set(names)

    def fit(self, X: pd.DataFrame) -> _Without:
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        return X[[name for name in X.columns if name not in self.names]] if self.names & set(X.columns) else X


def select(
    blind: Blind, y: npt.NDArray[np.float64], groups: npt.NDArray, rules: Rules, seed: int
) -> Selected:
    """Choose columns for an outcome of the training rows by LASSO and CFS.

    Parameters
    ----------
    blind : Blind
        Fitted on the same rows.
    y : ndarray, (n,)
    groups : ndarray, (n,)
        Patients, kept whole in the folds.
    rules : Rules
    seed : int
    """
    lasso = LassoSelect(rule=rules.lasso, cv=rules.cv, random_state=seed)  # type: ignore[arg-type]
    left = lasso.fit(blind.training, y, groups=groups).transform(blind.training)
    cfs = CFSSelect(rules.locally_predictive)
    chosen = cfs.fit(left, y).transform(left)
    counts = blind.counts | {"lasso": left.shape[1], "cfs": chosen.shape[1]}
    return Selected(list(chosen.columns), counts, lasso.alpha_, cfs.merit_, list(left.columns))

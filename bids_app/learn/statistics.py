"""The studies' statistics, thin over scipy and statsmodels where they have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from bids_app.agreement import icc

Array = npt.NDArray[np.float64]

# study B's bands: below .2 slight, .2 to .4 fair, .4 to .6 moderate, .6 to .8 substantial, above almost perfect
KAPPA_BANDS = (
    (0.2, "slight"),
    (0.4, "fair"),
    (0.6, "moderate"),
    (np.nextafter(0.8, 1), "substantial"),  # 0.8 itself is not above
    (np.inf, "almost perfect"),
)
BOOTSTRAPS = 2000  # the 2.5th percentile then rests on 50 samples (Efron and Tibshirani 1993: at least 1000)
SCORE_BOOTSTRAPS = 1000  # of the scores of every model and rater, for time
CURVE_BOOTSTRAPS = (
    500  # of each point of a curve and each difference, for time (the 2.5th percentile then rests on 12)
)
CALIBRATION_GROUPS = (
    5  # fifths: in smaller groups of a small test set calibration cannot be seen; chosen by hand
)
WEIGHT_ROUNDING = 1e-9  # sums of weights that differ by less are equal
ROUNDING = 1e-12  # relative to the values, differences below it are none


class Kappa(NamedTuple):
    """Cohen's kappa, its band and its 95 % interval."""

    kappa: float
    band: str
    low: float
    high: float


class Anova(NamedTuple):
    """One-way repeated-measures analysis of variance with Greenhouse and Geisser's correction."""

    f: float
    df1: float
    df2: float
    p: float
    epsilon: float
    partial_eta2: float


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion.

    Parameters
    ----------
    successes, n : int
        Count and total; `n` above 0.
    confidence : float
        Coverage.
    """
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(successes, n, alpha=1 - confidence, method="wilson")
    return float(low), float(high)


def mcnemar(b: int, c: int, *, exact: bool = False, correction: bool = True) -> float:
    """Return the P value of McNemar's test for two raters of the same scans.

    Parameters
    ----------
    b, c : int
        Scans that only the first, only the second rater called right.
    exact : bool
        Binomial test instead of chi-square.
    correction : bool
        Continuity correction of the chi-square.
    """
    from statsmodels.stats.contingency_tables import mcnemar as test

    if b + c == 0:
        return 1.0
    return float(test([[0, b], [c, 0]], exact=exact, correction=correction).pvalue)


def cohen_kappa(a: npt.ArrayLike, b: npt.ArrayLike) -> Kappa:
    """Return Cohen's kappa of two sequences of labels.

    Raises
    ------
    ValueError
        If the sequences have different lengths or are empty.
    """
    from statsmodels.stats.inter_rater import cohens_kappa

    first, second = np.asarray(a), np.asarray(b)
    if first.shape != second.shape or first.size == 0:
        raise ValueError(f"kappa needs two sequences of one length, not {first.shape} and {second.shape}")
    labels = np.unique(np.concatenate([first, second]))
    table = pd.crosstab(first, second).reindex(index=labels, columns=labels, fill_value=0).to_numpy()
    if np.count_nonzero(table) == 1 and len(labels) == 1:
        return Kappa(1.0, "almost perfect", np.nan, np.nan)
    with np.errstate(
        invalid="ignore", divide="ignore"
    ):  # its variance where agreement is perfect or by chance
        found = cohens_kappa(table)
    return Kappa(float(found.kappa), kappa_band(found.kappa), float(found.kappa_low), float(found.kappa_upp))


def kappa_band(kappa: float) -> str:
    """Return study B's word for an agreement."""
    return next(band for limit, band in KAPPA_BANDS if kappa < limit or limit == np.inf)


def rm_anova_gg(values: npt.ArrayLike) -> Anova:
    """Compare repeated measures (study A: absolute errors of several models on the same patients).

    Parameters
    ----------
    values : array-like, (n, k)
        A row per patient, a column per condition; n and k at least 2.

    Returns
    -------
    Anova
        F, degrees of freedom and P after Greenhouse and Geisser (1959, Psychometrika 24:95), epsilon, and
        partial eta squared, SS_condition / (SS_condition + SS_error). Where all conditions are the same, F, P and
        partial eta squared are NaN.

    Raises
    ------
    ValueError
        If there are fewer than two rows or columns, or a value is missing.
    """
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 2 or min(data.shape) < 2 or not np.isfinite(data).all():
        raise ValueError("repeated measures need at least two rows and two columns without missing values")
    n, k = data.shape
    condition = n * np.sum((data.mean(axis=0) - data.mean()) ** 2)
    residual = data - data.mean(axis=1, keepdims=True) - data.mean(axis=0) + data.mean()
    error = np.sum(residual**2)
    df1, df2 = k - 1, (n - 1) * (k - 1)
    nothing = ROUNDING**2 * np.sum(data**2)
    if condition <= nothing and error <= nothing:
        return Anova(np.nan, df1, df2, np.nan, 1.0, np.nan)
    f = (condition / df1) / (error / df2) if error > nothing else np.inf
    epsilon = gg_epsilon(data)
    p = float(stats.f.sf(f, epsilon * df1, epsilon * df2))
    return Anova(float(f), epsilon * df1, epsilon * df2, p, epsilon, float(condition / (condition + error)))


def gg_epsilon(data: Array) -> float:
    """Return Greenhouse and Geisser's epsilon of an (n, k) array: 1 where sphericity holds, at least 1/(k-1)."""
    k = data.shape[1]
    covariance = np.cov(data, rowvar=False)
    centred = (
        covariance - covariance.mean(axis=0) - covariance.mean(axis=1, keepdims=True) + covariance.mean()
    )
    spread = (k - 1) * np.sum(centred**2)
    return float(np.trace(centred) ** 2 / spread) if spread > 0 else 1.0


def partial_eta2(f: float, df1: float, df2: float) -> float:
    """Return partial eta squared from F and its degrees of freedom.

    Parameters
    ----------
    f : float
    df1, df2 : float
        Degrees of freedom of the effect and of the error.
    """
    return f * df1 / (f * df1 + df2)


def icc_a1(ratings: npt.ArrayLike) -> Array:
    """Return ICC(A,1): two-way random effects, absolute agreement, single measurement.

    McGraw and Wong 1996, Psychol Methods 1:30.

    Parameters
    ----------
    ratings : array-like, (n, k) or (n, k, features)
        n subjects, k repetitions.

    Returns
    -------
    ndarray, () or (features,)
        NaN where nothing varies.
    """
    return icc(ratings)[0]


def median_test(*samples: npt.ArrayLike) -> float:
    """Return the P value of Mood's median test (study A: EDSS between sites)."""
    return float(stats.median_test(*(np.asarray(s, dtype=np.float64) for s in samples), ties="below").pvalue)


def ancova_adjusted_p(
    value: npt.ArrayLike, group: npt.ArrayLike, covariates: pd.DataFrame | npt.ArrayLike
) -> float:
    """Return the P value of a group difference adjusted for covariates (study A: age, sex and TIV).

    The F test of a linear model with and without the group.

    Parameters
    ----------
    value : array-like, (n,)
        What is compared.
    group : array-like, (n,)
        Labels.
    covariates : DataFrame or array-like, (n, c)
        Numeric columns.
    """
    import statsmodels.api as sm

    dummies = pd.get_dummies(pd.Series(np.asarray(group)), drop_first=True).to_numpy(dtype=np.float64)
    base = sm.add_constant(np.asarray(covariates, dtype=np.float64), has_constant="add")
    outcome = np.asarray(value, dtype=np.float64)
    full = sm.OLS(outcome, np.column_stack([base, dummies])).fit()
    return float(full.compare_f_test(sm.OLS(outcome, base).fit())[1])


def permutation_p(observed: float, null: npt.ArrayLike) -> float:
    """Return the P value of a statistic among those of permuted outcomes, one-sided, never 0.

    (1 + number at least as large) / (1 + number): Phipson and Smyth 2010, Stat Appl Genet Mol Biol 9:39.

    Parameters
    ----------
    observed : float
    null : array-like, (permutations,)
    """
    values = np.asarray(null, dtype=np.float64)
    return (1 + int(np.sum(values >= observed))) / (1 + len(values))


def per_group(groups: npt.NDArray[Any]) -> Array:
    """Return for each row 1 over its group's rows, so that groups (patients) count once, (rows,)."""
    _, number, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return 1 / counts[number]


def conformal_quantile(values: Array, alpha: float, weight: Array | None = None) -> float:
    """Return the value that a new one of the same kind exceeds with at most the probability alpha.

    It is the least with (1 - alpha)(N + 1) of the weight at or below it, where N is all the weight: Vovk, Gammerman and
    Shafer 2005, Algorithmic Learning in a Random World; where a patient's rows weigh one together, Lee, Barber and
    Willett 2023, arXiv:2306.06342.

    Parameters
    ----------
    values : ndarray, (n,)
    alpha : float
        Greatest probability.
    weight : ndarray, (n,), optional
        What each value counts (`per_group`); default: one.

    Returns
    -------
    float
        Infinite where there are too few values for this alpha.
    """
    weight = np.ones(len(values)) if weight is None else weight
    order = np.argsort(values, kind="stable")
    enough = np.cumsum(weight[order]) >= (1 - alpha) * (weight.sum() + 1) - WEIGHT_ROUNDING
    return float(values[order[np.argmax(enough)]]) if enough.any() else float("inf")


def cluster_bootstrap(
    statistic: Callable[[npt.NDArray[np.intp]], float],
    groups: npt.NDArray[Any],
    *,
    seed: int,
    n: int = BOOTSTRAPS,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Return a percentile interval from drawing whole groups (patients) with replacement.

    Parameters
    ----------
    statistic : callable
        Takes row numbers, returns a number; draws for which it is NaN are left out.
    groups : ndarray, (rows,)
        Group of each row.
    seed : int
        Seed of the draws.
    n : int
        Draws.
    confidence : float
        Coverage.
    """
    rng = np.random.default_rng(seed)
    _, number = np.unique(groups, return_inverse=True)
    order = np.argsort(number, kind="stable")
    rows = np.split(order, np.cumsum(np.bincount(number))[:-1])
    drawn = rng.integers(len(rows), size=(n, len(rows)))
    values = np.array([statistic(np.concatenate([rows[k] for k in draw])) for draw in drawn])
    values = values[np.isfinite(values)]
    if values.size == 0:
        return np.nan, np.nan
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)

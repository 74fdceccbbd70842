"""Study A's selection of columns, each step a scikit-learn transformer: DataFrame in, DataFrame out.

The steps before `LassoSelect` do not see the outcome, so that what they learn on a training set serves every outcome.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from bids_app.learn.cfs import add_locally_predictive, best_first, correlations
from bids_app.learn.collinearity import greedy_keep_first

__all__ = [
    "CFSSelect",
    "CollinearityFilter",
    "CovariateZScore",
    "LassoSelect",
    "MedianImpute",
    "RangeScaledVariance",
    "StabilityFilter",
]

Floats = npt.NDArray[np.floating]
Column = str | int
PRECISIONS = (np.float64, np.float32)  # both pass through as they are
STRIP = 8192  # columns handled at once where double precision needs a copy


class _ColumnSelector(SelectorMixin, BaseEstimator):
    """A selector that gives a DataFrame for a DataFrame; subclasses learn `keep_`."""

    keep_: npt.NDArray[np.bool_]

    def _get_support_mask(self) -> npt.NDArray[np.bool_]:
        check_is_fitted(self, "keep_")
        return self.keep_

    def transform(self, X: Any) -> Any:
        """Return the columns that were kept."""
        if not isinstance(X, pd.DataFrame):
            return super().transform(X)
        check_is_fitted(self, "keep_")
        validate_data(self, X, reset=False, skip_check_array=True)
        return X.iloc[:, np.flatnonzero(self.keep_)]


class _OutcomeSelector(_ColumnSelector):
    """A selector that needs the outcome."""

    def _read(self, X: Any, y: Any) -> tuple[Floats, Floats]:
        return validate_data(self, X, y, dtype=PRECISIONS, y_numeric=True, ensure_min_samples=2)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


class MedianImpute(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Put each column's training median where a value is missing; 0 where the column has none.

    scikit-learn's own imputer takes masked arrays through 125,000 columns, which is slow, and drops empty columns.

    Attributes
    ----------
    medians_ : ndarray, (p,)
    """

    def fit(self, X: Any, y: Any = None) -> MedianImpute:
        """Learn medians from an (n, p) table."""
        array = validate_data(self, X, dtype=PRECISIONS, ensure_all_finite="allow-nan")
        medians = np.median(array, axis=0)
        gaps = np.flatnonzero(np.isnan(medians))
        for column in gaps:
            known = array[~np.isnan(array[:, column]), column]
            medians[column] = np.median(known) if known.size else 0
        self.medians_ = medians
        return self

    def transform(self, X: Any) -> Any:
        """Return the table without gaps."""
        check_is_fitted(self)
        array = validate_data(self, X, dtype=PRECISIONS, ensure_all_finite="allow-nan", reset=False)
        missing = np.isnan(array)
        if missing.any():
            array = np.where(missing, self.medians_.astype(array.dtype), array)
        return _like(array, X)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class CovariateZScore(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Standardise columns after taking out what covariates explain linearly (study A: age, sex and TIV).

    Parameters
    ----------
    covariates : sequence of str or int
        Columns to adjust for, by name or, in an array, by number; they pass unchanged. None: mean and SD alone.
    columns : sequence of str or int, optional
        Columns to standardise; the others pass unchanged. Default: all but the covariates.

    Attributes
    ----------
    coef_ : ndarray, (1 + c, k)
        Intercept and slopes for each of the k standardised columns.
    scale_ : ndarray, (k,)
        Standard deviation of their residuals in training; 1 where they are explained whole.
    """

    def __init__(
        self, covariates: Sequence[Column] | None = None, columns: Sequence[Column] | None = None
    ) -> None:
        self.covariates = covariates
        self.columns = columns

    def fit(self, X: Any, y: Any = None) -> CovariateZScore:
        """Learn the regression from an (n, p) table; n must exceed the number of covariates by two."""
        array = validate_data(self, X, dtype=PRECISIONS, ensure_min_samples=2)
        self.covariates_ = self._numbers(X, self.covariates or [])
        rest = np.setdiff1d(np.arange(array.shape[1]), self.covariates_)
        self.columns_ = rest if self.columns is None else self._numbers(X, self.columns)
        values = array[:, self.columns_].astype(np.float64)
        self.coef_ = np.linalg.lstsq(self._design(array), values, rcond=None)[0]
        residual = values - self._design(array) @ self.coef_
        sd = residual.std(axis=0)
        self.scale_ = np.where(sd > 1e-12 * (1 + np.abs(values).max(axis=0, initial=0)), sd, 1.0)
        return self

    def transform(self, X: Any) -> Any:
        """Return the table with z scores in place of the standardised columns."""
        check_is_fitted(self)
        array = validate_data(self, X, dtype=PRECISIONS, reset=False).copy()
        expected = self._design(array) @ self.coef_
        array[:, self.columns_] = (array[:, self.columns_] - expected) / self.scale_
        return _like(array, X)

    def _design(self, array: Floats) -> npt.NDArray[np.float64]:
        return np.column_stack([np.ones(len(array)), array[:, self.covariates_].astype(np.float64)])

    def _numbers(self, X: Any, columns: Sequence[Column]) -> npt.NDArray[np.intp]:
        """Return the positions of columns given by name or number."""
        names = list(X.columns) if isinstance(X, pd.DataFrame) else list(range(self.n_features_in_))
        absent = [c for c in columns if c not in names]
        if absent:
            raise ValueError(f"no column {absent[0]!r} to standardise or adjust for")
        place = {name: number for number, name in enumerate(names)}
        return np.array([place[c] for c in columns], dtype=np.intp)


class RangeScaledVariance(_ColumnSelector):
    """Drop columns that hardly vary.

    Parameters
    ----------
    threshold : float
        A column with a smaller variance goes, and every constant one.
    scaled : bool
        Take the variance after scaling each column to 0..1 over the training set, so that units do not matter.

    Attributes
    ----------
    variances_ : ndarray, (p,)
    """

    def __init__(self, threshold: float = 0.01, scaled: bool = True) -> None:
        self.threshold = threshold
        self.scaled = scaled

    def fit(self, X: Any, y: Any = None) -> RangeScaledVariance:
        """Learn from an (n, p) table."""
        array = validate_data(self, X, dtype=PRECISIONS)
        self.variances_ = np.empty(array.shape[1])
        for start in range(0, array.shape[1], STRIP):
            part = array[:, start : start + STRIP].astype(np.float64)
            span = np.ptp(part, axis=0)
            variance = np.where(span > 0, part.var(axis=0), 0)
            if self.scaled:
                variance = np.divide(variance, span**2, out=np.zeros_like(span), where=span > 0)
            self.variances_[start : start + STRIP] = variance
        self.keep_ = (self.variances_ >= self.threshold) & (self.variances_ > 0)
        return self


class StabilityFilter(_ColumnSelector):
    """Drop columns whose measurement does not repeat well (study A: ICC below 0.90).

    Parameters
    ----------
    icc : mapping of str or int to float, optional
        Intraclass correlation by column; columns without one stay.
    threshold : float
        The lowest that stays.
    """

    def __init__(self, icc: Mapping[Column, float] | None = None, threshold: float = 0.9) -> None:
        self.icc = icc
        self.threshold = threshold

    def fit(self, X: Any, y: Any = None) -> StabilityFilter:
        """Note which of the table's columns are stable; the values play no part."""
        validate_data(self, X, dtype=PRECISIONS)
        names = list(X.columns) if isinstance(X, pd.DataFrame) else range(self.n_features_in_)
        known = self.icc or {}
        self.keep_ = np.array([known.get(name, 1.0) >= self.threshold for name in names], dtype=bool)
        return self


class CollinearityFilter(_ColumnSelector):
    """Of columns that correlate too much, keep the first.

    Parameters
    ----------
    threshold : float
        Absolute Pearson correlation above which (strictly) a column goes.
    priority : sequence of str or int, optional
        Columns from the first to keep on; those not named follow in their own order.

    Attributes
    ----------
    representatives_ : dict
        For each dropped column the kept one, first in priority, that it correlates with too much.
    """

    def __init__(self, threshold: float = 0.8, priority: Sequence[Column] | None = None) -> None:
        self.threshold = threshold
        self.priority = priority

    def fit(self, X: Any, y: Any = None) -> CollinearityFilter:
        """Learn from an (n, p) table; memory grows with n p, never with p squared."""
        array = validate_data(self, X, dtype=PRECISIONS)
        names = list(X.columns) if isinstance(X, pd.DataFrame) else list(range(array.shape[1]))
        representative = greedy_keep_first(array, self._order(names), self.threshold)
        self.keep_ = representative == np.arange(array.shape[1])
        self.representatives_ = {
            names[column]: names[representative[column]] for column in np.flatnonzero(~self.keep_)
        }
        return self

    def _order(self, names: list[Any]) -> npt.NDArray[np.intp]:
        place = {name: rank for rank, name in enumerate(self.priority if self.priority is not None else [])}
        ranks = np.array([place.get(name, len(place)) for name in names])
        return np.argsort(ranks, kind="stable")


class LassoSelect(_OutcomeSelector):
    """Keep the columns to which the LASSO gives a weight.

    Columns are standardised; the penalty comes from cross-validation.

    Parameters
    ----------
    rule : {"1se", "min"}
        `1se`: the largest penalty whose cross-validated error is within one standard error of the least;
        `min`: the penalty of least error, which keeps more columns.
    cv : int
        Folds.
    n_alphas : int
        Penalties tried, from the one that keeps nothing down to `eps` times it.
    eps : float
    random_state : int
        Seed of the folds.

    Attributes
    ----------
    alpha_ : float
    coef_ : ndarray, (p,)
        Weights of the standardised columns. If the LASSO keeps none, the column that correlates best with the
        outcome is kept, so that a model can be fitted.
    """

    def __init__(
        self,
        rule: Literal["1se", "min"] = "1se",
        cv: int = 10,
        n_alphas: int = 50,
        eps: float = 0.05,
        random_state: int = 0,
    ) -> None:
        self.rule = rule
        self.cv = cv
        self.n_alphas = n_alphas
        self.eps = eps
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: npt.ArrayLike | None = None) -> LassoSelect:
        """Learn from an (n, p) table, (n,) outcomes and, where patients have several rows, (n,) patients."""
        from sklearn.linear_model import LassoCV, lasso_path
        from sklearn.model_selection import GroupKFold

        array, outcome = self._read(X, y)
        patients = np.arange(len(outcome)) if groups is None else np.asarray(groups)
        folds = min(self.cv, len(np.unique(patients)))
        splits = GroupKFold(folds, shuffle=True, random_state=self.random_state)
        Z, centred = _unit_variance(array), outcome - outcome.mean()
        path = LassoCV(
            alphas=self.n_alphas,
            eps=self.eps,
            cv=list(splits.split(Z, groups=patients)),
            fit_intercept=True,
            tol=1e-3,
            max_iter=5000,
        )
        path.fit(Z, centred.astype(Z.dtype))
        self.alpha_ = self._penalty(path.alphas_, path.mse_path_)
        self.coef_ = (
            path.coef_
            if self.alpha_ == path.alpha_
            else lasso_path(Z, centred.astype(Z.dtype), alphas=[self.alpha_], tol=1e-3, max_iter=5000)[1][
                :, 0
            ]
        )
        self.keep_ = self.coef_ != 0
        if not self.keep_.any():
            self.keep_[np.argmax(np.abs(centred @ Z))] = True
        return self

    def _penalty(self, alphas: Floats, errors: Floats) -> float:
        mean = errors.mean(axis=1)
        best = int(np.argmin(mean))
        if self.rule == "min":
            return float(alphas[best])
        limit = mean[best] + errors[best].std(ddof=1) / np.sqrt(errors.shape[1])
        return float(alphas[np.flatnonzero(mean <= limit)[0]])


class CFSSelect(_OutcomeSelector):
    """Keep Hall's (1999) correlation-based subset, equal to that of Weka's CfsSubsetEval with BestFirst.

    Parameters
    ----------
    locally_predictive : bool
        Add columns that correlate more with the outcome than with any column selected.

    Attributes
    ----------
    merit_ : float
        Merit of the subset before locally predictive columns are added.
    """

    def __init__(self, locally_predictive: bool = True) -> None:
        self.locally_predictive = locally_predictive

    def fit(self, X: Any, y: Any) -> CFSSelect:
        """Learn from an (n, p) table and (n,) outcomes; if nothing correlates, the first column is kept."""
        from bids_app.learn.cfs import merit

        array, outcome = self._read(X, y)
        relevance, redundancy = correlations(array.astype(np.float64), outcome.astype(np.float64))
        selected = best_first(relevance, redundancy)
        self.merit_ = merit(np.array(selected, dtype=np.intp), relevance, redundancy)
        if self.locally_predictive:
            selected = add_locally_predictive(selected, relevance, redundancy)
        self.keep_ = np.zeros(array.shape[1], dtype=bool)
        self.keep_[selected or [int(np.argmax(relevance))]] = True
        return self


def _unit_variance(array: Floats) -> Floats:
    """Return columns of mean 0 and SD 1 in the array's precision, column after column in memory."""
    mean = array.mean(axis=0, dtype=np.float64)
    Z = np.asfortranarray(array - mean.astype(array.dtype))
    sd = Z.std(axis=0, dtype=np.float64)
    Z /= np.where(sd > 1e-12 * (1 + np.abs(mean)), sd, 1).astype(array.dtype)
    return Z


def _like(array: Floats, X: Any) -> Any:
    """Return the array as a DataFrame where X is one."""
    return pd.DataFrame(array, X.index, X.columns, copy=False) if isinstance(X, pd.DataFrame) else array

"""The steps that do not see the outcome: what they learn on a training set serves every outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from bids_app.learn.collinearity import greedy_keep_first
from bids_app.learn.selection.base import (
    PRECISIONS,
    STRIP,
    Column,
    ColumnSelector,
    Floats,
    like,
    numbers_of,
    validated,
)


class MedianImpute(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Put each column's training median where a value is missing; 0 where the column has none.

    scikit-learn's own imputer takes masked arrays through 125,000 columns, which is slow, and drops empty columns.

    Attributes
    ----------
    medians_ : ndarray, (p,)
    """

    def fit(self, X: Any, y: Any = None) -> MedianImpute:
        """Learn medians from an (n, p) table."""
        array = validated(self, X, dtype=PRECISIONS, ensure_all_finite="allow-nan")
        medians = np.empty(array.shape[1], array.dtype)
        for start in range(0, array.shape[1], STRIP):  # a median sorts a copy
            medians[start : start + STRIP] = np.median(array[:, start : start + STRIP], axis=0)
        gaps = np.flatnonzero(np.isnan(medians))
        for column in gaps:
            known = array[~np.isnan(array[:, column]), column]
            medians[column] = np.median(known) if known.size else 0
        self.medians_ = medians
        return self

    def transform(self, X: Any) -> Any:
        """Return the table without gaps."""
        check_is_fitted(self)
        array = validated(self, X, dtype=PRECISIONS, ensure_all_finite="allow-nan", reset=False)
        missing = np.isnan(array)
        if missing.any():
            array = np.where(missing, self.medians_.astype(array.dtype), array)
        return like(array, X)

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
        array = validated(self, X, dtype=PRECISIONS, ensure_min_samples=2)
        self.covariates_ = numbers_of(X, self.n_features_in_, self.covariates or [])
        rest = np.setdiff1d(np.arange(array.shape[1]), self.covariates_)
        self.columns_ = rest if self.columns is None else numbers_of(X, self.n_features_in_, self.columns)
        values = array[:, self.columns_].astype(np.float64)
        self.coef_ = np.linalg.lstsq(self._design(array), values, rcond=None)[0]
        residual = values - self._design(array) @ self.coef_
        sd = residual.std(axis=0)
        self.scale_ = np.where(sd > 1e-12 * (1 + np.abs(values).max(axis=0, initial=0)), sd, 1.0)
        return self

    def transform(self, X: Any) -> Any:
        """Return the table with z scores in place of the standardised columns."""
        check_is_fitted(self)
        array = validated(self, X, dtype=PRECISIONS, reset=False).copy()
        expected = self._design(array) @ self.coef_
        array[:, self.columns_] = (array[:, self.columns_] - expected) / self.scale_
        return like(array, X)

    def _design(self, array: Floats) -> npt.NDArray[np.float64]:
        return np.column_stack([np.ones(len(array)), array[:, self.covariates_].astype(np.float64)])


class RangeScaledVariance(ColumnSelector):
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
        array = validated(self, X, dtype=PRECISIONS)
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


class StabilityFilter(ColumnSelector):
    """Drop columns whose measurement does not repeat well (study A: ICC below 0.90).

    Parameters
    ----------
    icc : mapping or Series of str or int to float, optional
        Intraclass correlation by column; columns without one, or with NaN, stay.
    threshold : float
        The lowest that stays.
    """

    def __init__(self, icc: Mapping[Column, float] | pd.Series | None = None, threshold: float = 0.9) -> None:
        self.icc = icc
        self.threshold = threshold

    def fit(self, X: Any, y: Any = None) -> StabilityFilter:
        """Note which of the table's columns are stable; the values play no part."""
        validated(self, X, dtype=PRECISIONS)
        names = list(X.columns) if isinstance(X, pd.DataFrame) else range(self.n_features_in_)
        known = {} if self.icc is None else dict(self.icc)
        self.keep_ = np.array([not known.get(name, 1.0) < self.threshold for name in names], dtype=bool)
        return self


class CollinearityFilter(ColumnSelector):
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

    Examples
    --------
    >>> import pandas as pd
    >>> from demyelin import selection
    >>> table = pd.DataFrame({"a": [1, 2, 3, 4], "b": [2, 4, 6, 8.1], "c": [1, -1, -1, 1]})
    >>> selector = selection.CollinearityFilter(threshold=0.8).fit(table)
    >>> list(selector.transform(table))
    ['a', 'c']
    >>> selector.representatives_
    {'b': 'a'}
    """

    def __init__(self, threshold: float = 0.8, priority: Sequence[Column] | None = None) -> None:
        self.threshold = threshold
        self.priority = priority

    def fit(self, X: Any, y: Any = None) -> CollinearityFilter:
        """Learn from an (n, p) table; memory grows with n p, never with p squared."""
        array = validated(self, X, dtype=PRECISIONS)
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

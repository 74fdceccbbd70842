"""What the steps of the selection share: tables through unchanged types, columns by name or number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

Floats = npt.NDArray[np.floating]
Column = str | int
PRECISIONS = (np.float64, np.float32)  # both pass through as they are
STRIP = 8192  # columns handled at once where double precision needs a copy


class ColumnSelector(SelectorMixin, BaseEstimator):
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
        if self.keep_.all():
            return X
        return X.iloc[:, np.flatnonzero(self.keep_)]


def validated(estimator: BaseEstimator, X: Any, **checks: Any) -> Any:
    """Return a table as an array after scikit-learn's checks.

    On a DataFrame these look at the type of each column on its own, which takes longer than the selection where there
    are 125,000; columns of one type are handed over as one array.

    Parameters
    ----------
    estimator : BaseEstimator
        Learns or compares names and number of columns.
    X : DataFrame or array-like, (n, p)
    **checks
        Of `sklearn.utils.validation.validate_data`.
    """
    if (
        isinstance(X, pd.DataFrame)
        and len(kinds := set(X.dtypes)) == 1
        and kinds <= set(map(np.dtype, PRECISIONS))
    ):
        validate_data(estimator, X, reset=checks.pop("reset", True), skip_check_array=True)
        return check_array(X.to_numpy(), input_name="X", estimator=estimator, **checks)
    return validate_data(estimator, X, **checks)


def like(array: Floats, X: Any) -> Any:
    """Return the array as a DataFrame where X is one."""
    return pd.DataFrame(array, X.index, X.columns, copy=False) if isinstance(X, pd.DataFrame) else array


def numbers_of(X: Any, n: int, columns: Sequence[Column]) -> npt.NDArray[np.intp]:
    """Return the positions of columns by their names or, in an array, their numbers.

    Parameters
    ----------
    X : DataFrame or ndarray, (rows, n)
    n : int
        Number of its columns.
    columns : sequence of str or int

    Raises
    ------
    ValueError
        If there is no such column.
    """
    names = list(X.columns) if isinstance(X, pd.DataFrame) else list(range(n))
    absent = [c for c in columns if c not in names]
    if absent:
        raise ValueError(f"no column {absent[0]!r} to standardise or adjust for")
    place = {name: number for number, name in enumerate(names)}
    return np.array([place[c] for c in columns], dtype=np.intp)

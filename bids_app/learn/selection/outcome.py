"""The steps that learn from the outcome: LASSO, then Hall's correlation-based subset."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.utils import Tags
from sklearn.utils.validation import validate_data

from bids_app.learn.cfs import add_locally_predictive, best_first, correlations, merit
from bids_app.learn.selection.base import PRECISIONS, ColumnSelector, Floats

DESCENT_TOLERANCE, MOST_ITERATIONS = 1e-3, 5000  # of the LASSO's descent


class OutcomeSelector(ColumnSelector):
    """A selector that needs the outcome."""

    def _read(self, X: Any, y: Any) -> tuple[Floats, Floats]:
        return validate_data(self, X, y, dtype=PRECISIONS, y_numeric=True, ensure_min_samples=2)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


class LassoSelect(OutcomeSelector):
    """Keep the columns to which the LASSO gives a weight.

    Columns are standardised; the penalty comes from cross-validation.

    Parameters
    ----------
    rule : {"1se", "min"} or int
        `1se`: the largest penalty whose cross-validated error is within one standard error of the least;
        `min`: the penalty of least error, which keeps more columns; a number: the largest penalty tried that keeps at
        least so many columns (study A was left with 21), whether or not they predict anything.
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

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from demyelin import selection
    >>> rng = np.random.default_rng(1)
    >>> table = pd.DataFrame(rng.normal(size=(100, 5)), columns=list("abcde"))
    >>> outcome = 2 * table["b"] - table["d"] + 0.1 * rng.normal(size=100)
    >>> list(selection.LassoSelect(random_state=1).fit(table, outcome).transform(table))
    ['b', 'd']
    """

    def __init__(
        self,
        rule: Literal["1se", "min"] | int = "1se",
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
        """Learn which columns to keep.

        Parameters
        ----------
        X : DataFrame or ndarray, (n, p)
        y : array-like, (n,)
            Outcome.
        groups : array-like, (n,), optional
            Patient of each row, kept whole in the folds; every row its own by default.

        Raises
        ------
        ValueError
            If the rule is unknown.
        """
        if self.rule not in ("1se", "min") and not isinstance(self.rule, int | np.integer):
            raise ValueError(f"rule is '1se', 'min' or a number of columns, not {self.rule!r}")
        array, outcome = self._read(X, y)
        patients = np.arange(len(outcome)) if groups is None else np.asarray(groups)
        Z = _unit_variance(array)
        centred = (outcome - outcome.mean()).astype(Z.dtype)
        if isinstance(self.rule, int | np.integer):
            self.alpha_, self.coef_ = self._keeping(Z, centred, int(self.rule))
        else:
            self.alpha_, self.coef_ = self._cross_validated(Z, centred, patients)
        self.keep_ = self.coef_ != 0
        if not self.keep_.any():
            self.keep_[np.argmax(np.abs(centred @ Z))] = True
        return self

    def _cross_validated(self, Z: Floats, y: Floats, patients: npt.NDArray[Any]) -> tuple[float, Floats]:
        """Return penalty and weights by the error over folds that keep patients whole."""
        from sklearn.linear_model import LassoCV, lasso_path
        from sklearn.model_selection import GroupKFold

        folds = min(self.cv, len(np.unique(patients)))
        splits = GroupKFold(folds, shuffle=True, random_state=self.random_state)
        path = LassoCV(
            alphas=self.n_alphas,
            eps=self.eps,
            cv=list(splits.split(Z, groups=patients)),
            tol=DESCENT_TOLERANCE,
            max_iter=MOST_ITERATIONS,
        ).fit(Z, y)
        alpha = self._penalty(path.alphas_, path.mse_path_)
        if alpha == path.alpha_:
            return alpha, path.coef_
        return alpha, lasso_path(Z, y, alphas=[alpha], tol=DESCENT_TOLERANCE, max_iter=MOST_ITERATIONS)[1][
            :, 0
        ]

    def _keeping(self, Z: Floats, y: Floats, wanted: int) -> tuple[float, Floats]:
        """Return the largest penalty tried that keeps enough columns, the smallest where none does, and weights."""
        from sklearn.linear_model import lasso_path

        alphas, weights, _ = lasso_path(
            Z, y, alphas=self.n_alphas, eps=self.eps, tol=DESCENT_TOLERANCE, max_iter=MOST_ITERATIONS
        )
        enough = np.count_nonzero(weights, axis=0) >= wanted
        chosen = int(np.argmax(enough)) if enough.any() else len(alphas) - 1
        return float(alphas[chosen]), weights[:, chosen]

    def _penalty(self, alphas: Floats, errors: Floats) -> float:
        mean = errors.mean(axis=1)
        best = int(np.argmin(mean))
        if self.rule == "min":
            return float(alphas[best])
        limit = mean[best] + errors[best].std(ddof=1) / np.sqrt(errors.shape[1])
        return float(alphas[np.flatnonzero(mean <= limit)[0]])


class CFSSelect(OutcomeSelector):
    """Keep Hall's (1999) correlation-based subset, equal to that of Weka's CfsSubsetEval with BestFirst.

    Parameters
    ----------
    locally_predictive : bool
        Add columns that correlate more with the outcome than with any column selected.

    Attributes
    ----------
    merit_ : float
        Merit of the subset before locally predictive columns are added.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from demyelin import selection
    >>> rng = np.random.default_rng(1)
    >>> table = pd.DataFrame(rng.normal(size=(100, 5)), columns=list("abcde"))
    >>> outcome = 2 * table["b"] - table["d"] + 0.1 * rng.normal(size=100)
    >>> # a is chance: the merit counts correlations in 100 rows as they are
    >>> list(selection.CFSSelect().fit(table, outcome).transform(table))
    ['a', 'b', 'd']
    """

    def __init__(self, locally_predictive: bool = True) -> None:
        self.locally_predictive = locally_predictive

    def fit(self, X: Any, y: Any) -> CFSSelect:
        """Learn from an (n, p) table and (n,) outcomes; if nothing correlates, the first column is kept."""
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

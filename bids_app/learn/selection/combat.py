"""Differences between sites taken out of measures: ComBat, learned on a training set and applied to others.

Johnson, Li and Rabinovic 2007 (Biostatistics 8:118, doi:10.1093/biostatistics/kxj037); with covariates kept, for
imaging, Fortin et al. 2018 (NeuroImage 167:104, doi:10.1016/j.neuroimage.2017.11.024).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from bids_app.errors import InputError
from bids_app.learn.selection.base import PRECISIONS, STRIP, Column, Floats, like, numbers_of

Doubles = npt.NDArray[np.float64]
FEWEST_SITE_VISITS = 20  # visits of a site unseen in training from which its differences are estimated
BAYES_ROUNDS, CLOSE = (
    100,
    1e-4,
)  # of the empirical Bayes iteration: most rounds, relative change at which it ends


class Combat(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Bring measures of all sites to a common mean and spread, what covariates explain left in.

    Each measure is modelled as mean + covariates + the site's shift + the site's scale times noise; shifts and scales
    of a site are shrunken towards their distribution over all measures (parametric empirical Bayes).

    A site unseen in training is aligned with what training learned: its shift and scale come from its own visits in the
    table given to `transform`, without shrinkage, and the outcome plays no part. There must be at least 20 visits of
    it, or it is refused. The values of such a visit therefore depend on the other visits of its site.

    Parameters
    ----------
    site : str or int, optional
        Column with the sites as numbers; None: all rows are one site.
    covariates : sequence of str or int, optional
        Columns whose linear effect is kept. Site and covariates pass unchanged.
    columns : sequence of str or int, optional
        Columns to harmonise; the others pass unchanged. Default: all but site and covariates.

    Attributes
    ----------
    sites_ : ndarray, (s,)
    mean_, sd_ : ndarray, (k,)
        Common mean (at covariates of 0) and spread of each harmonised column; the spread of a constant column is 1.
    slopes_ : ndarray, (c, k)
        Of the covariates.
    shift_, scale_ : ndarray, (s, k)
        Of each site, in units of the spread; 0 and 1 where there is one site.
    """

    def __init__(
        self,
        site: Column | None = None,
        covariates: Sequence[Column] | None = None,
        columns: Sequence[Column] | None = None,
    ) -> None:
        self.site = site
        self.covariates = covariates
        self.columns = columns

    def fit(self, X: Any, y: Any = None) -> Combat:
        """Learn from an (n, p) table without missing values."""
        array = validate_data(self, X, dtype=PRECISIONS, ensure_min_samples=2)
        self.site_ = numbers_of(X, self.n_features_in_, [] if self.site is None else [self.site])
        self.covariates_ = numbers_of(X, self.n_features_in_, self.covariates or [])
        aside = np.concatenate([self.site_, self.covariates_])
        rest = np.setdiff1d(np.arange(array.shape[1]), aside)
        self.columns_ = rest if self.columns is None else numbers_of(X, self.n_features_in_, self.columns)
        site = self._sites(array)
        self.sites_, code, counts = np.unique(site, return_inverse=True, return_counts=True)
        k = len(self.columns_)
        self.mean_, self.sd_ = np.empty(k), np.empty(k)
        self.slopes_ = np.empty((len(self.covariates_), k))
        location, spread = np.zeros((len(self.sites_), k)), np.ones((len(self.sites_), k))
        for strip in _strips(k):
            values = array[:, self.columns_[strip]].astype(np.float64)
            z = self._learn_common(values, self._known(array), code, counts, strip)
            for number in range(len(self.sites_)):
                location[number, strip], spread[number, strip] = _moments(z[code == number])
        self.shift_, self.scale_ = np.zeros_like(location), np.ones_like(spread)
        if len(self.sites_) > 1:
            varies = self.sd_ > 0
            for number, count in enumerate(counts):
                found = shrink(location[number, varies], spread[number, varies], int(count))
                self.shift_[number, varies], self.scale_[number, varies] = found
        self.sd_ = np.where(self.sd_ > 0, self.sd_, 1.0)
        return self

    def transform(self, X: Any) -> Any:
        """Return the table with harmonised columns.

        Raises
        ------
        InputError
            If a site unseen in training has fewer than 20 rows.
        """
        check_is_fitted(self)
        array = validate_data(self, X, dtype=PRECISIONS, reset=False).copy()
        site = self._sites(array)
        groups = [(value, np.flatnonzero(site == value)) for value in np.unique(site)]
        known = {value: number for number, value in enumerate(self.sites_.tolist())}
        few = [len(rows) for value, rows in groups if value not in known and len(rows) < FEWEST_SITE_VISITS]
        if few:
            raise InputError(
                f"ComBat: a site unseen in training has {few[0]} visits; at least {FEWEST_SITE_VISITS} needed"
            )
        for strip in _strips(len(self.columns_)):
            where = self.columns_[strip]
            values = array[:, where].astype(np.float64)
            expected = self.mean_[strip] + self._known(array) @ self.slopes_[:, strip]
            z = (values - expected) / self.sd_[strip]
            for value, rows in groups:
                if value in known:
                    shift, scale = self.shift_[known[value], strip], self.scale_[known[value], strip]
                else:
                    shift, scale = _moments(z[rows])
                    scale = np.where(scale > 0, scale, 1.0)
                z[rows] = (z[rows] - shift) / scale
            array[:, where] = z * self.sd_[strip] + expected
        return like(array, X)

    def restricted(self, columns: Sequence[Column], inputs: Sequence[Column]) -> Combat:
        """Return the same harmonisation of fewer columns of a table fitted on, for tables with columns `inputs`.

        `columns` are names; `inputs` hold them, the site and the covariates, in the order of the new tables.
        """
        names, place = self.feature_names_in_[self.columns_].tolist(), list(inputs)
        kept = [names.index(c) for c in columns]
        small = Combat(self.site, self.covariates, list(columns))
        small.n_features_in_, small.feature_names_in_ = len(place), np.array(place, dtype=object)
        aside = ([] if self.site is None else [self.site], self.covariates or [])
        small.site_, small.covariates_, small.columns_ = (
            np.array([place.index(c) for c in some], dtype=np.intp) for some in (*aside, columns)
        )
        small.sites_, small.mean_, small.sd_ = self.sites_, self.mean_[kept], self.sd_[kept]
        small.slopes_, small.shift_, small.scale_ = (
            part[:, kept] for part in (self.slopes_, self.shift_, self.scale_)
        )
        return small

    def _sites(self, array: Floats) -> Floats:
        return array[:, self.site_[0]] if len(self.site_) else np.zeros(len(array))

    def _known(self, array: Floats) -> Doubles:
        return array[:, self.covariates_].astype(np.float64)

    def _learn_common(
        self,
        values: Doubles,
        covariates: Doubles,
        code: npt.NDArray[np.intp],
        counts: npt.NDArray[np.intp],
        strip: slice,
    ) -> Doubles:
        """Learn mean, slopes and spread of some columns; return them standardised, sites' differences left in."""
        dummies = np.eye(len(counts))[code]
        coefficients = np.linalg.lstsq(np.hstack([dummies, covariates]), values, rcond=None)[0]
        sites, slopes = coefficients[: len(counts)], coefficients[len(counts) :]
        mean = counts @ sites / len(values)
        residual = values - dummies @ sites - covariates @ slopes
        sd = residual.std(axis=0)
        sd[sd <= 1e-12 * (1 + np.abs(values).max(axis=0, initial=0))] = 0
        self.mean_[strip], self.slopes_[:, strip], self.sd_[strip] = mean, slopes, sd
        return (values - mean - covariates @ slopes) / np.where(sd > 0, sd, 1)


def _strips(n: int) -> list[slice]:
    return [slice(start, start + STRIP) for start in range(0, n, STRIP)]


def _moments(z: Doubles) -> tuple[Doubles, Doubles]:
    """Return mean and standard deviation of each column; 1 where a single row gives none."""
    return z.mean(axis=0), z.std(axis=0, ddof=1) if len(z) > 1 else np.ones(z.shape[1])


def shrink(location: Doubles, spread: Doubles, n: int) -> tuple[Doubles, Doubles]:
    """Shrink a site's shifts and scales towards their distribution over columns.

    Johnson et al. 2007, equations 3.1: a normal prior of the shifts and an inverse gamma prior of the variances, their
    parameters by the method of moments; conditional means of both in turn until neither changes.

    Parameters
    ----------
    location, spread : ndarray, (k,)
        Mean and standard deviation of the site's standardised columns.
    n : int
        Visits of the site.

    Returns
    -------
    shift : ndarray, (k,)
        Of each column.
    scale : ndarray, (k,)
        With one visit 1; with one column, or columns all alike, both are as given.
    """
    variance = spread**2 if n > 1 else np.ones_like(spread)
    width, alike = (
        location.var(ddof=1) if len(location) > 1 else 0.0,
        variance.max(initial=0) == variance.min(initial=np.inf),
    )
    if width == 0:
        return location, np.sqrt(variance)
    centre = location.mean()
    shift, current = location, variance
    if not alike:
        mean, var = variance.mean(), variance.var(ddof=1)
        shape, rate = 2 + mean**2 / var, mean + mean**3 / var
    for _ in range(BAYES_ROUNDS):
        before = shift, current
        shift = (n * width * location + current * centre) / (n * width + current)
        if not alike:
            squares = (n - 1) * variance + n * (location - shift) ** 2
            current = (rate + squares / 2) / (n / 2 + shape - 1)
        change = max(
            np.max(np.abs(a - b) / np.abs(b).clip(1e-8))
            for a, b in zip((shift, current), before, strict=True)
        )
        if change < CLOSE:
            break
    return shift, np.sqrt(current)

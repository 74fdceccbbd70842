"""Agreement between repeated measurements: the intraclass correlation, for features and for statistics alike."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import stats

Array = npt.NDArray[np.float64]


def icc(ratings: npt.ArrayLike, confidence: float = 0.95) -> tuple[Array, Array, Array]:
    """Return ICC(A,1), of many features at once, with its confidence interval.

    Two-way random effects, absolute agreement, single measurement: McGraw and Wong 1996, Tables 4 and 7.

    Parameters
    ----------
    ratings : array-like, (n, k) or (n, k, features)
        n visits, k repetitions, no missing value.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    icc : ndarray, () or (features,)
        NaN where nothing varies.
    low, high : ndarray, () or (features,)
        Ends of the interval.
    """
    data = np.asarray(ratings, dtype=np.float64)
    n, k = data.shape[:2]
    grand = data.mean(axis=(0, 1))
    visits, repetitions = data.mean(axis=1), data.mean(axis=0)
    msr = k * ((visits - grand) ** 2).sum(axis=0) / (n - 1)
    msc = n * ((repetitions - grand) ** 2).sum(axis=0) / (k - 1)
    residual = data - visits[:, None] - repetitions[None] + grand
    mse = (residual**2).sum(axis=(0, 1)) / ((n - 1) * (k - 1))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        value = (msr - mse) / (msr + (k - 1) * mse + k * (msc - mse) / n)
        a, b = k * value / (n * (1 - value)), 1 + k * value * (n - 1) / (n * (1 - value))
        df = (a * msc + b * mse) ** 2 / ((a * msc) ** 2 / (k - 1) + (b * mse) ** 2 / ((n - 1) * (k - 1)))
        upper = stats.f.ppf((1 + confidence) / 2, n - 1, df)
        lower = stats.f.ppf((1 + confidence) / 2, df, n - 1)
        between = k * msc + (k * n - k - n) * mse
        low = n * (msr - upper * mse) / (upper * between + n * msr)
        high = n * (lower * msr - mse) / (between + n * lower * msr)
    perfect = value == 1
    return value, np.where(perfect, 1.0, low), np.where(perfect, 1.0, high)

"""When a number is unlike those of other visits: one rule for every report.

A visit stands out where the modified z score of a number lies beyond 3.5 on the side that is worse (Iglewicz and
Hoaglin 1993, How to Detect and Handle Outliers), among at least eight others. A number with a long tail is compared on
a log scale.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

Side = Literal["low", "high", "either"]

FAR = 3.5  # modified z score, as Iglewicz and Hoaglin propose
FEWEST = 8  # others to compare with
MAD_TO_SD = 1.4826  # of a normal distribution: 1 / 0.6745
RULE = f"a modified z score beyond {FAR:g} on the worse side, compared with at least {FEWEST} others"


def even(values: pd.Series, skewed: bool) -> pd.Series:
    """Return numbers of a long tail on a log scale, others as they are."""
    return np.log1p(values.clip(lower=0)) if skewed else values


def stands_out(z: float, worse: Side | None) -> bool:
    """Whether a modified z score lies beyond the limit on the side that is worse; never where no side is.

    Parameters
    ----------
    z : float
        NaN where it is not known.
    worse : {"low", "high", "either", None}
    """
    return {"low": z < -FAR, "high": z > FAR, "either": abs(z) > FAR}.get(worse or "", False)

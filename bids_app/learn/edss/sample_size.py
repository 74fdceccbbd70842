"""How many patients a prediction model of a continuous outcome needs, by the criteria of Riley et al.

Riley, Snell, Ensor et al. 2019, Stat Med 38:1262 (continuous outcomes).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

SHRINKAGE = 0.9  # expected slope of a model on new patients
OPTIMISM = 0.05  # between apparent and adjusted R2
SD_PATIENTS = 234  # beside the parameters: the residual SD is then known within 10 %
MEAN_MARGIN = 1.1  # of the mean outcome, as a factor
MOST_PATIENTS = 10_000_000  # a guard: no cohort is larger, the search ends there


def shrinkage(n: int, parameters: int, r2: float) -> float:
    """Return the expected shrinkage (their equation 6) of a model of so many parameters and adjusted R2.

    Parameters
    ----------
    n : int
        Patients.
    parameters : int
        Candidate parameters.
    r2 : float
        Adjusted R2.
    """
    apparent = (r2 * (n - parameters - 1) + parameters) / (n - 1)
    return 1 + (parameters - 2) / (n * np.log(1 - apparent))


def needed(parameters: int, r2: float, mean: float, sd: float) -> dict[str, int]:
    """Return the patients that each criterion asks for.

    Parameters
    ----------
    parameters : int
        Candidate parameters, at least 1.
    r2 : float
        Adjusted R2 that is expected, above 0 and below 1.
    mean, sd : float
        Of the outcome.

    Returns
    -------
    dict
        `shrinkage` of at least 0.9, `optimism` of R2 of at most 0.05, `residual SD` and `mean` within 10 %.
    """
    low, high = parameters + 2, MOST_PATIENTS
    while low < high:  # shrinkage rises with n
        middle = (low + high) // 2
        low, high = (low, middle) if shrinkage(middle, parameters, r2) >= SHRINKAGE else (middle + 1, high)
    spread = sd**2 * (1 - r2)
    mean_n = parameters + 2
    while mean_n < MOST_PATIENTS:
        half = stats.t.ppf(0.975, mean_n - parameters - 1) * np.sqrt(spread / mean_n)
        if mean > 0 and (mean + half) / mean <= MEAN_MARGIN:
            break
        mean_n = mean_n + max(1, mean_n // 100)
    return {
        "shrinkage of at least 0.9": low,
        "optimism of R2 of at most 0.05": int(np.ceil(1 + parameters * (1 - r2) / OPTIMISM)),
        "residual SD within 10 %": SD_PATIENTS + parameters,
        "mean EDSS within 10 %": int(mean_n),
    }


def sample_size(n: int, counts: dict[str, int], r2: float, mean: float, sd: float) -> pd.DataFrame:
    """Return how many patients each criterion asks for, for several numbers of parameters.

    Parameters
    ----------
    n : int
        Training patients that there are.
    counts : dict
        Number of parameters by what they are (clinical, selected, all candidates); zeros are passed over.
    r2, mean, sd : float
        As of `needed`.
    """
    rows = []
    for what, parameters in counts.items():
        if parameters:
            for criterion, patients in needed(parameters, r2, mean, sd).items():
                row = {
                    "parameters": what,
                    "n_parameters": parameters,
                    "criterion": criterion,
                    "needed": patients,
                }
                rows.append(row | {"training_patients": n, "met": n >= patients})
    return pd.DataFrame(rows)

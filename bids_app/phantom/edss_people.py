"""The patients of study A's phantom: the published demographics, and a known model of disability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Array = npt.NDArray[np.float64]

PLANTED = {  # study A, table 2: region and feature; weight of the feature's latent variable in the score
    ("Frontal_Sup_Orb_R", "original_firstorder_Median"): -0.25,
    ("Amygdala_L", "original_glcm_Correlation"): 0.25,
    ("Caudate_L", "original_glcm_Imc1"): 0.26,
    ("Thalamus_R", "original_firstorder_Energy"): -0.26,
    ("Cerebelum_8_L", "original_gldm_SmallDependenceLowGrayLevelEmphasis"): 0.23,
    ("Vermis_4_5", "original_glszm_SizeZoneNonUniformity"): -0.23,
    ("Cerebelum_Crus1_L", "original_firstorder_Median"): -0.25,
}
AGE_WEIGHT = 0.28  # share of disability that age explains, squared: 8 %
NOISE = float(np.sqrt(1 - AGE_WEIGHT**2 - sum(weight**2 for weight in PLANTED.values())))
LEVELS = np.array([0, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5, 6, 6.5, 7, 7.5, 8])
# share of patients at or below each level, so that median and quartiles are the published ones
SHARES = {
    ("RR", 1): [0.03, 0.09, 0.17, 0.38, 0.62, 0.70, 0.82, 0.90, 0.94, 0.965, 0.985, 0.995, 1, 1, 1, 1],
    ("RR", 2): [0.06, 0.18, 0.42, 0.72, 0.77, 0.81, 0.84, 0.95, 0.965, 0.98, 0.99, 1, 1, 1, 1, 1],
    ("SP", 1): [0, 0, 0, 0, 0, 0.02, 0.06, 0.15, 0.30, 0.45, 0.60, 0.82, 0.93, 0.97, 0.99, 1],
}
SHARES[("SP", 2)] = SHARES[("SP", 1)]
EDSS_MODEL = (
    "Score = 0.28 z(age within course) + the planted features' latent variables by their weights + noise, variance 1; "
    "EDSS is the level whose published share of the patient's course and site the score's normal quantile reaches."
)
NULL_MODEL = "Drawn from the published distribution of the site, independent of everything else."
# age: mean and SD before cutting at 18 and 70; duration: gamma's shape and scale (years)
AGE = {"RR": (34.6, 11.0), "SP": (47.0, 9.5)}
DURATION = {"RR": (1.25, 6.6), "SP": (3.6, 5.1)}
AGE_LIMITS = (18.0, 70.0)  # adults, as study A's
SITES = {1: {"n": 500, "SP": 72, "M": 151}, 2: {"n": 104, "SP": 20, "M": 24}}
LESION_ML = {1: (10.6, 13.4), 2: (7.2, 8.6)}  # mean, SD
WBV_ML = {1: 1026.1, 2: 1042.6}


@dataclass(frozen=True)
class EDSSPatient:
    """One patient of study A's phantom; years, mL. `latent` belongs to `PLANTED`, in its order."""

    label: str
    site: int
    course: str
    sex: str
    age: float
    duration: float
    edss: float
    score: float
    latent: tuple[float, ...]
    lesion_ml: float
    wbv_ml: float
    tiv_ml: float
    age_z: float


def draw_patient(site: int, number: int, seed: int, null_outcome: bool) -> EDSSPatient:
    """Draw a patient; the same for the same seed, site and number, whatever the size of the cohort.

    Courses and sexes come round so that the published numbers of patients have the published counts. Lesion
    volume and brain volume follow the explained part of the score a little.

    Parameters
    ----------
    site : {1, 2}
    number : int
        From 1 within the site.
    seed : int
    null_outcome : bool
        Draw the EDSS independently of everything else.
    """
    rng = np.random.default_rng([seed, 31, site, number])
    course = "SP" if _turn(site, "SP", number) else "RR"
    male = _turn(site, "M", number)
    mean, sd = AGE[course]
    low, high = ((limit - mean) / sd for limit in AGE_LIMITS)
    z = float(stats.truncnorm.rvs(low, high, random_state=rng))
    age = mean + sd * z
    duration = float(np.clip(rng.gamma(*DURATION[course]), 0.1, age - 12))
    latent = rng.standard_normal(len(PLANTED))
    age_z = (z - stats.truncnorm.mean(low, high)) / stats.truncnorm.std(low, high)
    explained = AGE_WEIGHT * age_z + float(latent @ np.array(list(PLANTED.values())))
    score = explained + NOISE * rng.standard_normal()
    known = explained / np.sqrt(1 - NOISE**2)
    draws = np.random.default_rng([seed, 33, site, number])
    if null_outcome:
        score, drawn = float(draws.standard_normal()), draws.random() < SITES[site]["SP"] / SITES[site]["n"]
    edss = edss_of(score, ("SP" if drawn else "RR") if null_outcome else course, site)
    tiv = rng.normal(1560, 115) if male else rng.normal(1400, 105)
    wbv = WBV_ML[site] + 0.7 * (tiv - 1448) - 2.2 * (age - 37.5) - 20 * known + rng.normal(0, 62)
    return EDSSPatient(
        label=f"{site}{number:04d}",
        site=site,
        course=course,
        sex="M" if male else "F",
        age=round(age, 1),
        duration=round(duration, 1),
        edss=edss,
        score=score,
        latent=tuple(latent),
        lesion_ml=_lesion_volume(site, 0.35 * known + np.sqrt(1 - 0.35**2) * rng.standard_normal()),
        wbv_ml=float(np.clip(wbv, 0.55 * tiv, 0.92 * tiv)),
        tiv_ml=float(tiv),
        age_z=float((age - 37.5) / 10.9),
    )


def _turn(site: int, what: str, number: int) -> bool:
    """Whether it is this patient's turn: of the first k patients, the whole part of k times the share have it."""
    count, n = SITES[site][what], SITES[site]["n"]
    return number * count // n > (number - 1) * count // n


def _lesion_volume(site: int, z: float) -> float:
    """Return a log-normal volume (mL) with the published mean and SD."""
    mean, sd = LESION_ML[site]
    spread = np.log1p((sd / mean) ** 2)
    return float(np.exp(np.log(mean) - spread / 2 + np.sqrt(spread) * z))


def edss_of(score: float, course: str, site: int) -> float:
    """Return the EDSS of a standard-normal score: the level whose share of patients it reaches.

    Parameters
    ----------
    score : float
        Disability, a standard normal number.
    course : {"RR", "SP"}
    site : int
    """
    return float(LEVELS[np.searchsorted(SHARES[(course, site)], stats.norm.cdf(score))])

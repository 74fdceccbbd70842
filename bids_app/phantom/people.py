"""The people of a phantom cohort: who they are and how disability follows from what is known of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bids_app.phantom.lesions import NMOSD_LESION_FREE

EDSS_MODEL = (
    "EDSS = 0.5 + 0.035 (age - 20) + 0.9 ln(1 + lesion mL) + 4 atrophy + 2 if secondary progressive + noise (SD 0.5), "
    "in steps of 0.5, from 0 to 9.5"
)


@dataclass(frozen=True)
class Person:
    """One participant; ages and durations in years at the first session."""

    label: str
    diagnosis: str
    site: int
    age: float
    sex: str
    disease_duration: float
    disease_course: str
    lesion_count: int
    atrophy: float
    seed: int
    edss_noise: float

    @property
    def disease(self) -> str:
        """Whose sites the lesions have: RRMS is MS."""
        return "NMOSD" if self.diagnosis == "NMOSD" else "MS"

    @property
    def onset_age(self) -> float:
        """Age at the first symptom."""
        return round(self.age - self.disease_duration, 1)

    def edss(self, lesion_ml: float, years: float = 0.0) -> float:
        """Return the disability score that `EDSS_MODEL` gives.

        Parameters
        ----------
        lesion_ml : float
            Lesion volume in mL.
        years : float
            Time since the first session.
        """
        progressive = 2.0 if self.disease_course == "SP" else 0.0
        atrophy = self.atrophy_after(years)
        raw = 0.5 + 0.035 * (self.age + years - 20) + 0.9 * np.log1p(lesion_ml) + 4 * atrophy + progressive
        return float(np.clip(np.round(2 * (raw + self.edss_noise)) / 2, 0, 9.5))

    def atrophy_after(self, years: float) -> float:
        """Return the atrophy some years after the first session."""
        return self.atrophy + 0.01 * years

    def lesions_after(self, session: int) -> int:
        """Return the number of lesions at a session (0 is the first); lesions only come."""
        return self.lesion_count + (session * 2 if self.lesion_count else 0)


def draw_person(number: int, diagnosis: str, site: int, seed: int) -> Person:
    """Draw a participant; the same for the same seed and number, whoever else is in the cohort.

    Ages, sex and durations follow study B's cohort, the share of SP study A's. More lesions mean more
    atrophy.

    Parameters
    ----------
    number : int
        Of the participant, from 1.
    diagnosis : {"MS", "RRMS", "NMOSD"}
        An RRMS patient is an MS patient who is never secondary progressive.
    site : int
        Scanner.
    seed : int
    """
    rng = np.random.default_rng([seed, number])
    is_ms = diagnosis != "NMOSD"
    onset = float(np.clip(rng.normal(*((32.7, 10) if is_ms else (39.3, 11))), 16, 62))
    duration = float(np.clip(rng.gamma(2.2, 4.5), 0.2, 68 - onset))
    progressive = is_ms and rng.random() < 0.05 + 0.015 * duration and diagnosis == "MS"
    count = int(rng.poisson(6 + 1.1 * duration)) if is_ms else int(rng.poisson(4))
    if not is_ms and rng.random() < NMOSD_LESION_FREE:
        count = 0
    atrophy = float(np.clip(0.01 * count + 0.003 * (onset + duration - 30) + rng.normal(0, 0.03), 0, 0.45))
    return Person(
        label=f"{number:03d}",
        diagnosis=diagnosis,
        site=site,
        age=round(onset + duration, 1),
        sex="M" if rng.random() < (0.256 if is_ms else 0.124) else "F",
        disease_duration=round(duration, 1),
        disease_course=("SP" if progressive else "RR") if is_ms else "n/a",
        lesion_count=count,
        atrophy=atrophy,
        seed=int(rng.integers(2**31)),
        edss_noise=float(rng.normal(0, 0.5)),
    )

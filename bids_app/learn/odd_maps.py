"""Maps that are not like the others of a cohort: wrong scale, sign, place or content, found by robust limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEAST_BELIEF = (
    -1.5
)  # belief is intensity over a positive mean, less 1: below -1 only by overshoot of an interpolation
FEW_MAPS = 8  # maps from which a median absolute deviation can be told
N_SCALES = 6.0  # limits: median +- 6 robust SD, beyond which a normal variable lies twice in 10^9
COMMON_PATTERN = (
    0.1  # Fisher's z of a map with the mean of the others, from which on they have a pattern in common
)
LEGIBLE = {
    "median": "median of belief",
    "spread": "spread of belief",
    "zeros": "share of brain voxels that are 0",
    "likeness": "likeness to the mean map",
}
# least robust SD, so that maps of one scanner, all nearly alike, do not make ordinary ones odd
LEAST_SCALE = {"median": 0.02, "spread": 0.08, "zeros": 0.01, "likeness": 0.05}
MEASURES = tuple(LEGIBLE)


@dataclass(frozen=True)
class Usual:
    """What the maps of a cohort are like.

    Attributes
    ----------
    reference : ndarray of float32, shape (v,)
        Mean over visits of their maps, each scaled to mean 0 and SD 1.
    limits : dict of str to (low, high)
        Of each of `MEASURES`; empty where there were too few maps.
    """

    reference: npt.NDArray[np.float32]
    limits: dict[str, tuple[float, float]]

    def to_card(self) -> dict[str, list[float | None]]:
        """Return the limits as a card holds them, no limit as None."""
        return {
            name: [float(x) if np.isfinite(x) else None for x in both] for name, both in self.limits.items()
        }

    @classmethod
    def of(cls, reference: npt.NDArray[np.float32], card: Mapping[str, Sequence[float | None]]) -> Usual:
        """Return what a card and a reference map say.

        Raises
        ------
        ValueError
            If the card names limits that there are not.
        """
        if set(card) - set(MEASURES):
            raise ValueError(f"limits of {', '.join(sorted(set(card) - set(MEASURES)))} mean nothing")
        limits = {
            name: (-np.inf if low is None else float(low), np.inf if high is None else float(high))
            for name, (low, high) in card.items()
        }
        return cls(np.asarray(reference, np.float32), limits)

    def oddities(self, measures: Floats) -> list[str]:
        """Return, for each row of (n, 4) measures, in what it lies outside the limits; empty text where in none."""
        found = []
        for row in measures:
            parts = [
                f"{LEGIBLE[name]} {_shown(name, value)}, others {_shown(name, low)} to {_shown(name, high)}"
                for name, value in zip(MEASURES, row, strict=True)
                for low, high in [self.limits.get(name, (-np.inf, np.inf))]
                if not low <= value <= high
            ]
            found.append("; ".join(parts))
        return found


def _shown(name: str, value: float) -> str:
    """Return a measure in its own unit: spread is kept as its logarithm, likeness as Fisher's z."""
    if name == "spread":
        return f"{np.exp(value):.3g}"
    return f"{np.tanh(value):.2f}" if name == "likeness" else f"{value:.3g}"


def impossible(values: Floats) -> str:
    """Return why the brain voxels of a map (v,) cannot be belief, whatever the other maps are; empty if they can.

    Parameters
    ----------
    values : ndarray, shape (v,)
    """
    if not np.isfinite(values).all():
        return "holds NaN or infinite values"
    if not values.any():
        return "is empty"
    if np.ptp(values) == 0:
        return "holds one value everywhere"
    if values.min() < LEAST_BELIEF:
        return f"goes down to {values.min():.3g}; belief of an image without negative intensities ends at -1"
    return ""


def map_measures(values: Floats) -> list[float]:
    """Return median, logarithm of the interquartile range and share of zeros of a map (v,).

    Median and interquartile range hardly move with lesions, which no limit may take for a fault.
    """
    low, median, high = np.quantile(values, (0.25, 0.5, 0.75))
    spread = float(np.log(high - low)) if high > low else -np.inf
    return [float(median), spread, float(np.mean(values == 0))]


def scaled(row: npt.NDArray[Any]) -> Floats:
    """Return a map (v,) with mean 0 and SD 1."""
    values = np.asarray(row, np.float64)
    return (values - values.mean()) / values.std()


def learn_usual(belief: npt.NDArray[np.float32], of_map: Floats) -> tuple[Usual, Floats]:
    """Learn what the maps of a cohort are like.

    Parameters
    ----------
    belief : ndarray of float32, shape (n, v)
        Maps that are not `impossible`; read row by row.
    of_map : ndarray, shape (n, 3)
        `map_measures` of each.

    Returns
    -------
    usual : Usual
    measures : ndarray, shape (n, 4)
        `of_map` and likeness: Fisher's z of the correlation with the mean of the others.
    """
    total = np.zeros(belief.shape[1])
    for row in belief:
        total += scaled(row)
    others = max(len(belief) - 1, 1)
    z = [fisher_z(row, (total - scaled(row)) / others) for row in belief]
    measures = np.column_stack([of_map, z])
    return Usual((total / len(belief)).astype(np.float32), usual_limits(measures)), measures


def usual_limits(measures: Floats) -> dict[str, tuple[float, float]]:
    """Return the limits of each measure (n, 4) beyond which a map is odd; none where there are fewer than 8 maps."""
    if len(measures) < FEW_MAPS:
        return {}
    limits = {
        name: robust_limits(column, LEAST_SCALE[name])
        for name, column in zip(MEASURES, measures.T, strict=True)
    }
    middle = float(np.median(measures[:, MEASURES.index("likeness")]))
    limits["zeros"] = (-np.inf, limits["zeros"][1])
    limits["likeness"] = (_least_likeness(limits["likeness"][0], middle), np.inf)
    return limits


def _least_likeness(low: float, middle: float) -> float:
    """Return the least likeness: where maps are alike at all, a quarter of the median, which no map upside down has."""
    return max(low, middle / 4) if middle >= COMMON_PATTERN else low


def measures_against(usual: Usual, belief: npt.NDArray[np.float32], of_map: Floats) -> Floats:
    """Return the measures (n, 4) of new maps against what is usual in another cohort.

    Parameters
    ----------
    usual : Usual
        Mean map and limits of the other cohort.
    belief : ndarray of float32, (n, v)
        Belief at the brain's voxels.
    of_map : ndarray, (n, 3)
        Median, spread and share of zeros of each map.
    """
    return np.column_stack([of_map, [fisher_z(row, usual.reference) for row in belief]])


def fisher_z(row: npt.NDArray[Any], reference: npt.NDArray[Any]) -> float:
    """Return Fisher's z of the correlation of two maps (v,); 0 where one is constant."""
    spread = np.std(reference)
    r = float(np.mean(scaled(row) * (reference - np.mean(reference))) / spread) if spread > 0 else 0.0
    return float(np.arctanh(np.clip(r, -0.999999, 0.999999)))


def robust_limits(values: Floats, least_scale: float) -> tuple[float, float]:
    """Return median -+ 6 robust SD (1.4826 median absolute deviations; Leys et al. 2013, J Exp Soc Psychol 49:764)."""
    known = values[np.isfinite(values)]
    middle = float(np.median(known)) if known.size else 0.0
    scale = max(1.4826 * float(np.median(np.abs(known - middle))) if known.size else 0.0, least_scale)
    return middle - N_SCALES * scale, middle + N_SCALES * scale

"""Where lesion frequency differs between classes of patients, tested by permuting diagnoses between patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

LEAST_PATIENTS = 5  # with a lesion at a voxel, below which it is not tested
PERMUTATIONS = 1000  # the smallest P is then .001
PERMUTATION_BLOCK = 100  # permutations at once


@dataclass(frozen=True)
class PermutationMap:
    """A difference map with P values that hold for the whole map.

    Attributes
    ----------
    z : ndarray of float32, shape (v,)
        Difference of the classes' mean lesion frequencies over patients, in standard errors under no difference;
        positive where lesions are more frequent in the first class, 0 where not tested.
    p : ndarray of float32, shape (v,)
        Share of permutations in which any voxel's |z| reaches this one's (family-wise); 1 where not tested.
    tested : ndarray of bool, shape (v,)
        Voxels where enough patients have a lesion.
    permutations : int
    """

    z: npt.NDArray[np.float32]
    p: npt.NDArray[np.float32]
    tested: Flags
    permutations: int


def patient_frequency(maps: Flags, y: Flags, patient: npt.NDArray[Any]) -> tuple[Floats, Flags]:
    """Return each patient's share of scans with a lesion at each voxel, (patients, v), and the patients' classes.

    Scans of one patient repeat its lesions; what is independent is the patient.

    Parameters
    ----------
    maps : ndarray of bool, (n, v)
        Lesion maps.
    y : ndarray of bool, (n,)
        Class of each scan.
    patient : ndarray, (n,)
        Patient of each scan.
    """
    _, first, number = np.unique(patient.astype(str), return_index=True, return_inverse=True)
    frequency = np.empty((len(first), maps.shape[1]))
    for k in range(len(first)):
        frequency[k] = maps[number == k].mean(axis=0)
    return frequency, y[first]


def permutation_map(
    maps: Flags,
    y: Flags,
    patient: npt.NDArray[Any],
    *,
    seed: int,
    permutations: int = PERMUTATIONS,
    least_patients: int = LEAST_PATIENTS,
) -> PermutationMap:
    """Test lesion frequency at every voxel, whole patients permuted.

    Parameters
    ----------
    maps : ndarray of bool, shape (n, v)
        Lesion maps of scans.
    y : ndarray of bool, shape (n,)
        True for the first class; one class per patient.
    patient : ndarray, shape (n,)
    seed : int
        Of the permutations.
    permutations : int
    least_patients : int
        With a lesion at a voxel, for it to be tested: the minimum overlap.

    References
    ----------
    Westfall and Young 1993, Resampling-Based Multiple Testing: the largest statistic of all voxels. Winkler et al.
    2014, NeuroImage 92:381: exchangeable blocks.
    """
    frequency, of = patient_frequency(maps, y, patient)
    tested = (frequency > 0).sum(axis=0) >= least_patients
    z, p = np.zeros(maps.shape[1], np.float32), np.ones(maps.shape[1], np.float32)
    if tested.any() and of.any() and not of.all():
        standard = _standardised(frequency[:, tested])
        observed = _contrast(of) @ standard
        rng, largest = np.random.default_rng(seed), np.empty(permutations)
        for start in range(0, permutations, PERMUTATION_BLOCK):
            some = np.array(
                [_contrast(rng.permutation(of)) for _ in range(min(PERMUTATION_BLOCK, permutations - start))]
            )
            largest[start : start + len(some)] = np.abs(some @ standard).max(axis=1)
        z[tested] = observed
        reached = permutations - np.searchsorted(np.sort(largest), np.abs(observed) - 1e-9)
        p[tested] = (1 + reached) / (1 + permutations)
    return PermutationMap(z, p, tested, permutations)


def _standardised(frequency: Floats) -> Floats:
    """Return columns with mean 0 and SD 1 over patients; those that do not vary become 0."""
    spread = frequency.std(axis=0, ddof=1)
    return (frequency - frequency.mean(axis=0)) / np.where(spread > 0, spread, 1)


def _contrast(of: Flags) -> Floats:
    """Return weights (n,) that turn standardised columns into differences of means in standard errors."""
    n_1, n_0 = int(of.sum()), int((~of).sum())
    return np.where(of, 1 / n_1, -1 / n_0) / np.sqrt(1 / n_1 + 1 / n_0)


def small_expected(maps: Flags, y: Flags, least: float = 5.0) -> float:
    """Return the share of voxels with any lesion whose chi-square test has an expected count below `least`.

    Parameters
    ----------
    maps : ndarray of bool, (n, v)
        Lesion maps.
    y : ndarray of bool, (n,)
        Class of each scan.
    least : float
        Expected count below which the chi-square distribution does not hold (Cochran's rule).
    """
    with_lesion = maps.sum(axis=0)
    seen = with_lesion > 0
    expected = np.minimum(with_lesion, len(y) - with_lesion) * min(y.mean(), 1 - y.mean())
    return float((expected[seen] < least).mean()) if seen.any() else 0.0

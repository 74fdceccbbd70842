"""What a sweep over numbers of voxels tries, and everything it scored and fitted."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.errors import InputError
from bids_app.learn.diagnosis.engine import Fold, Kernel, SizeModel, binary_distances

PAPER_SIZES: tuple[int | Literal["all"], ...] = (*(2**i for i in range(16)), "all")
PAPER_GRID: tuple[float, ...] = tuple(2.0**i for i in range(-3, 6))
VANISHED = 1e-6  # a kernel value that leaves a scan alone with itself
GammaScale = Literal["paper", "median"]


@dataclass(frozen=True)
class Grid:
    """What a sweep tries; the default is study B's."""

    sizes: tuple[int | Literal["all"], ...] = PAPER_SIZES
    C: tuple[float, ...] = PAPER_GRID
    gamma: tuple[float, ...] = PAPER_GRID
    gamma_scale: GammaScale = "paper"
    kernel: Kernel = "rbf"

    def __post_init__(self) -> None:
        if self.gamma_scale not in ("paper", "median"):
            raise ValueError(f"gamma_scale is 'paper' or 'median', not {self.gamma_scale!r}")

    @property
    def c(self) -> npt.NDArray[np.float64]:
        """Penalties, ascending."""
        return np.sort(np.asarray(self.C, float))

    def scaled_gamma(self, median: float) -> npt.NDArray[np.float64]:
        """Return the values of gamma to use where the median squared distance is `median`, ascending."""
        gamma = np.sort(np.asarray(self.gamma, float))
        return gamma / median if self.gamma_scale == "median" else gamma


PAPER = Grid()


class VanishingKernelWarning(UserWarning):
    """Between most scans the kernel is zero: the machine only remembers its training scans."""


@dataclass(frozen=True)
class Sweep:
    """Everything a sweep scored and fitted.

    Attributes
    ----------
    classes : ndarray, shape (2,)
        Labels in sorted order; a decision value >= 0 calls the second.
    sizes : ndarray of int, shape (S,)
        Numbers of voxels.
    C : ndarray, shape (nC,)
        Penalties, ascending.
    gamma : ndarray, shape (S, nG)
        Kernel parameters as used, ascending.
    folds : list of (train, test)
        Indices into the training scans.
    decisions : ndarray, shape (S, nC, nG, n)
        Out-of-fold decision values of every training scan in every setting.
    fold_scores : ndarray, shape (S, nC, nG, n_folds)
        Accuracy in each fold.
    fold_aucs : ndarray, shape (S, n_folds)
        Area under the ROC curve in each fold, at each size's best C and gamma; NaN for folds of one class.
    best : ndarray of int, shape (S, 2)
        Index of C and of gamma with the highest mean accuracy; ties to the smallest C, then gamma.
    models : list of SizeModel
        Per size, the machine fitted on all training scans with the best C and gamma.
    median_distance : ndarray, shape (S,)
        Median squared distance between training scans.
    order, statistic : ndarray, shape (n_voxels,)
        `chi2_rank` of all training scans (empty where the features are not ranked voxels).
    test_decisions : ndarray, shape (S, n_test)
        Decision values of the scans given as test.
    """

    classes: npt.NDArray
    sizes: npt.NDArray[np.intp]
    C: npt.NDArray[np.float64]
    gamma: npt.NDArray[np.float64]
    folds: list[Fold]
    decisions: npt.NDArray[np.float64]
    fold_scores: npt.NDArray[np.float64]
    fold_aucs: npt.NDArray[np.float64]
    best: npt.NDArray[np.intp]
    models: list[SizeModel]
    median_distance: npt.NDArray[np.float64]
    order: npt.NDArray[np.intp]
    statistic: npt.NDArray[np.float64]
    test_decisions: npt.NDArray[np.float64]
    kernel: Kernel = "rbf"
    training_maps: npt.NDArray[np.bool_] | None = None

    @property
    def mean_scores(self) -> npt.NDArray[np.float64]:
        """Mean accuracy over folds, shape (S, nC, nG)."""
        return self.fold_scores.mean(axis=-1)

    @property
    def predictions(self) -> npt.NDArray:
        """Out-of-fold class labels, shape (S, nC, nG, n)."""
        return self.classes[(self.decisions >= 0).astype(int)]

    @property
    def best_size(self) -> int:
        """Index of the size with the highest mean fold AUC; ties to the higher accuracy, then the smaller size."""
        area = np.round(np.nanmean(self.fold_aucs, axis=1), 12)
        accuracy = np.round(self.mean_scores.max(axis=(1, 2)), 12)
        return int(np.lexsort((self.sizes, -accuracy, -area))[0])

    @property
    def vanished(self) -> npt.NDArray[np.bool_]:
        """Where the kernel between scans at the median distance is below 1e-6, shape (S, nG)."""
        gone = np.exp(-self.gamma * self.median_distance[:, None]) < VANISHED
        return gone if self.kernel == "rbf" else np.zeros_like(gone)

    def table(self) -> pd.DataFrame:
        """Return one row per number of voxels: best C and gamma, cross-validated accuracy and AUC."""
        i = np.arange(len(self.sizes))
        return pd.DataFrame(
            {
                "n_voxels": self.sizes,
                "C": self.C[self.best[:, 0]],
                "gamma": self.gamma[i, self.best[:, 1]],
                "cv_accuracy": self.mean_scores[i, self.best[:, 0], self.best[:, 1]],
                "cv_auc": np.nanmean(self.fold_aucs, axis=1),
                "median_squared_distance": self.median_distance,
                "kernel_vanished": self.vanished[i, self.best[:, 1]],
            }
        )

    def decision_function(self, maps: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        """Return decision values of new maps, shape (n_maps, S)."""
        if self.training_maps is None:
            raise ValueError("this sweep was not fitted on lesion maps")
        distances = binary_distances(maps, self.training_maps, self.order, self.sizes.tolist())
        return np.stack([m.decide(d) for m, d in zip(self.models, distances, strict=True)], axis=1)

    def predict(self, maps: npt.NDArray[np.bool_]) -> npt.NDArray:
        """Return the called labels of new maps, shape (n_maps, S)."""
        return self.classes[(self.decision_function(maps) >= 0).astype(int)]


def parse_sizes(texts: Sequence[str]) -> tuple[int | Literal["all"], ...]:
    """Return the numbers of voxels that `--sizes` asks for; study B's where it asks for none.

    Raises
    ------
    InputError
        If one is neither a whole number above 0 nor `all`.
    """
    for text in texts:
        if text != "all" and not (text.isdecimal() and int(text) > 0):
            raise InputError(f"--sizes {text}: write whole numbers of voxels above 0, or all")
    return tuple("all" if text == "all" else int(text) for text in texts) or PAPER_SIZES


def resolve_sizes(sizes: Sequence[int | Literal["all"]], n_voxels: int) -> list[int]:
    """Return ascending numbers of voxels that exist in maps of `n_voxels`."""
    wanted = {n_voxels if size == "all" else int(size) for size in sizes}
    found = sorted(size for size in wanted if 0 < size <= n_voxels)
    if not found:
        raise InputError(f"no size among {list(sizes)} fits maps of {n_voxels} voxels; give smaller sizes")
    return found


def warn_vanished(result: Sweep) -> None:
    """Warn where no gamma of the grid leaves a kernel between scans."""
    gone = result.sizes[result.vanished.all(axis=1)]
    if len(gone):
        warnings.warn(
            f"from {gone[0]} voxels on the kernel vanishes between scans (below {VANISHED:g} at the median "
            'distance for every gamma of the grid); gamma_scale="median" adapts gamma to the distances',
            VanishingKernelWarning,
            stacklevel=3,
        )

"""What a classifier sees of a scan: lesions above a trained threshold, belief values, clinical columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from bids_app.learn.diagnosis.engine import (
    MapView,
    Ranking,
    Rows,
    View,
    median_distance,
    value_distances,
)
from bids_app.learn.lesion_maps import MapStore

N_SD = 2.54  # study B: p < .01


class LesionFrequency(TransformerMixin, BaseEstimator):
    """Lesion maps: brain voxels whose grey-matter belief lies above a threshold (study B, section 4.1).

    Parameters
    ----------
    threshold : "train" or float
        `train` learns mean + `n_sd` standard deviations of all brain voxels of the maps given to `fit`.
    n_sd : float
        Standard deviations above the mean.

    Attributes
    ----------
    threshold_, mean_, sd_ : float
        What was learned, in units of belief.
    mask_ : ndarray of bool
        The brain mask.
    """

    def __init__(self, threshold: Literal["train"] | float = "train", n_sd: float = N_SD) -> None:
        self.threshold = threshold
        self.n_sd = n_sd

    def fit(self, belief_maps: Any, brain_mask: Any) -> LesionFrequency:
        """Learn the threshold.

        Parameters
        ----------
        belief_maps : ndarray, shape (n, *grid), or sequence of images or paths
            Belief maps of the training scans.
        brain_mask : ndarray of bool, shape of the grid, or image or path
            Brain voxels.

        Raises
        ------
        ValueError
            If there are no maps, their shapes differ, no voxel is inside the mask, or a value there is not finite.
        """
        self.mask_ = _volume(brain_mask) > 0
        values = self._inside(belief_maps)
        sums = np.array([[v.sum(), np.square(v).sum()] for v in values])
        self.mean_, self.sd_ = belief_moments(sums, values.shape[1])
        learned = self.mean_ + self.n_sd * self.sd_
        self.threshold_ = learned if self.threshold == "train" else float(self.threshold)
        return self

    def transform(self, belief_maps: Any) -> npt.NDArray[np.bool_]:
        """Return lesion maps at brain voxels, shape (n, n_brain_voxels), in C order of the mask."""
        check_is_fitted(self)
        return self._inside(belief_maps) > self.threshold_

    def _inside(self, belief_maps: Any) -> npt.NDArray[np.float64]:
        maps = [_volume(one) for one in belief_maps]
        if not maps or not self.mask_.any() or any(one.shape != self.mask_.shape for one in maps):
            raise ValueError(f"belief maps must have the brain mask's shape {self.mask_.shape}, not empty")
        values = np.array([one[self.mask_] for one in maps], dtype=np.float64)
        if not (known := np.isfinite(values).all(axis=1)).all():
            raise ValueError(f"belief map {int(np.argmin(known))} holds NaN or infinite values in the brain")
        return values


def _volume(image: Any) -> npt.NDArray[Any]:
    if isinstance(image, str | Path):
        image = nib.load(image)
    return np.asanyarray(image.dataobj if hasattr(image, "dataobj") else image)


def above(belief: npt.NDArray[np.float32], threshold: float) -> npt.NDArray[np.bool_]:
    """Return where single-precision values exceed a double, without making doubles of them."""
    nearest = np.float32(threshold)
    below = nearest if float(nearest) <= threshold else np.nextafter(nearest, np.float32(-np.inf))
    return belief > below


def belief_moments(sums: npt.NDArray[np.float64], n_voxels: int) -> tuple[float, float]:
    """Return mean and standard deviation over all voxels from each scan's sum and sum of squares."""
    total, squares = sums.sum(axis=0) / (len(sums) * n_voxels)
    return float(total), float(np.sqrt(max(squares - total**2, 0)))


@dataclass
class LesionView:
    """Lesion maps of the store, voxels ranked by chi-square; both learned on the training scans alone.

    Attributes
    ----------
    store : MapStore
        The maps.
    y : ndarray
        Class of each scan; only those of training scans are used.
    source : {"belief", "segmentation"}
        Belief above the trained threshold, or the lesion masks as segmented.
    threshold, n_sd : float
        As in `LesionFrequency`.
    """

    store: MapStore
    y: npt.NDArray[Any]
    source: Literal["belief", "segmentation"] = "belief"
    threshold: Literal["train"] | float = "train"
    n_sd: float = N_SD
    _last: tuple[bytes, MapView] | None = field(default=None, repr=False)

    @property
    def n_voxels(self) -> int:
        """Number of brain voxels."""
        return self.store.n_voxels

    def threshold_of(self, train: Rows) -> float:
        """Return the belief above which a voxel is a lesion."""
        if self.threshold != "train":
            return float(self.threshold)
        mean, sd = belief_moments(np.asarray(self.store.sums)[train], self.store.n_voxels)
        return mean + self.n_sd * sd

    def fitted(self, train: Rows) -> MapView:
        """Return the lesion maps of all scans at the threshold of the training scans."""
        key = b"" if self.source == "segmentation" else train.tobytes()
        if self._last is None or self._last[0] != key:
            if self.source == "segmentation":
                maps = self.store.lesions()
            else:
                maps = above(np.asarray(self.store.belief), self.threshold_of(train))
            self._last = (key, MapView(maps, self.y))
        return self._last[1]

    def ranking(self, train: Rows) -> Ranking:
        """Return `chi2_rank` of the training scans."""
        return self.fitted(train).ranking(train)

    def __call__(self, train: Rows, rows: Rows, sizes: Sequence[int]) -> Iterator[npt.NDArray[np.int32]]:
        """Yield squared distances per number of voxels."""
        return self.fitted(train)(train, rows, sizes)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the large maps out when sent to another process."""
        return {**self.__dict__, "_last": None}


@dataclass
class BeliefView:
    """Belief values themselves at the voxels that `LesionView` ranks (the authors' first proposal)."""

    lesions: LesionView

    @property
    def n_voxels(self) -> int:
        """Number of brain voxels."""
        return self.lesions.n_voxels

    def ranking(self, train: Rows) -> Ranking:
        """Return the ranking of the lesion maps."""
        return self.lesions.ranking(train)

    def __call__(self, train: Rows, rows: Rows, sizes: Sequence[int]) -> Iterator[npt.NDArray[np.float64]]:
        """Yield squared distances between belief values per number of voxels."""
        order = self.ranking(train)[1]
        some = [size for size in sizes if size < self.n_voxels]
        if some:
            first = order[: some[-1]]
            belief = np.asarray(self.lesions.store.belief)
            left, right = belief[np.ix_(rows, first)], belief[np.ix_(train, first)]
            yield from value_distances(left, right, np.arange(len(first)), some)
        for _ in sizes[len(some) :]:
            yield self._over_all[np.ix_(rows, train)]

    @cached_property
    def _over_all(self) -> npt.NDArray[np.float64]:
        """Squared distances over all voxels, (n, n), which no ranking changes."""
        belief = self.lesions.store.belief
        return next(value_distances(belief, belief, np.arange(self.n_voxels), [self.n_voxels]))


@dataclass
class ClinicalView:
    """Clinical columns, standardised on the training scans; missing values become the training median.

    Attributes
    ----------
    values : ndarray, shape (n, p)
        Numeric columns; NaN where missing.
    with_maps : View, optional
        Maps to combine with: both squared distances are divided by their medians and added, which multiplies
        the two kernels.
    """

    values: npt.NDArray[np.float64]
    with_maps: View | None = None

    @property
    def n_voxels(self) -> int:
        """Number of features: voxels of the maps, or clinical columns alone."""
        return self.with_maps.n_voxels if self.with_maps else self.values.shape[1]

    def ranking(self, train: Rows) -> Ranking:
        """Return the ranking of the maps, if any."""
        if self.with_maps:
            return self.with_maps.ranking(train)
        return np.empty(0), np.empty(0, np.intp)

    def standardised(self, train: Rows) -> npt.NDArray[np.float64]:
        """Return the columns, filled and scaled by the training scans."""
        seen = self.values[train]
        known = np.isfinite(seen).any(axis=0)
        filled = self.values[:, known]
        filled = np.where(np.isfinite(filled), filled, np.nanmedian(seen[:, known], axis=0))
        sd = filled[train].std(axis=0)
        return (filled - filled[train].mean(axis=0)) / np.where(sd > 0, sd, 1)

    def __call__(self, train: Rows, rows: Rows, sizes: Sequence[int]) -> Iterator[npt.NDArray[np.float64]]:
        """Yield squared distances: the same for every size without maps."""
        z = self.standardised(train)
        every = np.arange(z.shape[1])
        clinical = next(value_distances(z[rows], z[train], every, [z.shape[1]]))
        if self.with_maps is None:
            yield from (clinical for _ in sizes)
            return
        n = len(train)  # rows begin with the training scans
        clinical = clinical / median_distance(clinical[:n])
        for distance in self.with_maps(train, rows, sizes):
            yield distance / median_distance(distance[:n]) + clinical

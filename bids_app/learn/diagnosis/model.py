"""The machine for new scans: everything chosen by leak-free cross-validation on all scans of the cohort."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.errors import InputError
from bids_app.learn.diagnosis.engine import MapView, binary_distances, kernel_values
from bids_app.learn.diagnosis.grid import Sweep
from bids_app.learn.diagnosis.operating_point import OperatingPoint
from bids_app.learn.diagnosis.options import Options
from bids_app.learn.diagnosis.protocols import learn_points
from bids_app.learn.diagnosis.scans import Scans
from bids_app.learn.diagnosis.sizes import cv_folds, search
from bids_app.learn.diagnosis.views import LesionView, above
from bids_app.learn.lesion_maps import MapStore
from bids_app.learn.map_prints import SAME, bits_apart, fingerprints
from bids_app.learn.odd_maps import Usual, usual_limits

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class VoxelMachine:
    """An RBF support vector machine on thresholded belief at chosen voxels.

    Attributes
    ----------
    voxels : ndarray of int, shape (k,)
        Indices among the brain voxels.
    threshold : float
        Belief above which a voxel is a lesion.
    C, gamma : float
        Penalty and kernel parameter.
    support : ndarray of uint8, shape (s, ceil(k / 8))
        Lesion maps of the support scans at these voxels, one bit each.
    weights : ndarray, shape (s,)
        Dual coefficients.
    intercept : float
        Decisions are counted from the cut: not negative calls the machine's class.
    low, high : float
        Decisions between them are not called.
    slope, offset : float
        The probability of the machine's class is 1 / (1 + exp(-(slope * decision + offset))).
    """

    voxels: npt.NDArray[np.intp]
    threshold: float
    C: float
    gamma: float
    support: npt.NDArray[np.uint8]
    weights: Floats
    intercept: float
    low: float
    high: float
    slope: float
    offset: float

    @classmethod
    def of(
        cls, found: Sweep, maps: npt.NDArray[np.bool_], threshold: float, point: OperatingPoint
    ) -> VoxelMachine:
        """Take the machine of a sweep's best size, fitted to lesion maps (n, v), with that size's operating point.

        Parameters
        ----------
        found : Sweep
            Machines by number of voxels.
        maps : ndarray of bool, (n, v)
            Lesion maps of the training scans.
        threshold : float
            Belief above which a voxel is lesion.
        point : OperatingPoint
            Where that size's decisions are cut.
        """
        best = found.best_size
        voxels, fitted = found.order[: found.sizes[best]], found.models[best]
        return cls(
            voxels=voxels,
            threshold=float(threshold),
            C=fitted.C,
            gamma=fitted.gamma,
            support=np.packbits(maps[fitted.machine.support_][:, voxels], axis=1),
            weights=fitted.machine.dual_coef_[0],
            intercept=float(fitted.machine.intercept_[0]) - point.cut,
            low=point.low - point.cut,
            high=point.high - point.cut,
            slope=point.slope,
            offset=point.intercept + point.slope * point.cut,
        )

    @property
    def point(self) -> OperatingPoint:
        """What its decision values mean."""
        return OperatingPoint(0.0, self.low, self.high, self.slope, self.offset)

    def distances(self, maps: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
        """Return in how many of the chosen voxels lesion maps (n, v) differ from each support scan, (n, s)."""
        k = len(self.voxels)
        return next(binary_distances(maps[:, self.voxels], self.support_maps, np.arange(k), [k]))

    @cached_property
    def support_maps(self) -> npt.NDArray[np.bool_]:
        """Lesion maps of the support scans at the chosen voxels, (s, k)."""
        return np.unpackbits(self.support, axis=1, count=len(self.voxels)).astype(bool)

    def decide(self, maps: npt.NDArray[np.bool_]) -> Floats:
        """Return decision values of lesion maps (n, v); not negative calls the machine's class."""
        return self.decide_from(self.distances(maps))

    def decide_from(self, distances: npt.NDArray[Any]) -> Floats:
        """Return decision values (...) from the distances to the support scans, (..., s)."""
        values: Floats = kernel_values(distances, self.gamma) @ self.weights + self.intercept
        return values


@dataclass(frozen=True)
class DiagnosisModel:
    """Machines for all classes, and the grid that their voxels live on.

    Attributes
    ----------
    classes : tuple of str
        Labels; with two, one machine whose positive decisions call the first; with more, one per class.
    machines : list of VoxelMachine
        Fitted machines; all have one threshold.
    mask : ndarray of bool
        Brain voxels of the grid.
    affine : ndarray, shape (4, 4)
        Voxel to template mm.
    cv : list of dict
        Per machine: number of voxels, C, gamma and cross-validated accuracy and AUC.
    usual : Usual
        What the belief maps of training are like.
    prints : ndarray of uint8, shape (n, 64)
        Fingerprints of the training scans.
    """

    classes: tuple[str, ...]
    machines: list[VoxelMachine]
    mask: npt.NDArray[np.bool_]
    affine: Floats
    cv: list[dict[str, Any]]
    usual: Usual
    prints: npt.NDArray[np.uint8]

    def _named(self) -> list[tuple[str, VoxelMachine]]:
        return list(zip(self.positives, self.machines, strict=True))

    @property
    def positives(self) -> tuple[str, ...]:
        """Class that each machine's decisions speak for."""
        return self.classes[: len(self.machines)]

    def predict(self, store: MapStore) -> pd.DataFrame:
        """Call the diagnosis of every visit of a store.

        Returns
        -------
        DataFrame
            Column `called`, one decision value per machine (`decision_<class>`), and the measures of `describe`.

        Raises
        ------
        InputError
            If the store's maps are on another grid.
        """
        if store.mask.shape != self.mask.shape or not np.allclose(store.affine, self.affine, atol=1e-3):
            raise InputError(
                f"belief maps have shape {store.mask.shape}, the model was trained on {self.mask.shape} or another "
                "affine; process the visits with the model's template"
            )
        if not np.array_equal(store.mask, self.mask):
            raise InputError(
                f"brain mask has {store.n_voxels} voxels, the model's {int(self.mask.sum())} or others; use the "
                "model's template"
            )
        maps = self.lesions(store)
        decisions = np.column_stack([machine.decide(maps) for machine in self.machines])
        table = pd.DataFrame(decisions, columns=[f"decision_{name}" for name in self.positives])
        if len(self.machines) == 1:
            decisions = np.column_stack([decisions, -decisions])
        index = decisions.argmax(axis=1)  # a decision of 0 calls the first, as in the machine itself
        table.insert(0, "called", np.array(self.classes, dtype=object)[index])
        best = decisions.argmax(axis=1) if len(self.machines) > 1 else np.zeros(len(maps), np.intp)
        sure = np.column_stack([m.point.called(table[f"decision_{n}"].to_numpy()) for n, m in self._named()])
        table.insert(1, "indeterminate", ~sure[np.arange(len(maps)), best])
        for name, machine in self._named():
            table[f"probability_{name}"] = machine.point.probability(table[f"decision_{name}"].to_numpy())
        return table.join(self.describe(store, maps))

    def seen(self, store: MapStore) -> npt.NDArray[np.bool_]:
        """Return which scans of a store (n,) were in training, by their fingerprints."""
        if not len(self.prints):
            return np.zeros(len(store.belief), bool)
        near: npt.NDArray[np.bool_] = bits_apart(fingerprints(store.belief), self.prints) <= SAME
        return np.any(near, axis=1)

    def lesions(self, store: MapStore) -> npt.NDArray[np.bool_]:
        """Return the lesion maps that the machines see, (n, v)."""
        return above(np.asarray(store.belief), self.machines[0].threshold)

    def describe(
        self,
        store: MapStore,
        maps: npt.NDArray[np.bool_],
        patient: npt.NDArray[Any] | None = None,
        support: list[npt.NDArray[np.intp]] | None = None,
    ) -> pd.DataFrame:
        """Return what tells whether scans are like those in training.

        Parameters
        ----------
        store : MapStore
        maps : ndarray of bool, shape (n, v)
            `lesions` of the store.
        patient : ndarray, shape (n,), optional
            Patient of each scan; with `support`, the scans' own patient does not count as a neighbour.
        support : list of ndarray, optional
            For each machine, which of these scans support it.

        Returns
        -------
        DataFrame
            belief_mean, belief_sd (over brain voxels), lesion_voxels, and for each machine nearest_<class>: in how many
            of its voxels the scan differs from the most similar support scan.
        """
        mean, square = np.asarray(store.sums).T / store.n_voxels
        table = pd.DataFrame({"belief_mean": mean, "belief_sd": np.sqrt(np.maximum(square - mean**2, 0))})
        table["lesion_voxels"] = maps.sum(axis=1)
        for k, (name, machine) in enumerate(zip(self.positives, self.machines, strict=True)):
            distance = machine.distances(maps).astype(np.float64)
            if patient is not None and support is not None:
                distance[patient[:, None] == patient[support[k]][None, :]] = np.nan
            known = np.isfinite(distance).any(axis=1)
            nearest = np.full(len(maps), np.nan)
            nearest[known] = np.nanmin(distance[known], axis=1)
            table[f"nearest_{name}"] = nearest
        return table


def fit_model(
    scans: Scans,
    store: MapStore,
    options: Options,
    seed: int,
) -> tuple[DiagnosisModel, pd.DataFrame]:
    """Choose number of voxels, C and gamma as inside an outer fold of the leak-free protocol, and fit on all scans.

    Patients are kept whole and ranking and threshold learned inside the folds; the number of voxels is that of the
    highest mean AUC over folds, and so are C and gamma; the operating point is learned from the decisions made out of
    fold. The threshold of the model is that of all scans.

    Parameters
    ----------
    scans : Scans
        All scans of the cohort.
    store : MapStore
        Their maps.
    options : Options
        Choices of the study.
    seed : int
        Of the folds.

    Returns
    -------
    model : DiagnosisModel
    measures : DataFrame
        `DiagnosisModel.describe` of the training scans, own patients left out.
    """
    every = np.arange(len(scans.table))
    machines, chosen, support = [], [], []
    maps: npt.NDArray[np.bool_]
    for positive in scans.classes[: 1 if len(scans.classes) == 2 else None]:
        y = scans.label == positive
        view = LesionView(store, y, "belief", options.threshold, options.n_sd)
        folds = cv_folds(y, scans.patient, options.cv, seed)
        found = search(view, y, options.grid, every, folds, inside_folds=True, choose="auc")
        point = learn_points(found, y, options.rule, scans.patient)[found.best_size]
        fitted: MapView = view.fitted(every)
        maps = fitted.maps
        machines.append(VoxelMachine.of(found, maps, view.threshold_of(every), point))
        support.append(found.models[found.best_size].machine.support_)
        row = found.table().iloc[found.best_size].to_dict()
        chosen.append({"positive": positive} | {str(name): value for name, value in row.items()})
    usual = Usual(np.array(store.reference), usual_limits(np.asarray(store.measures)))
    prints = fingerprints(store.belief)
    model = DiagnosisModel(scans.classes, machines, store.mask, store.affine, chosen, usual, prints)
    return model, model.describe(store, maps, scans.patient, support)

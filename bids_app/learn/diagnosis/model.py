"""The machine for new scans: everything chosen by leak-free cross-validation on all scans of the cohort."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin

from bids_app.errors import InputError
from bids_app.learn.diagnosis.scans import Scans
from bids_app.learn.diagnosis.sizes import Grid, cv_folds, search
from bids_app.learn.diagnosis.views import LesionView, above
from bids_app.learn.lesion_maps import MapStore


class VoxelMachine(ClassifierMixin, BaseEstimator):
    """An RBF support vector machine on thresholded belief at chosen voxels.

    Parameters
    ----------
    voxels : ndarray of int
        Indices among the brain voxels.
    threshold : float
        Belief above which a voxel is a lesion.
    C, gamma : float
        Penalty and kernel parameter.
    """

    def __init__(
        self,
        voxels: npt.NDArray[np.intp] | None = None,
        threshold: float = 0.0,
        C: float = 1.0,
        gamma: float = 1.0,
    ) -> None:
        self.voxels = voxels
        self.threshold = threshold
        self.C = C
        self.gamma = gamma

    def fit(self, X: npt.NDArray[np.floating], y: npt.NDArray[Any]) -> VoxelMachine:
        """Fit on belief at brain voxels, shape (n, v), and classes."""
        from sklearn.svm import SVC

        self.machine_ = SVC(C=self.C, gamma=self.gamma).fit(self._lesions(X), y)
        self.classes_ = self.machine_.classes_
        return self

    def decision_function(self, X: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Return decision values of belief at brain voxels, (n, v) -> (n,)."""
        return self.machine_.decision_function(self._lesions(X))

    def predict(self, X: npt.NDArray[np.floating]) -> npt.NDArray[Any]:
        """Return the called classes."""
        return self.machine_.predict(self._lesions(X))

    def _lesions(self, X: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        return above(np.asarray(X)[:, self.voxels], self.threshold).astype(np.float64)


@dataclass(frozen=True)
class DiagnosisModel:
    """Machines for all classes, and the grid that their voxels live on.

    Attributes
    ----------
    classes : tuple of str
        Labels; with two, one machine whose positive decisions call the first; with more, one per class.
    machines : list of VoxelMachine
        Fitted machines.
    shape, affine : tuple, ndarray
        Grid of the belief maps.
    n_voxels : int
        Number of brain voxels.
    cv : list of dict
        Per machine: number of voxels, C, gamma and cross-validated accuracy and AUC.
    """

    classes: tuple[str, ...]
    machines: list[VoxelMachine]
    shape: tuple[int, ...]
    affine: npt.NDArray[np.float64]
    n_voxels: int
    cv: list[dict[str, Any]]

    def predict(self, store: MapStore) -> pd.DataFrame:
        """Call the diagnosis of every visit of a store.

        Returns
        -------
        DataFrame
            Column `called` and one decision value per machine.

        Raises
        ------
        InputError
            If the store's maps are on another grid.
        """
        if store.mask.shape != tuple(self.shape) or not np.allclose(store.affine, self.affine, atol=1e-3):
            raise InputError(
                f"belief maps have shape {store.mask.shape}, the model was trained on {tuple(self.shape)} or "
                "another affine; process the visits with the model's template"
            )
        if store.n_voxels != self.n_voxels:
            raise InputError(
                f"brain mask has {store.n_voxels} voxels, the model's {self.n_voxels}; use the model's template"
            )
        decisions = np.column_stack([m.decision_function(np.asarray(store.belief)) for m in self.machines])
        if len(self.machines) == 1:
            decisions = np.column_stack([decisions, -decisions])
        index = decisions.argmax(axis=1)  # a decision of 0 calls the first, as in the machine itself
        names = [f"decision_{name}" for name in self.classes[: len(self.machines)]]
        table = pd.DataFrame(decisions[:, : len(names)], columns=names)
        table.insert(0, "called", np.array(self.classes, dtype=object)[index])
        return table


def fit_model(
    scans: Scans,
    store: MapStore,
    grid: Grid,
    cv: int,
    seed: int,
    threshold: Literal["train"] | float,
    n_sd: float,
) -> DiagnosisModel:
    """Choose number of voxels, C and gamma by patient-whole cross-validation on all scans, and fit on all."""
    every = np.arange(len(scans.table))
    machines, chosen = [], []
    for positive in scans.classes[: 1 if len(scans.classes) == 2 else None]:
        y = scans.label == positive
        view = LesionView(store, y, "belief", threshold, n_sd)
        found = search(view, y, grid, every, cv_folds(y, scans.patient, cv, seed), inside_folds=True)
        best, learned = found.best_size, view.threshold_of(every)
        model, voxels = found.models[best], found.order[: found.sizes[best]]
        machine = VoxelMachine(voxels, learned, model.C, model.gamma)
        machines.append(machine.fit(np.asarray(store.belief), y))
        chosen.append({str(k): v for k, v in found.table().iloc[best].to_dict().items()})
    return DiagnosisModel(scans.classes, machines, store.mask.shape, store.affine, store.n_voxels, chosen)

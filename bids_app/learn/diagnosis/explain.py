"""Why a saved machine calls a scan as it does: voxels that decide, training scans like it, what changes the call."""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.learn.diagnosis.engine import kernel_values
from bids_app.learn.diagnosis.maps import atlas_regions
from bids_app.learn.diagnosis.model import DiagnosisModel, VoxelMachine
from bids_app.learn.lesion_maps import MapStore

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SHOWN_VOXELS = 12  # of a scan: what fits a page
SHOWN_SCANS = 5  # training scans on a page; chosen by eye
MOST_FLIPS = 30  # voxels; a call that takes more to change is not at the mercy of a few


@dataclass(frozen=True)
class Explained:
    """What decides over scans.

    Attributes
    ----------
    voxels : DataFrame
        A row a scan, machine and deciding voxel: visit, positive, rank, x, y, z (mm in template space), region
        (AAL, the nearest), lesion, change (of the decision, if the voxel were the other way round).
    neighbours : DataFrame
        A row a scan, machine and most similar training scan: visit, positive, rank, diagnosis (its class, or `the rest`
        of it), voxels_apart, voxels.
    flips : dict of str to ndarray, shape (n,)
        Per machine's class, fewest voxels found that change the call; NaN where more than `MOST_FLIPS` do.
    """

    voxels: pd.DataFrame
    neighbours: pd.DataFrame
    flips: dict[str, Floats]


def explain(model: DiagnosisModel, store: MapStore) -> Explained:
    """Explain the calls of every scan of a store.

    Parameters
    ----------
    model : DiagnosisModel
    store : MapStore
        Scans on the model's grid.
    """
    maps = model.lesions(store)
    places = _places(model)
    voxels, scans, flips = [], [], {}
    for positive, machine in zip(model.positives, model.machines, strict=True):
        rest = model.classes[1] if len(model.classes) == 2 else f"not {positive}"
        names = np.array([rest, positive], dtype=object)
        rows = maps[:, machine.voxels]
        flips[positive] = np.array([len(found) or np.nan for found in (_flips(machine, row) for row in rows)])
        for visit, row in zip(store.visits, rows, strict=True):
            about = {"visit": visit, "positive": positive}
            voxels.append(_voxels(machine, row, places).assign(**about))
            scans.append(_neighbours(machine, row, names).assign(**about))
    return Explained(_stacked(voxels), _stacked(scans), flips)


def flip_effects(machine: VoxelMachine, row: Mask) -> Floats:
    """Return by how much the decision changes if one voxel were the other way round, for each voxel (k,).

    The distance to a support scan grows by one where the voxel agrees with it, and falls by one where it does not.

    Parameters
    ----------
    machine : VoxelMachine
    row : ndarray of bool, shape (k,)
        Lesions at its voxels.
    """
    agrees = machine.support_maps == row
    distance = (~agrees).sum(axis=1)
    share = kernel_values(distance, machine.gamma) * machine.weights
    factor = np.where(agrees, np.exp(-machine.gamma), np.exp(machine.gamma))
    effects: Floats = share @ factor - share.sum()
    return effects


def decision_of(machine: VoxelMachine, row: Mask) -> float:
    """Return the decision on lesions at the machine's voxels (k,)."""
    return float(machine.decide_from(_apart(machine, row)))


def _apart(machine: VoxelMachine, row: Mask) -> npt.NDArray[np.intp]:
    """Return in how many voxels lesions (k,) differ from each support scan, (s,)."""
    return np.count_nonzero(machine.support_maps != row, axis=1)


def _flips(machine: VoxelMachine, row: Mask) -> list[int]:
    """Return voxels that together change the call, taken one by one for their effect; empty where none were found."""
    row, taken = row.copy(), list[int]()
    called = decision_of(machine, row) >= 0
    free = np.ones(len(row), bool)
    while free.any() and len(taken) < MOST_FLIPS:
        effects = np.where(free, flip_effects(machine, row), np.nan)
        best = int(np.nanargmin(effects) if called else np.nanargmax(effects))
        row[best], free[best] = ~row[best], False
        taken.append(best)
        if (decision_of(machine, row) >= 0) != called:
            return taken
    return []


def _places(model: DiagnosisModel) -> pd.DataFrame:
    """Return where the brain's voxels lie: x, y, z (mm) and the nearest region."""
    regions = atlas_regions(model.mask, model.affine)
    places = nib.affines.apply_affine(model.affine, np.argwhere(model.mask)).round(1)
    names = [regions.names[label] for label in regions.nearest[model.mask]]
    return pd.DataFrame(places, columns=["x", "y", "z"]).assign(region=names)


def _voxels(machine: VoxelMachine, row: Mask, places: pd.DataFrame) -> pd.DataFrame:
    effects = flip_effects(machine, row)
    order = np.argsort(-np.abs(effects), kind="stable")[:SHOWN_VOXELS]
    table = places.iloc[machine.voxels[order]].reset_index(drop=True)
    return table.assign(rank=np.arange(1, len(order) + 1), lesion=row[order], change=effects[order])


def _neighbours(machine: VoxelMachine, row: Mask, names: npt.NDArray[np.object_]) -> pd.DataFrame:
    distance = _apart(machine, row)
    order = np.argsort(distance, kind="stable")[:SHOWN_SCANS]
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(order) + 1),
            "diagnosis": names[(machine.weights[order] > 0).astype(int)],
            "voxels_apart": distance[order],
            "voxels": len(row),
        }
    )


def _stacked(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Stack tables, whose rows they are in front."""
    table = pd.concat(parts, ignore_index=True)
    front = ["visit", "positive", "rank"]
    return table[[*front, *(name for name in table if name not in front)]]

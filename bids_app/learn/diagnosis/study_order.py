"""Lesion maps in study B's order: belief thresholded on the scan's grid, and the result brought to 3 mm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.derivatives import atomic
from bids_app.derivatives.dataset import sidecar
from bids_app.derivatives.reader import read_meta
from bids_app.learn.diagnosis.views import LesionView, above
from bids_app.learn.lesion_maps import BadMapError, MapStore, begin_rows, belief_in_brain

ARRAY = "belief_median.npy"
MOMENTS = ("ParenchymaMean", "ParenchymaSD")


def in_study_order(store: MapStore, medians: Mapping[str, Path], folder: Path) -> tuple[MapStore | None, str]:
    """Return the store with medians of belief and the scans' own moments in place of averaged belief.

    A voxel's median exceeds a threshold where more than half of the scan's voxels in it do, so that thresholding it is
    thresholding the scan and bringing the result to 3 mm. Mean and standard deviation, of which the threshold is
    learned, are those over grey and white matter of each scan, every scan weighing the same.

    Parameters
    ----------
    store : MapStore
        Maps of the scans, belief averaged to 3 mm.
    medians : mapping of visit name to path
        Their medians of belief; moments in the sidecar.
    folder : Path
        Where the array is kept.

    Returns
    -------
    store : MapStore or None
        None where a scan has no such map, or one that cannot be used.
    note : str
        Why there is none; empty otherwise.
    """
    mask = nib.Nifti1Image(store.mask.astype(np.uint8), store.affine)
    sums, faults = [], {}
    with atomic(folder / ARRAY) as aside, aside.open("wb") as stream:
        begin_rows(stream, (len(store.visits), store.n_voxels))
        for visit in store.visits:
            try:
                stream.write(belief_in_brain(medians[visit], visit, mask).astype("<f4").tobytes())
                sums.append(_sums(medians[visit], store.n_voxels))
            except BadMapError as error:
                faults[visit] = error.why
    if faults:
        (folder / ARRAY).unlink()
        return None, _note(faults, len(store.visits))
    belief: npt.NDArray[np.float32] = np.load(folder / ARRAY, mmap_mode="r")
    return replace(store, belief=belief, sums=np.array(sums)), ""


def _sums(path: Path, n_voxels: int) -> tuple[float, float]:
    """Return the sum and sum of squares that a map of `n_voxels` with the scan's mean and SD would have."""
    about = read_meta(path)
    try:
        mean, sd = (float(about[name]) for name in MOMENTS)
    except (ValueError, TypeError, KeyError) as error:
        raise BadMapError(
            sidecar(path), f"has no {' and '.join(MOMENTS)}; process the visit again"
        ) from error
    return mean * n_voxels, (sd**2 + mean**2) * n_voxels


def _note(faults: Mapping[str, str], n: int) -> str:
    first, why = next(iter(faults.items()))
    return (
        f"as published, but for the order: {len(faults)} of {n} scans have no usable map of the median of belief "
        f"({first}: {why}), so that belief was averaged to 3 mm first and thresholded there"
    )


def compare_orders(averaged: MapStore, ordered: MapStore, n_sd: float) -> pd.DataFrame:
    """Compare the lesion maps of both orders, each at the threshold that all scans give.

    Parameters
    ----------
    averaged, ordered : MapStore
        Belief averaged to 3 mm, and as of `in_study_order`; the same scans.
    n_sd : float
        Standard deviations above the mean.

    Returns
    -------
    DataFrame
        A row a scan: visit, voxels of each order, Dice of the two (1 where both are empty).
    """
    every = np.arange(len(averaged.visits))
    views = [LesionView(one, np.zeros(len(every), bool), n_sd=n_sd) for one in (averaged, ordered)]
    limits = [view.threshold_of(every) for view in views]
    rows = []
    for k, visit in enumerate(averaged.visits):
        a, b = above(averaged.belief[k], limits[0]), above(ordered.belief[k], limits[1])
        both = int(a.sum() + b.sum())
        rows.append((visit, int(a.sum()), int(b.sum()), 2 * int((a & b).sum()) / both if both else 1.0))
    table = pd.DataFrame(rows, columns=["visit", "averaged_first", "thresholded_first", "dice"])
    return table.assign(averaged_threshold=limits[0], scan_threshold=limits[1])

"""What study B's authors propose next, each on the same patient-whole folds so that the numbers compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.learn.diagnosis.comparison import auc_differences
from bids_app.learn.diagnosis.engine import Fold, View
from bids_app.learn.diagnosis.grid import Grid
from bids_app.learn.diagnosis.protocols import COMPACT, Design, calls_table, leak_free, patient_table
from bids_app.learn.diagnosis.views import BeliefView, ClinicalView, LesionView

MEDIAN = replace(COMPACT, gamma=(0.25, 1, 4), gamma_scale="median")
LINEAR = replace(MEDIAN, C=(0.01, 0.1, 1, 10), gamma=(1,), kernel="linear")
Run = tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]
LEFT_OUT = "lesion maps, each site by classifiers trained on the others"
LESION_MAPS, LESION_MASKS = "lesion maps", "lesion masks as segmented"
VARIANTS = (
    LESION_MAPS,
    LESION_MASKS,
    "belief values",
    "linear support vector machine on lesion maps",
    "clinical columns",
    "lesion maps and clinical columns",
)


def variant_views(
    lesions: LesionView, clinical: npt.NDArray[np.float64], wanted: tuple[str, ...]
) -> Iterator[tuple[str, View, Grid]]:
    """Yield name, features and grid of each variant that can be had.

    Parameters
    ----------
    lesions : LesionView
        The study's own features.
    clinical : ndarray, (n, p)
        Clinical columns, NaN where missing.
    wanted : tuple of str
        Names of variants.
    """
    alone = replace(MEDIAN, sizes=("all",))
    table: Mapping[str, tuple[View, Grid]] = {
        LESION_MAPS: (lesions, MEDIAN),
        LESION_MASKS: (replace(lesions, source="segmentation", _last=None), MEDIAN),
        "belief values": (BeliefView(lesions), MEDIAN),
        "linear support vector machine on lesion maps": (lesions, LINEAR),
        "clinical columns": (ClinicalView(clinical), alone),
        "lesion maps and clinical columns": (ClinicalView(clinical, lesions), MEDIAN),
    }
    for name in wanted:
        if "clinical" not in name or clinical.shape[1]:
            yield name, *table[name]


def site_folds(site: pd.Series, design: Design) -> list[Fold]:
    """Return a fold per site, the others being its training; none where a training set lacks patients of a class."""
    where = site.astype(str).to_numpy()
    folds: list[Fold] = []
    for name in np.unique(where):
        train, test = np.flatnonzero(where != name), np.flatnonzero(where == name)
        train = train[~np.isin(design.patient[train], design.patient[test])]
        patients = [len(set(design.patient[train][design.y[train] == of])) for of in (True, False)]
        if min(patients) < design.cv:
            return []
        folds.append((train, test))
    return folds if len(folds) > 1 else []


def compare_variants(
    lesions: LesionView,
    clinical: npt.NDArray[np.float64],
    design: Design,
    wanted: tuple[str, ...] = VARIANTS,
    rule: npt.NDArray[np.bool_] | None = None,
    baselines: Mapping[str, npt.NDArray[np.float64]] | None = None,
    site: pd.Series | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Run]]:
    """Return the metrics of each variant, of the published rule and of always calling the larger class.

    Parameters
    ----------
    lesions : LesionView
        Lesion maps with the classes of `design`.
    clinical : ndarray, shape (n, p)
        Clinical columns.
    design : Design
        Classes, patients, folds.
    wanted : tuple of str
        Among `VARIANTS`.
    rule : ndarray of bool, optional
        What the published rule calls.
    baselines : mapping of str to ndarray, shape (n, p), optional
        Columns that could tell the classes apart without their disease.
    site : Series, optional
        Site of each scan: with several, the lesion maps are also tested on each site by machines of the others.

    Returns
    -------
    metrics : DataFrame
        Columns model, metric, estimate, low, high, n, interval, n_voxels (median over outer folds).
    differences : DataFrame
        `auc_differences` of each model from the lesion maps on the same folds.
    decided : dict of str to (decision, fold)
        Out-of-fold decisions and outer folds of each model.
    """
    tables: list[pd.DataFrame] = []
    decided: dict[str, Run] = {}
    alone = replace(MEDIAN, sizes=("all",))
    runs: list[tuple[str, View, Grid, list[Fold] | None]] = [
        *((name, view, grid, None) for name, view, grid in variant_views(lesions, clinical, wanted)),
        *((name, ClinicalView(values), alone, None) for name, values in (baselines or {}).items()),
    ]
    if site is not None and wanted and (by_site := site_folds(site, design)):
        runs.append((LEFT_OUT, lesions, MEDIAN, by_site))
    for name, view, grid, folds in runs:
        run = leak_free(view, design, grid, folds)
        table = patient_table(design.y, run.decision, run.fold, design.patient, design.seed)
        decided[name] = (run.decision, run.fold)
        size = int(np.median([fold["n_voxels"] for fold in run.chosen]))
        tables.append(table.assign(model=name, n_voxels=size))
    if rule is not None:
        tables.append(calls_table(design.y, rule).assign(model="published rule (no training)"))
    larger = np.full(len(design.y), design.y.mean() >= 0.5)
    tables.append(calls_table(design.y, larger).assign(model="majority (no training)"))
    columns = ["model", "metric", "estimate", "low", "high", "n", "interval", "n_voxels"]
    differences = auc_differences(design.y, decided, VARIANTS[0], design.patient, design.seed)
    return pd.concat(tables, ignore_index=True).reindex(columns=columns), differences, decided

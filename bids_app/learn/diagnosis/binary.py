"""One class against the other, by both protocols: performance, gap, null and variants as tables."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.learn.diagnosis.grid import VanishingKernelWarning, warn_vanished
from bids_app.learn.diagnosis.options import Options
from bids_app.learn.diagnosis.protocols import (
    Design,
    LeakFree,
    Published,
    auc_row,
    calls_table,
    leak_free,
    null_aucs,
    patient_table,
    published,
)
from bids_app.learn.diagnosis.variants import compare_variants
from bids_app.learn.diagnosis.views import LesionView
from bids_app.learn.statistics import permutation_p
from bids_app.progress import phase
from bids_app.protocol import CROSS_VALIDATED, Protocol

OPTIMISTIC = (
    "the published protocol puts scans of one patient in training and test and picks the number of voxels on the "
    "test scans: read its numbers beside the leak-free ones"
)


@dataclass(frozen=True)
class Binary:
    """One class against the rest: tables, notes, and the published ranking for the maps."""

    positive: str
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    threshold: float | None = None
    order: npt.NDArray[np.intp] | None = None
    sizes: list[int] = field(default_factory=list)


def analyse(
    view: LesionView,
    design: Design,
    positive: str,
    protocols: Sequence[Protocol],
    options: Options,
    clinical: npt.NDArray[np.float64],
    rule: npt.NDArray[np.bool_] | None,
) -> Binary:
    """Run the protocols asked for and tabulate them; `design.y` is true for `positive`."""
    part = Binary(positive, {"scans": pd.DataFrame(index=range(len(design.y)))})
    if Protocol.PAPER in protocols:
        with phase("study B: as published"):
            part = _published(part, published(view, design, options.grid), view, design)
    if Protocol.NESTED in protocols:
        _leak_free(part, leak_free(view, design, options.grid), view, design)
        with phase("study B: other features and models"):
            part.tables["variants"] = compare_variants(view, clinical, design, options.variants, rule)
    if set(CROSS_VALIDATED) <= set(protocols):
        part.tables["gap"] = _gap(part.tables["performance"])
    if options.permutations:
        nulls = null_aucs(
            lambda y: replace(view, y=y, _last=None),
            design,
            options.null_grid,
            options.permutations,
            protocols,
        )
        part.tables.update(null=nulls, null_summary=_null_summary(nulls))
    return part


def _add(part: Binary, name: str, table: pd.DataFrame) -> None:
    before = part.tables.get(name)
    part.tables[name] = table if before is None else pd.concat([before, table], ignore_index=True)


def _published(part: Binary, run: Published, view: LesionView, design: Design) -> Binary:
    sweep, truth = run.sweep, design.y[run.test]
    by_size = []
    for s, decided in enumerate(sweep.test_decisions):
        rows = [
            calls_table(truth, decided >= 0),
            auc_row(truth, decided, design.patient[run.test], design.seed),
        ]
        by_size.append(pd.concat(rows, ignore_index=True).assign(n_voxels=sweep.sizes[s]))
    table = pd.concat(by_size, ignore_index=True).merge(sweep.table(), on="n_voxels")
    table.insert(0, "protocol", Protocol.PAPER)
    best = int(sweep.sizes[run.chosen])
    _add(part, "by_size", table)
    metrics = ["protocol", "n_voxels", "metric", "estimate", "low", "high", "right", "n", "interval"]
    _add(part, "performance", table.loc[table["n_voxels"] == best, metrics])
    decision = np.full(len(design.y), np.nan)
    decision[run.test] = sweep.test_decisions[run.chosen]
    scans = part.tables["scans"].assign(
        paper_test=np.isin(np.arange(len(design.y)), run.test),
        paper_decision=decision,
        lesion_free=view.fitted(run.train).maps.sum(axis=1) == 0,
    )
    part.tables.update(scans=scans, lesion_free=_lesion_free(scans, design.y))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_vanished(sweep)
    gone = [str(w.message) for w in caught if w.category is VanishingKernelWarning]
    return replace(
        part,
        notes=[OPTIMISTIC, *gone],
        threshold=view.threshold_of(run.train),
        order=sweep.order,
        sizes=sweep.sizes.tolist(),
    )


def _lesion_free(scans: pd.DataFrame, y: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """Count how test scans without any lesion are called, per class (study B: 44 of 47 NMOSD)."""
    rows = []
    for of_class in (True, False):
        among = y if of_class else ~y
        chosen = (scans["paper_test"] & scans["lesion_free"]).to_numpy() & among
        right = ((scans.loc[chosen, "paper_decision"] >= 0) == of_class).sum()
        rows.append({"is_positive_class": of_class, "n": int(chosen.sum()), "called_right": int(right)})
    return pd.DataFrame(rows)


def _leak_free(part: Binary, run: LeakFree, view: LesionView, design: Design) -> None:
    y, patient = design.y, design.patient
    table = patient_table(y, run.decision, run.fold, patient, design.seed)
    sizes = [fold["n_voxels"] for fold in run.chosen]
    _add(part, "performance", table.assign(protocol=Protocol.NESTED, n_voxels=int(np.median(sizes))))
    by_size = []
    for size, decision in zip(run.sizes, run.by_size, strict=True):
        found = patient_table(y, decision, run.fold, patient, design.seed)
        by_size.append(found.assign(n_voxels=size, protocol=Protocol.NESTED))
    _add(part, "by_size", pd.concat(by_size, ignore_index=True))
    learned = [view.threshold_of(np.flatnonzero(run.fold != k)) for k in range(len(run.chosen))]
    part.tables["chosen"] = pd.DataFrame(run.chosen).assign(threshold=learned)
    part.tables["scans"] = part.tables["scans"].assign(nested_fold=run.fold, nested_decision=run.decision)


def _gap(performance: pd.DataFrame) -> pd.DataFrame:
    wide = performance.pivot(index="metric", columns="protocol", values="estimate")[list(CROSS_VALIDATED)]
    wide["gap"] = wide[Protocol.PAPER] - wide[Protocol.NESTED]
    return wide.rename_axis(columns=None).reset_index()


def _null_summary(nulls: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for protocol, table in nulls.groupby("protocol"):
        observed = float(table.loc[table["permutation"] == 0, "auc"].iloc[0])
        null = table.loc[table["permutation"] > 0, "auc"]
        p = permutation_p(observed, null)
        rows.append((protocol, observed, null.mean(), null.std(), len(null), p))
    columns = ["protocol", "observed_auc", "null_mean_auc", "null_sd", "permutations", "p"]
    return pd.DataFrame(rows, columns=columns)

"""One class against the other, by both protocols: performance, gap, null and variants as tables."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.learn.diagnosis.baselines import unevenness
from bids_app.learn.diagnosis.baselines import warnings as confounders
from bids_app.learn.diagnosis.calls import calibration, prevalences, worth
from bids_app.learn.diagnosis.calls import warnings as warnings_of
from bids_app.learn.diagnosis.comparison import decision_curve
from bids_app.learn.diagnosis.grid import VanishingKernelWarning, warn_vanished
from bids_app.learn.diagnosis.lesion_counts import called_right
from bids_app.learn.diagnosis.lesion_methods import compare_methods
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
from bids_app.learn.diagnosis.variants import LESION_MAPS, LESION_MASKS, compare_variants
from bids_app.learn.diagnosis.views import LesionView
from bids_app.learn.statistics import permutation_p
from bids_app.progress import phase
from bids_app.protocol import CROSS_VALIDATED, LABELS, Protocol

INDETERMINATE = "indeterminate"
OPTIMISTIC = (
    "the published protocol puts scans of one patient in training and test and picks the number of voxels on the "
    "test scans: read its numbers beside the leak-free ones"
)
FEWER_FOLDS = "{}: too few of a class in training for {} folds inside it; {} were made"


@dataclass(frozen=True)
class Binary:
    """One class against the rest: tables, notes, and the published ranking for the maps."""

    positive: str
    rest: str
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    threshold: float | None = None
    order: npt.NDArray[np.intp] | None = None
    sizes: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Beside:
    """What is known of the scans beside their maps, row by row.

    Attributes
    ----------
    clinical : ndarray, shape (n, p)
    rule : ndarray of bool, shape (n,), optional
        What the published rule calls.
    normal : Series
        1 for scans without lesions, 0 for others, NaN where not known.
    baselines : dict of str to ndarray, shape (n, p)
        What could tell classes apart without their disease.
    methods : ndarray of str, shape (n,)
        Which method made the lesion masks.
    site : Series, optional
    """

    clinical: npt.NDArray[np.float64]
    rule: npt.NDArray[np.bool_] | None
    normal: pd.Series
    baselines: dict[str, npt.NDArray[np.float64]]
    methods: npt.NDArray[np.object_]
    site: pd.Series | None = None


def analyse(
    view: LesionView,
    published_view: LesionView,
    design: Design,
    classes: tuple[str, str],
    protocols: Sequence[Protocol],
    options: Options,
    beside: Beside,
) -> Binary:
    """Run the protocols asked for and tabulate them; `design.y` is true for the first of `classes`.

    Parameters
    ----------
    view, published_view : LesionView
        What the leak-free and the published protocol learn from.
    design : Design
        Classes, patients and folds.
    classes : (str, str)
        Names of the two classes.
    protocols : sequence of Protocol
        Which to run.
    options : Options
        Choices of the study.
    beside : Beside
        What is compared with the maps: clinical columns, sites, quality numbers.
    """
    part = Binary(*classes, {"scans": pd.DataFrame(index=range(len(design.y)))})
    if Protocol.PAPER in protocols:
        with phase("study B: as published"):
            run = published(published_view, design, options.grid)
            part = _published(part, run, published_view, design)
    if Protocol.NESTED in protocols:
        part = _leak_free(part, leak_free(view, design, options.grid), view, design)
        with phase("study B: other features and models"):
            part = _compare(part, view, design, options, beside)
    part.tables["lesion_free"] = _normal(part.tables["scans"], design.y, beside.normal, protocols)
    if set(CROSS_VALIDATED) <= set(protocols):
        part.tables["gap"] = _gap(part.tables["performance"])
    if options.permutations:
        views = {Protocol.PAPER: published_view, Protocol.NESTED: view}
        nulls = null_aucs(
            lambda y, protocol: replace(views[protocol], y=y, _last=None),
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
    )
    part.tables["scans"] = scans
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_vanished(sweep)
    gone = [str(w.message) for w in caught if w.category is VanishingKernelWarning]
    part = _fewer_folds(part, Protocol.PAPER, [len(sweep.folds)], design.cv)
    part = _worth(part, Protocol.PAPER, design, run.test, sweep.test_decisions[run.chosen] >= 0)
    return replace(
        part,
        notes=[*part.notes, OPTIMISTIC, *gone],
        threshold=view.threshold_of(run.train),
        order=sweep.order,
        sizes=sweep.sizes.tolist(),
    )


def _fewer_folds(part: Binary, protocol: Protocol, made: Sequence[int], wanted: int) -> Binary:
    """Add a note where there were fewer folds than wanted in a training set."""
    if min(made) >= wanted:
        return part
    sets = f"{LABELS[protocol]}, {sum(n < wanted for n in made)} of {len(made)} training sets"
    return replace(part, notes=[*part.notes, FEWER_FOLDS.format(sets, wanted, min(made))])


def _normal(
    scans: pd.DataFrame, y: npt.NDArray[np.bool_], normal: pd.Series, protocols: Sequence[Protocol]
) -> pd.DataFrame:
    """Count how scans without lesions are called, per class and protocol."""
    tables = []
    for protocol in protocols:
        decision = scans[f"{protocol}_decision"]
        table = called_right(normal, pd.Series(y), decision >= 0, decision.notna())
        tables.append(table.assign(protocol=protocol))
    return pd.concat(tables, ignore_index=True)


def _compare(part: Binary, view: LesionView, design: Design, options: Options, beside: Beside) -> Binary:
    """Add other features, models and baselines, and warn where what is no disease tells the classes apart."""
    wanted = beside.baselines if options.variants else {}
    variants, differences, decided = compare_variants(
        view, beside.clinical, design, options.variants, beside.rule, wanted, beside.site
    )
    part.tables["variants"] = variants
    if len(differences):
        part.tables["differences"] = differences
    if {LESION_MAPS, LESION_MASKS} <= set(decided):
        part.tables["lesion_methods"] = compare_methods(
            design.y, decided, beside.methods, design.patient, design.seed
        )
    if beside.rule is not None:
        called = np.where(beside.rule, part.positive, part.rest)
        part.tables["scans"] = part.tables["scans"].assign(rule_call=called)
    areas = variants[variants["metric"] == "auc"].set_index("model")["estimate"]
    auc = part.tables["performance"].query("protocol == 'nested' and metric == 'auc'")["estimate"].iloc[0]
    v = 0.0 if beside.site is None else unevenness(beside.site, design.y, design.patient)
    confounded = confounders({name: float(areas[name]) for name in wanted if name in areas}, float(auc), v)
    return replace(part, notes=[*part.notes, *confounded])


def _leak_free(part: Binary, run: LeakFree, view: LesionView, design: Design) -> Binary:
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
    labels = np.where(run.decision >= 0, part.positive, part.rest)
    part = _fewer_folds(part, Protocol.NESTED, [fold["inner_folds"] for fold in run.chosen], design.cv)
    part.tables["scans"] = part.tables["scans"].assign(
        nested_fold=run.fold,
        nested_decision=run.decision,
        nested_probability=run.probability,
        nested_call=np.where(run.called, labels, INDETERMINATE),
    )
    part.tables["decision_curve"] = decision_curve(y, run.probability)
    part.tables["calibration"] = calibration(y, run.probability, patient, design.seed)
    return _worth(part, Protocol.NESTED, design, np.arange(len(y)), run.decision >= 0, run.called)


def _worth(
    part: Binary,
    protocol: Protocol,
    design: Design,
    rows: npt.NDArray[np.intp],
    first: npt.NDArray[np.bool_],
    called: npt.NDArray[np.bool_] | None = None,
) -> Binary:
    """Add what the calls of a protocol on some scans are worth, and warnings."""
    y, shares = design.y[rows], prevalences(part.positive, [part.rest])
    table = worth(y, first, design.patient[rows], design.seed, shares, called)
    _add(part, "calls", table.assign(protocol=protocol))
    warned = warnings_of(table, float(np.mean(first == y)), LABELS[protocol], (part.positive, part.rest))
    return replace(part, notes=[*part.notes, *warned])


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

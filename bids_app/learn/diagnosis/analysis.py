"""Differential diagnosis from lesion maps (study B): as published, leak-free, and what its authors propose next."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.errors import InputError
from bids_app.learn.artifact import site_names
from bids_app.learn.diagnosis import claim, stard
from bids_app.learn.diagnosis import raters as judges
from bids_app.learn.diagnosis.apply import make_model
from bids_app.learn.diagnosis.baselines import baselines
from bids_app.learn.diagnosis.binary import Beside, Binary, analyse
from bids_app.learn.diagnosis.cohort_maps import cohort_maps
from bids_app.learn.diagnosis.lesion_counts import lesion_counts, normal_scans
from bids_app.learn.diagnosis.lesion_methods import mask_methods
from bids_app.learn.diagnosis.model import fit_model
from bids_app.learn.diagnosis.options import Options
from bids_app.learn.diagnosis.prepare import Prepared, in_published_order, prepare
from bids_app.learn.diagnosis.protocols import Design
from bids_app.learn.diagnosis.result import DiagnosisResult
from bids_app.learn.diagnosis.roc import roc_points
from bids_app.learn.diagnosis.rule import rule_calls
from bids_app.learn.diagnosis.scans import Scans
from bids_app.learn.diagnosis.tables import by_class, by_split
from bids_app.learn.diagnosis.views import LesionView
from bids_app.learn.flow import flow_table
from bids_app.learn.study import StudyCohort
from bids_app.protocol import CROSS_VALIDATED, Protocol, requested
from bids_app.settings import BOTH

INDEPENDENCE = (
    "q values take scans for independent; scans of one patient are not, so the chi-square map describes this "
    "cohort rather than tests it; the permutation map tests it, with patients as units"
)


REST = "the rest"


def run(
    cohort: StudyCohort,
    *,
    protocol: str = BOTH,
    raters: Path | None = None,
    seed: int,
    options: Options | None = None,
    template: str | None = None,
    cache: Path | None = None,
) -> DiagnosisResult:
    """Learn diagnoses from lesion maps and score them, as published and without leakage.

    Parameters
    ----------
    cohort : StudyCohort
        Visits with participant_id, session_id, diagnosis and clinical columns, and the derivatives folder.
    protocol : {"both", "paper", "nested"}
        `paper`: study B as published; `nested`: leak-free.
    raters : Path, optional
        Human raters' decisions (see `bids_app.learn.diagnosis.raters.read_raters`).
    seed : int
        Seed of every split and permutation.
    options : Options, optional
        How to learn.
    template : str, optional
        Space of the maps; the built-in template by default.
    cache : Path, optional
        Folder to keep the maps in as arrays; a temporary one by default.

    Returns
    -------
    DiagnosisResult
        Tables, maps, notes and the machine for new scans.

    Raises
    ------
    InputError
        If labels, maps, raters or the number of patients make the analysis impossible, or the protocol is unknown.

    Examples
    --------
    A synthetic cohort, in which lesions lie where each disease has them:

    >>> import subprocess
    >>> from demyelin import diagnosis, read_cohort
    >>> made = "demyelin-phantom study-b --derivatives-only --study B --nprocs 1 --visits 16,10 --patients 8,5"
    >>> _ = subprocess.run(made.split(), check=True, capture_output=True)
    >>> cohort = read_cohort("study-b/derivatives/demyelin", "study-b/participants.tsv")
    >>> grid = diagnosis.Grid(sizes=(2,), C=(1,), gamma=(0.125,))
    >>> options = diagnosis.Options(grid=grid, null_grid=grid, cv=2, outer=2, permutations=0)
    >>> result = diagnosis.run(cohort, protocol="nested", seed=1, options=options)
    >>> sorted(result.tables["performance"]["metric"].unique())
    ['accuracy', 'auc', 'sensitivity', 'specificity']
    """
    from bids_app.image.template import BUILT_IN

    protocols = requested(protocol)
    options, template = options or Options(), template or BUILT_IN
    with tempfile.TemporaryDirectory(prefix="demyelin-maps-") as temporary:
        folder = cache or Path(temporary)
        ready = prepare(cohort, options, template, folder)
        if Protocol.PAPER in protocols:
            ready = in_published_order(ready, options, folder)
        scans, store = ready.scans, ready.store
        remarks: list[str] = []
        visits = scans.table["visit"].tolist()
        ratings = judges.read_raters(raters, visits, scans.classes, remarks) if raters else None
        parts = _analyse_classes(ready, protocols, seed, options, template)
        tables = _tables(ready, parts, protocols)
        if ratings is not None:
            rated, unusable = ratings
            tables |= _rater_tables(rated, scans, tables["scans"], seed)
            if len(unusable):
                tables["raters_left_out"] = unusable
                remarks.insert(0, _unusable(unusable, raters))
        view = LesionView(store, scans.label, "belief", options.threshold, options.n_sd)
        images, found = cohort_maps(scans, store, parts, view, seed)
        tables |= found
        learned, measures = fit_model(scans, store, options, seed)
    notes = [*scans.notes, *remarks, *(note for part in parts for note in part.notes), INDEPENDENCE]
    settings: dict[str, Any] = {"protocol": protocol, "seed": seed, "template": template}
    settings |= options.recorded()
    settings |= {"n_voxels": store.n_voxels, "thresholds": {p.positive: p.threshold for p in parts}}
    tables |= {"claim": claim.checklist(tables, settings), "stard": stard.checklist(tables, settings)}
    card = _card(scans, tables["performance"], settings)
    return DiagnosisResult(
        tables=tables,
        images=images,
        notes=list(dict.fromkeys(notes)),
        settings=settings,
        models={"lesion-maps": make_model(learned, measures, card)},
    )


def _tables(ready: Prepared, parts: list[Binary], protocols: Sequence[Protocol]) -> dict[str, pd.DataFrame]:
    """Return the tables on scans, and those that the analyses of the classes have in common."""
    scans = ready.scans
    tables = {
        "flow": flow_table(scans.flow),
        **ready.tables,
        **_joined(parts),
        "by_class": by_class(scans.table),
    }
    tables["roc"] = roc_points(tables["scans"])
    if len(scans.classes) > 2 and Protocol.NESTED in protocols:
        tables["confusion"] = _confusion(scans, parts)
    if "paper_test" in tables["scans"]:
        tables["by_split"] = by_split(scans.table, _first_part(tables["scans"])["paper_test"].to_numpy())
    return tables


def _card(scans: Scans, performance: pd.DataFrame, settings: dict[str, Any]) -> dict[str, Any]:
    """Return what a saved model's card says of its training."""
    return {
        "Template": settings["template"],
        "Sites": site_names(scans.table),
        "Metrics": performance.round(4).astype(object).where(performance.notna(), None).to_dict("records"),
        "Settings": settings,
        "TrainingVisits": len(scans.table),
        "TrainingPatients": len(set(scans.patient)),
    }


def _analyse_classes(
    ready: Prepared, protocols: Sequence[Protocol], seed: int, options: Options, template: str
) -> list[Binary]:
    """Analyse two classes once, more of them one against the rest."""
    scans, store, paths = ready.scans, ready.store, ready.paths
    clinical, _ = scans.clinical()
    rule, rule_note = _rule(list(paths["table"].values()), template)
    counts = lesion_counts(paths["table"].values())
    normal = normal_scans(counts, scans.table[options.normal] if options.normal else None, scans.notes)
    plain = baselines(
        scans.table, store, counts, list(paths["belief"].values()), list(paths["quality"].values())
    )
    methods = mask_methods(paths["native_mask"].values())
    site = scans.table.get("site")
    parts = []
    for positive in scans.classes[:1] if len(scans.classes) == 2 else scans.classes:
        y = scans.label == positive
        others = [name for name in scans.classes if name != positive]
        pair = (positive, others[0] if len(others) == 1 else REST)
        design = Design(y, scans.patient, seed, options.cv, options.outer, options.n_jobs, options.rule)
        view = LesionView(store, y, "belief", options.threshold, options.n_sd)
        in_order = view if ready.ordered is store else replace(view, store=ready.ordered)
        is_ms = positive == scans.classes[0]
        beside = Beside(clinical, rule if is_ms else None, normal, plain, methods, site)
        part = analyse(view, in_order, design, pair, protocols, options, beside)
        table = scans.table[["visit", "participant_id", "session_id", "diagnosis"]]
        part.tables["scans"] = pd.concat([table, part.tables["scans"]], axis=1)
        parts.append(replace(part, notes=[*part.notes, *rule_note, *_unread(counts)]))
    return parts


def _unread(counts: pd.DataFrame) -> list[str]:
    n = int(counts["lesions_sure"].isna().sum())
    return (
        [f"{n} lesion tables cannot be read; their scans count neither as normal nor in baselines"]
        if n
        else []
    )


def _rule(tables: list[Path], template: str) -> tuple[npt.NDArray[np.bool_] | None, list[str]]:
    try:
        return rule_calls(tables, template), []
    except InputError as error:
        return None, [f"the published rule was not applied: {error}"]


def _joined(parts: list[Binary]) -> dict[str, pd.DataFrame]:
    """Stack the tables of all parts, each row with its positive class."""
    names = dict.fromkeys(name for part in parts for name in part.tables)
    return {
        name: pd.concat(
            [p.tables[name].assign(positive=p.positive) for p in parts if name in p.tables], ignore_index=True
        )
        for name in names
    }


def _first_part(scans: pd.DataFrame) -> pd.DataFrame:
    return scans[scans["positive"] == scans["positive"].iloc[0]]


def _confusion(scans: Scans, parts: list[Binary]) -> pd.DataFrame:
    """Return how often each class was called each class: the highest leak-free decision wins."""
    decisions = np.column_stack([part.tables["scans"]["nested_decision"] for part in parts])
    called = np.array(scans.classes, dtype=object)[decisions.argmax(axis=1)]
    counts = pd.crosstab(pd.Series(scans.label, name="diagnosis"), pd.Series(called, name="called"))
    return counts.reindex(scans.classes, fill_value=0).rename_axis(columns=None).reset_index()


def _unusable(lines: pd.DataFrame, path: Path | None) -> str:
    first = lines.iloc[0]
    return (
        f"{len(lines)} lines of {path} were left out (line {first['line']}: {first['fault']} ...): see "
        "diagnosis_raters_left_out.tsv"
    )


def _rater_tables(
    ratings: pd.DataFrame, scans: Scans, table: pd.DataFrame, seed: int
) -> dict[str, pd.DataFrame]:
    """Compare raters with each protocol's out-of-sample calls (two classes)."""
    by_visit = scans.table.set_index("visit")
    truth, patient = by_visit["diagnosis"], pd.Series(scans.patient, by_visit.index)
    found: dict[str, list[pd.DataFrame]] = {"raters": [], "agreement": []}
    for protocol in CROSS_VALIDATED:
        if f"{protocol}_decision" not in table or len(scans.classes) > 2:
            continue
        decided = table.set_index("visit")[f"{protocol}_decision"].dropna()
        calls = pd.Series(np.where(decided >= 0, *scans.classes), decided.index)
        performance = judges.performance(ratings, truth, scans.classes[0], calls, patient, seed)
        found["raters"].append(performance.assign(protocol=protocol))
        found["agreement"].append(
            judges.agreement(ratings, truth, calls, patient, seed).assign(protocol=protocol)
        )
    if not found["raters"]:
        found["raters"] = [judges.performance(ratings, truth, scans.classes[0], None, patient, seed)]
        found["agreement"] = [judges.agreement(ratings, truth, None, patient, seed)]
    return {name: pd.concat(tables, ignore_index=True) for name, tables in found.items()}

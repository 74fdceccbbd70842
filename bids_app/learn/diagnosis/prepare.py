"""From a cohort to the scans that a diagnosis is learned from: labels, maps that can be used, each scan once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.errors import InputError
from bids_app.learn.diagnosis.options import Options
from bids_app.learn.diagnosis.scans import (
    Scans,
    check_folds,
    check_patients,
    least_patients,
    map_paths,
    select_scans,
)
from bids_app.learn.diagnosis.study_order import compare_orders, in_study_order
from bids_app.learn.fingerprints import kept_whole
from bids_app.learn.flow import flow_step
from bids_app.learn.lesion_maps import MapStore, build_store
from bids_app.learn.map_prints import bits_apart, copies, fingerprints
from bids_app.learn.study import StudyCohort

NAMES_SHOWN = 5  # names in a note; the tables have all


@dataclass(frozen=True)
class Prepared:
    """Scans and their maps, row by row.

    Attributes
    ----------
    scans : Scans
    store : MapStore
        Maps of the scans, in the same order.
    paths : dict
        `map_paths` of the scans.
    prints : ndarray of uint8, shape (n, 64)
        Fingerprints of the belief maps.
    ordered : MapStore
        What the published protocol learns from: `store`, or maps in study B's order.
    tables : dict of str to DataFrame
        `left_out` and `duplicates`, where there are any.
    """

    scans: Scans
    store: MapStore
    paths: dict[str, dict[str, Path]]
    prints: npt.NDArray[np.uint8]
    ordered: MapStore
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)


def prepare(cohort: StudyCohort, options: Options, template: str, folder: Path) -> Prepared:
    """Choose the scans of a diagnosis and read their maps.

    Parameters
    ----------
    cohort : StudyCohort
    options : Options
    template : str
        Space of the maps.
    folder : Path
        Where the maps are kept as arrays.

    Raises
    ------
    InputError
        If labels, maps or the number of patients make the analysis impossible.
    """
    from bids_app.image.template import belief_grid

    derivatives = Path(cohort.derivatives)
    scans = select_scans(
        cohort.visits,
        classes=options.classes,
        acute=options.acute,
        last_diagnosis=options.last_diagnosis,
        least_patients=least_patients(options.cv, options.outer),
    )
    scans, paths = _with_maps(scans, derivatives, template)
    store = build_store(paths["belief"], paths["lesions"], belief_grid(template), folder)
    tables = {"left_out": store.left_out} if len(store.left_out) else {}
    scans = without(scans, store.left_out["visit"].tolist(), "unreadable or odd maps", "left_out")
    prints = fingerprints(store.belief)
    first = copies(prints)
    if (first != np.arange(len(first))).any():
        tables["duplicates"] = duplicates_table(scans, prints, first)
        scans, kept = _each_once(scans, first)
        store, prints = store.take(kept), prints[kept]
    check_folds(scans, options.cv, options.outer)
    return Prepared(scans, store, map_paths(scans.table, derivatives, template), prints, store, tables)


def in_published_order(ready: Prepared, options: Options, folder: Path) -> Prepared:
    """Return the scans with the maps that the published protocol learns from, and how these differ.

    Parameters
    ----------
    ready : Prepared
    options : Options
        Its `order` says whether there are any.
    folder : Path
        Where the maps are kept as an array.
    """
    if options.order == "averaged":
        return ready
    ordered, why = in_study_order(ready.store, ready.paths["median"], folder)
    if ordered is None:
        return replace(ready, scans=replace(ready.scans, notes=[*ready.scans.notes, why]))
    compared = {"orders": compare_orders(ready.store, ordered, options.n_sd)}
    return replace(ready, ordered=ordered, tables=ready.tables | compared)


def _with_maps(scans: Scans, derivatives: Path, template: str) -> tuple[Scans, dict[str, dict[str, Path]]]:
    """Leave out visits that have no maps, and say so."""
    paths = map_paths(scans.table, derivatives, template)
    has = [paths["belief"][v].exists() and paths["lesions"][v].exists() for v in scans.table["visit"]]
    if not any(has):
        first = next(iter(paths["belief"].values()))
        raise InputError(f"{first}: no visit has belief and lesion maps; run the participant level first")
    if all(has):
        return scans, paths
    gone = scans.table["visit"][~np.array(has)].tolist()
    kept = scans.table[has].reset_index(drop=True)
    check_patients(kept, scans.classes)
    step = flow_step("belief and lesion maps", kept, len(scans.table), "without maps")
    note = f"{len(gone)} visits without belief or lesion map were left out ({_names(gone)})"
    kept_scans = replace(scans, table=kept, notes=[*scans.notes, note], flow=[*scans.flow, step])
    return kept_scans, map_paths(kept, derivatives, template)


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMES_SHOWN]) + (" ..." if len(names) > NAMES_SHOWN else "")


def without(scans: Scans, visits: Sequence[str], what: str, table: str) -> Scans:
    """Take visits out of a diagnosis, and say so.

    Parameters
    ----------
    scans : Scans
    visits : sequence of str
        To leave out.
    what : str
        What is wrong with them, for the notes and the flow.
    table : str
        Where they are listed.

    Raises
    ------
    InputError
        If fewer than two classes of two patients are left.
    """
    if not len(visits):
        return scans
    kept = scans.table[~scans.table["visit"].isin(list(visits))].reset_index(drop=True)
    check_patients(kept, scans.classes)
    step = flow_step(f"without {what}", kept, len(scans.table), what)
    note = f"{len(visits)} visits were left out: {what} ({_names(visits)}); see diagnosis_{table}.tsv"
    return replace(scans, table=kept, notes=[*scans.notes, note], flow=[*scans.flow, step])


def duplicates_table(
    scans: Scans, prints: npt.NDArray[np.uint8], first: npt.NDArray[np.intp]
) -> pd.DataFrame:
    """Return a row per scan that is a copy: which scan it repeats, both diagnoses, in how many bits they differ.

    Parameters
    ----------
    scans : Scans
        The cohort.
    prints : ndarray of uint8, (n, bytes)
        Fingerprint of each scan's map.
    first : ndarray of int, (n,)
        Row of the scan that each repeats; its own row where it repeats none.
    """
    copy = np.flatnonzero(first != np.arange(len(first)))
    of = first[copy]
    table = scans.table
    return pd.DataFrame(
        {
            "visit": table["visit"].to_numpy()[copy],
            "same_as": table["visit"].to_numpy()[of],
            "diagnosis": scans.label[copy],
            "diagnosis_same_as": scans.label[of],
            "one_participant": scans.patient[copy] == scans.patient[of],
            "bits_apart": [
                int(bits_apart(prints[[a]], prints[[b]])[0, 0]) for a, b in zip(copy, of, strict=True)
            ],
        }
    )


def _each_once(scans: Scans, first: npt.NDArray[np.intp]) -> tuple[Scans, npt.NDArray[np.intp]]:
    """Leave out copies, and join the participants that share a scan to one person.

    Where the names of one person have different diagnoses, nothing tells which is right: all are left out.
    """
    person = kept_whole(scans.patient, [(int(k), int(of)) for k, of in enumerate(first)])
    labels = pd.Series(scans.label).groupby(person).nunique()
    disputed = np.isin(person, labels.index[labels > 1])
    copy = first != np.arange(len(first))
    kept = np.flatnonzero(~copy & ~disputed)
    table = scans.table.assign(person=person)
    visits = table["visit"].to_numpy()
    joined = int((pd.Series(scans.patient).groupby(person).nunique() > 1).sum())
    found = replace(scans, table=table)
    if joined:
        note = (
            f"{joined} people have scans under more than one participant_id; each was kept whole in one fold as one "
            "person: see diagnosis_duplicates.tsv"
        )
        found = replace(found, notes=[*found.notes, note])
    found = without(found, visits[copy].tolist(), "copies of other scans", "duplicates")
    disputed_only = visits[disputed & ~copy].tolist()
    found = without(found, disputed_only, "participants who share a scan and not the diagnosis", "duplicates")
    return found, kept

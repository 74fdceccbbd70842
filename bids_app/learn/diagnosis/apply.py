"""Diagnosis models for new visits: what is saved, and how it is applied with its limits told."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bids_app.errors import InputError
from bids_app.learn.artifact import LICENCE, LOW_APPLICABILITY, Model, training_ranges, versions
from bids_app.learn.diagnosis.explain import explain
from bids_app.learn.diagnosis.model import DiagnosisModel, VoxelMachine
from bids_app.learn.diagnosis.protocols import patient_table
from bids_app.learn.diagnosis.scans import map_paths, refuse_typos
from bids_app.learn.lesion_maps import build_store
from bids_app.learn.map_prints import from_text, to_text
from bids_app.learn.names import visit_names
from bids_app.learn.odd_maps import Usual
from bids_app.learn.results import Applied
from bids_app.learn.study import StudyCohort

UNITS = {"belief_mean": "1", "belief_sd": "1", "lesion_voxels": "voxels", "nearest": "voxels"}
PRIVACY = (
    "The file holds lesion maps of training scans in template space, at the chosen voxels (a support vector machine is "
    "made of them), without names; share it as you would share such maps."
)
RULE = (
    "Number of voxels, C and gamma: cross-validation with patients kept whole, ranking and threshold learned inside "
    "its folds, by the mean AUC over folds. Threshold and voxels of the model: all training scans."
)


def make_model(model: DiagnosisModel, measures: pd.DataFrame, about: dict[str, Any]) -> Model:
    """Return a model as it is saved.

    Parameters
    ----------
    model : DiagnosisModel
    measures : DataFrame
        `DiagnosisModel.describe` of the training scans.
    about : dict
        Further entries of the card: Template, Sites, Metrics, Settings, numbers of visits and patients.
    """
    parts = {
        "machines": [asdict(machine) for machine in model.machines],
        "mask": np.packbits(model.mask),
        "affine": model.affine,
        "reference": model.usual.reference,
    }
    card = {
        "Kind": "diagnosis",
        "Description": "Diagnosis by a support vector machine on lesion maps (study B).",
        "Outcome": "diagnosis",
        "Classes": list(model.classes),
        "Inputs": list(measures.columns),
        "Units": {name: UNITS[name if name in UNITS else "nearest"] for name in measures},
        "Ranges": training_ranges(measures),
        "Usual": model.usual.to_card(),
        "Fingerprints": to_text(model.prints),
        "Grid": {
            "Shape": list(model.mask.shape),
            "Affine": model.affine.tolist(),
            "BrainVoxels": int(model.mask.sum()),
        },
        "Machines": model.cv,
        "Threshold": model.machines[0].threshold,
        "ChosenBy": RULE,
        "Versions": versions(),
        "Privacy": PRIVACY,
        "Licence": LICENCE,
    }
    return Model(parts, card | about)


def open_model(name: str, saved: Model) -> DiagnosisModel:
    """Return the machines of a saved model.

    Raises
    ------
    InputError
        If what it holds does not fit together.
    """
    try:
        card, parts = saved.card, saved.parts
        shape = tuple(card["Grid"]["Shape"])
        mask = np.unpackbits(parts["mask"], count=int(np.prod(shape))).astype(bool).reshape(shape)
        machines = [VoxelMachine(**part) for part in parts["machines"]]
        classes = tuple(map(str, card["Classes"]))
        fits = len(machines) == (1 if len(classes) == 2 else len(classes)) and bool(machines)
        for machine in machines:
            k, s = len(machine.voxels), len(machine.weights)
            fits &= machine.support.shape == (s, -(-k // 8)) and machine.voxels.dtype.kind == "i"
            fits &= bool(k and machine.voxels.min() >= 0 and machine.voxels.max() < mask.sum())
        if not fits:
            raise ValueError("its parts do not fit together")
        str(card["Template"])
        usual = Usual.of(parts["reference"], card["Usual"])
        if len(usual.reference) != mask.sum():
            raise ValueError("its mean map is of another size")
        prints, affine = from_text(card["Fingerprints"]), np.asarray(parts["affine"], float)
        return DiagnosisModel(classes, machines, mask, affine, card["Machines"], usual, prints)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{name}: not readable as a diagnosis model ({error}); train it again") from error


def apply_models(cohort: StudyCohort, models: Sequence[tuple[str, Model]], seed: int = 1) -> Applied:
    """Call the diagnosis of a cohort's visits with saved models.

    Parameters
    ----------
    cohort : StudyCohort
        Visits and the derivatives folder; a column diagnosis is compared with where there is one.
    models : sequence of (name, Model)
        Of `load_models`, kind `diagnosis`.
    seed : int
        Of the intervals of the performance.

    Returns
    -------
    Applied
        `applied`: a row per visit and model: diagnosis (where known), called, decision values, the measures that the
        applicability comes from, and whether the scan was in training. `applied_performance`: one row per model, class
        and metric, without scans of training. `applied_left_out`: visits whose maps cannot be used, and why.
        `applied_voxels`, `applied_neighbours`: see `Explained`.

    Raises
    ------
    InputError
        If no visit has a belief map in the model's template that can be used, or a label differs from a class only in
        case or spaces.
    """
    found: dict[str, list[pd.DataFrame]] = {}
    notes: list[str] = []
    maps: dict[str, Path] = {}
    for name, saved in models:
        tables, remarks, beliefs = _apply_one(cohort, name, saved)
        maps |= beliefs
        rows = tables["applied"]
        scores = _scores(rows[~rows["in_training"]], saved.card["Classes"], seed)
        for key, table in (*tables.items(), *(("applied_performance", one) for one in scores)):
            if len(table):
                found.setdefault(key, []).append(table)
        notes += remarks
    return Applied(
        {key: pd.concat(parts, ignore_index=True) for key, parts in found.items()},
        list(dict.fromkeys(notes)),
        maps,
    )


def _apply_one(
    cohort: StudyCohort, name: str, saved: Model
) -> tuple[dict[str, pd.DataFrame], list[str], dict[str, Path]]:
    """Return the calls of one model with what decided over them and the visits left out; notes; belief maps."""
    from bids_app.image.template import belief_grid

    model, template = open_model(name, saved), str(saved.card["Template"])
    visits = cohort.visits.assign(
        visit=visit_names(cohort.visits["participant_id"], cohort.visits["session_id"])
    )
    paths = map_paths(visits, Path(cohort.derivatives), template)["belief"]
    has = np.array([path.exists() for path in paths.values()])
    if not has.any():
        first = next(iter(paths.values()))
        raise InputError(
            f"{first}: no visit has a belief map in {name}'s template; run the participant level with --template "
            f"{template}"
        )
    notes = [f"{(~has).sum()} visits without a belief map were left out"] if not has.all() else []
    visits = visits[has].reset_index(drop=True)
    with tempfile.TemporaryDirectory(prefix="demyelin-maps-") as folder:
        beliefs = {visit: paths[visit] for visit in visits["visit"]}
        store = build_store(beliefs, {}, belief_grid(template), Path(folder), model.usual)
        found, seen, why = model.predict(store), model.seen(store), explain(model, store)
    bad = store.left_out.assign(model=name)
    if len(bad):
        which = ", ".join(bad["visit"][:5]) + (" ..." if len(bad) > 5 else "")
        notes.append(
            f"{name}: {len(bad)} visits were left out: unreadable or odd maps ({which}); see "
            "diagnosis_applied_left_out.tsv"
        )
    visits = visits[visits["visit"].isin(store.visits)].reset_index(drop=True)
    rows = visits[["participant_id", "session_id"]].assign(model=name)
    rows["diagnosis"] = visits.get("diagnosis")
    rows = pd.concat([rows, found], axis=1).assign(applicability=saved.applicability(found), in_training=seen)
    rows = rows.assign(**{f"flips_{positive}": counts for positive, counts in why.flips.items()})
    tables = {"applied": rows, "applied_left_out": bad}
    tables |= {
        "applied_voxels": why.voxels.assign(model=name),
        "applied_neighbours": why.neighbours.assign(model=name),
    }
    return tables, [*notes, *_limits(name, saved, model, visits, rows)], beliefs


def _limits(
    name: str, saved: Model, model: DiagnosisModel, visits: pd.DataFrame, rows: pd.DataFrame
) -> Iterable[str]:
    """Yield what a reader must know of these calls; refuse labels that look like typing errors."""
    poor, empty = (
        int((rows["applicability"] < LOW_APPLICABILITY).sum()),
        int((rows["lesion_voxels"] == 0).sum()),
    )
    if poor:
        yield (
            f"{name}: {poor} of {len(rows)} visits lie outside the training range in belief, lesion volume or distance "
            "to any training scan; their calls are extrapolations"
        )
    if seen := int(rows["in_training"].sum()):
        yield (
            f"{name}: {seen} of {len(rows)} visits are scans that the model was trained on; their calls are no test of "
            "it and are left out of the performance"
        )
    if empty:
        yield f"{name}: {empty} visits have no lesion at all; they are all called alike"
    labels = set(rows["diagnosis"].dropna().astype(str))
    refuse_typos([*model.classes, *labels])
    if unseen := sorted(labels - set(model.classes)):
        yield (
            f"{name}: diagnosis {', '.join(unseen)} was not in training; such visits are called one of "
            f"{', '.join(model.classes)} all the same and are left out of the performance"
        )
    if new := saved.unseen_sites(visits):
        yield f"site {', '.join(new)} was not in training; measures may be shifted there"


def _scores(rows: pd.DataFrame, classes: Sequence[str], seed: int) -> list[pd.DataFrame]:
    """Return each machine's metrics on the visits whose diagnosis is known."""
    known = rows[rows["diagnosis"].isin(classes)]
    out = []
    for positive in [name for name in classes if f"decision_{name}" in rows]:
        y = (known["diagnosis"] == positive).to_numpy()
        if y.any() and not y.all():
            decision = known[f"decision_{positive}"].to_numpy()
            table = patient_table(
                y, decision, np.zeros(len(y), np.intp), known["participant_id"].to_numpy(), seed
            )
            out.append(table.assign(model=rows["model"].iloc[0], positive=positive))
    return out

"""The CLAIM 2024 checklist, answered as far as a run knows the answers.

Tejani, Klontzas, Gatti et al. 2024, Radiol Artif Intell 6:e240300. Items are named by their numbers and, in our words,
by their topic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from bids_app.learn.checklists import AUTHORS, checklist_table
from bids_app.learn.diagnosis.answers import choice, estimates, flow, missing, partitions, wrong_calls


def checklist(tables: Mapping[str, pd.DataFrame], settings: Mapping[str, Any]) -> pd.DataFrame:
    """Return the checklist: item, topic, what this run says, and whether authors must add to it.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Of the result.
    settings : mapping
        Of the result.
    """
    return checklist_table([*_before(), *_methods(tables, settings), *_results(tables)])


def _before() -> list[tuple[str, str, str]]:
    return [
        ("1", "title: a study of artificial intelligence, and of which kind", ""),
        ("2", "abstract", ""),
        ("3", "background and intended use", ""),
        ("4", "aims and hypotheses", ""),
        ("5", "prospective or retrospective", ""),
        ("6", "goal of the study", "to tell diagnoses apart on FLAIR, and to measure how well"),
        ("7", "sources of the data", ""),
    ]


def _methods(tables: Mapping[str, pd.DataFrame], settings: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    grid = settings.get("grid", {})
    return [
        ("8", "criteria of inclusion", f"steps and who they left out: diagnosis_flow.tsv; setting, dates: {AUTHORS}"),
        ("9", "preprocessing", "methods part of each visit's page; settings in its sidecars"),
        ("10", "subsets of the data", "brain voxels at 3 mm; see diagnosis_flow.tsv for visits"),
        ("11", "de-identification", ""),
        ("12", "missing data", missing(tables)),
        ("13", "image acquisition", "scanner fields of the sidecars; the protocols: " + AUTHORS),
        ("14", "reference standard", "column diagnosis of participants.tsv; criteria: " + AUTHORS),
        ("15", "why this reference standard", ""),
        ("16", "who set the reference standard", ""),
        ("17", "annotation of the test set", "as the training set: column diagnosis"),
        ("18", "agreement between and within annotators", "diagnosis_agreement.tsv" if "agreement" in tables else ""),
        ("19", "assignment to partitions", partitions(tables, settings)),
        ("20", "level at which partitions are disjoint", "leak-free: patients; as published: scans"),
        ("21", "intended size of the sample", ""),
        ("22", "model, inputs and outputs", "support vector machine, radial kernel, on ranked voxels of a lesion map"),
        ("23", "software", "versions in diagnosis.json and on the model's card"),
        ("24", "initial values", "none: the problem is convex; seeds of all draws are recorded"),
        ("25", "training", f"C {grid.get('C')}, gamma {grid.get('gamma')}, {settings.get('cv')} inner folds"),
        ("26", "choice of the final model", choice(tables)),
        ("27", "ensembles", "none"),
        ("28", "metrics of performance", "sensitivity, specificity, accuracy, AUC, predictive values, net benefit"),
        ("29", "uncertainty", "Wilson intervals of scans; bootstrap over patients; permutation of whole patients"),
        ("30", "robustness", "other features and models, sites, quality and load alone: diagnosis_variants.tsv"),
        ("31", "explanation", "chi-square map, permutation map, selected voxels"),
        ("32", "internal evaluation", "leak-free outer folds: diagnosis_performance.tsv"),
        ("33", "external evaluation", "none in this run; --apply-model tests the saved model on other scans"),
        ("34", "registration of a trial", ""),
    ]  # fmt: skip


def _results(tables: Mapping[str, pd.DataFrame]) -> list[tuple[str, str, str]]:
    return [
        ("35", "flow of patients and scans", flow(tables)),
        ("36", "characteristics by partition", "diagnosis_by_class.tsv, diagnosis_by_split.tsv"),
        ("37", "performance in each partition", "diagnosis_performance.tsv, diagnosis_calls.tsv"),
        ("38", "estimates with their precision", estimates(tables)),
        ("39", "failures", f"{wrong_calls(tables)}: diagnosis_scans.tsv"),
        ("40", "limits", "the limits named on this page; the rest: " + AUTHORS),
        ("41", "meaning for practice", ""),
        ("42", "full protocol of the study", ""),
        ("43", "software, model, data", f"code: Demyelin; model: models/diagnosis-lesion-maps.skops; data: {AUTHORS}"),
        ("44", "funding", ""),
    ]  # fmt: skip

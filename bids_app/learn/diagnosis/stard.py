"""The STARD-AI checklist, answered as far as a run knows the answers.

Sounderajah, Guni, Liu et al. 2025, Nat Med 31:3283. Items are named by their numbers and, in our words, by their topic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from bids_app.learn.checklists import AUTHORS, checklist_table
from bids_app.learn.diagnosis.answers import Tables, choice, estimates, flow, missing, partitions, wrong_calls
from bids_app.learn.diagnosis.binary import INDETERMINATE


def checklist(tables: Tables, settings: Mapping[str, Any]) -> pd.DataFrame:
    """Return the checklist: item, topic, what this run says, and whether authors must add to it.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Of the result.
    settings : mapping
        Of the result.
    """
    return checklist_table([*_before(), *_dataset(), *_test(tables, settings), *_results(tables), *_after()])


def _before() -> list[tuple[str, str, str]]:
    return [
        ("1", "title: accuracy of a diagnosis by artificial intelligence, with a measure of it", ""),
        ("2", "abstract", ""),
        ("3", "background: intended use, place in the work of a clinic", ""),
        ("4", "aims and hypotheses", ""),
        ("5", "prospective or retrospective", ""),
        ("6", "ethics approval", ""),
        ("7", "criteria for people and for data, in order", f"diagnosis_flow.tsv, diagnosis_left_out.tsv; {AUTHORS}"),
        ("8", "how eligible people were found", ""),
        ("9", "setting and dates", ""),
        ("10", "consecutive, random or convenience series", ""),
    ]  # fmt: skip


def _dataset() -> list[tuple[str, str, str]]:
    return [
        ("11", "source of the data", ""),
        (
            "12",
            "annotation: by whom and how",
            "lesions: segmented by the participant level; diagnoses: " + AUTHORS,
        ),
        ("13", "devices and software", "scanner fields of the sidecars; versions in diagnosis.json"),
        (
            "14",
            "acquisition and preprocessing",
            "sidecars; methods part of each visit's page; protocols: " + AUTHORS,
        ),
    ]


def _test(tables: Tables, settings: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [
        ("15a", "index test", "support vector machine on ranked voxels of a lesion map; methods text of this page"),
        ("15b", "development of the index test", f"{partitions(tables, settings)}; {choice(tables)}"),
        ("15c", "cut-offs of the index test", _cuts(tables)),
        ("15d", "users and the expertise they need", ""),
        ("16a", "reference standard", "column diagnosis of participants.tsv; criteria: " + AUTHORS),
        ("16b", "why this reference standard", ""),
        ("16c", "categories of the reference standard", _classes(tables)),
        ("17a", "what the index test knew", "lesion maps alone; with clinical columns: diagnosis_variants.tsv"),
        ("17b", "what assessors of the reference standard knew", ""),
        ("18", "estimates and comparisons", "Wilson intervals of scans; bootstrap over patients; paired differences"),
        ("19", "indeterminate results", _indeterminate(tables)),
        ("20", "missing data", missing(tables)),
        ("21", "variability", "by number of voxels, features and site: diagnosis_by_size.tsv, diagnosis_variants.tsv"),
        ("22", "intended size of the sample", ""),
        ("23", "error analysis, bias and fairness", f"{wrong_calls(tables)}: diagnosis_scans.tsv; sites, scanners and "
         f"lesion load alone: diagnosis_variants.tsv; fairness: {AUTHORS}"),
    ]  # fmt: skip


def _results(tables: Tables) -> list[tuple[str, str, str]]:
    return [
        ("24", "flow diagram", f"{flow(tables)}; figure of this page"),
        ("25", "characteristics of training and test", "diagnosis_by_class.tsv, diagnosis_by_split.tsv"),
        ("26a", "severity in those with the disease", "diagnosis_by_class.tsv, as far as columns say it"),
        ("26b", "other diagnoses in those without", _classes(tables)),
        ("27", "time and treatment between both tests", ""),
        ("28", "whether data are like the people it is meant for", "predictive values at other shares of the classes: "
         f"diagnosis_calls.tsv; the rest: {AUTHORS}"),
        ("29", "how data of an external evaluation differ", "none in this run; --apply-model says it scan by scan"),
        ("30", "index test against reference standard", f"{_crossed(tables)}: diagnosis_scans.tsv"),
        ("31", "accuracy with its precision", f"{estimates(tables)}; diagnosis_performance.tsv, diagnosis_calls.tsv"),
        ("32", "adverse events", ""),
    ]  # fmt: skip


def _after() -> list[tuple[str, str, str]]:
    return [
        ("33", "limitations", "the limits named on this page; the rest: " + AUTHORS),
        ("34", "implications for practice", ""),
        ("35", "ethical considerations and fairness", ""),
        ("36", "registration", ""),
        ("37", "full protocol of the study", ""),
        ("38", "funding", ""),
        ("39", "commercial interests", ""),
        ("40a", "availability of data and code", "code: Demyelin; data: " + AUTHORS),
        (
            "40b",
            "outputs stored for audit",
            "calls of each scan: diagnosis_scans.tsv; model and card: models/",
        ),
    ]


def _classes(tables: Tables) -> str:
    counts = tables["scans"].drop_duplicates("visit")["diagnosis"].value_counts()
    return ", ".join(f"{name} {n} scans" for name, n in counts.items())


def _cuts(tables: Tables) -> str:
    published = "as published: decision 0, set before"
    if "chosen" not in tables:
        return published
    return f"leak-free: learned inside training, diagnosis_chosen.tsv; {published}"


def _indeterminate(tables: Tables) -> str:
    scans = tables["scans"]
    if "nested_call" not in scans:
        return "none: every scan is called"
    n = int((scans["nested_call"] == INDETERMINATE).sum())
    return f"{n} of {len(scans)} leak-free calls are indeterminate; accuracy with and without them: diagnosis_calls.tsv"


def _crossed(tables: Tables) -> str:
    scans = tables["scans"]
    if "nested_call" not in scans:
        return "decisions by diagnosis"
    counts = scans.groupby(["diagnosis", "nested_call"], sort=False).size()
    named = zip(counts.index.to_frame().to_numpy().tolist(), counts, strict=True)
    return "; ".join(f"{of} called {call}: {n}" for (of, call), n in named)

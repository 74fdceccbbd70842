"""What a run can say of itself where a reporting checklist asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from bids_app.protocol import Protocol

Tables = Mapping[str, pd.DataFrame]
LEFT_OUT = {
    "left_out": "unreadable or odd maps (diagnosis_left_out.tsv)",
    "duplicates": "copies of other scans (diagnosis_duplicates.tsv)",
    "raters_left_out": "lines of raters (diagnosis_raters_left_out.tsv)",
}


def missing(tables: Tables) -> str:
    """Return what was left out for want of a map that can be used."""
    parts = [f"{len(tables[name])} {what}" for name, what in LEFT_OUT.items() if name in tables]
    return "visits without maps or diagnosis are left out; " + (", ".join(parts) or "no map was unusable")


def partitions(tables: Tables, settings: Mapping[str, Any]) -> str:
    """Return how scans were split into training and test."""
    words = f"{settings.get('outer')} outer folds of whole patients, by class; seed {settings.get('seed')}"
    test = tables["scans"].get("paper_test")
    return (
        f"{words}; as published: {int(test.sum())} of {len(test)} scans for the test"
        if test is not None
        else words
    )


def choice(tables: Tables) -> str:
    """Return how the number of voxels, C and gamma were chosen, and what was."""
    rule = "number of voxels, C and gamma by the mean AUC of the inner folds"
    if "chosen" not in tables:
        return rule
    sizes = tables["chosen"]["n_voxels"]
    return f"{rule}: {sizes.min():g} to {sizes.max():g} voxels, diagnosis_chosen.tsv"


def flow(tables: Tables) -> str:
    """Return how many scans of how many patients were analysed."""
    last = tables["flow"].iloc[-1]
    return f"{int(last['n_visits'])} scans of {int(last['n_patients'])} patients: diagnosis_flow.tsv"


def estimates(tables: Tables) -> str:
    """Return the leak-free AUC of each class with its interval."""
    table = tables["performance"]
    rows = table[(table["protocol"] == Protocol.NESTED) & (table["metric"] == "auc")]
    return "; ".join(
        f"leak-free AUC {row['estimate']:.2f} ({row['low']:.2f} to {row['high']:.2f}), {row['positive']}"
        for row in rows.to_dict("records")
    )


def wrong_calls(tables: Tables) -> str:
    """Return how many leak-free decisions are wrong."""
    scans = tables["scans"]
    if "nested_decision" not in scans:
        return "each scan's decision"
    first = scans["diagnosis"] == scans["positive"]
    wrong = (scans["nested_decision"] > 0) != first
    return f"{int(wrong.sum())} of {len(scans)} leak-free decisions are wrong"

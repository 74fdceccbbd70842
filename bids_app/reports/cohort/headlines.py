"""The first numbers of each study, and its limits in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bids_app.learn.drawing import with_interval

Tables = Mapping[str, pd.DataFrame]
RESEARCH = "This is a tool for research on groups; no number here is fit to decide about a single patient."
FEW_PERMUTATIONS = 100
NOISE = "What the published protocol finds in noise"


def facts(study: str, tables: Tables) -> list[dict[str, str]]:
    """Return the main numbers of a study: label, value, note."""
    return _edss_facts(tables) if study == "edss" else _diagnosis_facts(tables)


def limits(study: str, tables: Tables, settings: Mapping[str, Any]) -> list[str]:
    """Return what a reader must not conclude from these results."""
    return [
        *(_edss_limits(tables, settings) if study == "edss" else _diagnosis_limits(tables)),
        *_null(tables),
        RESEARCH,
    ]


def _fact(label: str, value: str, note: str) -> dict[str, str]:
    return {"label": label, "value": value, "note": note}


def _edss_facts(tables: Tables) -> list[dict[str, str]]:
    table = tables["performance"]
    model = table.loc[table["features"] == "all", "model"].iloc[0]
    own = table[(table["features"] == "all") & (table["model"] == model)].set_index(["protocol", "set"])
    found = []
    for key, label in (
        (("nested", "cv"), "Leak-free cross-validation"),
        (("paper", "cv"), "As published"),
        (("held out", "internal"), "Internal test"),
        (("held out", "external"), "External test"),
    ):
        if key in own.index:
            row = own.loc[key]
            error = with_interval(row["mae"], row["mae_low"], row["mae_high"])
            words = with_interval(row["r"], row["r_low"], row["r_high"])
            found.append(
                _fact(
                    label,
                    f"r {row['r']:.2f}",
                    f"95 % interval {words.partition(' ')[2]}; mean error {error} EDSS points",
                )
            )
    if "null_summary" in tables:
        for row in tables["null_summary"].to_dict("records"):
            if row["protocol"] == "paper":
                note = f"mean of {row['permutations']} runs with outcomes dealt anew"
                found.append(_fact(NOISE, f"r {row['null_mean_r']:.2f}", note))
    return found


def _diagnosis_facts(tables: Tables) -> list[dict[str, str]]:
    table = tables["performance"]
    classes = [str(name) for name in table["positive"].unique()]
    found = []
    for positive in classes:
        of = f" ({positive} against the rest)" if len(classes) > 1 else ""
        for protocol, label in (("nested", "Leak-free"), ("paper", "As published")):
            own = table[(table["positive"] == positive) & (table["protocol"] == protocol)]
            known = {row["metric"]: row for row in own.to_dict("records")}
            if "auc" not in known:
                continue
            row = known.pop("auc")
            bounds = with_interval(row["estimate"], row["low"], row["high"]).partition(" ")[2]
            others = ", ".join(f"{name} {one['estimate']:.2f}" for name, one in known.items())
            found.append(_fact(label + of, f"AUC {row['estimate']:.2f}", f"95 % interval {bounds}; {others}"))
        if "null_summary" in tables:
            null = tables["null_summary"]
            for row in null[(null["positive"] == positive) & (null["protocol"] == "paper")].to_dict(
                "records"
            ):
                note = f"mean of {row['permutations']} runs with diagnoses dealt anew{of}"
                found.append(_fact(NOISE, f"AUC {row['null_mean_auc']:.2f}", note))
    return found


def _edss_limits(tables: Tables, settings: Mapping[str, Any]) -> list[str]:
    told = [
        "The models predict the EDSS of the same visit, not what will become of a patient.",
        "A column that was selected goes along with EDSS in these patients; that does not make it a "
        "cause, and a collinear column could stand in its place.",
    ]
    if not settings.get("external_site"):
        told.append(
            "No site was kept for an external test: nothing here says how the models do on another "
            "scanner (--external-site)."
        )
    if "intervals" in tables:
        low = tables["intervals"]
        low = low[low["coverage_high"] < low["nominal"]]
        told += [
            f"Prediction intervals of {row['model']} hold only {row['coverage']:.0%} of the {row['set']} "
            f"test, not the {row['nominal']:.0%} they promise."
            for row in low.to_dict("records")
        ]
    if "calibration" in tables:
        apart = tables["calibration"].drop_duplicates(["protocol", "set"])
        told += [
            f"On the {row['set']} test predictions are {abs(row['offset']):.1f} EDSS points too "
            f"{'high' if row['offset'] > 0 else 'low'} on average: recalibrate "
            "before use there."
            for row in apart.to_dict("records")
            if row["set"] != "cv" and abs(row["offset"]) >= 0.5
        ]
    return told


def _diagnosis_limits(tables: Tables) -> list[str]:
    told = [
        "The machine knows only the classes it was shown: another disease is called one of them.",
        "Scans of one patient are not independent; intervals named Wilson take them as if they were, "
        "those from a bootstrap over patients do not.",
    ]
    if "by_class" in tables and "test" in tables["by_class"]:
        table = tables["by_class"]
        site = table[table["characteristic"].astype(str).str.startswith("site ") & (table["p"] < 0.05)]
        if len(site):
            told.append(
                f"Classes are spread unevenly over sites (P = {site['p'].iloc[0]:.2g}): the machine may "
                "tell scanners apart instead of diseases."
            )
        age = table[
            table["characteristic"].astype(str).str.startswith(("age", "disease_duration"))
            & (table["p"] < 0.05)
        ]
        if len(age):
            told.append("Classes differ in age or disease duration; part of what separates them may be that.")
    return told


def _null(tables: Tables) -> list[str]:
    if "null_summary" not in tables:
        return [
            "The null was not measured (--permutations 0), so nothing here shows what chance alone gives."
        ]
    n = int(np.min(tables["null_summary"]["permutations"]))
    if n >= FEW_PERMUTATIONS:
        return []
    return [
        f"The null rests on {n} permutations: the smallest P they can give is {1 / (n + 1):.2g}; use "
        "--permutations for more."
    ]

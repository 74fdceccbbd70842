"""The TRIPOD+AI checklist, answered as far as a run knows the answers.

Collins, Moons, Dhiman et al. 2024, BMJ 385:e078378. Items are named by their numbers and, in our words, by their topic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bids_app.learn.checklists import AUTHORS, checklist_table
from bids_app.protocol import Protocol
from bids_app.spelling import percent


def checklist(tables: Mapping[str, pd.DataFrame], settings: Mapping[str, Any], n_models: int) -> pd.DataFrame:
    """Return the checklist: item, topic, what this run says, and whether authors must add to it.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Of the result.
    settings : mapping
        Of the result.
    n_models : int
        Models saved.
    """
    return checklist_table(_items(tables, settings, n_models))


def _items(
    tables: Mapping[str, pd.DataFrame], settings: Mapping[str, Any], n_models: int
) -> list[tuple[str, str, str]]:
    cohort = tables["cohort"]
    counts = cohort.groupby("set")["participant_id"].nunique()
    sets = ", ".join(f"{n} {name}" for name, n in counts.items())
    rules, missing = settings.get("rules", {}), tables.get("missing")
    return [
        ("1", "title", ""),
        ("2", "abstract", ""),
        ("3", "background: setting, earlier models, inequalities", ""),
        ("4", "aims", "a model of EDSS at the visit, with internal and, where a site is kept, external test"),
        ("5", "data: source, dates, representativeness", ""),
        ("6", "participants: setting, criteria, treatment", f"criteria and who they excluded: edss_flow.tsv ({sets})"),
        ("7", "data preparation and quality", "edss_missing.tsv, notes of this page, group/qc.tsv"),
        ("8", "outcome", "EDSS, 0 to 10; how it was rated and by whom: " + AUTHORS),
        ("9", "predictors", f"{_candidates(tables)}; definitions: edss_columns.tsv and the methods page"),
        ("10", "sample size", _sample_size(tables)),
        ("11", "missing data", _missing(missing)),
        ("12", "analysis: partition, models, tuning, performance measures", _analysis(settings, rules)),
        ("13", "class imbalance", "not applicable: the outcome is not a class"),
        ("14", "fairness", "errors by sex, course and site: edss_subgroups.tsv" if "subgroups" in tables else ""),
        ("15", "output of the model", "EDSS, with a 90 % prediction interval"),
        ("16", "differences between training and test", "edss_demographics.tsv, edss_calibration_models.tsv"),
        ("17", "ethics approval and consent", ""),
        ("18", "funding, conflicts, protocol, registration, data and code", "code: Demyelin; the rest: " + AUTHORS),
        ("19", "patient and public involvement", ""),
        ("20", "results: flow and characteristics", "edss_flow.tsv, edss_demographics.tsv"),
        ("21", "results: participants and outcome in each analysis", _outcomes(cohort)),
        ("22", "full model", f"{n_models} saved models with cards in models/; ridge as a formula: edss_equation.tsv"),
        ("23", "performance with intervals, heterogeneity", _performance(tables)),
        ("24", "updating of the model", "none in this run"),
        ("25", "interpretation", ""),
        ("26", "limitations", "the limits named on this page; the rest: " + AUTHORS),
        ("27", "use: input needed, missing input, expertise", "cards of the models; unknown inputs: see Imputed there"),
    ]  # fmt: skip


def _candidates(tables: Mapping[str, pd.DataFrame]) -> str:
    steps = tables["selection"].drop_duplicates("step").set_index("step")["left"]
    return f"{int(steps['candidates'])} candidates, {len(tables['columns'])} selected"


def _sample_size(tables: Mapping[str, pd.DataFrame]) -> str:
    table = tables.get("sample_size")
    if table is None:
        return ""
    met = table.groupby("parameters", sort=False)["met"].agg(["sum", "size"])
    words = "; ".join(
        f"{name}: {int(met.loc[name, 'sum'])} of {int(met.loc[name, 'size'])} criteria met"
        for name in met.index
    )
    return f"criteria of Riley et al. ({words}), edss_sample_size.tsv"


def _missing(table: pd.DataFrame | None) -> str:
    if table is None:
        return "no candidate has a missing value"
    n = int(table["n_candidates"].sum())
    files = "edss_missing.tsv, edss_missing_sensitivity.tsv"
    return f"{n} candidates with missing values, training median imputed; {files}"


def _analysis(settings: Mapping[str, Any], rules: Mapping[str, Any]) -> str:
    split = "at random" if settings.get("random_split") else "within three bands of EDSS"
    site = settings["external_site"] or "none"
    return (
        f"internal test {percent(settings['test_size'])} drawn {split}; external site {site}; {settings['outer']} "
        f"outer and {settings['cv']} inner folds, patients whole; variance {rules.get('variance')}, |r| "
        f"{rules.get('correlation')}, LASSO {rules.get('lasso')}, CFS; seed {settings['seed']}"
    )


def _outcomes(cohort: pd.DataFrame) -> str:
    parts = {name: np.quantile(part, [0.5, 0.25, 0.75]) for name, part in cohort.groupby("set")["edss"]}
    return "; ".join(
        "{}: median EDSS {:g} ({:g}-{:g})".format(str(name), *three) for name, three in parts.items()
    )


def _performance(tables: Mapping[str, pd.DataFrame]) -> str:
    table = tables["performance"]
    rows = table[(table["features"] == "all") & (table["protocol"] != Protocol.PAPER)]
    if rows.empty:
        return "edss_performance.tsv"
    best = rows[rows["model"] == rows["model"].iloc[0]]
    words = "; ".join(
        f"{row['set']} r {row['r']:.2f} ({row['r_low']:.2f} to {row['r_high']:.2f})"
        for row in best.to_dict("records")
        if np.isfinite(row["r"])
    )
    return f"{best['model'].iloc[0]}: {words}; all models: edss_performance.tsv"

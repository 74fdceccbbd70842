"""Prediction of EDSS (study A): as published, leak-free, and the gap between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.learn.artifact import site_names
from bids_app.learn.edss import tables
from bids_app.learn.edss.apply import make_models
from bids_app.learn.edss.calibration import calibration, coverage
from bids_app.learn.edss.columns import SITE, candidates, priority, site_codes
from bids_app.learn.edss.fitting import Design, Fitted, Table
from bids_app.learn.edss.models import MODELS
from bids_app.learn.edss.options import Options
from bids_app.learn.edss.patients import include
from bids_app.learn.edss.protocols import (
    Outer,
    as_published,
    conformal,
    deal_all,
    leak_free,
    learning_curve,
)
from bids_app.learn.edss.result import EDSSResult
from bids_app.learn.edss.scores import compare_models, pearson, performance
from bids_app.learn.edss.sets import check, check_sites, split
from bids_app.learn.names import visit_names
from bids_app.learn.statistics import permutation_p
from bids_app.learn.study import StudyCohort
from bids_app.protocol import CROSS_VALIDATED, Protocol, check_choices, requested
from bids_app.settings import BOTH

Predicted = dict[tuple[str, str], npt.NDArray[np.float64]]


def run(
    cohort: StudyCohort,
    *,
    protocol: str = BOTH,
    external_site: str | None = None,
    test_size: float = 0.2,
    models: Sequence[str] = MODELS,
    cv: int = 10,
    seed: int,
    options: Options | None = None,
) -> EDSSResult:
    """Learn EDSS from clinical columns, volumes, disconnection and radiomics, and say honestly how well.

    Parameters
    ----------
    cohort : StudyCohort
        Visits with edss, clinical columns and measures.
    protocol : {"both", "paper", "nested"}
        `paper` selects columns once before cross-validation, as study A; `nested` inside every fold. Tests on
        the held-out patients are leak-free either way.
    external_site : str, optional
        Site that is kept for an external test.
    test_size : float
        Share of the other patients kept for the internal test.
    models : sequence of {"ridge", "gp", "svr", "rf"}
    cv : int
        Folds of tuning, and of the published cross-validation.
    seed : int
    options : Options, optional

    Returns
    -------
    EDSSResult

    Raises
    ------
    InputError
        If there are too few patients, EDSS does not vary, a site, model or protocol is unknown or a column
        unusable.

    Examples
    --------
    A synthetic cohort, in which EDSS follows from planted features:

    >>> import subprocess
    >>> from demyelin import edss, read_cohort
    >>> made = "demyelin-phantom study-a --derivatives-only --study A --nprocs 1 --visits 30,0 --regions 7"
    >>> _ = subprocess.run(made.split(), check=True, capture_output=True)
    >>> cohort = read_cohort("study-a/derivatives/demyelin", "study-a/participants.tsv")
    >>> options = edss.Options(outer=3, permutations=0)
    >>> result = edss.run(cohort, protocol="nested", models=["ridge"], cv=3, seed=1, options=options)
    >>> "nested" in result.tables["performance"]["protocol"].tolist()
    True
    """
    protocols = requested(protocol)
    check_choices("models", models, MODELS)
    options = options or Options()
    visits, data, sites, flow = _prepare(cohort, options)
    sets = split(visits, external_site, test_size, seed)
    check_sites(visits, sites)
    notes = [*cohort.table.notes, *check(data, sets, cv)]
    rows = sets.pop("training")
    design = Design(models, cv, options.outer, options.permutations, seed, options.rules, options.n_jobs)

    shown = (
        design if Protocol.PAPER in protocols else replace(design, permutations=0)
    )  # its null would not be told
    fitted, published, null = as_published(data, rows, shown)
    nested = leak_free(data, rows, design) if Protocol.NESTED in protocols else []
    predictions = _predictions(
        visits, data, rows, sets, fitted, published if Protocol.PAPER in protocols else None, nested
    )
    scores = performance(predictions, seed)
    calibrated, widths = conformal(data, rows, design)
    names = visit_names(visits["participant_id"], visits["session_id"])
    covered, intervals = coverage(data, names, calibrated, widths, sets)
    anova, pairs = compare_models(predictions)
    kinds = np.full(len(visits), "training", dtype=object)
    for name, test in sets.items():
        kinds[test] = name
    out = {
        "cohort": visits.assign(set=kinds),
        "flow": flow,
        "demographics": tables.demographics(visits, data.X),
        "selection": tables.selection_counts(fitted, nested),
        "columns": tables.selected_columns(data, rows, fitted, nested),
        "representatives": _representatives(fitted),
        "performance": scores,
        "predictions": predictions,
        "anova": anova,
        "pairs": pairs,
        "hyperparameters": tables.hyperparameters(fitted, nested),
        "learning_curve": learning_curve(data, rows, sets, design),
        "calibration": calibration(predictions, models[0], seed),
        "intervals": covered,
        "interval_visits": intervals,
        **_gap_and_null(scores, data, rows, null, nested, design),
    }
    chosen = {"protocol": protocol, "external_site": external_site, "test_size": test_size, "cv": cv}
    settings = {"seed": seed, **chosen, **options.recorded()}
    card = {
        "Sites": site_names(visits.iloc[rows]),
        "Metrics": scores[scores["features"] != "none"].round(4).to_dict("records"),
        "Settings": settings,
        "TrainingVisits": len(rows),
    }
    saved = make_models(data, rows, fitted, widths, card | ({"SiteNumbers": sites} if sites else {}))
    kept = {name: table for name, table in out.items() if len(table)}
    return EDSSResult(tables=kept, notes=notes, settings=settings, models=saved)


def _prepare(
    cohort: StudyCohort, options: Options
) -> tuple[pd.DataFrame, Table, dict[str, int], pd.DataFrame]:
    """Return the visits included, what is learned from, numbers of the sites (for ComBat) and the flow."""
    visits, flow = include(cohort.visits.assign(_row=np.arange(len(cohort.visits))), several=options.several)
    features = cohort.features.iloc[visits.pop("_row").to_numpy()].set_axis(visits.index)
    X, about = candidates(visits, features, cohort.columns)
    sites = site_codes(visits) if options.combat else {}
    if sites:
        X[SITE] = visits[SITE].astype(str).map(sites).astype(np.float32)
    y, groups = visits["edss"].to_numpy(np.float64), visits["participant_id"].to_numpy()
    return visits, Table(X, y, groups, about, priority(about)), sites, flow


def _predictions(
    visits: pd.DataFrame,
    data: Table,
    rows: npt.NDArray[np.intp],
    sets: dict[str, npt.NDArray[np.intp]],
    fitted: Fitted,
    published: Predicted | None,
    nested: list[Outer],
) -> pd.DataFrame:
    """Return all predictions as tidy rows: published and nested cross-validation, then the held-out sets."""
    told = [] if published is None else [_told(visits, data, rows, "cv", published, Protocol.PAPER)]
    for k, fold in enumerate(nested, start=1):
        told.append(_told(visits, data, rows[fold.test], "cv", fold.predicted, Protocol.NESTED, k))
    for where, test in sets.items():
        told.append(_told(visits, data, test, where, fitted.predict(data.X.iloc[test]), Protocol.HELD_OUT))
    return pd.concat(told, ignore_index=True)


def _told(
    visits: pd.DataFrame,
    data: Table,
    rows: Any,
    where: str,
    predicted: Predicted,
    protocol: str,
    fold: int = 0,
) -> pd.DataFrame:
    """Return predictions as tidy rows."""
    who = visits.iloc[rows]
    base = pd.DataFrame(
        {
            "visit": visit_names(who["participant_id"], who["session_id"]),
            "participant_id": who["participant_id"],
            "site": who.get("site"),
            "set": where,
            "protocol": protocol,
            "fold": fold,
            "observed": data.y[rows],
        }
    )
    parts = [base.assign(features=f, model=m, predicted=values) for (f, m), values in predicted.items()]
    return pd.concat(parts, ignore_index=True)


def _representatives(fitted: Fitted) -> pd.DataFrame:
    pairs = fitted.blind.steps[-1].representatives_
    wanted = set(fitted.selected.lasso_columns)
    rows = [(dropped, kept) for dropped, kept in pairs.items() if kept in wanted]
    return pd.DataFrame(rows, columns=["dropped", "stands_for_it"])


def _gap_and_null(
    scores: pd.DataFrame, data: Table, rows: Any, null: list[float], nested: list[Outer], design: Design
) -> dict[str, pd.DataFrame]:
    """Return published minus leak-free estimates, and what both protocols give with permuted outcomes."""
    own = scores[(scores["set"] == "cv") & (scores["features"] == "all")].set_index(["protocol", "model"])
    out: dict[str, pd.DataFrame] = {}
    if set(CROSS_VALIDATED) <= set(own.index.get_level_values("protocol")):
        gap = own.loc[Protocol.PAPER, ["r", "R2", "mae"]] - own.loc[Protocol.NESTED, ["r", "R2", "mae"]]
        out["gap"] = gap.reset_index()
    drawn = {Protocol.PAPER: null, Protocol.NESTED: _nested_null(data, rows, nested, design)}
    table = [(p, k, r) for p, values in drawn.items() for k, r in enumerate(values, start=1)]
    summary = []
    for name, values in drawn.items():
        if values and (name, "ridge") in own.index:
            observed = float(own["r"][name, "ridge"])
            table.insert(0, (name, 0, observed))
            known = np.nan_to_num(np.array(values), nan=0.0)
            p = permutation_p(observed, known)
            summary.append((name, observed, known.mean(), p, len(known)))
    if summary:
        out["null"] = pd.DataFrame(table, columns=["protocol", "permutation", "r"])
        out["null_summary"] = pd.DataFrame(
            summary, columns=["protocol", "r", "null_mean_r", "p", "permutations"]
        )
    return out


def _nested_null(data: Table, rows: Any, nested: list[Outer], design: Design) -> list[float]:
    if not nested:
        return []
    out = []
    for k, dealt in enumerate(deal_all(data, rows, design.permutations, design.seed)):
        predicted = np.empty(len(rows))
        for fold in nested:
            predicted[fold.test] = fold.null[k]
        out.append(pearson(dealt, predicted))
    return out

"""Prediction of EDSS (study A): as published, leak-free, and the gap between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.learn.artifact import site_names
from bids_app.learn.edss import missing, tables
from bids_app.learn.edss.added_value import added_value
from bids_app.learn.edss.calibration import calibration, calibration_models, coverage
from bids_app.learn.edss.columns import SITE, TIV, candidates, priority, site_codes
from bids_app.learn.edss.equation import course_difference, ridge_equation, volume_scores
from bids_app.learn.edss.fitting import Fitted, Procedure, Samples
from bids_app.learn.edss.intervals import with_intervals
from bids_app.learn.edss.models import MODELS
from bids_app.learn.edss.options import Options
from bids_app.learn.edss.patients import include, whole_patients
from bids_app.learn.edss.protocols import (
    Outer,
    as_published,
    leak_free,
    learning_curve,
    permute_all,
)
from bids_app.learn.edss.result import EDSSResult
from bids_app.learn.edss.robustness import (
    leave_one_site_out,
    repeated_splits,
    repeats_allowed,
    selection_stability,
    split_summary,
    subgroups,
)
from bids_app.learn.edss.sample_size import sample_size
from bids_app.learn.edss.saved import make_models
from bids_app.learn.edss.scores import compare_models, null_summary, off_the_scale, pearson, performance
from bids_app.learn.edss.serving import Parts, predict_all, served
from bids_app.learn.edss.sets import check, check_sites, split
from bids_app.learn.edss.tripod import checklist
from bids_app.learn.names import visit_names
from bids_app.learn.study import StudyCohort
from bids_app.protocol import CROSS_VALIDATED, Protocol, check_choices, requested
from bids_app.settings import BOTH

INTERVAL_FOLDS = 5  # that make the intervals where the leak-free protocol is not asked for
LEAST_R2 = 0.05  # assumed where the models explain less, or nothing
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
    """Learn EDSS from clinical columns, volumes, disconnection and radiomics; score it by both protocols.

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
    ready = _prepare(cohort, options)
    who = ready.visits.assign(participant_id=ready.data.groups)
    sets = split(who, external_site, test_size, seed, bands=not options.random_split)
    check_sites(ready.visits, ready.sites)
    notes = [*cohort.table.notes, *ready.notes, *check(ready.data, sets, cv)]
    design = Procedure(models, cv, options.outer, options.permutations, seed, options.rules, options.n_jobs)
    found = _learn(ready, sets, design, protocols, options.interval_steps)
    notes += off_the_scale(found.predictions)
    notes += missing.notes_on(ready.data, found.rows, found.tests, found.fitted)
    scores = performance(found.predictions, seed)
    covered, intervals = coverage(ready.data, ready.names, found.served, found.tests)
    out = {
        **_tables(ready, found, scores),
        **_other_splits(who, ready.data, external_site, test_size, options, design, found.nested),
        **_by_features("intervals", covered),
        **_by_features("interval_visits", intervals),
        **_gap_and_null(scores, ready.data, found.rows, found.null, found.nested, design),
    }
    chosen = {"protocol": protocol, "external_site": external_site, "test_size": test_size, "cv": cv}
    settings = {"seed": seed, **chosen, **options.recorded()}
    card = _card(ready, found.rows, scores, settings)
    saved = make_models(ready.data, found.rows, found.served, covered, card)
    kept = {name: table for name, table in out.items() if len(table)}
    kept["tripod"] = checklist(kept, settings, len(saved))
    return EDSSResult(tables=kept, notes=notes, settings=settings, models=saved)


@dataclass(frozen=True)
class Ready:
    """The visits included, what is learned from, numbers of the sites (for ComBat), flow, notes, and volumes."""

    visits: pd.DataFrame
    data: Samples
    sites: dict[str, int]
    flow: pd.DataFrame
    notes: list[str]
    volumes: pd.DataFrame

    @property
    def names(self) -> pd.Series:
        """Name of each visit."""
        return visit_names(self.visits["participant_id"], self.visits["session_id"])


@dataclass(frozen=True)
class Learned:
    """What was learned on the training rows by a design, and every prediction; `tests` are rows of the other sets."""

    design: Procedure
    rows: npt.NDArray[np.intp]
    tests: dict[str, npt.NDArray[np.intp]]
    fitted: Fitted
    null: list[dict[str, float]]
    nested: list[Outer]
    served: dict[tuple[str, str], Parts]
    predictions: pd.DataFrame


def _prepare(cohort: StudyCohort, options: Options) -> Ready:
    """Choose visits and candidates."""
    visits, flow = include(cohort.visits.assign(_row=np.arange(len(cohort.visits))), several=options.several)
    chosen = visits.pop("_row").to_numpy()
    features = cohort.features
    if not np.array_equal(
        chosen, np.arange(len(features))
    ):  # a copy is a third of the memory of a whole analysis
        features = features.iloc[chosen]
    features = features.set_axis(visits.index)
    X, about = candidates(visits, features, cohort.columns, options.candidates)
    sites = site_codes(visits) if options.combat else {}
    if sites:
        X[SITE] = visits[SITE].astype(str).map(sites).astype(np.float32)
    groups, notes = whole_patients(visits, features, cohort.columns)
    data = Samples(X, visits["edss"].to_numpy(np.float64), groups, about, priority(about))
    volumes = features.loc[:, (cohort.columns["family"] == "volume").to_numpy()].copy()
    return Ready(visits, data, sites, flow, notes, volumes)


def _learn(
    ready: Ready,
    sets: dict[str, npt.NDArray[np.intp]],
    design: Procedure,
    protocols: Sequence[Protocol],
    interval_steps: bool,
) -> Learned:
    """Learn by both protocols, as far as they are asked for, and predict every set.

    The model that is served is the published one; its intervals come from the folds of the leak-free protocol.
    """
    data, rows = ready.data, sets["training"]
    tests = {name: test for name, test in sets.items() if name != "training"}
    without_null = replace(design, permutations=0)
    fitted, published, null = as_published(
        data, rows, design if Protocol.PAPER in protocols else without_null
    )
    few = replace(without_null, outer=min(design.outer, INTERVAL_FOLDS))
    outer = leak_free(data, rows, design if Protocol.NESTED in protocols else few)
    nested = outer if Protocol.NESTED in protocols else []
    models = with_intervals(data, rows, served(data, rows, fitted), outer, interval_steps)
    tested = {name: predict_all(models, fitted.constants, data.X.iloc[test]) for name, test in tests.items()}
    shown = published if Protocol.PAPER in protocols else None
    predictions = _predictions(ready.visits, data, rows, tests, tested, shown, nested)
    return Learned(design, rows, tests, fitted, null, nested, models, predictions)


def _tables(ready: Ready, found: Learned, scores: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the tables on visits, columns, predictions and models."""
    visits, data, names, seed = ready.visits, ready.data, ready.names, found.design.seed
    rows, fitted, nested, predictions = found.rows, found.fitted, found.nested, found.predictions
    anova, pairs = compare_models(predictions)
    imputed = names[missing.imputed_visits(data, missing.seen_by_models(data, fitted))].tolist()
    kinds = np.full(len(visits), "training", dtype=object)
    for name, test in found.tests.items():
        kinds[test] = name
    return {
        "cohort": visits.assign(set=kinds),
        "flow": ready.flow,
        "demographics": tables.demographics(visits, data.X, seed),
        "selection": tables.selection_counts(fitted, nested),
        "columns": tables.selected_columns(data, rows, fitted, nested),
        "representatives": _representatives(fitted),
        "performance": scores,
        "predictions": predictions,
        "added_value": added_value(predictions, seed),
        "missing": missing.missing_values(data, rows, fitted),
        "missing_sensitivity": missing.sensitivity(predictions, imputed),
        "anova": anova,
        "pairs": pairs,
        "hyperparameters": tables.hyperparameters(fitted, nested),
        "learning_curve": learning_curve(data, rows, found.tests, found.design),
        "calibration": calibration(predictions, found.design.models[0], seed),
        "calibration_models": calibration_models(predictions, seed),
        "equation": ridge_equation(found.served),
        "course": course_difference(visits, data.groups),
        "volumes_z": volume_scores(ready.volumes, visits, names, rows),
        "subgroups": subgroups(predictions, visits, names, seed),
        "sites_out": leave_one_site_out(visits, data, found.design) if nested else pd.DataFrame(),
        "sample_size": _sample_size(data, rows, fitted, scores),
    }


def _card(
    ready: Ready, rows: npt.NDArray[np.intp], scores: pd.DataFrame, settings: dict[str, Any]
) -> dict[str, Any]:
    """Return what a saved model's card says of its training."""
    return {
        "Sites": site_names(ready.visits.iloc[rows]),
        "Metrics": scores[scores["features"] != "none"].round(4).to_dict("records"),
        "Settings": settings,
        "TrainingVisits": len(rows),
        **({"SiteNumbers": ready.sites} if ready.sites else {}),
    }


def _by_features(name: str, table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return a table of models on all columns, and that of models on clinical columns alone."""
    if table.empty:
        return {}
    clinical = table["features"] == "clinical"
    return {
        name: table[~clinical].reset_index(drop=True),
        f"{name}_clinical": table[clinical].reset_index(drop=True),
    }


def _other_splits(
    who: pd.DataFrame,
    data: Samples,
    external_site: str | None,
    test_size: float,
    options: Options,
    design: Procedure,
    nested: list[Outer],
) -> dict[str, pd.DataFrame]:
    """Return scores over other random splits, and how alike selections are over them and over the outer folds."""
    wanted = options.repeats if nested or options.repeats is not None else 0
    repeats = repeats_allowed(wanted, *data.X.shape)
    bands = not options.random_split
    splits, chosen = repeated_splits(who, data, external_site, test_size, bands, design, repeats)
    runs = {"outer folds": [fold.columns for fold in nested], "random splits": chosen}
    n = len(data.about) - (data.about["column"] == TIV).sum()
    alike = [{"over": name} | selection_stability(some, n) for name, some in runs.items() if len(some) > 1]
    return {"splits": splits, "split_summary": split_summary(splits), "stability": pd.DataFrame(alike)}


def _sample_size(
    data: Samples, rows: npt.NDArray[np.intp], fitted: Fitted, scores: pd.DataFrame
) -> pd.DataFrame:
    """Return what Riley's criteria ask for, given the R2 found without leakage (at least .05)."""
    nested = scores[(scores["features"] == "all") & (scores["protocol"] != Protocol.PAPER)]
    r2 = float(np.clip(nested["R2"].max() if len(nested) else 0, LEAST_R2, 0.95))
    counts = fitted.selected.counts
    parameters = {
        "clinical columns": len(fitted.columns.get("clinical", [])),
        "selected columns": counts["cfs"],
        "all candidates": counts["candidates"],
    }
    y = data.y[rows]
    return sample_size(len(np.unique(data.groups[rows])), parameters, r2, y.mean(), y.std(ddof=1))


def _predictions(
    visits: pd.DataFrame,
    data: Samples,
    rows: npt.NDArray[np.intp],
    sets: dict[str, npt.NDArray[np.intp]],
    tested: dict[str, Predicted],
    published: Predicted | None,
    nested: list[Outer],
) -> pd.DataFrame:
    """Return all predictions as tidy rows: published and nested cross-validation, then the held-out sets."""
    parts = [] if published is None else [_tidy(visits, data, rows, "cv", published, Protocol.PAPER)]
    for k, fold in enumerate(nested, start=1):
        parts.append(_tidy(visits, data, rows[fold.test], "cv", fold.predicted, Protocol.NESTED, k))
    for where, test in sets.items():
        parts.append(_tidy(visits, data, test, where, tested[where], Protocol.HELD_OUT))
    return pd.concat(parts, ignore_index=True)


def _tidy(
    visits: pd.DataFrame,
    data: Samples,
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
    scores: pd.DataFrame,
    data: Samples,
    rows: Any,
    null: list[dict[str, float]],
    nested: list[Outer],
    design: Procedure,
) -> dict[str, pd.DataFrame]:
    """Return published minus leak-free estimates, and what both protocols give with permuted outcomes."""
    of_models = scores[(scores["set"] == "cv") & (scores["features"] == "all")].set_index(
        ["protocol", "model"]
    )
    out: dict[str, pd.DataFrame] = {}
    if set(CROSS_VALIDATED) <= set(of_models.index.get_level_values("protocol")):
        gap = (
            of_models.loc[Protocol.PAPER, ["r", "R2", "mae"]]
            - of_models.loc[Protocol.NESTED, ["r", "R2", "mae"]]
        )
        out["gap"] = gap.reset_index()
    drawn = {Protocol.PAPER: null, Protocol.NESTED: _nested_null(data, rows, nested, design)}
    known = [
        (protocol, name, k, r)
        for protocol, values in drawn.items()
        for k, by_model in enumerate(values, start=1)
        for name, r in by_model.items()
        if (protocol, name) in of_models.index
    ]
    if known:
        columns = ["protocol", "model", "permutation", "r"]
        observed = [
            (protocol, name, 0, of_models.loc[(protocol, name), "r"])
            for protocol, name in dict.fromkeys((row[0], row[1]) for row in known)
        ]
        out["null"] = pd.DataFrame([*observed, *known], columns=columns)
        out["null_summary"] = null_summary(out["null"])
    return out


def _nested_null(data: Samples, rows: Any, nested: list[Outer], design: Procedure) -> list[dict[str, float]]:
    if not nested:
        return []
    out = []
    for k, permuted in enumerate(permute_all(data, rows, design.permutations, design.seed)):
        predicted = {name: np.empty(len(rows)) for name in design.models}
        for fold in nested:
            for name, values in fold.null[k].items():
                predicted[name][fold.test] = values
        out.append({name: pearson(permuted, values) for name, values in predicted.items()})
    return out

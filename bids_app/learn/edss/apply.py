"""EDSS models for new visits: each visit and model for itself, with the reason where there is no prediction."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.errors import InputError
from bids_app.learn.artifact import LOW_APPLICABILITY, Model
from bids_app.learn.edss.columns import CLINICAL, SITE, clinical_columns
from bids_app.learn.edss.intervals import bounds
from bids_app.learn.edss.patients import COURSES, HIGHEST_EDSS, standard_course
from bids_app.learn.edss.scores import score
from bids_app.learn.edss.serving import predict
from bids_app.learn.names import SEXES, visit_names
from bids_app.learn.results import Applied
from bids_app.learn.selection.combat import FEWEST_SITE_VISITS as FEWEST_OF_A_SITE
from bids_app.learn.study import StudyCohort

FEWEST_SCORED = 3  # patients


def apply_models(cohort: StudyCohort, models: Sequence[tuple[str, Model]], seed: int = 1) -> Applied:
    """Predict EDSS of a cohort's visits with saved models.

    A visit is predicted by a model if every input is known; an input that was unknown for training patients too may
    be unknown, and is then imputed as it was in training. What a visit gets does not depend on the other visits, but
    for models trained with ComBat at sites that were not in training.

    Parameters
    ----------
    cohort : StudyCohort
    models : sequence of (name, Model)
        Of `load_models`, kind `edss`.
    seed : int
        Of the intervals of the performance.

    Returns
    -------
    Applied
        `applied`: a row per visit and model: observed (where known), predicted, low, high (90 % interval),
        applicability, inputs imputed, and the reason where there is no prediction.

    Raises
    ------
    InputError
        If no visit can be predicted by any model.
    """
    visits = cohort.visits.reset_index(drop=True)
    needed = {c for _, m in models for c in m.card["Inputs"]}
    table = _inputs(visits, cohort.features.reset_index(drop=True), needed)
    refused = _refused(visits)
    names = visit_names(visits["participant_id"], visits["session_id"])
    observed = visits["edss"].to_numpy(np.float64) if "edss" in visits else np.full(len(visits), np.nan)
    rows = visits[["participant_id", "session_id"]]
    out = [
        rows.assign(model=name, observed=observed, **_applied(model, table, visits, refused))
        for name, model in models
    ]
    applied = pd.concat(out, ignore_index=True)
    if applied["predicted"].isna().all():
        raise InputError(f"no visit can be predicted: {applied['reason'].iloc[0]} ({names.iloc[0]})")
    applied["session_id"] = applied["session_id"].astype(object)
    predicted = applied["predicted"].notna().to_numpy().reshape(len(models), -1)
    notes = [
        *_notes(applied, names, len(models)),
        *_extrapolated(applied),
        *_new_sites(models, visits, predicted),
    ]
    return Applied({"applied": applied} | _scores(applied, seed), notes)


def _applied(
    model: Model, table: pd.DataFrame, visits: pd.DataFrame, refused: pd.Series
) -> dict[str, npt.NDArray | pd.Series]:
    """Return one model's columns of the table of predictions."""
    card, inputs = model.card, model.card["Inputs"]
    table = table.reindex(columns=list(dict.fromkeys([*table.columns, *inputs])))
    site, numbers = _sites(model, visits)
    table[SITE] = numbers
    reason = refused.mask(refused == "", _unknown(table, inputs, card["Imputed"]))
    reason = reason.mask(reason == "", site)
    reason = reason.mask(reason == "", _few_of_a_site(model, visits, reason))
    good = (reason == "").to_numpy()
    predicted, low, high = (np.full(len(table), np.nan) for _ in range(3))
    if good.any():
        predicted[good] = predict(model.parts, table[good])
        low[good], high[good] = bounds(model.parts, table[good])
    unknown = table[inputs].isna()
    return {
        "predicted": predicted,
        "low": low,
        "high": high,
        "applicability": model.applicability(table),
        "imputed": _listed(unknown).where(good & unknown.any(axis=1)),
        "reason": reason.where(reason != ""),
    }


def _listed(mask: pd.DataFrame) -> pd.Series:
    """Return the names of the columns that are true, row by row."""
    return pd.Series([", ".join(mask.columns[row]) for row in mask.to_numpy()], mask.index, dtype=object)


def _unknown(table: pd.DataFrame, inputs: Sequence[str], imputed: dict[str, int]) -> pd.Series:
    """Return which inputs a visit lacks that every training patient had, as a reason; empty where none."""
    absent = table[[name for name in inputs if name not in imputed]].isna()
    names = _listed(absent)
    return names.where(names == "", "unknown, and known for every training patient: " + names)


def _refused(visits: pd.DataFrame) -> pd.Series:
    """Return why a visit cannot be predicted by any model; empty where it can."""
    reason = pd.Series("", visits.index, dtype=object)
    if "edss" in visits:
        wrong = (visits["edss"] < 0) | (visits["edss"] > HIGHEST_EDSS)
        reason[wrong] = "column edss holds " + visits["edss"].map("{:g}".format) + "; EDSS goes from 0 to 10"
    if "disease_course" in visits:
        course = standard_course(visits["disease_course"])
        unseen = course.notna() & ~course.isin(list(COURSES))
        words = (
            "column disease_course holds " + course.map(repr) + ", unseen in training; models know RR and SP"
        )
        reason[unseen] = words[unseen]
    if "sex" in visits:
        unread = visits["sex"].notna() & ~_readable(visits["sex"])
        reason[unread] = "column sex holds " + visits["sex"].map(repr) + "; use M, F or n/a"
    return reason


def _readable(sex: pd.Series) -> pd.Series:
    return sex.astype("string").str.strip().str.lower().isin(list(SEXES))


def _inputs(visits: pd.DataFrame, features: pd.DataFrame, needed: Collection[str]) -> pd.DataFrame:
    """Return what models may need, NaN where unknown; text in a user's own column is unknown too."""
    if "disease_course" in visits:
        course = standard_course(visits["disease_course"])
        visits = visits.assign(disease_course=course.where(course.isin(list(COURSES))))
    if "sex" in visits:
        visits = visits.assign(sex=visits["sex"].where(_readable(visits["sex"])))
    added = [c for c in visits if c in needed and c not in features and c not in CLINICAL]
    numbers = visits[added].apply(pd.to_numeric, errors="coerce")
    return pd.concat([clinical_columns(visits), numbers, features], axis=1)


def _sites(model: Model, visits: pd.DataFrame) -> tuple[pd.Series, npt.NDArray[np.float32]]:
    """Return why a harmonised model cannot use a visit's site (empty where it can), and the sites' numbers."""
    reason = pd.Series("", visits.index, dtype=object)
    known = model.card.get("SiteNumbers")
    if model.parts["combat"] is None or known is None:
        return reason, np.zeros(len(visits), np.float32)
    site = visits[SITE] if SITE in visits else pd.Series(None, visits.index, dtype=object)
    reason[site.isna()] = "no site in participants.tsv, which a model trained with --combat needs"
    new = sorted(set(site.dropna().astype(str)) - set(known))
    numbers = known | {name: max(known.values()) + 1 + place for place, name in enumerate(new)}
    return reason, site.astype(str).map(numbers).fillna(0).to_numpy(np.float32)


def _few_of_a_site(model: Model, visits: pd.DataFrame, reason: pd.Series) -> pd.Series:
    """Return why a visit of a site unseen in training cannot be harmonised; empty where it can."""
    out = pd.Series("", visits.index, dtype=object)
    if model.parts["combat"] is None or SITE not in visits:
        return out
    site = visits[SITE].where(reason == "").astype("string")
    for name, count in site[~site.isin(list(model.card["SiteNumbers"]))].value_counts().items():
        if count < FEWEST_OF_A_SITE:
            out[(site == name).fillna(False)] = (
                f"site {name} was not in training and has {count} visits here; ComBat needs {FEWEST_OF_A_SITE}"
            )
    return out


def _notes(applied: pd.DataFrame, names: pd.Series, n_models: int) -> list[str]:
    """Return a note per reason, with how many visits and models it holds for, and per imputed input."""
    visit = np.tile(names.to_numpy(), n_models)
    out = []
    for column, words in (
        ("reason", "{} not predicted: {}"),
        ("imputed", "{} predicted with training medians of {}"),
    ):
        for what, rows in applied.assign(visit=visit).dropna(subset=column).groupby(column, sort=False):
            who = rows["visit"].unique()
            of = f"{len(who)} of {len(names)} visits" if len(names) > 1 else "the visit"
            by = rows["model"].unique()
            which = "" if len(by) == n_models else f" by {', '.join(by)}"
            out.append(words.format(of, what) + f"{which} ({who[0]}{' ...' if len(who) > 1 else ''})")
    return out


def _extrapolated(applied: pd.DataFrame) -> list[str]:
    poor = applied[applied["predicted"].notna() & (applied["applicability"] < LOW_APPLICABILITY)]
    return [
        f"{name}: {len(rows)} of {int((applied['model'] == name).sum())} visits have more than a fifth of the inputs "
        "unknown or outside the training range; their predictions are extrapolations"
        for name, rows in poor.groupby("model", sort=False)
    ]


def _new_sites(
    models: Sequence[tuple[str, Model]], visits: pd.DataFrame, predicted: npt.NDArray[np.bool_]
) -> list[str]:
    """Name the sites unseen in training of the visits predicted (a row a model), by what was done about them."""
    aligns = np.array([model.parts["combat"] is not None for _, model in models])
    cases = {
        "ComBat aligned it from its own visits, which each prediction there depends on": predicted[aligns],
        "measures may be shifted there": predicted[~aligns & ~aligns.any()],
    }
    unseen = [(models[0][1].unseen_sites(visits[rows.any(axis=0)]), words) for words, rows in cases.items()]
    return [f"site {', '.join(new)} was not in training; {words}" for new, words in unseen if new]


def _scores(applied: pd.DataFrame, seed: int) -> dict[str, pd.DataFrame]:
    """Score the predictions of visits whose EDSS is known, and their intervals."""
    known = applied[applied["observed"].notna() & applied["predicted"].notna()]
    enough = known.groupby("model")["participant_id"].nunique() >= FEWEST_SCORED
    known = known[known["model"].isin(enough.index[enough])]
    if known.empty:
        return {}
    scores = []
    for name, rows in known.groupby("model", sort=False):
        inside = rows["observed"].between(rows["low"], rows["high"])
        scores.append({"model": name} | score(rows, seed) | {"coverage": inside.mean()})
    return {"applied_performance": pd.DataFrame(scores)}

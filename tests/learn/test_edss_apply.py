"""Saved models, visit by visit and model by model: what one lacks takes nothing from the others."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from test_edss import make_cohort

from bids_app.errors import InputError
from bids_app.learn.artifact import load_models
from bids_app.learn.edss import Options, run
from bids_app.learn.edss.apply import apply_models

PLANTED = "radiomics.Thalamus_R.original_firstorder_Energy"
NUMBERS = ["predicted", "low", "high"]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    cohort = make_cohort()
    cohort.visits.loc[::9, "disease_duration"] = np.nan
    run(
        cohort,
        models=["ridge", "rf"],
        seed=1,
        cv=4,
        test_size=0.1,
        options=Options(outer=4, permutations=0, repeats=0),
    ).write(folder)
    return load_models(folder / "models")


def new_visits(n=12):
    cohort = make_cohort(200, seed=8)
    return SimpleNamespace(
        visits=cohort.visits.tail(n).reset_index(drop=True),
        features=cohort.features.tail(n).reset_index(drop=True),
        columns=cohort.columns,
    )


def by_visit(applied, model="edss-ridge"):
    table = applied.tables["applied"]
    return table[table["model"] == model].set_index("participant_id")


def test_every_visit_gets_alone_what_it_gets_in_a_cohort(models):
    cohort = new_visits()
    together = apply_models(cohort, models).tables["applied"]
    for k in range(0, 12, 4):
        alone = SimpleNamespace(
            visits=cohort.visits.iloc[[k]].reset_index(drop=True),
            features=cohort.features.iloc[[k]].dropna(axis=1).reset_index(drop=True),
        )
        mine = apply_models(alone, models).tables["applied"]
        theirs = together[together["participant_id"] == mine["participant_id"].iloc[0]].reset_index(drop=True)
        pd.testing.assert_frame_equal(mine, theirs, check_exact=True)


def test_the_order_of_columns_and_visits_changes_nothing(models):
    cohort = new_visits()
    first = by_visit(apply_models(cohort, models))
    cohort.visits = cohort.visits.iloc[::-1]
    cohort.features = cohort.features.iloc[::-1, ::-1]
    pd.testing.assert_frame_equal(
        by_visit(apply_models(cohort, models)).loc[first.index], first, check_exact=True
    )


def test_a_column_that_one_model_needs_takes_nothing_from_the_other(models):
    cohort = new_visits()
    cohort.features = cohort.features.drop(columns=PLANTED)
    applied = apply_models(cohort, models)
    without = by_visit(applied)
    assert without["predicted"].isna().all() and without["reason"].str.contains(PLANTED).all()
    clinical = by_visit(applied, "edss-ridge-clinical")
    assert clinical[NUMBERS].notna().all(axis=None) and clinical["reason"].isna().all()
    assert any("12 of 12 visits not predicted: unknown" in note and PLANTED in note for note in applied.notes)


def test_an_unused_column_may_be_missing(models):
    cohort = new_visits()
    before = by_visit(apply_models(cohort, models))
    used = {c for _, model in models for c in model.card["Inputs"]}
    cohort.features = cohort.features[[c for c in cohort.features if c in used]]
    pd.testing.assert_frame_equal(by_visit(apply_models(cohort, models)), before, check_exact=True)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("disease_course", "PPMS", "column disease_course holds 'PPMS', unseen in training"),
        ("age", np.nan, "age"),
        ("edss", 99.0, "column edss holds 99; EDSS goes from 0 to 10"),
        ("sex", "x", "column sex holds 'x'"),
        (PLANTED, np.nan, PLANTED),
    ],
)
def test_one_unusable_visit_stops_no_other(models, column, value, words):
    cohort = new_visits()
    whole = by_visit(apply_models(cohort, models))
    table = cohort.features if column == PLANTED else cohort.visits
    table.loc[3, column] = value
    applied = apply_models(cohort, models)
    found = by_visit(applied)
    bad = cohort.visits["participant_id"][3]
    assert np.isnan(found.loc[bad, "predicted"]) and words in found.loc[bad, "reason"]
    pd.testing.assert_frame_equal(found.drop(bad), whole.drop(bad), check_exact=True)
    assert any(
        "1 of 12 visits not predicted" in note and words in note and bad in note for note in applied.notes
    )


def test_what_was_unknown_in_training_is_imputed_and_told(models):
    cohort = new_visits()
    cohort.visits.loc[2, "disease_duration"] = np.nan
    applied = apply_models(cohort, models)
    found = by_visit(applied, "edss-ridge-clinical")
    who = cohort.visits["participant_id"][2]
    assert np.isfinite(found.loc[who, "predicted"]) and found.loc[who, "imputed"] == "disease_duration"
    assert found["imputed"].notna().sum() == 1
    assert any(
        "1 of 12 visits predicted with training medians of disease_duration" in n for n in applied.notes
    )


def test_if_nobody_can_be_predicted_the_reason_is_one_line(models):
    cohort = new_visits()
    cohort.visits["disease_course"] = "PPMS"
    with pytest.raises(InputError, match=r"no visit can be predicted: column disease_course holds 'PPMS'"):
        apply_models(cohort, models)

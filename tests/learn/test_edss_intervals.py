"""The interval told is the interval served: in tables, cards, saved models and on new visits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from test_edss import make_cohort

from bids_app.learn.artifact import load_models
from bids_app.learn.edss import Options, run
from bids_app.learn.edss.apply import apply_models
from bids_app.learn.edss.columns import clinical_columns
from bids_app.learn.edss.intervals import bounds, on_steps
from bids_app.learn.statistics import conformal_quantile, per_group, wilson_interval

KEYS = ["visit", "features", "model"]


@pytest.fixture(scope="module", params=["nested", "paper"])
def served(request, tmp_path_factory):
    """What a run tells, and what its saved models say of the same cohort."""
    folder = tmp_path_factory.mktemp(request.param)
    options = Options(outer=4, permutations=0, repeats=0, interval_steps=request.param == "paper")
    cohort = make_cohort(70)
    result = run(
        cohort,
        protocol=request.param,
        models=["ridge", "svr"],
        seed=1,
        cv=4,
        external_site="b",
        options=options,
    )
    result.write(folder)
    models = load_models(folder / "models")
    return folder, cohort, models, apply_models(cohort, models)


def read(folder, name):
    """A table as written; those of intervals with the clinical models' below."""
    names = [name, f"{name}_clinical"] if name.startswith("interval") else [name]
    return pd.concat(
        [pd.read_csv(folder / f"edss_{one}.tsv", sep="\t", na_values="n/a") for one in names],
        ignore_index=True,
    )


def test_predictions_and_intervals_are_the_same_in_every_file(served):
    folder, _, _, applied = served
    each = read(folder, "interval_visits")
    table = applied.tables["applied"]
    names = table["model"].str.removeprefix("edss-").str.split("-", expand=True)
    table = table.assign(model=names[0], features=names[1].fillna("all"), visit=table["participant_id"])
    both = each.merge(table, on=KEYS, suffixes=("_told", "_served"))
    assert len(both) == len(each) > 0
    for column in ("predicted", "low", "high"):
        np.testing.assert_allclose(both[f"{column}_told"], both[f"{column}_served"], rtol=0, atol=1e-9)
    held = read(folder, "predictions").query("protocol == 'held out'").merge(each, on=KEYS)
    np.testing.assert_allclose(held["predicted_x"], held["predicted_y"], rtol=0, atol=1e-9)


def test_coverage_told_is_that_of_the_intervals_saved(served):
    folder, _, models, _ = served
    each = read(folder, "interval_visits")
    for row in read(folder, "intervals").to_dict("records"):
        rows = each.query(
            f"set == '{row['set']}' and features == '{row['features']}' and model == '{row['model']}'"
        )
        inside = rows["observed"].between(rows["low"], rows["high"])
        assert (inside == rows["inside"]).all()
        assert row["coverage"] == pytest.approx(inside.mean()) and row["n_visits"] == len(rows)
        assert row["width"] == pytest.approx((rows["high"] - rows["low"]).mean())
        assert (row["coverage_low"], row["coverage_high"]) == pytest.approx(
            wilson_interval(inside.sum(), len(rows))
        )
        name = "edss-" + row["model"] + ("" if row["features"] == "all" else "-clinical")
        card = dict(models)[name].card["Interval"]
        assert card["Coverage"][row["set"]] == pytest.approx(row["coverage"], abs=1e-4)
        parts = dict(models)[name].parts["intervals"]
        assert card["HalfWidth"] == pytest.approx(parts["half_width"], abs=1e-4)
        if not parts["steps"]:
            ends = pd.concat([rows["predicted"] - rows["low"], rows["high"] - rows["predicted"]])
            assert ends[(rows["low"] > 0) & (rows["high"] < 10)].to_numpy() == pytest.approx(
                parts["half_width"]
            )


def test_bounds_are_on_the_scale_and_on_its_steps_where_asked(served):
    folder, _, models, _ = served
    each = read(folder, "interval_visits")
    assert each["low"].between(0, 10).all() and each["high"].between(0, 10).all()
    assert (each["low"] <= each["high"]).all()
    steps = {0, *np.arange(2, 21) / 2}
    assert set(each["low"]) | set(each["high"]) <= steps or not models[0][1].card["Interval"]["OnSteps"]


def test_intervals_are_mapies():
    mapie = pytest.importorskip("mapie.regression")
    from sklearn.model_selection import KFold

    rng = np.random.default_rng(0)
    X, new = rng.normal(size=(83, 4)), rng.normal(size=(40, 4))
    y = X @ [1, 2, 0, 0] + rng.normal(size=83)
    splits = KFold(7)
    theirs = mapie.CrossConformalRegressor(Ridge(), confidence_level=0.9, method="base", cv=splits)
    _, theirs = theirs.fit_conformalize(X, y).predict_interval(new)
    error = np.empty(83)
    for train, test in splits.split(X):
        error[test] = np.abs(y[test] - Ridge().fit(X[train], y[train]).predict(X[test]))
    around, half = Ridge().fit(X, y).predict(new), conformal_quantile(error, 0.1)
    np.testing.assert_allclose(np.column_stack([around - half, around + half]), theirs[..., 0])


def test_patients_with_several_visits_count_once():
    rng = np.random.default_rng(1)
    error, counts = rng.random(30), rng.integers(1, 4, 30)
    patient = np.repeat(np.arange(30), counts)
    assert conformal_quantile(np.repeat(error, counts), 0.1, per_group(patient)) == conformal_quantile(
        error, 0.1
    )


def test_too_few_patients_give_no_bound_and_the_scale_bounds_what_is_served(served):
    assert conformal_quantile(np.ones(8), 0.1) == np.inf
    assert conformal_quantile(np.arange(9.0), 0.1) == 8
    _, cohort, models, _ = served
    parts = models[0][1].parts
    wide = parts | {"intervals": parts["intervals"] | {"half_width": np.inf}}
    low, high = bounds(wide, cohort.features.join(clinical_columns(cohort.visits)))
    assert (low == 0).all() and (high == 10).all()


@pytest.mark.parametrize("n", [20, 60, 160])
def test_half_width_holds_what_it_promises(n):
    rng = np.random.default_rng(n)
    inside = [
        np.mean(np.abs(rng.normal(size=400)) <= conformal_quantile(np.abs(rng.normal(size=n)), 0.1))
        for _ in range(400)
    ]
    assert np.mean(inside) == pytest.approx(np.ceil(0.9 * (n + 1)) / (n + 1), abs=0.01)


@pytest.mark.parametrize(
    ("low", "high", "steps"),
    [
        (0.2, 3.7, (1, 3.5)),
        (0, 10, (0, 10)),
        (2.1, 2.4, (2, 2.5)),
        (0.1, 0.4, (0, 1)),
        (2.5, 2.5, (2.5, 2.5)),
    ],
)
def test_steps_inside_an_interval_stay_the_same(low, high, steps):
    assert tuple(end[0] for end in on_steps(np.array([low]), np.array([high]))) == steps

"""Study A's tables: one meaning a value, missing data told, duplicates named, what imaging adds; recomputed apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from test_edss import SMALL, make_cohort

from bids_app.cohort.features import column_table
from bids_app.learn.edss import Options, run
from bids_app.learn.edss.added_value import added_value, said
from bids_app.learn.edss.patients import include
from bids_app.learn.edss.scores import compare_models, off_the_scale
from bids_app.learn.edss.tables import demographics
from bids_app.spelling import percent

SPELLINGS = {"M": ["M", "male", " m ", "1"], "F": ["F", "Female", "f", "0"]}


def table_of(visits, cohort):
    included, _ = include(visits)
    return demographics(included, cohort.features, seed=1).set_index("characteristic")


def three_sites(cohort, **columns):
    return cohort.visits.assign(site=np.resize(["a", "b", "b", "c"], len(cohort.visits)), **columns)


def test_spellings_of_one_value_are_one_row():
    cohort = make_cohort(80)
    plain = table_of(cohort.visits, cohort)
    rng = np.random.default_rng(0)
    sex = [rng.choice(SPELLINGS[value]) for value in cohort.visits["sex"]]
    course = [rng.choice([v, v[:2], v.lower()]) for v in cohort.visits["disease_course"]]
    pd.testing.assert_frame_equal(
        table_of(cohort.visits.assign(sex=sex, disease_course=course), cohort), plain
    )
    assert [name for name in plain.index if name.startswith("sex")] == ["sex F, n (%)", "sex M, n (%)"]


def test_shares_are_of_the_known_with_their_number():
    cohort = make_cohort(50)
    visits = cohort.visits.assign(site="a")
    visits.loc[:8, "sex"] = None
    table = table_of(visits, cohort)
    known = visits["sex"].dropna()
    share = (known == "F").mean()
    assert table.loc["sex F, n (%)", "a (n = 50)"] == f"{(known == 'F').sum()} ({percent(share, 1)}) [n = 41]"
    cells = table.loc[["sex F, n (%)", "sex M, n (%)"], "a (n = 50)"]
    assert sum(float(cell.split("(")[1].split("%")[0]) for cell in cells) == pytest.approx(100, abs=0.11)
    assert "[" not in table.loc["age (years), mean ± SD", "a (n = 50)"]


def test_three_sites_get_the_tests_for_three():
    cohort = make_cohort(90)
    visits = three_sites(cohort)
    table = table_of(visits, cohort)
    age = stats.f_oneway(*(visits.loc[visits["site"] == s, "age"] for s in "abc")).pvalue
    assert table.loc["age (years), mean ± SD", "test"] == "analysis of variance"
    assert table.loc["age (years), mean ± SD", "p"] == pytest.approx(age)
    exact = stats.fisher_exact(pd.crosstab(visits["sex"], visits["site"]).to_numpy()).pvalue
    assert table.loc["sex F, n (%)", "p"] == pytest.approx(exact, abs=0.02)
    assert table.loc["sex F, n (%)", "test"] == "Fisher exact"


def test_two_sites_keep_study_as_tests_and_the_unknown_take_no_part():
    cohort = make_cohort(60)
    visits = cohort.visits.assign(site=np.resize(["a", "b", None], 60))
    visits.loc[::7, ["sex", "age"]] = None
    table = table_of(visits, cohort)
    known = visits.dropna(subset=["sex", "site"])
    assert table.loc["age (years), mean ± SD", "test"] == "t test"
    t = stats.ttest_ind(*(known.loc[known["site"] == s, "age"].astype(float) for s in "ab")).pvalue
    assert table.loc["age (years), mean ± SD", "p"] == pytest.approx(t)
    fisher = stats.fisher_exact(pd.crosstab(known["sex"], known["site"])).pvalue
    assert table.loc["sex M, n (%)", "p"] == pytest.approx(fisher)


@pytest.fixture(scope="module")
def faulty():
    """Two visits under two names, gaps in duration and in one region."""
    cohort = make_cohort(70)
    cohort.features.iloc[55] = cohort.features.iloc[12] * (1 + 1e-6)
    cohort.visits.loc[55, ["age", "edss"]] = cohort.visits.loc[12, ["age", "edss"]].to_numpy()
    cohort.visits.loc[::8, "disease_duration"] = np.nan
    cohort.features.loc[3, [c for c in cohort.features if ".Precentral_L" in c]] = np.nan
    return cohort, run(
        cohort, models=["ridge", "svr"], seed=1, cv=4, options=Options(outer=4, permutations=2, repeats=8)
    )


def test_duplicates_are_named_and_never_parted(faulty):
    _, result = faulty
    assert sum("radiomics under two names: sub-012 and sub-055" in note for note in result.notes) == 1
    sets = result.tables["cohort"].set_index("participant_id")["set"]
    assert sets["sub-012"] == sets["sub-055"]
    nested = result.tables["predictions"].query(
        "protocol == 'nested' and features == 'all' and model == 'ridge'"
    )
    folds = nested.set_index("participant_id")["fold"]
    if "sub-012" in folds:
        assert folds["sub-012"] == folds["sub-055"]


def test_missing_values_are_counted_by_candidate_and_imputed_ones_told(faulty):
    cohort, result = faulty
    table = result.tables["missing"].set_index("candidate")
    assert table.loc["disease_duration", "missing"] == cohort.visits["disease_duration"].isna().sum() == 9
    gone = table[table["region"] == "Precentral_L"]
    assert gone["n_candidates"].sum() == sum(".Precentral_L" in c for c in cohort.features)
    assert (gone["missing"] == 1).all() and gone["fate"].str.len().min() > 0
    training = int((result.tables["cohort"]["set"] == "training").sum())
    gaps = result.tables["cohort"].query("set == 'training'")["disease_duration"].isna().sum()
    assert any(f"disease_duration: unknown in {gaps} of {training} training" in note for note in result.notes)
    assert result.models["ridge-clinical"].card["Imputed"]["disease_duration"] == gaps
    kept = result.tables["missing_sensitivity"]
    assert (kept["n_visits_without"] < kept["n_visits"]).all()


def test_a_cohort_without_gaps_or_duplicates_says_nothing_of_them():
    result = run(make_cohort(40), models=["ridge"], seed=1, cv=4, options=SMALL)
    assert not {"missing", "missing_sensitivity"} & set(result.tables)
    assert not any("imputed" in note or "two names" in note for note in result.notes)


def test_every_model_has_a_permutation_p_recomputed(faulty):
    _, result = faulty
    null, summary = result.tables["null"], result.tables["null_summary"]
    assert set(zip(summary["protocol"], summary["model"], strict=True)) == {
        (p, m) for p in ("paper", "nested") for m in ("ridge", "svr")
    }
    for row in summary.to_dict("records"):
        rows = null[(null["protocol"] == row["protocol"]) & (null["model"] == row["model"])].set_index(
            "permutation"
        )
        assert row["p"] == (1 + (rows["r"].drop(0).fillna(0) >= rows.loc[0, "r"]).sum()) / len(rows)


def test_what_imaging_adds_is_recomputed(faulty):
    _, result = faulty
    predictions = result.tables["predictions"]
    for row in result.tables["added_value"].to_dict("records"):
        rows = predictions.query(
            f"protocol == '{row['protocol']}' and set == '{row['set']}' and model == '{row['model']}'"
        )
        error = (rows["observed"] - rows["predicted"]).abs().groupby(rows["features"]).mean()
        assert row["mae"] == pytest.approx(error["all"] - error["clinical"])
        assert row["mae_low"] <= row["mae"] <= row["mae_high"]


def test_imaging_that_adds_is_said_to_and_imaging_that_does_not_is_not():
    rng = np.random.default_rng(3)
    observed, noise = rng.uniform(0, 8, 200), rng.normal(size=(2, 200))
    base = {
        "visit": range(200),
        "participant_id": range(200),
        "protocol": "nested",
        "set": "cv",
        "model": "ridge",
    }
    frames = [
        pd.DataFrame(
            base | {"features": name, "observed": observed, "predicted": observed + scale * noise[k]}
        )
        for k, (name, scale) in enumerate([("all", 0.5), ("clinical", 1.5)])
    ]
    assert "imaging lowers the error" in said(added_value(pd.concat(frames), 1), "ridge")[0]
    frames[1]["predicted"] = observed + 0.5 * noise[1]
    assert "no difference shown" in said(added_value(pd.concat(frames), 1), "ridge")[0]


def test_pairs_have_df_and_simultaneous_intervals():
    rng = np.random.default_rng(2)
    rows = [
        {"protocol": "nested", "set": "cv", "features": "all", "model": m, "visit": f"{k}", "participant_id": k,
         "observed": 3.0, "predicted": 3 + rng.normal(0, 1 + 0.3 * j)}
        for k in range(60)
        for j, m in enumerate(("gp", "rf", "ridge"))
    ]  # fmt: skip
    _, pairs = compare_models(pd.DataFrame(rows))
    assert (pairs["df"] == 59).all()
    outside = (pairs["difference_low"] > 0) | (pairs["difference_high"] < 0)
    assert (outside == (pairs["p_bonferroni"] < 0.05)).all()
    half = (pairs["difference_high"] - pairs["difference_low"]) / 2
    error = pairs["difference"] / pairs["t"]
    np.testing.assert_allclose(half / error, stats.t.ppf(1 - 0.025 / 3, 59))


def test_the_same_bytes_whatever_order_rows_and_columns_come_in(tmp_path):
    cohort = make_cohort(40)
    cohort.visits = cohort.visits.assign(zebra=1.0, centre="x")
    options = Options(outer=4, permutations=1, repeats=2)
    written = []
    for seed in (None, 1):
        if seed is not None:
            rng = np.random.default_rng(seed)
            rows = rng.permutation(40)
            cohort.visits = cohort.visits.iloc[rows, rng.permutation(cohort.visits.shape[1])].reset_index(
                drop=True
            )
            cohort.features = cohort.features.iloc[rows].reset_index(drop=True)
        folder = tmp_path / str(seed)
        run(cohort, models=["ridge"], seed=1, cv=4, external_site="b", options=options).write(folder)
        written.append(
            {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        )
    first, second = written
    assert first.keys() == second.keys() and len(first) > 30
    assert [str(name) for name in first if first[name] != second[name]] == []


def test_ridge_can_be_computed_by_hand(faulty):
    _, result = faulty
    equation, cohort = result.tables["equation"].query("features == 'clinical'"), result.tables["cohort"]
    table = cohort.assign(
        sex=(cohort["sex"] == "M").astype(float),
        disease_course_SP=(cohort["disease_course"] == "SP").astype(float),
    )
    predicted = np.full(len(table), equation.set_index("column").loc["(intercept)", "weight"])
    for row in equation[equation["column"] != "(intercept)"].to_dict("records"):
        value = table[row["column"]].fillna(row["median"])
        predicted += row["weight"] * (value.to_numpy() - row["mean"]) / row["sd"]
    external = result.tables["predictions"].query(
        "set == 'internal' and features == 'clinical' and model == 'ridge'"
    )
    mine = pd.Series(predicted, table["participant_id"])[external["participant_id"]]
    np.testing.assert_allclose(mine, external["predicted"], atol=1e-5)


def test_volumes_are_z_scores_of_the_training_visits_and_a_formula(tmp_path):
    cohort = make_cohort(60)
    size = cohort.features["volume.TIV"]
    cohort.features["volume.Thalamus_L"] = 3 * size - 0.02 * cohort.visits["age"] + np.arange(60) % 7
    cohort.columns = column_table(list(cohort.features))
    options = Options(outer=4, permutations=0, repeats=0, candidates=("volumes",))
    result = run(cohort, models=["ridge"], seed=1, cv=4, options=options)
    z = result.tables["volumes_z"].query("region == 'Thalamus_L'").set_index("visit")["z"]
    sets = result.tables["cohort"].set_index("participant_id")["set"]
    training = z[sets.index[sets == "training"]]
    assert abs(training.mean()) < 1e-5 and training.std(ddof=0) == pytest.approx(1, abs=1e-5)
    assert (
        abs(np.corrcoef(training, size.set_axis(cohort.visits["participant_id"])[training.index])[0, 1])
        < 1e-4
    )
    steps = result.tables["selection"].query("protocol == 'paper' and step == 'candidates'")["left"].iloc[0]
    plain = run(cohort, models=["ridge"], seed=1, cv=4, options=SMALL).tables["selection"]
    assert steps == plain.query("protocol == 'paper' and step == 'candidates'")["left"].iloc[0] + 1


def test_a_users_own_candidate_is_used_saved_and_applied_and_unknown_ones_are_refused(tmp_path):
    from bids_app.errors import InputError
    from bids_app.learn.artifact import load_models
    from bids_app.learn.edss.apply import apply_models

    cohort = make_cohort(60)
    cohort.visits["nfl"] = 10 * cohort.visits["edss"] + np.random.default_rng(0).normal(0, 3, 60)
    cohort.visits["arm"] = "b"
    options = Options(outer=4, permutations=0, repeats=0, candidates=("nfl",))
    result = run(cohort, models=["ridge"], seed=1, cv=4, options=options)
    result.write(tmp_path)
    assert "nfl" in set(result.tables["columns"]["column"])
    applied = apply_models(cohort, load_models(tmp_path / "models")).tables["applied"]
    assert applied["predicted"].notna().all()
    for names, words in (
        ("xyz", "no such column"),
        ("arm", "holds 'b', not a number"),
        ("edss", "the outcome"),
    ):
        with pytest.raises(InputError, match=f"--candidates {names}: .*{words}"):
            run(cohort, seed=1, cv=4, options=Options(candidates=(names,)))


def test_courses_are_compared_adjusted():
    import statsmodels.formula.api as smf

    cohort = make_cohort(80)
    row = run(cohort, models=["ridge"], seed=1, cv=4, options=SMALL).tables["course"].iloc[0]
    visits = cohort.visits.assign(sp=(cohort.visits["disease_course"] == "SPMS").astype(float))
    model = smf.ols("edss ~ sp + age + sex + disease_duration", visits).fit()
    assert row["adjusted"] == pytest.approx(model.params["sp"], rel=1e-4)
    assert row["adjusted_low"] == pytest.approx(model.conf_int().loc["sp", 0], rel=1e-3)
    assert row["adjusted_p"] == pytest.approx(model.pvalues["sp"], rel=1e-3)


def test_predictions_outside_the_scale_are_told_once_with_the_farthest():
    rows = pd.DataFrame(
        {
            "visit": ["sub-1", "sub-2", "sub-2", "sub-3"],
            "protocol": "nested",
            "set": "cv",
            "features": "all",
            "model": ["ridge", "ridge", "svr", "ridge"],
            "predicted": [4.0, -1138.2, 10.4, 10.2],
        }
    )
    (note,) = off_the_scale(rows)
    assert note.startswith(
        "2 of 4 predictions (1 visit) lie outside the scale of 0 to 10, the farthest at -1.14e+03"
    )
    assert "(sub-2; nested, cv, all, ridge)" in note
    assert off_the_scale(rows.iloc[[0, 3]]) == []

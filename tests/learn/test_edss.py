"""Study A: planted signals found, noise not; whole patients; models on disk; clear refusals."""

from __future__ import annotations

import json
import zipfile
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from bids_app.cohort.features import FeatureTable, column_table
from bids_app.errors import InputError
from bids_app.learn.artifact import _card_digest, load_model, load_models
from bids_app.learn.edss import Options, run
from bids_app.learn.edss.apply import apply_models
from bids_app.learn.edss.patients import include
from bids_app.learn.edss.scores import pearson, quantise, weighted_kappa
from bids_app.learn.edss.sets import split

SMALL = Options(outer=4, permutations=0, repeats=0)
REGIONS = ("Precentral_L", "Thalamus_R", "Caudate_L", "NAWM")
FEATURES = [
    f"{image}_{feature}"
    for image in ("original", "log-sigma-1-0-mm-3D", "wavelet-LLH")
    for feature in (
        "firstorder_Mean",
        "firstorder_Energy",
        "glcm_Contrast",
        "glrlm_RunVariance",
        "gldm_SmallDependence",
    )
]


def make_cohort(n=90, *, seed=0, signal=True, sessions=1, more=0):
    """A cohort in memory whose EDSS follows age, course and one feature, or nothing."""
    rng = np.random.default_rng(seed)
    people = np.repeat([f"sub-{i:03d}" for i in range(n)], sessions)
    rows = len(people)
    names = [f"radiomics.{r}.{f}" for r in REGIONS for f in FEATURES]
    names += [f"radiomics.Region{i}.original_glcm_Contrast" for i in range(more)]
    names += ["volume.TIV", "volume.WBV", "volume.TLV", *(f"chaco.{r}" for r in REGIONS[:3])]
    values = pd.DataFrame(rng.standard_normal((rows, len(names))), columns=names)
    values[[c for c in names if c.startswith("volume")]] += [1500, 1100, 10]
    age, course = rng.uniform(20, 65, rows), np.where(rng.random(rows) < 0.2, "SPMS", "RRMS")
    planted = "radiomics.Thalamus_R.original_firstorder_Energy"
    latent = 0.04 * (age - 40) + 1.2 * values[planted] + 1.5 * (course == "SPMS")
    edss = 3 + (latent if signal else 0) + (0.5 if signal else 1.5) * rng.standard_normal(rows)
    visits = pd.DataFrame(
        {
            "participant_id": people,
            "session_id": [f"ses-{k % sessions + 1}" for k in range(rows)] if sessions > 1 else None,
            "age": age,
            "sex": np.where(rng.random(rows) < 0.7, "F", "M"),
            "disease_duration": rng.uniform(0, 20, rows),
            "disease_course": course,
            "site": np.where(np.arange(rows) < 0.8 * rows, "a", "b"),
            "edss": quantise(np.clip(edss, 0, 10)),
        }
    )
    table = FeatureTable(values.astype(np.float32), column_table(names), [])
    return SimpleNamespace(visits=visits, features=table.values, columns=table.columns, table=table)


def scores(result, **where):
    table = result.tables["performance"]
    for name, value in where.items():
        table = table[table[name] == value]
    return table.set_index("model")


@pytest.fixture(scope="module")
def learned():
    return run(make_cohort(), seed=1, cv=4, external_site="b", options=SMALL)


def test_planted_columns_are_selected_and_predict(learned):
    chosen = learned.tables["columns"].set_index("column")
    assert {"disease_course_SP", "radiomics.Thalamus_R.original_firstorder_Energy"} <= set(chosen.index)
    assert chosen.loc["disease_course_SP", "outer_folds"] >= 1
    for protocol in ("paper", "nested"):
        assert (scores(learned, protocol=protocol, features="all")["r"] > 0.6).all()
    assert (scores(learned, set="external", features="all")["r"] > 0.6).all()


def test_models_beat_the_median_and_sets_do_not_share_patients(learned):
    held = scores(learned, set="internal")
    assert held.loc["ridge"].query("features == 'all'")["mae"].iloc[0] < held.loc["median", "mae"]
    sets = learned.tables["cohort"].groupby("participant_id")["set"].nunique()
    assert (sets == 1).all()
    assert set(learned.tables["cohort"]["set"]) == {"training", "internal", "external"}


def test_an_ordinal_model_and_clinical_columns_stand_beside_the_regressors(learned):
    for _, rows in learned.tables["performance"].groupby(["protocol", "set"]):
        assert set(rows["model"]) == {"ridge", "gp", "svr", "rf", "ordinal", "mean", "median"}
        assert set(rows["features"]) == {"all", "clinical", "none"}
    assert scores(learned, protocol="nested", features="all").loc["ordinal", "r"] > 0.6
    assert "ordinal" not in set(learned.tables["pairs"]["model_a"]) | set(learned.tables["pairs"]["model_b"])


def test_tables_of_the_study_are_all_there(learned):
    assert {"demographics", "anova", "pairs", "hyperparameters", "intervals", "selection", "gap"} <= set(
        learned.tables
    )
    assert len(learned.tables["pairs"].query("protocol == 'paper'")) == 6
    counts = learned.tables["selection"].query("protocol == 'paper'").set_index("step")
    assert counts["left"].is_monotonic_decreasing
    assert counts.loc["cfs", "left"] == len(learned.tables["columns"])
    assert learned.tables["intervals"]["coverage"].min() > 0.6


def test_results_depend_neither_on_the_rows_order_nor_on_processes(learned):
    cohort = make_cohort()
    order = np.random.default_rng(5).permutation(len(cohort.visits))
    mixed = FeatureTable(cohort.features.iloc[order].reset_index(drop=True), cohort.columns, [])
    visits = cohort.visits.iloc[order].reset_index(drop=True)
    other = SimpleNamespace(visits=visits, features=mixed.values, columns=mixed.columns, table=mixed)
    again = run(
        other, seed=1, cv=4, external_site="b", options=Options(outer=4, permutations=0, repeats=0, n_jobs=2)
    )
    for name in ("predictions", "performance", "columns"):
        pd.testing.assert_frame_equal(again.tables[name], learned.tables[name])


def test_selection_outside_the_folds_inflates_noise_and_inside_does_not():
    paper, nested = [], []
    for seed in range(4):
        cohort = make_cohort(60, seed=seed, signal=False, more=1000)
        result = run(cohort, seed=seed, cv=5, models=["ridge"], test_size=0.0, options=SMALL)
        paper.append(scores(result, protocol="paper", features="all").loc["ridge", "r"])
        nested.append(scores(result, protocol="nested", features="all").loc["ridge", "r"])
    assert np.mean(paper) > 0.3
    assert abs(np.mean(nested)) < 0.2


def test_several_visits_of_a_patient_stay_together():
    cohort = make_cohort(40, sessions=2)
    result = run(
        cohort,
        seed=1,
        cv=4,
        models=["ridge"],
        options=Options(outer=4, permutations=1, repeats=0, several=True),
    )
    nested = result.tables["predictions"].query("protocol == 'nested' and features == 'all'")
    assert (nested.groupby("participant_id")["fold"].nunique() == 1).all()
    assert len(result.tables["cohort"]) == 80
    assert len(run(cohort, seed=1, cv=4, models=["ridge"], options=SMALL).tables["cohort"]) == 40


def test_criteria_leave_out_whom_the_study_does():
    visits = pd.DataFrame(
        {
            "participant_id": ["sub-1", "sub-2", "sub-3", "sub-4", "sub-5", "sub-6", "sub-6"],
            "session_id": [None] * 5 + ["ses-1", "ses-2"],
            "edss": [2, np.nan, 2, 2, 3, 4, 4.5],
            "age": [30, 30, 80, 40, 40, 40, 41],
            "disease_course": ["RRMS", "RR", "RR", "PPMS", "SP", "rr", "rr"],
            "days_to_edss": [0, 0, 0, 0, 60, 20, 3],
        }
    )
    left, flow = include(visits)
    assert left["participant_id"].tolist() == ["sub-1", "sub-6"]
    assert left["session_id"].tolist()[1] == "ses-2"
    applied = ~flow["reason"].str.startswith("not applied")
    assert flow.loc[applied, "n_visits"].tolist() == [7, 6, 5, 4, 3, 2]
    skipped = flow[~applied].set_index("step")
    assert set(skipped.index) == {
        "multiple sclerosis",
        "no relapse within 30 days before",
        "no steroids within 30 days before",
    }
    assert (
        skipped.loc["multiple sclerosis", "reason"] == "not applied: no column diagnosis, or no value in it"
    )
    assert (skipped["excluded"] == 0).all()


def test_saved_models_predict_the_same(learned, tmp_path):
    learned.write(tmp_path)
    cohort = make_cohort()
    found = applied(cohort, tmp_path / "models")
    table, notes = found.tables["applied"], found.notes
    mine = table[table["model"] == "edss-ridge"].set_index("participant_id")["predicted"]
    predicted = learned.tables["predictions"].query(
        "set == 'external' and model == 'ridge' and features == 'all'"
    )
    np.testing.assert_allclose(mine[predicted["participant_id"]], predicted["predicted"], rtol=1e-6)
    assert any("site b was not in training" in note for note in notes)
    scored = found.tables["applied_performance"].set_index("model")
    assert scored.loc["edss-ridge", "r"] > 0.6 and scored.loc["edss-ridge", "n_visits"] == 90
    far = make_cohort()
    far.visits["age"] += 100
    far.visits = far.visits.drop(columns="edss")
    again = applied(far, tmp_path / "models")
    assert again.tables["applied"]["applicability"].max() < 1
    assert "applied_performance" not in again.tables


def applied(cohort, folder):
    return apply_models(cohort, load_models(folder))


def test_damaged_foreign_or_unfit_models_are_refused(learned, tmp_path):
    learned.write(tmp_path)
    folder = tmp_path / "models"
    cohort = make_cohort()
    path = folder / "edss-ridge.skops"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(InputError, match="does not match its card"):
        applied(cohort, folder)
    _put_foreign_type(path, whole)
    with pytest.raises(InputError, match="no model of Demyelin"):
        load_model(path)
    path.write_bytes(whole)
    path.with_suffix(".json").write_text("{")
    with pytest.raises(InputError, match="card is missing or damaged"):
        load_model(path)
    for other in folder.glob("edss-ridge*"):
        other.unlink()
    cohort.visits["disease_course"] = "PPMS"
    with pytest.raises(InputError, match="unseen in training"):
        applied(cohort, folder)
    cohort.visits = cohort.visits.assign(disease_course="RR", edss=99.0)
    with pytest.raises(InputError, match="EDSS goes from 0 to 10"):
        applied(cohort, folder)
    with pytest.raises(InputError, match="give group/models"):
        applied(cohort, tmp_path)


@pytest.mark.parametrize("change", [{"Columns": ["a"]}, {"Interval": {}}, {"Sites": []}])
def test_cards_that_were_changed_are_refused_but_for_what_is_the_owners(learned, tmp_path, change):
    learned.write(tmp_path)
    stem = tmp_path / "models" / "edss-ridge"
    card = json.loads(stem.with_suffix(".json").read_text())
    stem.with_suffix(".json").write_text(json.dumps(card | {"Licence": "CC0", "Description": "ours"}))
    assert load_model(stem).card["Licence"] == "CC0"
    stem.with_suffix(".json").write_text(json.dumps(card | change))
    with pytest.raises(InputError, match=r"edss-ridge.json: changed since it was written"):
        load_model(stem)


def _put_foreign_type(path, whole):
    """Let the file ask for a function that no model needs, with a card that vouches for it."""
    import hashlib

    path.write_bytes(whole)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = members["schema.json"].decode().replace("bids_app.learn.selection", "os.path", 1)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members | {"schema.json": schema.encode()}).items():
            archive.writestr(name, content)
    card = json.loads(path.with_suffix(".json").read_text())
    card["Sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    card["CardSha256"] = _card_digest(card)
    path.with_suffix(".json").write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v.drop(columns="edss"), "column edss is missing"),
        (lambda v: v.assign(edss=np.nan), "no visit is left"),
        (lambda v: v.assign(edss=3.0), "3 for everybody"),
        (lambda v: v.assign(edss=12.0), "EDSS goes from 0 to 10"),
        (lambda v: v.head(8), "needs at least 10"),
        (lambda v: v.assign(sex="x"), "column sex holds 'x'"),
        (lambda v: v.drop(columns="site"), "no column site"),
    ],
)
def test_unusable_cohorts_are_one_clear_line(change, words):
    cohort = make_cohort(40)
    cohort.visits = change(cohort.visits)
    cohort.features = cohort.features.iloc[: len(cohort.visits)]
    site = "b" if "no column site" in words else None
    with pytest.raises(InputError, match=words):
        run(cohort, seed=1, cv=4, external_site=site, options=SMALL)


def test_fewer_patients_than_folds_and_a_single_site_are_told_and_run():
    cohort = make_cohort(14)
    cohort.visits["site"] = "a"
    options = Options(outer=20, permutations=0, repeats=0)
    result = run(cohort, seed=1, cv=20, models=["ridge"], test_size=0, options=options)
    assert any("folds hold one or two patients" in note for note in result.notes)
    assert result.tables["predictions"]["predicted"].notna().all()
    with pytest.raises(InputError, match="no patient is left to train on"):
        run(cohort, seed=1, cv=4, external_site="a", options=SMALL)


@pytest.mark.parametrize("column", ["days_to_edss", "days_since_relapse", "days_since_steroids"])
def test_the_thirtieth_day_counts_as_within_thirty_days(column):
    visits = make_cohort(12).visits.assign(**{column: [0, 29, 30, 31, 400, np.nan] * 2})
    kept = set(include(visits)[0][column].fillna(-1))
    assert kept == ({0, 29, 30, -1} if column == "days_to_edss" else {31, 400, -1})


def test_patients_scanned_at_both_sites_are_on_one_side():
    visits = make_cohort(40, sessions=2).visits
    visits["site"] = np.where(np.arange(80) < 61, "a", "b")  # sub-030 was at both
    sets = split(visits, "b", 0.2, seed=1)
    who = {name: set(visits["participant_id"].iloc[rows]) for name, rows in sets.items()}
    assert "sub-030" in who["external"]
    assert not who["external"] & (who["training"] | who["internal"])
    assert sum(map(len, sets.values())) == len(visits)


def test_empty_columns_and_gaps_do_not_stop_the_rest():
    cohort = make_cohort(40)
    cohort.features.iloc[:, 3] = np.nan
    cohort.features.iloc[::3, 5] = np.nan
    result = run(cohort, seed=1, cv=4, models=["ridge"], test_size=0, options=SMALL)
    assert result.tables["performance"]["mae"].notna().all()


def test_scores_on_the_scales_own_steps():
    assert quantise(np.array([0.4, 0.6, 2.3, 11])).tolist() == [0, 1, 2.5, 10]
    assert weighted_kappa(np.array([1, 2, 3.0]), np.array([1, 2, 3.0])) == 1
    assert np.isnan(pearson(np.array([1.0, 2]), np.array([3.0, 3])))

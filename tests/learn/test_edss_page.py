"""Faults planted in a cohort on disk are told where users read: on the console and on the page, word by word."""

from __future__ import annotations

import html
import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics
from test_edss import make_cohort

from bids_app.cli import main
from bids_app.derivatives import write_json, write_table
from bids_app.spelling import percent

SEXES = {"M": ["M", "male", "Male"], "F": ["F", "female", "W"]}


def write_derivatives(out, cohort):
    """Write a cohort in memory as the participant level would have."""
    for who, row in zip(cohort.visits["participant_id"], cohort.features.to_dict("records"), strict=True):
        stem = out / who / "anat" / who
        write_table(pd.DataFrame({"index": [1]}), stem.with_name(f"{who}_seg-lesions_dseg.tsv"))
        tables: dict[str, dict[str, dict[str, float]]] = {}
        for name, value in row.items():
            family, region, *rest = name.split(".", 2)
            measure = {"volume": "volume_mm3", "chaco": "chaco"}.get(family) or rest[0]
            tables.setdefault(family, {}).setdefault(region, {})[measure] = value
        for family, regions in tables.items():
            table = pd.DataFrame.from_dict(regions, orient="index").rename_axis("name").reset_index()
            table.insert(0, "index", range(1, len(table) + 1))
            ending = {"volume": "volumes"}.get(family, family)
            write_table(table, stem.with_name(f"{who}_atlas-AAL_desc-{ending}_dseg.tsv"))
    about = {
        "Name": "x",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "Demyelin"}],
    }
    write_json(about, out / "dataset_description.json")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Run study A on a cohort with faults; return its folder, participants and what the page says."""
    root = tmp_path_factory.mktemp("faults")
    cohort = make_cohort(48)
    cohort.features.iloc[40] = cohort.features.iloc[4]
    visits = cohort.visits.drop(columns="session_id")
    visits["edss"] = visits["edss"].mask(visits.index == 40, visits["edss"][4])
    rng = np.random.default_rng(0)
    visits["sex"] = [rng.choice(SEXES[value]) for value in visits["sex"]]
    visits.loc[[7, 9], "sex"] = "n/a"
    visits["site"] = np.resize(["Bonn", "Graz", "Lyon"], 48)
    visits.loc[5:14, "disease_duration"] = np.nan
    write_table(visits, root / "ds" / "participants.tsv")
    write_json({"Name": "faults", "BIDSVersion": "1.10.0"}, root / "ds" / "dataset_description.json")
    write_derivatives(root / "out", cohort)
    options = [
        "--analysis",
        "edss",
        "--folds",
        "4",
        "--outer-folds",
        "4",
        "--permutations",
        "1",
        "--models",
        "ridge",
    ]
    assert main([str(root / "ds"), str(root / "out"), "group", *options, "--repeated-splits", "3"]) == 0
    text = (root / "out" / "group.html").read_text()
    return root, visits, html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text)))


def test_the_page_names_duplicates_imputed_values_and_criteria_not_applied(page):
    root, _, text = page
    assert "the same radiomics under two names: sub-004 and sub-040" in text
    sets = pd.read_csv(root / "out" / "group" / "cohort.tsv", sep="\t")
    training = sets[sets["set"] == "training"]
    gaps = training["disease_duration"].isna().sum()
    assert f"disease_duration: unknown in {gaps} of {len(training)} training" in text
    assert "not applied: no column days_to_edss, or no value in it" in text


def test_the_page_counts_shares_of_the_known_in_one_spelling(page):
    _, visits, text = page
    for _, part in visits.assign(sex=visits["sex"].str[0].str.upper().replace("W", "F")).groupby("site"):
        known = part["sex"][part["sex"] != "N"]
        cell = f"{(known == 'F').sum()} ({percent((known == 'F').mean(), 1)})"
        assert cell + ("" if len(known) == len(part) else f" [n = {len(known)}]") in text
    assert text.count("sex F, n (%)") == 1 and "sex W" not in text
    assert (
        "analysis of variance" in text
        and "t test" not in text.split("Predicted against observed")[0].rsplit("Who was")[-1]
    )


def test_the_page_shows_what_imaging_adds_how_sure_it_is_and_that_tests_are_many(page):
    _, _, text = page
    for words in (
        "What imaging adds",
        "All columns minus clinical columns alone",
        "Over other random splits: median and range",
        "Leave one site out",
        "How stable the selection is",
        "Patients needed by the criteria of Riley et al. (2019)",
        "TRIPOD+AI checklist",
        "Many comparisons: ",
        "Prediction intervals of the saved models",
    ):
        assert words in text


def test_the_coverage_on_the_page_is_that_of_the_saved_intervals(page):
    root, _, text = page
    visits = pd.read_csv(root / "out" / "group" / "edss_interval_visits.tsv", sep="\t")
    inside = visits[visits["model"] == "ridge"]
    inside = inside["observed"].between(inside["low"], inside["high"]).mean()
    assert re.search(rf"ridge regression.{{0,60}}{inside:.2f} \(", text)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--lasso-penalty", "2se"], "--lasso-penalty 2se: write 1se, min or"),
        (["--candidates", "nfl"], "--candidates nfl: no such column; choose of volumes, change, site, age"),
    ],
)
def test_unknown_names_are_refused_in_one_line(page, capsys, option, words):
    root, _, _ = page
    assert main([str(root / "ds"), str(root / "out"), "group", "--analysis", "edss", *option]) == 2
    assert words in capsys.readouterr().err


def test_an_unknown_model_is_refused_with_those_that_exist(page, capsys):
    root, _, _ = page
    with pytest.raises(SystemExit, match="2"):
        main([str(root / "ds"), str(root / "out"), "group", "--analysis", "edss", "--models", "lasso"])
    assert "invalid choice: 'lasso' (choose from" in capsys.readouterr().err


STEPS = np.concatenate([[0.0], np.arange(1, 10.5, 0.5)])
KEYS = ["protocol", "set", "features", "model"]


@pytest.fixture(scope="module")
def tables(page):
    """Return study A's tables as they were written, by name."""
    folder = page[0] / "out" / "group"
    return {
        path.stem.removeprefix("edss_"): pd.read_csv(path, sep="\t") for path in folder.glob("edss_*.tsv")
    }


def rescored(rows):
    """Score predictions with scikit-learn and scipy."""
    y, x = rows["observed"].to_numpy(), rows["predicted"].to_numpy()
    nearest = [np.abs(STEPS - value).argmin() for value in x]
    exact = [np.abs(STEPS - value).argmin() for value in y]
    pairs = [(i, j) for i in range(len(y)) for j in range(len(y)) if y[i] > y[j]]
    return {
        "n_visits": len(y),
        "n_patients": rows["participant_id"].nunique(),
        "r": stats.pearsonr(y, x).statistic if np.ptp(x) else np.nan,
        "R2": metrics.r2_score(y, x),
        "mae": metrics.mean_absolute_error(y, x),
        "rmse": metrics.root_mean_squared_error(y, x),
        "within_half": np.mean(np.abs(STEPS[nearest] - y) <= 0.5),
        "within_one": np.mean(np.abs(STEPS[nearest] - y) <= 1),
        "exact": np.mean(STEPS[nearest] == y),
        "weighted_kappa": metrics.cohen_kappa_score(
            exact, nearest, labels=range(len(STEPS)), weights="quadratic"
        ),
        "spearman": stats.spearmanr(y, x).statistic if np.ptp(x) else np.nan,
        "kendall_tau": stats.kendalltau(y, x).statistic if np.ptp(x) else np.nan,
        "c_index": np.mean([(x[i] > x[j]) + 0.5 * (x[i] == x[j]) for i, j in pairs]),
    }


def test_every_score_is_recomputed_from_the_predictions(tables):
    scores = tables["performance"].set_index(KEYS)
    groups = dict(list(tables["predictions"].groupby(KEYS)))
    assert set(groups) == set(scores.index)
    for key, rows in groups.items():
        for name, value in rescored(rows).items():
            if not (name == "r" and key[2] == "none"):
                np.testing.assert_allclose(
                    scores.loc[key, name], value, rtol=1e-6, atol=1e-9, err_msg=f"{key} {name}"
                )
    inside = scores[["r", "R2", "mae"]].to_numpy(), scores[["r_low", "R2_low", "mae_low"]].to_numpy()
    assert (inside[0] >= inside[1])[np.isfinite(inside[1])].all()


def test_calibration_by_model_is_recomputed(tables):
    scores = tables["calibration_models"].set_index(KEYS)
    for key, row in scores.iterrows():
        part = tables["predictions"].set_index(KEYS).loc[[key]]
        line = stats.linregress(part["predicted"], part["observed"])
        assert row["slope"] == pytest.approx(line.slope, rel=1e-6)
        assert row["mean_error"] == pytest.approx((part["predicted"] - part["observed"]).mean(), abs=1e-9)
    groups = tables["calibration"]
    for (_, _), part in groups.groupby(["protocol", "set"]):
        n = part["n_visits"]
        assert np.average(part["predicted"] - part["observed"], weights=n) == pytest.approx(
            part["offset"].iloc[0]
        )


def test_subgroups_are_recomputed_from_the_predictions(tables):
    visits = tables["cohort"].set_index("participant_id")
    for row in tables["subgroups"].to_dict("records"):
        rows = tables["predictions"].query(
            "features == 'all' and model == @row['model'] and set == @row['set']"
        )
        rows = rows[rows["protocol"] == row["protocol"]]
        about = visits.loc[rows["participant_id"]]
        if row["by"] == "edss":
            low, high = map(float, row["group"].split(" to "))
            chosen = rows[rows["observed"].between(low, high)]
        else:
            chosen = rows[(about[row["by"]].astype(str) == str(row["group"])).to_numpy()]
        assert len(chosen) == row["n_visits"], row
        error = chosen["predicted"] - chosen["observed"]
        assert row["mae"] == pytest.approx(error.abs().mean())
        assert row["mean_error"] == pytest.approx(error.mean(), abs=1e-9)


def test_the_spread_over_splits_is_that_of_the_splits(tables):
    splits, summary = tables["splits"], tables["split_summary"].set_index("measure")
    for name, row in summary.iterrows():
        assert row["splits"] == splits[name].notna().sum()
        assert [row["median"], row["least"], row["most"]] == pytest.approx(
            [splits[name].median(), splits[name].min(), splits[name].max()]
        )
        assert row["from_2.5_percent"] == pytest.approx(splits[name].quantile(0.025))


def test_the_gap_is_published_less_leak_free(tables):
    scores = tables["performance"].query("set == 'cv' and features == 'all'").set_index(["protocol", "model"])
    for model, row in tables["gap"].set_index("model").iterrows():
        for name in ("r", "R2", "mae"):
            gap = scores.loc[("paper", model), name] - scores.loc[("nested", model), name]
            assert row[name] == pytest.approx(gap, abs=1e-9)


def test_every_interval_told_is_that_of_the_visits_written(tables):
    for kind in ("", "_clinical"):
        visits = tables[f"interval_visits{kind}"]
        for row in tables[f"intervals{kind}"].to_dict("records"):
            part = visits[(visits["model"] == row["model"]) & (visits["set"] == row["set"])]
            assert row["n_visits"] == len(part)
            assert row["coverage"] == pytest.approx(
                part["observed"].between(part["low"], part["high"]).mean()
            )
            assert row["width"] == pytest.approx((part["high"] - part["low"]).mean())


def test_the_flow_counts_visits_that_the_cohort_has(tables, page):
    flow, cohort = tables["flow"], tables["cohort"]
    assert flow["n_visits"].iloc[-1] == len(cohort)
    assert (flow["n_visits"].diff().dropna() <= 0).all()
    assert flow["n_visits"].iloc[0] == len(page[1])

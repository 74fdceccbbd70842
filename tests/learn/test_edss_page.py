"""Faults planted in a cohort on disk are told where users read: on the console and on the page, word by word."""

from __future__ import annotations

import html
import re

import numpy as np
import pandas as pd
import pytest
from test_edss import make_cohort

from bids_app.cli import main
from bids_app.derivatives import write_json, write_table

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
        cell = f"{(known == 'F').sum()} ({(known == 'F').mean():.1%})"
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
        "Many comparisons: the",
        "Prediction intervals (CV+) of the saved models",
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
        (["--models", "lasso"], "models 'lasso'"),
        (["--lasso-penalty", "2se"], "--lasso-penalty 2se: write 1se, min or"),
        (["--candidates", "nfl"], "--candidates nfl: no such column; choose of volumes, site, age"),
    ],
)
def test_unknown_names_are_refused_in_one_line(page, capsys, option, words):
    root, _, _ = page
    assert main([str(root / "ds"), str(root / "out"), "group", "--analysis", "edss", *option]) == 2
    assert words in capsys.readouterr().err

"""What study A hands the report: calibration, intervals, meanings, figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_edss import SMALL, make_cohort

from bids_app.image.atlas import load_atlas
from bids_app.image.template import load_template
from bids_app.learn.edss import run
from bids_app.learn.edss.calibration import calibration
from bids_app.learn.edss.figures import draw
from bids_app.learn.edss.meanings import column_meaning, region_words


@pytest.fixture(scope="module")
def result():
    return run(make_cohort(), external_site="b", cv=4, seed=3, options=SMALL)


def test_calibration_finds_slope_and_shift():
    observed = np.tile(np.arange(1, 7, dtype=float), 10)
    table = pd.DataFrame(
        {"participant_id": np.arange(60), "observed": observed, "predicted": 3 + observed / 2}
    )
    table = table.assign(protocol="held out", set="external", features="all", model="ridge")
    found = calibration(table, "ridge", 0)
    assert found["slope"].tolist() == pytest.approx([2.0] * 5)
    assert found["offset"].iloc[0] == pytest.approx(np.mean(3 - observed / 2))
    assert found["n_visits"].sum() == 60
    assert found["predicted"].is_monotonic_increasing
    assert ((found["low"] <= found["observed"]) & (found["observed"] <= found["high"])).all()


def test_intervals_and_coverage_agree(result):
    visits, summary = result.tables["interval_visits"], result.tables["intervals"]
    inside = visits["observed"].between(visits["low"], visits["high"])
    np.testing.assert_array_equal(inside, visits["inside"])
    share = visits.groupby(["set", "model"])["inside"].mean()
    for row in summary.to_dict("records"):
        assert share[row["set"], row["model"]] == row["coverage"]
        assert row["coverage_low"] < row["coverage"] <= row["coverage_high"] + 1e-12


def test_figures_show_the_selected_region(result, tmp_path):
    kept = {one.name: one for one in draw(result, tmp_path, load_atlas(), load_template(resolution=2).t1w)}
    wanted = {
        "flow",
        "predictions-rf",
        "performance",
        "selection",
        "regions",
        "gap",
        "learning",
        "calibration",
        "intervals",
    }
    assert {f"edss_{name}" for name in wanted} <= set(kept)
    assert "edss_null" not in kept  # no permutations were asked for
    assert "right thalamus: firstorder_Energy" in kept["edss_regions"].alt
    assert "age" in kept["edss_regions"].caption  # what has no place is named
    ridge = pd.read_csv(kept["edss_predictions-ridge"].tsv, sep="\t")
    assert set(ridge["set"]) == {"cv", "internal", "external"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Frontal_Sup_Orb_R", "right superior frontal orbital"),
        ("Cerebelum_8_L", "left cerebellar lobule 8"),
        ("Cerebelum_Crus1_L", "left cerebellar crus I"),
        ("Vermis_4_5", "vermis 4-5"),
        ("NAWM", "normal-appearing white matter"),
        ("Temporal_Pole_Mid_L", "left middle temporal pole"),
        ("7Networks_LH_Vis_1", "lh 7networks vis 1"),
    ],
)
def test_regions_in_words(name, words):
    assert region_words(name) == words


def test_every_radiomic_feature_has_a_meaning():
    from bids_app.features.radiomics import feature_names

    for name in feature_names():
        image_type, feature = name.split("_", 1)
        assert column_meaning(name, "radiomics", image_type, feature), name
    meaning = column_meaning("x", "radiomics", "wavelet-LLH", "gldm_SmallDependenceLowGrayLevelEmphasis")
    assert meaning == "share of small dark neighbourhoods, of fine detail along z"

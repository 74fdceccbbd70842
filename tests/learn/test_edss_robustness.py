"""How sure the numbers are: indices against their definitions, splits that keep patients whole."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_edss import make_cohort

from bids_app.learn.edss.robustness import (
    leave_one_site_out,
    repeated_splits,
    repeats_allowed,
    selection_stability,
    split_summary,
    subgroups,
)
from bids_app.learn.edss.sample_size import needed, shrinkage
from bids_app.learn.edss.sets import split


def test_nogueiras_index_is_one_for_the_same_and_zero_for_random_selections():
    same = selection_stability([["a", "b"]] * 7, 50)
    assert same["stability"] == 1 and same["low"] == same["high"] == 1
    rng = np.random.default_rng(0)
    drawn = [list(map(str, rng.permutation(40)[:6])) for _ in range(400)]
    index = selection_stability(drawn, 40)
    assert index["low"] < 0 < index["high"] and abs(index["stability"]) < 0.02
    assert np.isnan(selection_stability([["a"]], 9)["stability"])


def test_nogueiras_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    p = np.concatenate([np.full(5, 0.8), np.full(25, 0.1)])
    k = p.sum()
    truth = 1 - np.mean(p * (1 - p)) / (k / 30 * (1 - k / 30))
    inside = []
    for _ in range(300):
        drawn = [[str(j) for j in np.flatnonzero(rng.random(30) < p)] for _ in range(60)]
        found = selection_stability(drawn, 31)
        inside.append(found["low"] <= truth <= found["high"])
    assert 0.9 < np.mean(inside) <= 1


def test_rileys_numbers():
    assert needed(10, 0.2, 3, 1.5)["residual SD within 10 %"] == 244
    assert needed(25, 0.2, 3, 1.5)["optimism of R2 of at most 0.05"] == 401
    n = needed(25, 0.2, 3, 1.5)["shrinkage of at least 0.9"]
    assert shrinkage(n, 25, 0.2) >= 0.9 > shrinkage(n - 1, 25, 0.2)
    assert needed(1, 0.2, 3, 1.5)["mean EDSS within 10 %"] == pytest.approx(
        77, abs=3
    )  # (1.96 sd / .1 mean)^2


def test_splits_at_random_and_in_bands_keep_patients_whole():
    visits = make_cohort(60, sessions=2).visits
    for bands in (True, False):
        sets = split(visits, None, 0.25, 3, bands=bands)
        who = {name: set(visits["participant_id"].iloc[rows]) for name, rows in sets.items()}
        assert 14 <= len(who["internal"]) <= 16 and not who["internal"] & who["training"]
    edss = visits.groupby("participant_id")["edss"].mean()
    in_bands = [
        edss[list(set(visits["participant_id"].iloc[split(visits, None, 0.25, s)["internal"]]))].mean()
        for s in range(40)
    ]
    at_random = [
        edss[
            list(set(visits["participant_id"].iloc[split(visits, None, 0.25, s, bands=False)["internal"]]))
        ].mean()
        for s in range(40)
    ]
    assert np.std(in_bands) < np.std(at_random)


def test_how_many_splits_depends_on_the_table_alone():
    assert repeats_allowed(None, 80, 1000) == 100
    assert repeats_allowed(None, 500, 128_003) == 5
    assert repeats_allowed(None, 25, 128_003) == 15
    assert repeats_allowed(7, 500, 128_003) == 7 and repeats_allowed(0, 1, 1) == 0


@pytest.fixture(scope="module")
def prepared():
    from bids_app.learn.edss.analysis import _prepare
    from bids_app.learn.edss.fitting import Procedure
    from bids_app.learn.edss.options import Options

    ready = _prepare(make_cohort(70), Options())
    return ready.visits, ready.data, Procedure(["ridge"], 4, 4, 0, 1)


def test_other_splits_vary_and_find_the_signal(prepared):
    visits, data, design = prepared
    scores, chosen = repeated_splits(visits, data, None, 0.2, True, design, 6)
    assert len(scores) == len(chosen) == 6 and scores["mae"].nunique() > 1
    again, _ = repeated_splits(visits, data, None, 0.2, True, design, 6)
    pd.testing.assert_frame_equal(scores, again)
    summary = split_summary(scores).set_index("measure")
    assert summary.loc["r", "median"] == scores["r"].median() > 0.5
    assert sum("radiomics.Thalamus_R.original_firstorder_Energy" in columns for columns in chosen) >= 5


def test_every_site_is_left_out_once(prepared):
    visits, data, design = prepared
    table = leave_one_site_out(visits, data, design).set_index("site")
    assert table["n_visits"].to_dict() == visits["site"].value_counts().to_dict()
    assert (table["n_training"] + table["n_visits"] == len(visits)).all()
    shifted = data.y.copy()
    shifted[(visits["site"] == "b").to_numpy()] += 1.5
    from dataclasses import replace

    moved = leave_one_site_out(visits, replace(data, y=shifted), design).set_index("site")
    assert moved.loc["b", "mean_error"] < table.loc["b", "mean_error"] - 1
    assert leave_one_site_out(visits.assign(site="a"), data, design).empty


def test_subgroups_are_recomputed():
    rng = np.random.default_rng(0)
    names = pd.Series([f"sub-{k}" for k in range(80)])
    visits = pd.DataFrame({"site": rng.choice(["a", "b"], 80), "sex": rng.choice(["M", "F", None], 80)})
    observed = rng.choice([0, 2.5, 4, 6.5], 80)
    predictions = pd.DataFrame(
        {"visit": names, "participant_id": names, "protocol": "nested", "set": "cv", "features": "all"}
        | {"model": "ridge", "observed": observed, "predicted": observed + rng.normal(0.5, 1, 80)}
    )
    table = subgroups(predictions, visits, names, 1).set_index(["by", "group"])
    error = predictions["predicted"] - predictions["observed"]
    women = visits["sex"] == "F"
    assert table.loc[("sex", "F"), "n_visits"] == women.sum()
    assert table.loc[("sex", "F"), "mae"] == pytest.approx(error[women].abs().mean())
    assert set(table.loc["edss"].index) == {"0 to 3.5", "4 to 5.5", "6 to 10"}
    assert table.loc[("edss", "4 to 5.5"), "mean_error"] == pytest.approx(error[observed == 4].mean())
    assert (table["mae_low"] <= table["mae"]).all() and (table["mae"] <= table["mae_high"]).all()

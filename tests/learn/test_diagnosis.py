"""Study B end to end on small simulated derivatives: planted sites found, leakage shown, bad input told."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from sklearn.exceptions import NotFittedError
from statsmodels.stats.proportion import proportion_confint

from bids_app.derivatives import save_image, write_table
from bids_app.errors import InputError
from bids_app.image.template import BUILT_IN, belief_grid, load_template
from bids_app.learn.diagnosis import Grid, LesionFrequency, Options, run
from bids_app.learn.diagnosis.apply import open_model
from bids_app.learn.diagnosis.baselines import INTENSITY, LOAD
from bids_app.learn.diagnosis.scans import select_scans
from bids_app.learn.diagnosis.tables import compare
from bids_app.learn.diagnosis.variants import VARIANTS
from bids_app.learn.lesion_maps import build_store

SMALL = Grid(sizes=(2, 16, 128), C=(0.5, 4), gamma=(0.125, 1))
QUICK = Options(grid=SMALL, null_grid=SMALL, cv=3, outer=3, permutations=2)
SITES = {"RRMS": (50, -30, -25), "NMOSD": (0, -45, -50), "MOGAD": (-35, 0, 40)}  # centre of extra lesions, mm


def make_cohort(folder: Path, patients: dict[str, int], scans: int = 2, seed: int = 0) -> SimpleNamespace:
    """Write belief maps, lesion masks and lesion tables of a few patients, lesions repeated within a patient."""
    rng = np.random.default_rng(seed)
    mask = belief_grid()
    inside = np.asarray(mask.dataobj) > 0
    place = nib.affines.apply_affine(mask.affine, np.argwhere(inside))
    rows = []
    for label, n in patients.items():
        near = np.linalg.norm(place - SITES[label], axis=1) < 9
        for _ in range(n):
            participant = f"sub-{len({r['participant_id'] for r in rows}) + 1:02d}"
            lesions = (rng.random(len(place)) < 0.01) | (near & (rng.random(len(place)) < 0.9))
            person = {"age": rng.normal(40, 8), "sex": rng.choice(["M", "F"]), "onset_age": rng.normal(33, 8)}
            person |= {"aqp4": "positive" if label == "NMOSD" else "negative"}
            for s in range(1, scans + 1):
                lesion = lesions & (rng.random(len(place)) < 0.8)
                belief = rng.normal(0.02, 0.08, len(place)) + lesion * 0.8
                write_visit(folder, participant, f"ses-{s}", mask, belief, lesion)
                rows.append(
                    {
                        "participant_id": participant,
                        "session_id": f"ses-{s}",
                        "diagnosis": label,
                        "attack_index": s,
                    }
                    | person
                )
    return SimpleNamespace(visits=pd.DataFrame(rows), derivatives=folder)


def write_visit(folder, participant, session, mask, belief, lesion):
    prefix = f"{participant}_{session}"
    anat = folder / participant / session / "anat"
    volume = np.zeros(mask.shape, np.float32)
    volume[np.asarray(mask.dataobj) > 0] = belief
    save_image(
        nib.Nifti1Image(volume, mask.affine),
        anat / f"{prefix}_space-{BUILT_IN}_res-3_desc-belief_FLAIR.nii.gz",
    )
    binary = np.zeros(mask.shape, np.uint8)
    binary[np.asarray(mask.dataobj) > 0] = lesion
    save_image(
        nib.Nifti1Image(binary, mask.affine), anat / f"{prefix}_space-{BUILT_IN}_res-3_label-L_mask.nii.gz"
    )
    row = {"index": 1, "place": "juxtacortical_cortical", "template_x": 40.0}
    table = pd.DataFrame([row | {"template_y": 0.0, "template_z": 50.0, "artefact_prone": None}])
    write_table(table, anat / f"{prefix}_seg-lesions_dseg.tsv")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return make_cohort(tmp_path_factory.mktemp("derivatives"), {"RRMS": 8, "NMOSD": 7})


@pytest.fixture(scope="module")
def result(cohort, tmp_path_factory):
    folder = tmp_path_factory.mktemp("raters")
    shown = cohort.visits[cohort.visits["session_id"] == "ses-1"]
    ratings = [
        {
            "participant_id": p,
            "session_id": "ses-1",
            "rater": rater,
            "decision": d if k % 4 else "RRMS",
            "occasion": o,
        }
        for o in (1, 2)
        for rater in ("A", "B")
        for k, (p, d) in enumerate(zip(shown["participant_id"], shown["diagnosis"], strict=True))
    ]
    write_table(pd.DataFrame(ratings), folder / "raters.tsv")
    return run(cohort, raters=folder / "raters.tsv", seed=4, options=QUICK)


def test_tables_of_both_protocols(result):
    performance = result.tables["performance"]
    assert set(performance["protocol"]) == {"paper", "nested"}
    assert set(performance["metric"]) == {"sensitivity", "specificity", "accuracy", "auc"}
    assert (performance["low"] <= performance["estimate"]).all()
    assert (performance["estimate"] <= performance["high"]).all()
    leak_free = performance[performance["protocol"] == "nested"].set_index("metric")["estimate"]
    assert leak_free["auc"] > 0.9  # planted sites are easy
    gap = result.tables["gap"].set_index("metric")
    np.testing.assert_allclose(gap["gap"], gap["paper"] - gap["nested"])
    by_size = result.tables["by_size"]
    assert set(by_size["n_voxels"]) == {2, 16, 128}
    assert result.tables["null_summary"]["permutations"].eq(2).all()


def judged(scans, protocol):
    """Return truth (1: the first class), decision and patient of the scans that a protocol tested."""
    rows = scans[scans[f"{protocol}_decision"].notna()]
    truth = (rows["diagnosis"] == scans["positive"].iloc[0]).astype(int).to_numpy()
    return truth, rows[f"{protocol}_decision"].to_numpy(np.float64), rows


def area(truth, decision, rows, protocol):
    """Return the area under the ROC curve: of machines of several folds, the mean over the folds."""
    folds = rows["nested_fold"].to_numpy() if protocol == "nested" else np.zeros(len(rows))
    return np.mean([metrics.roc_auc_score(truth[folds == f], decision[folds == f]) for f in np.unique(folds)])


def test_every_number_of_the_page_is_recomputed_from_the_scans_written(result):
    tables = result.tables
    estimates = tables["performance"].set_index(["protocol", "metric"])["estimate"]
    calls = tables["calls"].set_index(["protocol", "metric", "prevalence"])["estimate"]
    for protocol in ("paper", "nested"):
        truth, decision, rows = judged(tables["scans"], protocol)
        called = (decision > 0).astype(int)
        sensitivity, specificity = (metrics.recall_score(truth, called, pos_label=k) for k in (1, 0))
        found = {
            "sensitivity": sensitivity,
            "specificity": specificity,
            "accuracy": metrics.accuracy_score(truth, called),
            "auc": area(truth, decision, rows, protocol),
        }
        assert {name: estimates[protocol, name] for name in found} == pytest.approx(found), protocol
        assert calls.loc[protocol, "balanced accuracy"].iloc[0] == pytest.approx(
            metrics.balanced_accuracy_score(truth, called)
        )
        assert calls.loc[protocol, "majority"].iloc[0] == pytest.approx(max(truth.mean(), 1 - truth.mean()))
        assert calls.loc[protocol, "called first"].iloc[0] == pytest.approx(called.mean())
        for value, where in ((truth.mean(), "this cohort"), (0.5, "one to one")):
            right, wrong = sensitivity * value, (1 - specificity) * (1 - value)
            if right + wrong:
                assert calls[protocol, "PPV", where] == pytest.approx(right / (right + wrong))
            right, wrong = specificity * (1 - value), (1 - sensitivity) * value
            if right + wrong:
                assert calls[protocol, "NPV", where] == pytest.approx(right / (right + wrong))


def test_intervals_of_shares_are_wilsons(result):
    table = result.tables["performance"]
    rows = table[table["interval"] == "Wilson"]
    assert len(rows) == 3
    for row in rows.to_dict("records"):
        low, high = proportion_confint(int(row["right"]), row["n"], method="wilson")
        assert (row["low"], row["high"]) == pytest.approx((low, high))


def test_probabilities_and_abstentions_are_recomputed(result):
    tables = result.tables
    truth, _, rows = judged(tables["scans"], "nested")
    probability = rows["nested_probability"].to_numpy(np.float64)
    table = tables["calibration"]
    assert table["brier"].iloc[0] == pytest.approx(metrics.brier_score_loss(truth, probability))
    assert np.average(table["predicted"], weights=table["n"]) == pytest.approx(probability.mean())
    assert np.average(table["observed"], weights=table["n"]) == pytest.approx(truth.mean())
    calls = tables["calls"].query("protocol == 'nested'").set_index("metric")["estimate"]
    known = rows["nested_call"] != "indeterminate"
    assert calls["coverage"] == pytest.approx(known.mean())
    right = (rows["nested_call"] == rows["diagnosis"]).to_numpy()
    for name, members in (("sensitivity", truth == 1), ("specificity", truth == 0)):
        part = right[members & known.to_numpy()]
        assert calls[f"{name}, called scans"] == pytest.approx(part.mean())


def test_curves_are_recomputed(result):
    tables = result.tables
    for protocol in ("paper", "nested"):
        truth, decision, rows = judged(tables["scans"], protocol)
        curve = tables["roc"].query("protocol == @protocol")
        drawn = metrics.auc(curve["false_positive_rate"], curve["true_positive_rate"])
        step = 0.01 if protocol == "nested" else 1e-9  # a mean of curves is drawn at hundredths
        assert drawn == pytest.approx(area(truth, decision, rows, protocol), abs=step)
    truth, _, rows = judged(tables["scans"], "nested")
    probability = rows["nested_probability"].to_numpy(np.float64)
    for row in tables["decision_curve"].to_dict("records"):
        first, odds = probability >= row["threshold"], row["threshold"] / (1 - row["threshold"])
        weight = np.where(truth == 1, 1, -odds)
        assert row["model"] == pytest.approx((first * weight).mean())
        assert row["all"] == pytest.approx(weight.mean())


def test_splits_are_what_they_say(result, cohort):
    scans = result.tables["scans"]
    assert scans["paper_test"].sum() == round(0.3 * 16) + round(0.3 * 14)
    assert scans["paper_decision"].notna().equals(scans["paper_test"])
    assert scans.groupby("participant_id")["nested_fold"].nunique().eq(1).all()
    assert scans["nested_decision"].notna().all()


def test_planted_sites_are_the_peaks_of_the_map(result):
    signed = result.images["chi2-RRMS"]
    values = np.asarray(signed.dataobj)
    for label, peak in (("RRMS", values.argmax()), ("NMOSD", values.argmin())):
        mm = nib.affines.apply_affine(signed.affine, np.unravel_index(peak, values.shape))
        assert np.linalg.norm(mm - SITES[label]) < 10
    clusters = result.tables["clusters"]
    assert {"RRMS", "NMOSD"} <= set(clusters["more_in"])
    top = clusters.drop_duplicates("more_in").set_index("more_in")["nearest_region"]
    assert top["RRMS"] in ("Temporal_Inf_R", "Fusiform_R") and top["NMOSD"].startswith(
        ("Vermis", "Cerebelum")
    )
    selected = np.asarray(result.images["selected-RRMS"].dataobj)
    assert np.sum(selected == 2) == 2 and np.sum((selected > 0) & (selected <= 128)) == 128


def test_the_permutation_map_holds_at_the_planted_sites(result):
    held = result.tables["clusters_held"]
    assert {"RRMS", "NMOSD"} <= set(held["more_in"])
    for label in ("RRMS", "NMOSD"):
        first = held[held["more_in"] == label].iloc[0]
        assert np.linalg.norm(first[["x", "y", "z"]].to_numpy(float) - SITES[label]) < 12
    p = np.asarray(result.images["difference-p-RRMS"].dataobj)
    assert p[p > 0].min() < 0.01
    assert result.tables["map_test"]["chi2_expected_below_5"].iloc[0] > 0.9


def test_variants_share_folds_and_say_their_name(result):
    variants = result.tables["variants"]
    aucs = variants[variants["metric"] == "auc"].set_index("model")["estimate"]
    assert set(aucs.index) >= set(VARIANTS)
    assert {INTENSITY, LOAD} <= set(aucs.index)
    assert aucs["lesion masks as segmented"] > 0.9
    rule = variants[variants["model"].str.startswith("published rule")].set_index("metric")["estimate"]
    assert (
        rule["sensitivity"] == 1 and rule["specificity"] == 0
    )  # every planted table has a juxtacortical lesion


def test_raters_against_model(result):
    raters = result.tables["raters"]
    assert {"A", "B", "model", "majority"} == set(raters["rater"])
    agreement = result.tables["agreement"]
    assert set(agreement["kind"]) == {"intra-rater", "inter-rater", "model-rater"}
    assert agreement.loc[agreement["kind"] != "model-rater", "kappa"].eq(1).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("second", "p"), [([0.1] * 4, False), ([0.1, 0.2, 0.3, 0.4], True)])
def test_groups_of_equal_values_are_compared_without_a_warning(second, p):
    rows = pd.DataFrame({"edss": [0.3, 0.3, 0.3, 0.3, *second]})
    table = compare(rows, np.repeat(["a", "b"], 4), ())
    assert table["p"].notna().tolist() == [p]


def test_demographics_tables(result):
    table = result.tables["by_class"].set_index("characteristic")
    assert "RRMS (n = 8)" in table and table.loc["FLAIR scans, n", "RRMS (n = 8)"] == "16"
    assert "training (n = 21)" in result.tables["by_split"]
    assert table.loc["attack_index at the scans, mean ± SD", "RRMS (n = 8)"] == "1.5 ± 0.5"
    assert table.loc["aqp4 positive, n (%)", "NMOSD (n = 7)"] == "7 (100.0 %)"
    assert table.loc["aqp4 negative, n (%)", "p"] < 0.001


def test_the_claim_checklist_has_every_item_and_says_what_the_run_knows(result):
    table = result.tables["claim"].set_index("item")
    assert table.index.tolist() == [str(item) for item in range(1, 45)]
    assert table.loc["35", "this_run"].startswith("30 scans of 15 patients")
    assert "3 outer folds of whole patients" in table.loc["19", "this_run"]
    assert table.loc["1", "authors_must_add"] and not table.loc["37", "authors_must_add"]
    assert not table["this_run"].str.contains("None").any()


def test_the_stard_checklist_has_every_item_and_says_what_the_run_knows(result):
    table = result.tables["stard"].set_index("item")
    parts = {"15": "abcd", "16": "abc", "17": "ab", "26": "ab", "40": "ab"}
    items = [str(k) for k in range(1, 41)]
    assert table.index.tolist() == [item + part for item in items for part in parts.get(item, [""])]
    scans = result.tables["scans"]
    n = (scans["nested_call"] == "indeterminate").sum()
    assert table.loc["19", "this_run"].startswith(f"{n} of {len(scans)} leak-free calls are indeterminate")
    called = re.findall(r"(\w+) called (\w+): (\d+)", table.loc["30", "this_run"])
    counted = pd.crosstab(scans["diagnosis"], scans["nested_call"])
    assert sum(int(k) for _, _, k in called) == len(scans)
    assert all(counted.loc[of, call] == int(k) for of, call, k in called)
    auc = result.tables["performance"].query("protocol == 'nested' and metric == 'auc'")["estimate"].iloc[0]
    assert f"AUC {auc:.2f}" in table.loc["31", "this_run"]
    assert table.loc["6", "authors_must_add"] and not table.loc["15c", "authors_must_add"]
    assert not table["this_run"].str.contains("None|nan").any()


def test_writes_tables_maps_and_card(result, tmp_path):
    written = result.write(tmp_path)
    names = {path.name for path in written}
    assert {"diagnosis_performance.tsv", "diagnosis_chi2-RRMS.nii.gz", "diagnosis.json"} <= names
    again = pd.read_csv(tmp_path / "diagnosis_performance.tsv", sep="\t", na_values="n/a")
    assert len(again) == 8


def test_figures(result, tmp_path):
    from bids_app.learn.diagnosis.figures import draw

    kept = {one.name: one for one in draw(result, tmp_path, load_template(resolution=3).t1w)}
    assert set(kept) >= {
        "diagnosis_flow",
        "diagnosis_frequency-RRMS",
        "diagnosis_chi2-RRMS",
        "diagnosis_selected-RRMS",
        "diagnosis_by-size-RRMS",
        "diagnosis_roc-RRMS",
        "diagnosis_gap-RRMS",
        "diagnosis_null-RRMS",
    }
    drawn = pd.read_csv(kept["diagnosis_chi2-RRMS"].tsv, sep="\t")["value"]
    assert drawn.max() > 3.84 and drawn.min() < -3.84  # both directions
    share = pd.read_csv(kept["diagnosis_frequency-NMOSD"].tsv, sep="\t")["value"]
    assert share.between(0.1, 1).all()
    raters = [f"rater {name}" in kept["diagnosis_roc-RRMS"].alt for name in ("A", "B", "model")]
    assert raters == [True, True, False]


def test_roc_curves_have_the_area_that_is_told(result):
    estimates = result.tables["performance"]
    estimates = estimates[estimates["metric"] == "auc"].set_index("protocol")["estimate"]
    for protocol, curve in result.tables["roc"].groupby("protocol"):
        x, y = curve["false_positive_rate"], curve["true_positive_rate"]
        assert (x.iloc[0], x.iloc[-1], y.iloc[-1]) == (0, 1, 1)
        assert np.trapezoid(y, x) == pytest.approx(estimates[protocol], abs=0.02)


def test_flow_counts_everybody(result, cohort):
    flow = result.tables["flow"]
    assert flow["n_visits"].iloc[0] == len(cohort.visits)
    assert flow["n_visits"].iloc[-1] == len(result.tables["scans"])
    assert flow["excluded"].sum() == flow["n_visits"].iloc[0] - flow["n_visits"].iloc[-1]


def test_model_calls_new_scans(result, cohort, tmp_path):
    new = make_cohort(tmp_path / "new", {"RRMS": 2, "NMOSD": 2}, scans=1, seed=9)
    store = store_of(new, tmp_path / "store")
    model = open_model("new", result.models["lesion-maps"])
    assert model.predict(store)["called"].tolist() == new.visits["diagnosis"].tolist()
    small = replace(store, mask=store.mask[:-1])
    with pytest.raises(InputError, match="model was trained on"):
        model.predict(small)
    fewer = store.mask.copy()
    fewer[tuple(np.argwhere(fewer)[0])] = False
    with pytest.raises(InputError, match="brain mask has"):
        model.predict(replace(store, mask=fewer))


def store_of(cohort, folder):
    paths = visit_paths(cohort)
    return build_store(paths["belief"], paths["lesions"], belief_grid(), folder)


def visit_paths(cohort):
    from bids_app.learn.diagnosis.scans import map_paths

    return map_paths(select_scans(cohort.visits).table, cohort.derivatives, BUILT_IN)


def test_same_seed_same_bytes_whatever_the_row_order_and_jobs(cohort, tmp_path):
    options = replace(QUICK, permutations=0, variants=("lesion maps",))
    shuffled = SimpleNamespace(
        visits=cohort.visits.sample(frac=1, random_state=1), derivatives=cohort.derivatives
    )
    one, two = tmp_path / "one", tmp_path / "two"
    run(cohort, seed=7, options=options).write(one)
    run(shuffled, seed=7, options=replace(options, n_jobs=2)).write(two)
    for path in one.rglob("*.*"):
        assert path.read_bytes() == (two / path.relative_to(one)).read_bytes(), path.name


def test_three_classes_one_against_the_rest(tmp_path):
    cohort = make_cohort(tmp_path, {"RRMS": 4, "NMOSD": 4, "MOGAD": 4}, seed=2)
    options = replace(QUICK, cv=2, outer=2, permutations=0, variants=())
    found = run(cohort, seed=1, options=options)
    assert set(found.tables["performance"]["positive"]) == {"RRMS", "NMOSD", "MOGAD"}
    confusion = found.tables["confusion"].set_index("diagnosis")
    assert confusion.to_numpy().sum() == 24
    assert np.trace(confusion[list(confusion.index)].to_numpy()) > 18
    assert (
        open_model("new", found.models["lesion-maps"])
        .predict(store_of(cohort, tmp_path / "s"))["called"]
        .nunique()
        == 3
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.assign(diagnosis="RRMS"), "two classes; found RRMS"),
        (lambda v: v.drop(columns="diagnosis"), "column diagnosis is missing"),
        (lambda v: v.replace({"diagnosis": {"NMOSD": "RRMS "}}), "differ only in case or spaces"),
        (
            lambda v: v.assign(diagnosis=v["diagnosis"].where(v.index % 3 > 0, v["diagnosis"].str.lower())),
            "rrms",
        ),
        (lambda v: v[(v["diagnosis"] == "RRMS") | (v["participant_id"] == "sub-09")], "NMOSD has 1 patient"),
        (
            lambda v: v[v["participant_id"].isin(["sub-01", "sub-02", "sub-09", "sub-10"])],
            "too few for 3 outer",
        ),
        (lambda v: v.assign(diagnosis=["RRMS", "NMOSD"] * 15), "more than one diagnosis"),
        (lambda v: v.assign(sex="x"), "column sex holds 'x'"),
        (lambda v: v.assign(participant_id="sub-x" + v["participant_id"].str[4:]), "no visit has belief"),
    ],
)
def test_bad_cohorts_are_one_clear_line(cohort, change, message):
    bad = SimpleNamespace(visits=change(cohort.visits), derivatives=cohort.derivatives)
    with pytest.raises(InputError, match=message) as caught:
        run(bad, seed=1, options=QUICK)
    assert "\n" not in str(caught.value)


def test_visits_without_maps_are_left_out_and_said(cohort):
    extra = cohort.visits.iloc[:1].assign(session_id="ses-9")
    more = SimpleNamespace(visits=pd.concat([cohort.visits, extra]), derivatives=cohort.derivatives)
    options = replace(QUICK, permutations=0, variants=())
    found = run(more, seed=1, protocol="paper", options=options)
    assert any("1 visits without belief or lesion map" in note and "ses-9" in note for note in found.notes)


def test_leak_free_alone(cohort, tmp_path):
    found = run(cohort, seed=1, protocol="nested", options=replace(QUICK, permutations=0, variants=()))
    assert set(found.tables["performance"]["protocol"]) == {"nested"}
    assert not {"gap", "by_split"} & set(found.tables)
    assert found.tables["chosen"]["threshold"].nunique() == 3  # learned again in every outer fold
    assert (tmp_path / "diagnosis.json") in found.write(tmp_path)


def test_acute_scans_only(cohort):
    days = cohort.visits.assign(days_since_relapse=[10, 300] * 15)
    assert len(select_scans(days, acute="days_since_relapse").table) == 15
    flag = cohort.visits.assign(acute=["yes", "no"] * 15)
    assert select_scans(flag, acute="acute").table["session_id"].eq("ses-1").all()
    odd = select_scans(cohort.visits.assign(acute=["yes", "perhaps", None, "no", "1"] * 6), acute="acute")
    assert len(odd.table) == 12  # one bad cell costs that visit, not the run
    assert any("6 cells such as 'perhaps' are not yes or no" in note for note in odd.notes)
    assert any("6 visits have no value: not acute" in note for note in odd.notes)
    with pytest.raises(InputError, match="'soon' is neither"):
        select_scans(cohort.visits.assign(acute="soon"), acute="acute")
    with pytest.raises(InputError, match="column relapse"):
        select_scans(cohort.visits, acute="relapse")


def test_threshold_is_mean_plus_sd_of_training_brain_voxels():
    rng = np.random.default_rng(0)
    maps, mask = rng.normal(0.0261, 0.1199, (20, 12, 12, 12)), np.ones((12, 12, 12), bool)
    mask[0] = False
    maps[:, 0] = 99  # outside the brain does not count
    fitted = LesionFrequency().fit(maps, mask)
    inside = maps[:, 1:]
    assert fitted.threshold_ == pytest.approx(inside.mean() + 2.54 * inside.std())
    assert fitted.threshold_ == pytest.approx(0.331, abs=0.005)
    lesion = fitted.transform(maps)
    assert lesion.dtype == bool and lesion.shape == (20, 11 * 144)
    assert lesion.mean() == pytest.approx(0.0055, abs=0.002)
    assert LesionFrequency(threshold=0.5).fit(maps, mask).threshold_ == 0.5
    images = [nib.Nifti1Image(m, np.eye(4)) for m in maps]
    again = LesionFrequency().fit(images, nib.Nifti1Image(mask.astype(np.uint8), np.eye(4)))
    assert again.threshold_ == fitted.threshold_
    with pytest.raises(ValueError, match="brain mask's shape"):
        fitted.transform(maps[:, :5])
    with pytest.raises(NotFittedError):
        LesionFrequency().transform(maps)
    maps[3, 5] = np.nan  # a threshold of NaN would find no lesion anywhere
    for action in (fitted.transform, lambda maps: LesionFrequency().fit(maps, mask)):
        with pytest.raises(ValueError, match="belief map 3 holds NaN"):
            action(maps)

"""Saved diagnosis models: the same calls after a trip to disk, limits told, doubtful files and datasets refused."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from test_diagnosis import QUICK, make_cohort, store_of, visit_paths

from bids_app.derivatives import save_image
from bids_app.errors import InputError
from bids_app.learn.artifact import load_model, load_models, save_model
from bids_app.learn.diagnosis import run
from bids_app.learn.diagnosis.apply import apply_models, open_model

WITHOUT_PERFORMANCE = {"applied", "applied_voxels", "applied_neighbours"}
OPTIONS = replace(QUICK, permutations=0, variants=())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A trained cohort, and the folder of its model."""
    root = tmp_path_factory.mktemp("trained")
    cohort = make_cohort(root / "derivatives", {"RRMS": 8, "NMOSD": 7})
    cohort.visits["site"] = "a"
    result = run(cohort, seed=4, protocol="nested", options=OPTIONS)
    result.write(root / "group")
    return SimpleNamespace(cohort=cohort, result=result, folder=root / "group" / "models")


@pytest.fixture
def new(tmp_path):
    return make_cohort(tmp_path / "new", {"RRMS": 3, "NMOSD": 3}, scans=1, seed=9)


def applied(cohort, folder):
    return apply_models(cohort, load_models(folder))


def test_the_saved_machine_decides_as_the_support_vector_machine_itself(trained, tmp_path):
    from sklearn.svm import SVC

    cohort = trained.cohort
    store = store_of(cohort, tmp_path)
    model = open_model("saved", load_model(trained.folder / "diagnosis-lesion-maps"))
    (machine,) = model.machines
    maps = model.lesions(store)
    y = (cohort.visits["diagnosis"] == "RRMS").to_numpy()
    X = maps[:, machine.voxels].astype(float)
    svc = SVC(C=machine.C, gamma=machine.gamma).fit(X, y)
    shift = machine.decide(maps) - svc.decision_function(X)  # decisions are counted from the cut
    np.testing.assert_allclose(
        shift, machine.intercept - svc.intercept_[0], atol=1e-3
    )  # LIBSVM's own tolerance
    assert machine.threshold == pytest.approx(trained.result.models["lesion-maps"].card["Threshold"])


def test_new_visits_are_called_and_scored(trained, new):
    found = applied(new, trained.folder)
    table = found.tables["applied"]
    assert table["called"].tolist() == new.visits["diagnosis"].tolist()
    assert (table["applicability"] >= 0.5).all()
    scores = found.tables["applied_performance"].set_index("metric")["estimate"]
    assert scores["accuracy"] == 1 and scores["auc"] == 1
    new.visits = new.visits.drop(columns="diagnosis")
    assert set(applied(new, trained.folder).tables) == WITHOUT_PERFORMANCE


def test_the_card_tells_how_it_was_chosen_and_what_it_is_worth(trained):
    card = json.loads((trained.folder / "diagnosis-lesion-maps.json").read_text())
    assert card["Kind"] == "diagnosis" and card["Classes"] == ["RRMS", "NMOSD"]
    chosen = card["Machines"][0]
    assert chosen["n_voxels"] in (2, 16, 128) and 0 <= chosen["cv_auc"] <= 1
    assert {row["protocol"] for row in card["Metrics"]} == {"nested"}
    assert card["TrainingPatients"] == 15 and card["Sites"] == ["a"]
    assert "lesion maps of training scans" in card["Privacy"]


def test_limits_are_told(trained, new):
    visits = new.visits.assign(site="b")
    visits.loc[0, "diagnosis"] = "MOGAD"
    brighten(new, visit=1, factor=1.4)
    found = applied(SimpleNamespace(visits=visits, derivatives=new.derivatives), trained.folder)
    notes = " | ".join(found.notes)
    assert "MOGAD was not in training" in notes
    assert "site b was not in training" in notes
    assert "outside the training range" in notes
    assert found.tables["applied"].loc[1, "applicability"] < 0.8
    assert found.tables["applied_performance"]["n"].eq(5).all()


def brighten(cohort, visit, factor):
    path = list(visit_paths(cohort)["belief"].values())[visit]
    image = nib.load(path)
    data = np.asarray(image.dataobj) * factor
    save_image(nib.Nifti1Image(data.astype(np.float32), image.affine), path)


def test_other_grids_templates_and_labels_are_refused(trained, new):
    visits = new.visits.assign(diagnosis="rrms")
    with pytest.raises(InputError, match="differ only in case"):
        applied(SimpleNamespace(visits=visits, derivatives=new.derivatives), trained.folder)
    for each in visit_paths(new)["belief"].values():
        each.rename(str(each).replace("MNI152NLin2009aSym", "MNI152NLin6Asym"))
    with pytest.raises(InputError, match="--template MNI152NLin2009aSym"):
        applied(new, trained.folder)


def test_bad_and_odd_maps_are_named_at_once_and_the_others_called(trained, new):
    paths = list(visit_paths(new)["belief"].values())
    image = nib.load(paths[0])
    save_image(nib.Nifti1Image(np.asarray(image.dataobj)[:-1], image.affine), paths[0])
    paths[1].write_bytes(paths[1].read_bytes()[:300])
    brighten(new, visit=2, factor=1000)
    brighten(new, visit=3, factor=0.3)
    found = applied(new, trained.folder)
    bad = found.tables["applied_left_out"].set_index("visit")["fault"]
    words = ["another grid", "cannot be read", "goes down to", "not like the others: spread"]
    assert len(bad) == 4
    assert all(any(word in why for why in bad) for word in words)
    assert len(found.tables["applied"]) == 2
    assert any("4 visits were left out: unreadable or odd maps" in note for note in found.notes)


def test_scans_of_training_are_no_test(trained, new):
    old = visit_paths(trained.cohort)["belief"]
    for target, source in zip(list(visit_paths(new)["belief"].values())[:2], old.values(), strict=False):
        image = nib.load(source)
        data = np.round(np.asarray(image.dataobj, np.float64) * 2048) / 2048
        save_image(nib.Nifti1Image(data.astype(np.float32), image.affine), target)
    found = applied(new, trained.folder)
    assert found.tables["applied"]["in_training"].tolist() == [True, True, False, False, False, False]
    assert found.tables["applied_performance"]["n"].eq(4).all()
    assert any("2 of 6 visits are scans that the model was trained on" in note for note in found.notes)
    itself = applied(trained.cohort, trained.folder)
    assert set(itself.tables) == WITHOUT_PERFORMANCE and itself.tables["applied"]["in_training"].all()


def test_visits_without_a_map_are_left_out_and_told(trained, new):
    next(iter(visit_paths(new)["belief"].values())).unlink()
    found = applied(new, trained.folder)
    assert len(found.tables["applied"]) == len(new.visits) - 1
    assert "1 visits without a belief map were left out" in found.notes


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.parts["machines"][0].update(voxels=np.array([10**9])),
        lambda m: m.parts["machines"][0].update(support=m.parts["machines"][0]["support"][:-1]),
        lambda m: m.parts["machines"].clear(),
        lambda m: m.parts.update(mask=np.zeros(3, np.uint8)),
        lambda m: m.card.update(Classes=["RRMS", "NMOSD", "MOGAD"]),
        lambda m: m.card.pop("Grid"),
        lambda m: m.card.pop("Template"),
    ],
)
def test_forged_models_are_refused(trained, new, tmp_path, change):
    model = load_model(trained.folder / "diagnosis-lesion-maps")
    change(model)
    save_model(model, tmp_path / "diagnosis-forged")
    with pytest.raises(InputError, match="not readable as a diagnosis model"):
        applied(new, tmp_path)


@pytest.mark.parametrize("field", ["Kind", "Inputs", "Ranges", "Sites", "Format"])
def test_cards_without_what_they_must_say_are_refused(trained, tmp_path, field):
    model = load_model(trained.folder / "diagnosis-lesion-maps")
    save_model(model, tmp_path / "diagnosis-x")
    path = tmp_path / "diagnosis-x.json"
    card = json.loads(path.read_text())
    del card[field]
    path.write_text(json.dumps(card))
    with pytest.raises(InputError, match="not a model of this version"):
        load_models(tmp_path)


def test_several_classes_travel_too(tmp_path):
    cohort = make_cohort(tmp_path / "d", {"RRMS": 4, "NMOSD": 4, "MOGAD": 4}, seed=2)
    run(cohort, seed=1, options=replace(OPTIONS, cv=2, outer=2)).write(tmp_path / "g")
    new = make_cohort(tmp_path / "new", {"RRMS": 2, "NMOSD": 2, "MOGAD": 2}, seed=3)
    found = applied(new, tmp_path / "g" / "models")
    assert pd.Series(found.tables["applied"]["called"]).nunique() == 3
    assert set(found.tables["applied_performance"]["positive"]) == {"RRMS", "NMOSD", "MOGAD"}

"""The group level through the command line, on simulated derivatives."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from test_diagnosis import make_cohort

from bids_app.cli import main
from bids_app.cohort import read_cohort
from bids_app.derivatives import write_json, write_table
from bids_app.errors import InputError
from bids_app.learn.diagnosis.scans import select_scans


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> tuple[Path, Path]:
    """A raw dataset of tables alone and the derivatives of 24 scans."""
    root = tmp_path_factory.mktemp("group")
    bids, out = root / "bids", root / "out"
    cohort = make_cohort(out, {"RRMS": 6, "NMOSD": 6})
    people = cohort.visits.drop_duplicates("participant_id").drop(columns="session_id")
    write_table(people, bids / "participants.tsv")
    write_json({"Name": "x", "BIDSVersion": "1.10.0"}, bids / "dataset_description.json")
    write_json(
        {"Name": "x", "BIDSVersion": "1.10.0", "GeneratedBy": [{"Name": "Demyelin"}]},
        out / "dataset_description.json",
    )
    return bids, out


def test_group_writes_tables_maps_and_an_offline_page(dataset, capsys):
    bids, out = dataset
    assert (
        main([str(bids), str(out), "group", "--permutations", "1", "--folds", "3", "--outer-folds", "3"]) == 0
    )
    assert "24 visits of 12 participants" in capsys.readouterr().out
    performance = pd.read_csv(out / "group" / "diagnosis_performance.tsv", sep="\t")
    assert {"paper", "nested"} <= set(performance["protocol"])
    assert json.loads((out / "group" / "diagnosis.json").read_text())["Settings"]["seed"] == 1
    page = (out / "group.html").read_text()
    assert "http://" not in page
    assert "https://" not in page
    assert page.count("<figure") >= 8
    models = str(out / "group" / "models")
    assert main([str(bids), str(out), "group", "--apply-model", models]) == 0
    called = pd.read_csv(out / "group" / "diagnosis_applied.tsv", sep="\t")
    assert len(called) == 24 and (called["called"] == called["diagnosis"]).mean() > 0.8
    assert json.loads((out / "group" / "diagnosis_applied.json").read_text())["Models"]
    capsys.readouterr()
    assert main([str(bids), str(out), "group", "--apply-model", models, "--analysis", "edss"]) == 2
    assert "no model of --analysis edss; it has diagnosis" in capsys.readouterr().err


def test_classes_and_acute_scans_are_chosen_on_the_command_line(dataset, capsys):
    bids, out = dataset
    command = [str(bids), str(out), "group", "--analysis", "diagnosis"]
    assert main([*command, "--classes", "RRMS", "MOGAD"]) == 2
    assert "found RRMS" in capsys.readouterr().err
    assert main([*command, "--classes", "RRMS", "RRMS"]) == 2
    assert "found RRMS" in capsys.readouterr().err
    assert main([*command, "--acute", "relapse"]) == 2
    assert "column relapse (acute scans) is not in" in capsys.readouterr().err


def test_group_honours_the_participant_filter(dataset, capsys):
    bids, out = dataset
    assert main([str(bids), str(out), "group", "--participant-label", "01", "02"]) == 2
    output = capsys.readouterr().err
    assert output.startswith("demyelin: ")
    assert output.count("\n") == 1


def edit(tmp_path, dataset, change) -> Path:
    table = change(pd.read_csv(dataset[0] / "participants.tsv", sep="\t"))
    return write_table(table, tmp_path / "participants.tsv")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.rename(columns={"participant_id": "subject"}), "column participant_id is missing"),
        (lambda t: t.head(0), "lists none of the participants with derivatives"),
    ],
)
def test_bad_participants_tables_are_one_clear_line(tmp_path, dataset, change, words):
    with pytest.raises(InputError, match=words):
        read_cohort(dataset[1], edit(tmp_path, dataset, change))


def test_missing_table_or_derivatives_are_told(tmp_path, dataset):
    with pytest.raises(InputError, match="missing; the group level needs it"):
        read_cohort(dataset[1], tmp_path / "participants.tsv")
    with pytest.raises(InputError, match="no finished visits"):
        read_cohort(tmp_path, dataset[0] / "participants.tsv")


def test_own_column_names_are_mapped(tmp_path, dataset):
    path = edit(tmp_path, dataset, lambda t: t.rename(columns={"age": "age_at_scan"}))
    assert read_cohort(dataset[1], path, columns={"age": "age_at_scan"}).visits["age"].notna().all()
    with pytest.raises(InputError, match="column years"):
        read_cohort(dataset[1], path, columns={"age": "years"})
    with pytest.raises(
        InputError, match="column years"
    ):  # the column age that there is, is not what was asked for
        read_cohort(dataset[1], edit(tmp_path, dataset, lambda t: t), columns={"age": "years"})


def test_sites_and_labels_that_are_numbers_stay_as_written(tmp_path, dataset):
    def change(table):
        numbered = {"place": ["1"] * (len(table) - 1) + ["n/a"], "diagnosis": ["1", "0"] * (len(table) // 2)}
        return table.assign(**numbered)

    visits = read_cohort(dataset[1], edit(tmp_path, dataset, change), columns={"site": "place"}).visits
    assert set(visits["site"].dropna()) == {"1"} and visits["site"].isna().any()
    assert set(visits["diagnosis"]) == {"0", "1"}
    assert select_scans(visits.astype({"diagnosis": int})).classes == ("0", "1")


def test_participants_on_one_side_only_are_noted(tmp_path, dataset):
    path = edit(tmp_path, dataset, lambda t: t.replace({"participant_id": {"sub-01": "sub-99"}}))
    cohort = read_cohort(str(dataset[1]), str(path))
    assert len(cohort.visits) == 22
    assert any("sub-01" in note for note in cohort.notes)
    assert any("sub-99" in note for note in cohort.notes)


def test_sessions_tables_win_over_participants(tmp_path, dataset):
    path = edit(tmp_path, dataset, lambda t: t)
    sessions = pd.DataFrame({"session_id": ["ses-1", "ses-2"], "age": [70.0, None]})
    write_table(sessions, tmp_path / "sub-01" / "sub-01_sessions.tsv")
    visits = read_cohort(dataset[1], path).visits.set_index(["participant_id", "session_id"])
    assert visits.loc[("sub-01", "ses-1"), "age"] == 70
    assert visits.loc[("sub-01", "ses-2"), "age"] < 70


def test_dates_become_days(tmp_path, dataset):
    change = {"acq_time": "2021-03-30", "relapse_date": "2021-03-01"}
    visits = read_cohort(dataset[1], edit(tmp_path, dataset, lambda t: t.assign(**change))).visits
    assert (visits["days_since_relapse"] == 29).all()


def test_edss_then_its_models_on_the_same_visits(tmp_path, capsys):
    from bids_app.phantom.cli import main as phantom

    root = tmp_path / "a"
    assert (
        phantom([str(root), "--derivatives-only", "--visits", "40,10", "--regions", "7", "--nprocs", "1"])
        == 0
    )
    out = root / "derivatives" / "demyelin"
    command = [str(root), str(out), "group", "--folds", "3", "--outer-folds", "3", "--nprocs", "1"]
    assert main([*command, "--permutations", "1", "--external-site", "site2"]) == 0
    output = capsys.readouterr().out
    assert "note: no analysis of diagnosis" in output
    performance = pd.read_csv(out / "group" / "edss_performance.tsv", sep="\t")
    assert set(performance["protocol"]) == {"paper", "nested", "held out"}
    assert (out / "group" / "cohort.tsv").exists()
    page = (out / "group.html").read_text()
    assert page.count("<figure") >= 8
    assert "https://" not in page.replace("https://json", "")
    assert main([*command, "--apply-model", str(out / "group" / "models")]) == 0
    applied = pd.read_csv(out / "group" / "edss_applied.tsv", sep="\t")
    assert applied["predicted"].notna().all()
    assert len(applied) == 50 * applied["model"].nunique()


def test_an_impossible_analysis_asked_for_is_one_clear_line(dataset, capsys):
    bids, out = dataset
    assert main([str(bids), str(out), "group", "--analysis", "edss"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main([str(bids), str(out), "group", "--columns", "age"]) == 2
    assert "write NAME=COLUMN" in capsys.readouterr().err
    assert main([str(bids), str(out), "group", "--columns", "age=a", "edss=e", "age=b"]) == 2
    assert "age is given twice, as a and b" in capsys.readouterr().err
    assert main([str(bids), str(out), "group", "--columns", "agee=age"]) == 2
    assert "Demyelin reads no column agee; it reads participant_id" in capsys.readouterr().err


@pytest.mark.slow
def test_dask_gives_the_serial_numbers(tmp_path):
    distributed = pytest.importorskip("distributed", reason="needs demyelin[dask]")
    from bids_app.phantom.cli import main as phantom

    root = tmp_path / "a"
    assert (
        phantom([str(root), "--derivatives-only", "--visits", "40,10", "--regions", "7", "--nprocs", "1"])
        == 0
    )
    out = root / "derivatives" / "demyelin"
    command = [
        str(root),
        str(out),
        "group",
        "--folds",
        "3",
        "--outer-folds",
        "3",
        "--permutations",
        "1",
        "--nprocs",
        "1",
    ]
    assert main(command) == 0
    serial = (out / "group" / "edss_predictions.tsv").read_bytes()
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        assert main([*command, "--dask", cluster.scheduler_address]) == 0
    assert (out / "group" / "edss_predictions.tsv").read_bytes() == serial

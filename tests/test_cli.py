"""Arguments, configuration file and exit codes."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from bids_app import cli
from bids_app.errors import InputError
from bids_app.settings import Settings


def test_every_setting_is_an_option_with_underscore_alias():
    names = {name for action in cli.build_parser()._actions for name in action.option_strings}
    for spec in dataclasses.fields(Settings):
        if spec.metadata:
            assert {f"--{spec.name}", f"--{spec.name.replace('_', '-')}"} <= names


def test_help_imports_nothing_heavy():
    code = "import sys, bids_app.cli as c; c.build_parser().format_help(); print(sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("numpy", "pandas", "nipype", "bids'", "ants", "sklearn"):
        assert f"'{heavy.rstrip(chr(39))}'" not in modules


def test_command_line_wins_over_config_file(bids, tmp_path):
    config = tmp_path / "run.toml"
    config.write_text('random-seed = 3\nomp_nthreads = 2\nparticipant-label = ["01"]\nmem = 4\n')
    args = [str(bids), str(tmp_path / "out"), "participant", "--config-file", str(config)]
    settings = cli.parse([*args, "--random-seed", "5"])
    assert (settings.random_seed, settings.omp_nthreads, settings.mem) == (5, 2, 4.0)
    assert settings.participant_label == ("01",)


@pytest.mark.parametrize(
    "text", ["nonsense = 1", "nprocs = 'two'", "fast = 1", "template = 3", "session-label = [1]", "= 2"]
)
def test_bad_config_file_is_refused_by_name(bids, tmp_path, text):
    config = tmp_path / "run.toml"
    config.write_text(text)
    with pytest.raises(InputError, match=r"run\.toml"):
        cli.parse([str(bids), str(tmp_path / "out"), "participant", "--config-file", str(config)])


def test_labels_with_underscore_aliases_add_up(bids, tmp_path):
    args = [str(bids), str(tmp_path / "out"), "participant", "--participant_label", "01", "02"]
    assert cli.parse([*args, "--participant-label", "03"]).participant_label == ("01", "02", "03")


@pytest.mark.parametrize("place", [".", "out", "derivatives", ".."])
def test_output_inside_input_is_refused(bids, place):
    with pytest.raises(InputError, match="must lie outside the dataset"):
        cli.parse([str(bids), str(bids / place), "participant"])


def test_output_in_a_derivatives_folder_is_allowed(bids):
    out = bids / "derivatives" / "demyelin"
    assert cli.parse([str(bids), str(out), "participant"]).output_dir == out


def test_work_folder_inside_input_is_refused(bids, tmp_path):
    with pytest.raises(InputError, match="--work-dir"):
        cli.parse([str(bids), str(tmp_path / "out"), "participant", "-w", str(bids / "work")])


def test_calibrating_and_skipping_it_are_not_both_taken(bids, tmp_path):
    with pytest.raises(InputError, match="--calibrate and --skip-calibration"):
        cli.parse([str(bids), str(tmp_path / "out"), "participant", "--calibrate", "--skip-calibration"])


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["/nowhere", "out", "participant"], "no such folder"),
        (["BIDS", "out"], "analysis_level"),
        (["BIDS", "out", "participant", "--nprocs", "-1"], "--nprocs -1: must be from 0 to 10000"),
        (["BIDS", "out", "participant", "--end-radius", "nan"], "--end-radius nan: must be from 0 to 20"),
        (["BIDS", "out", "group", "--folds", "1"], "--folds 1: must be from 2 to 1000"),
        (["BIDS", "out", "participant", "--nonsense"], "unrecognized arguments"),
        (["BIDS", "out", "participant", "--participants-label", "1"], "did you mean --participant-label?"),
        (["BIDS", "out", "participant", "--n_treads=4"], "did you mean --nthreads?"),
        (["BIDS", "out", "particpant"], "did you mean participant?"),
        (["participant", "BIDS", "out"], "write demyelin BIDS_DIR OUTPUT_DIR participant|group"),
        (
            ["--participant-label", "01", "BIDS", "out", "participant"],
            "--participant-label takes all words after",
        ),
        (["out", "BIDS", "participant"], "the dataset comes first: demyelin"),
        (
            ["BIDS", "out", "participant", "--lesion-threshold", "5"],
            "--lesion-threshold 5.0: must be from 0 to 1",
        ),
        (["BIDS", "out", "participant", "--mem", "16000"], "--mem 16000.0: must be from 0 to 10000"),
        (["BIDS", "out", "participant", "-d", "lesions"], "give lesions=DIR"),
        (["BIDS", "out", "participant"], "no participants"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(bids, tmp_path, args, words):
    args = [str(bids) if arg == "BIDS" else arg for arg in args]
    command = [str(Path(sys.executable).parent / "demyelin"), *args]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.startswith("demyelin: ")
    assert done.stderr.count("\n") == 1


def test_debug_shows_the_traceback_before_the_line(bids, tmp_path, capsys):
    args = [str(bids), str(tmp_path / "out"), "participant"]
    for more, shown in (([], False), (["--debug"], True)):
        assert cli.main([*args, *more]) == 2
        output = capsys.readouterr().err
        assert ("Traceback" in output and "InputError" in output) is shown
        assert output.splitlines()[-1].startswith("demyelin: ")


def test_a_connectome_is_its_content_wherever_it_lies(bids, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def results(folder, text):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "connectome.json").write_text(text)
        settings = cli.parse([str(bids), str(tmp_path / "out"), "participant", "--connectome", folder])
        assert settings.connectome == str(tmp_path / folder)
        return settings.results()

    assert results("a/hcp", "{}") == results("b/hcp", "{}") != results("a/hcp", '{"x": 1}')
    for word in ("synthetic", "none"):
        settings = cli.parse([str(bids), str(tmp_path / "out"), "participant", "--connectome", word])
        assert settings.connectome == word


def test_another_radiomics_file_under_the_same_name_is_another_setting(bids, tmp_path):
    file = tmp_path / "radiomics.yaml"
    args = [str(bids), str(tmp_path / "out"), "participant", "--radiomics-settings", str(file)]
    file.write_text("setting: {binWidth: 5}")
    first = cli.parse(args).results()
    file.write_text("setting: {binWidth: 7}")
    assert cli.parse(args).results() != first


@pytest.mark.parametrize(
    ("more", "again"),
    [
        (["--calibrate"], False),
        (["--fast"], True),
        (["--skip-calibration"], True),
    ],
)
def test_finished_visits_are_made_again_only_where_they_would_differ(bids, tmp_path, more, again):
    def results(*chosen):
        return cli.parse([str(bids), str(tmp_path / "out"), "participant", *chosen]).results()

    assert (results(*more) != results()) == again
    assert results("--fast", "--calibrate") != results("--fast")  # a detection limit is added


def test_an_atlas_file_is_found_from_any_folder(bids, tmp_path, monkeypatch):
    (tmp_path / "mine.nii.gz").touch()
    monkeypatch.chdir(tmp_path)
    settings = cli.parse([str(bids), "out", "participant", "--atlas", "mine.nii.gz"])
    assert settings.atlas == str(tmp_path / "mine.nii.gz")


def test_every_number_has_bounds():
    numbers = [
        spec for spec in dataclasses.fields(Settings) if str(spec.type) in ("int", "float") and spec.metadata
    ]
    assert len(numbers) > 10
    for spec in numbers:
        low, high = spec.metadata.get("within", (0, 0))
        assert low < high or spec.name == "verbose", spec.name


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["--n_cpus", "3"], "nprocs", 3),
        (["--nthreads", "3"], "nprocs", 3),
        (["--mem_mb", "8000"], "mem", 8.0),
        (["--mem-mb", "500"], "mem", 0.5),
        (["--mem-gb", "8"], "mem", 8.0),
        (["--mem_gb=8"], "mem", 8.0),
    ],
)
def test_spellings_of_other_apps(bids, tmp_path, words, name, value):
    assert getattr(cli.parse([str(bids), str(tmp_path / "out"), "participant", *words]), name) == value


def test_options_of_the_other_level_are_noted(bids, tmp_path, capsys):
    args = [str(bids), str(tmp_path / "out")]
    cli.parse([*args, "participant", "--folds", "5", "--fast", "--random-seed", "2"])
    assert capsys.readouterr().err == "demyelin: note: without effect at the participant level: --folds\n"
    cli.parse([*args, "group", "--folds", "5", "--fast", "--random-seed", "2"])
    assert capsys.readouterr().err == "demyelin: note: without effect at the group level: --fast\n"


def test_results_are_no_dataset(bids, tmp_path):
    made = {
        "Name": "x",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "Demyelin"}],
    }
    (bids / "dataset_description.json").write_text(json.dumps(made))
    with pytest.raises(InputError, match="holds Demyelin's results"):
        cli.parse([str(bids), str(tmp_path / "out"), "group"])


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_shells_complete_options(shell, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--print-completion", shell])
    output = capsys.readouterr().out
    assert ended.value.code == 0
    assert "--participant-label" in output or "participant-label" in output


def test_python_m_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "bids_app", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("demyelin ")

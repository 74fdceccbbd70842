"""The Boutiques descriptor against the parser, in both directions, and against bosh."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from bids_app.boutiques import descriptor
from bids_app.cli import build_parser
from bids_app.phantom.cli import main as phantom

FILE = Path(__file__).resolve().parents[1] / "boutiques.json"
BIN = Path(sys.executable).parent
BOSH = BIN / "bosh"
needs_bosh = pytest.mark.skipif(not BOSH.exists(), reason="needs bosh: pip install boutiques")


def bosh(*args: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [str(BOSH), *map(str, args)],
        check=False,
        cwd=cwd,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
    )


def launch(folder: Path, **invocation: object) -> subprocess.CompletedProcess[str]:
    (folder / "invocation.json").write_text(json.dumps(invocation))
    options = ("--skip-data-collection", "--no-container")
    return bosh("exec", "launch", *options, FILE, "invocation.json", cwd=folder)


def test_file_is_up_to_date():
    same = json.loads(FILE.read_text()) == json.loads(json.dumps(descriptor()))
    assert same, "python -m bids_app.boutiques > boutiques.json"


def test_every_option_is_described_as_the_parser_has_it():
    inputs = {one["id"]: one for one in descriptor()["inputs"]}
    actions = {action.dest: action for action in build_parser()._actions}
    del actions["help"], actions["print_completion"]
    assert set(inputs) - {"output_dir_file"} == set(actions)
    for name, action in actions.items():
        flag = inputs[name].get("command-line-flag")
        assert flag in action.option_strings if action.option_strings else flag is None
        assert inputs[name].get("value-choices") == (list(action.choices) if action.choices else None)
        assert inputs[name].get("list", False) == (action.nargs == "+")
        assert (inputs[name]["type"] == "Flag") == (action.nargs == 0)


@needs_bosh
def test_bosh_accepts_it_as_a_bids_app():
    output = bosh("validate", "--bids", FILE)
    assert output.returncode == 0, output.stdout + output.stderr
    assert "BIDS validation OK" in output.stdout + output.stderr


@needs_bosh
@pytest.mark.parametrize("complete", [(), ("-c",), ("-c",), ("-c",)])
def test_commands_that_bosh_makes_up_are_understood(complete):
    output = bosh("exec", "simulate", FILE, *complete).stdout
    _, _, command = output.partition("; ")
    words = shlex.split(command)
    assert words[0] == "demyelin"
    arguments = build_parser().parse_args([word for word in words[1:] if word != "--version"])
    assert arguments.analysis_level in ("participant", "group")


@needs_bosh
def test_bosh_runs_the_tool_and_knows_its_exit_codes(tmp_path):
    (tmp_path / "bids").mkdir()
    common = {"bids_dir": "bids", "output_dir": "o ut", "analysis_level": "participant"}
    output = launch(tmp_path, **common, version=True)
    assert output.returncode == 0, output.stdout
    assert "demyelin " in output.stdout
    output = launch(tmp_path, **common, nprocs=-1)
    assert output.returncode == 2
    assert "Wrong usage or input" in output.stdout


@needs_bosh
@pytest.mark.slow
def test_bosh_processes_a_phantom(tmp_path):
    assert phantom([str(tmp_path / "bids"), "--participants", "1", "--resolution", "3"]) == 0
    common = {"bids_dir": "bids", "output_dir": "out", "analysis_level": "participant"}
    output = launch(tmp_path, **common, participant_label=["001"], fast=True, nprocs=1)
    assert output.returncode == 0, output.stdout
    assert (tmp_path / "out/sub-001.html").exists()

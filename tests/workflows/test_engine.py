"""Steps, failures and killed workers, run by nipype for real."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from nipype import IdentityInterface, Node, Workflow
from nipype.pipeline.plugins import SLURMPlugin

from bids_app import cli
from bids_app.errors import InputError, VisitError
from bids_app.steps.record import STEPS, StepRecord, step
from bids_app.workflows.engine import configure, execute, work_folder
from bids_app.workflows.plugin import KILLED, choose_plugin
from bids_app.workflows.run import graph_name
from bids_app.workflows.step import FAILURE, Step, add_step


class Made(NamedTuple):
    made: Path


def double(text: Path, times: int) -> Made:
    Path("made.txt").write_text(text.read_text() * times)
    return Made(Path("made.txt"))


def refuse(text: Path) -> Made:
    raise VisitError(f"{text}: is not what it should be")


def die(text: Path) -> Made:
    os.kill(os.getpid(), signal.SIGKILL)
    return Made(text)


def sleep_then_make(text: Path) -> Made:
    import time

    time.sleep(1.0)
    return double(text, 1)


@pytest.fixture
def settings(bids, tmp_path):
    made = cli.parse([str(bids), str(tmp_path / "out"), "participant", "--nprocs", "2"])
    configure(made, tmp_path)
    return made


@pytest.fixture
def graph(tmp_path, monkeypatch):
    """Return a function that makes a graph of one visit from steps by name."""
    source = tmp_path / "source.txt"
    source.write_text("ab")

    def make(**steps):
        for name in steps:
            monkeypatch.setitem(STEPS, name, StepRecord(name, 1.0, 1.0))
        visit = Workflow("sub_01")
        visit.add_nodes(
            [Node(Step(function, text=source, **more), name) for name, (function, more) in steps.items()]
        )
        whole = Workflow("run", base_dir=str(tmp_path / "work"))
        whole.add_nodes([visit])
        return whole

    return make


def test_step_runs_and_is_reused_until_its_file_changes(settings, graph, tmp_path):
    made = tmp_path / "work" / "run" / "sub_01" / "twice" / "made.txt"
    execute(graph(twice=(double, {"times": 2})), settings)
    assert made.read_text() == "abab"
    first = made.stat().st_mtime_ns
    execute(graph(twice=(double, {"times": 2})), settings)
    assert made.stat().st_mtime_ns == first
    (tmp_path / "source.txt").write_text("cd")
    execute(graph(twice=(double, {"times": 2})), settings)
    assert made.read_text() == "cdcd"


def test_a_step_that_is_added_later_runs_alone(settings, graph, tmp_path):
    """As `--calibrate` turned on after the visits were processed, the work folder kept."""
    made = tmp_path / "work" / "run" / "sub_01" / "twice" / "made.txt"
    execute(graph(twice=(double, {"times": 2})), settings)
    first = made.stat().st_mtime_ns
    execute(graph(twice=(double, {"times": 2}), more=(double, {"times": 3})), settings)
    assert made.stat().st_mtime_ns == first
    assert (made.parent.parent / "more" / "made.txt").read_text() == "ababab"
    assert graph_name(settings) == graph_name(replace(settings, calibrate=True))
    assert graph_name(settings) != graph_name(replace(settings, lesion_min_volume=10.0))


@step("publishing")
def publish(text: Path, place: str) -> Made:
    Path(place).write_text(text.read_text())
    return Made(Path(place))


def test_step_that_writes_elsewhere_runs_in_every_run(settings, tmp_path):
    """A done record was damaged or the results deleted, and the work folder kept: they are written again."""
    source, place = tmp_path / "source.txt", tmp_path / "published.txt"
    source.write_text("ab")
    for _ in range(2):
        visit = Workflow("sub_01")
        add_step(visit, publish, always=True, text=source, place=str(place))
        whole = Workflow("run", base_dir=str(tmp_path / "work"))
        whole.add_nodes([visit])
        execute(whole, settings)
        assert place.read_text() == "ab"
        place.unlink()


def test_failed_step_leaves_its_reason_and_the_others_go_on(settings, graph, tmp_path):
    execute(graph(bad=(refuse, {}), good=(double, {"times": 1})), settings)
    failure = json.loads((tmp_path / "work/run/sub_01/bad" / FAILURE).read_text())
    assert failure["reason"].endswith("is not what it should be")
    assert "Traceback" in failure["traceback"]
    assert (tmp_path / "work/run/sub_01/good/made.txt").exists()


def test_killed_worker_is_a_failed_step_and_spares_the_one_beside_it(settings, graph, tmp_path):
    execute(graph(killed=(die, {}), beside=(sleep_then_make, {})), settings)
    assert not (tmp_path / "work/run/sub_01/killed/made.txt").exists()
    assert (tmp_path / "work/run/sub_01/beside/made.txt").exists()
    assert "memory" in KILLED


def test_temporary_work_folder_is_removed(settings):
    with work_folder(settings) as folder:
        assert folder.is_dir()
    assert not folder.exists()


def test_work_folder_that_others_can_write_is_refused(bids, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    work.chmod(0o777)
    settings = cli.parse([str(bids), str(tmp_path / "out"), "participant", "-w", str(work)])
    with pytest.raises(InputError, match="writable by you alone"), work_folder(settings):
        pass


def test_plugin_file(bids, tmp_path):
    path = tmp_path / "plugin.toml"
    args = [str(bids), str(tmp_path / "out"), "participant", "--use-plugin", str(path)]
    path.write_text('plugin = "SLURM"\n[plugin_args]\nsbatch_args = "--mem=4G"\n')
    plugin, arguments = choose_plugin(cli.parse(args))
    assert issubclass(plugin, SLURMPlugin)
    assert arguments == {"sbatch_args": "--mem=4G"}
    for text, words in (("plugin = 3", r"plugin\.toml"), ('plugin = "slurm"', "no plugin 'slurm'.*SLURM")):
        path.write_text(text)
        with pytest.raises(InputError, match=words):
            choose_plugin(cli.parse(args))


def test_a_batch_plugin_outlives_a_step_that_left_no_result(bids, tmp_path):
    path = tmp_path / "plugin.toml"
    path.write_text('plugin = "SLURM"')
    settings = cli.parse([str(bids), str(tmp_path / "out"), "participant", "--use-plugin", str(path)])
    plugin, arguments = choose_plugin(settings)
    node = Node(IdentityInterface(["field"]), "killed", base_dir=str(tmp_path))
    node.config = {"execution": {"crashdump_dir": str(tmp_path), "crashfile_format": "txt"}}
    result = {"result": None, "traceback": "Job id (1) finished or terminated, but no results"}
    crash = plugin(plugin_args=arguments)._report_crash(node, result=result)
    assert "finished or terminated" in Path(crash).read_text()

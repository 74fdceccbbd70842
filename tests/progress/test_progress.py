"""Progress on a terminal, in lines, and the time that is left."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from functools import partial
from threading import Thread
from types import SimpleNamespace

import pytest
from rich.console import Console

from bids_app import progress
from bids_app.progress import lines, meter, phase, say
from bids_app.progress.live import Live
from bids_app.progress.log import logged
from bids_app.steps.record import STAGE, StepRecord
from bids_app.workflows import watch as watching
from bids_app.workflows.watch import StepTimes, Watch


def test_layers_below_import_no_terminal_library():
    code = "import sys, bids_app.progress; print([m for m in sys.modules if m.split('.')[0] in ('rich', 'psutil')])"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.4, "59 s"), (61, "1 min 1 s"), (120, "2 min"), (754, "13 min"), (7300, "2 h 2 min")],
)
def test_times_in_words(seconds, words):
    assert meter.spell(seconds) == words


def test_memory_counts_children():
    before = meter._resident()
    code = "x = bytearray(200_000_000); print(1, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1) as child:
        child.stdout.readline()
        assert meter._resident() - before > 150e6
        child.communicate(b"\n")


def test_without_a_display_items_pass_and_lines_are_printed(capsys):
    assert list(progress.track(iter("abc"), "folds", 3)) == ["a", "b", "c"]
    progress.say("hello")
    assert capsys.readouterr().out == "hello\n"


def test_lines_have_the_time_and_come_rarely(capsys):
    with progress.showing(0):  # standard output is no terminal here
        progress.say("first\nsecond")
        done = list(progress.track(range(50), "folds", 50))
        progress.display().detail("only with -v")
    output = capsys.readouterr().out.splitlines()
    assert done == list(range(50))
    assert all(re.match(r"\d\d:\d\d:\d\d  ", line) for line in output)
    assert [line[10:] for line in output[:3]] == ["first", "second", "folds: begins"]
    assert re.search(r"folds \(0 s\); memory \d\.\d GB \(peak \d\.\d GB\)$", output[3])
    assert len(output) == 4
    with progress.showing(1):
        list(progress.track(range(3), "folds", 3))
        progress.display().detail("with -v")
    output = capsys.readouterr().out
    assert "folds: 1 of 3, 0 s, about 0 s left" in output
    assert "with -v" in output


def test_parts_within_parts_are_not_shown(capsys):
    with progress.showing(1), progress.phase("outside"):
        assert list(progress.track(range(3), "inside", 3)) == [0, 1, 2]
        with progress.phase("inside"):
            progress.say("words still are")
    output = capsys.readouterr().out
    assert "inside" not in output
    assert "words still are" in output


def test_a_failed_phase_is_not_told_as_done(capsys):
    with pytest.raises(ValueError, match="no"), progress.showing(0), progress.phase("selection"):
        raise ValueError("no")
    assert [line[10:] for line in capsys.readouterr().out.splitlines()] == ["selection: begins"]


def test_silence_is_broken(capsys, monkeypatch):
    monkeypatch.setattr(lines, "SILENCE", 0.0)
    shown = lines.Lines(0)
    shown.begin("sub-01", 17)
    shown.advance("sub-01", 4, "segment")
    capsys.readouterr()
    shown._beat()
    assert "sub-01: 4 of 17, segment, 0 s; memory" in capsys.readouterr().out


def drawn(live):
    console = Console(file=io.StringIO(), width=150)
    console.print(live._draw())
    return console.file.getvalue()


def test_table_shows_rows_and_leaves_lines():
    console = Console(file=io.StringIO(), force_terminal=True, width=150)
    with Live(0, console) as live:
        live.begin("sub-[01]", 17)
        live.advance("sub-[01]", 4, "segment")
        live.begin("outer folds", 10)
        live.advance("outer folds", 5)
        live.overall("0 of 2 visits done", 754)
        table = drawn(live)
        live.end("sub-[01]", "sub-[01]: done")
        live.detail("only with -v")
    assert "0 of 2 visits done · 0 s · about 13 min left · memory" in table
    assert re.search(r"sub-\[01\] .* 4/17 +segment +0 s", table)
    assert re.search(r"outer folds .* 5/10 +about 0 s left", table)
    assert "sub-[01]: done (0 s)" in console.file.getvalue()
    assert "only with -v" not in console.file.getvalue()


def test_many_rows_are_cut():
    live = Live(0, Console(file=io.StringIO()))
    for k in range(40):
        live.begin(f"sub-{k:02d}", 3)
    assert "and 28 more" in drawn(live)


def test_on_a_terminal_the_table_is_drawn():
    code = (
        "import time; from bids_app.progress import showing, track\n"
        "with showing(0):\n"
        "    for _ in track(range(3), 'outer folds', 3): time.sleep(.3)\n"
    )
    leader, follower = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=follower, env={**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    )
    os.close(follower)
    output = b""
    while True:
        try:
            part = os.read(leader, 4096)
        except OSError:  # the other end was closed
            break
        if not part:
            break
        output += part
    os.close(leader)
    assert child.wait() == 0
    assert b"outer folds" in output
    assert b"\x1b[?25h" in output  # the cursor is back
    assert "━".encode() in output


@pytest.fixture
def clock(monkeypatch):
    """A clock that only the test moves."""
    time = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(watching.time, "monotonic", lambda: time.now)
    for name, seconds in {"a": 1.0, "b": 3.0}.items():
        monkeypatch.setitem(watching.STEPS, name, StepRecord(name, seconds, 1.0))
    return time


def run_step(watch, clock, visit, step, seconds, status="end"):
    node = SimpleNamespace(fullname=f"demyelin.{visit}.{step}")
    watch(node, "start")
    clock.now += seconds
    watch(node, status)


def test_time_left_comes_from_measured_steps(clock):
    watch = Watch({"sub_01": "sub-01", "sub_02": "sub-02"})
    watch.expect(["sub_01.a", "sub_01.b", "sub_02.a", "sub_02.b"])
    assert watch.left() == 8  # typical, before a step was measured
    assert Watch({"sub_01": "sub-01"}, {"a": 30.0}).left() is None  # nothing to do is known
    run_step(watch, clock, "sub_01", "a", 10.0)
    assert watch.left() == pytest.approx(30 + 40)  # b typically takes three times as long
    run_step(watch, clock, "sub_01", "b", 50.0)
    assert watch.left() == pytest.approx(60)  # as measured
    run_step(watch, clock, "sub_02", "a", 10.0)
    watch(SimpleNamespace(fullname="demyelin.sub_02.b"), "start")
    clock.now += 20
    assert watch.left() == pytest.approx(30, rel=0.01)


def test_visits_of_later_graphs_count_and_failures_are_told(clock, capsys):
    watch = Watch({f"sub_0{k}": f"sub-0{k}" for k in (1, 2, 3)})
    watch.expect(["run.sub_01.a", "run.sub_01.b"])
    run_step(watch, clock, "sub_01", "a", 10.0)
    assert watch.left() == pytest.approx(30 + 2 * 40)
    with progress.showing(1):
        run_step(watch, clock, "sub_01", "b", 10.0, "exception")
        watch.expect(["run.sub_02.a"])
        run_step(watch, clock, "sub_02", "a", 6.0)
    output = capsys.readouterr().out
    assert "sub-01: b failed" in output
    assert "sub-02: a, 6 s (1 of 1)" in output
    assert "sub-02: done" in output
    assert "1 of 3 visits done, 1 failed" in output


def test_times_are_learned_from_run_to_run_of_one_machine_and_voxel_size(tmp_path):
    def times(resolution):
        return StepTimes(SimpleNamespace(output_dir=tmp_path, resolution=resolution))

    times(2.0).keep({"a": 30.0})
    times(1.0).keep({"a": 200.0})
    assert times(2.0).read() == {"a": 30.0}
    watch = Watch({"sub_01": "sub-01"}, times(1.0).read())
    watch.expect(["sub_01.a"])
    assert watch.left() == 200.0
    (tmp_path / "logs" / "step_seconds.json").write_text("[1]")
    assert times(2.0).read() == {}


def test_a_step_that_takes_longer_than_expected_is_not_almost_over(clock):
    watch, shown = Watch({"sub_01": "sub-01"}), []
    watch.expect(["sub_01.a", "sub_01.b"])
    watch(SimpleNamespace(fullname="demyelin.sub_01.b"), "start")
    lefts = []
    for _ in range(4):
        clock.now += 20  # of 3 s that are typical
        watch.refresh(SimpleNamespace(overall=lambda line, left: shown.append(left), advance=lambda *_: None))
        lefts.append(watch.left())
    assert shown == lefts
    assert lefts == sorted(lefts)
    assert min(lefts) >= 5


def test_a_display_looks_only_while_it_is_asked_to():
    with progress.showing(0) as shown:
        with progress.polling(lambda seen: seen.overall("0 of 1 visits done", 60.0)):
            shown.poll()
        assert shown.poll is None
    assert shown._left == 60.0


def test_log_keeps_what_was_said_before_its_place_was_known(tmp_path):
    with logged() as log:
        say("first")
        log.attach(tmp_path, "participant")
        with phase("reading"):
            say("second")
    (path,) = tmp_path.glob("participant_*.log")
    lines = [line.split("  ", 1)[1] for line in path.read_text().splitlines()]
    assert lines == ["first", "reading: begins", "second", "reading"]


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path, capsys):
    with logged() as log:
        log.attach(tmp_path / "missing", "group")
        say("still here")
    assert "still here" in capsys.readouterr().out


def test_the_first_line_comes_within_two_seconds_of_python():
    """What was imported before it is little: the heavy libraries come after."""
    code = (
        "import sys, bids_app.cli; from bids_app.settings import Settings; from pathlib import Path;"
        "print(bids_app.cli.first_line(Settings(bids_dir=Path('/nowhere'), output_dir=Path('/out'), "
        "analysis_level='participant')));"
        "assert not {'numpy', 'pandas', 'nibabel', 'nipype', 'ants'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Demyelin ")
    assert "0 participants in /nowhere; writes to /out" in done.stdout


def test_the_stage_inside_a_step_is_shown_from_the_clocks_thread(clock, capsys, tmp_path):
    (tmp_path / STAGE).write_text("2 of 3, brain mask")
    watch = Watch({"sub_01": "sub-01"})
    watch.expect(["sub_01.a", "sub_01.b"])
    shown = lines.Lines(0)
    watch(SimpleNamespace(fullname="demyelin.sub_01.a", output_dir=lambda: str(tmp_path)), "start")
    shown.begin("sub-01", 2)
    shown.poll = partial(watch.refresh, shown)
    shown._last -= lines.SILENCE
    thread = Thread(target=shown._beat)
    thread.start()
    thread.join()
    assert "sub-01: 0 of 2, a: 2 of 3, brain mask" in capsys.readouterr().out

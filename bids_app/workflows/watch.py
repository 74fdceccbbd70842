"""What nipype tells of its nodes, as progress of visits and the time that is left."""

from __future__ import annotations

import contextlib
import json
import platform
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bids_app.derivatives import write_json
from bids_app.progress import Display, display
from bids_app.progress.meter import spell
from bids_app.settings import Settings
from bids_app.steps.record import STAGE, STEPS
from bids_app.workflows.step import FAILURE

OVERDUE = 0.25  # of what a step has run, left where it takes longer than expected; chosen by hand


class StepTimes:
    """What each step took in earlier runs into an output folder, by machine and voxel size.

    Parameters
    ----------
    settings : Settings
        Of the run: its output folder, and the edge of the working grid's voxels.
    """

    def __init__(self, settings: Settings) -> None:
        self._path = settings.output_dir / "logs" / "step_seconds.json"
        self._key = f"{platform.node()} {settings.resolution:g} mm"

    def _all(self) -> dict[str, Any]:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def read(self) -> dict[str, float]:
        """Return the seconds of each step here; empty where nothing was kept."""
        known = self._all().get(self._key)
        numbers = known.items() if isinstance(known, dict) else ()
        return {step: float(took) for step, took in numbers if isinstance(took, int | float) and took > 0}

    def keep(self, times: Mapping[str, float]) -> None:
        """Keep seconds for the next run."""
        if times:
            with contextlib.suppress(OSError):
                write_json(self._all() | {self._key: self.read() | dict(times)}, self._path)


class Watch:
    """Follows all visits of a run through one or more graphs.

    Parameters
    ----------
    visits : dict
        Names of the visits to process by the names of their graphs.
    learned : mapping of str to float, optional
        Seconds of each step in an earlier run on this machine.
    """

    def __init__(self, visits: dict[str, str], learned: Mapping[str, float] | None = None) -> None:
        self._names = visits
        self._learned = learned or {}
        self._steps: dict[str, set[str]] = {}
        self._shown: set[str] = set()
        self._over: set[str] = set()
        self._failed: set[str] = set()
        self._done: dict[str, set[str]] = defaultdict(set)
        self._started: dict[tuple[str, str], float] = {}
        self._folders: dict[tuple[str, str], Path] = {}
        self._measured: dict[str, list[float]] = defaultdict(list)
        self._begun = time.monotonic()

    def expect(self, nodes: Iterable[str]) -> None:
        """Take the steps of another graph, named VISIT.STEP, into account."""
        for node in nodes:
            visit, step = node.split(".")[-2:]
            self._steps.setdefault(visit, set()).add(step)

    def __call__(self, node: Any, status: str) -> None:
        """Take nipype's word that a node was started, ended or failed."""
        visit, step = node.fullname.split(".")[-2:]
        name, total = self._names.get(visit, visit), len(self._steps.get(visit, ()))
        if visit not in self._shown:
            self._shown.add(visit)
            display().begin(name, total)
        if status == "start":
            self._started[visit, step] = time.monotonic()
            with contextlib.suppress(AttributeError):
                self._folders[visit, step] = Path(node.output_dir())
        elif status in ("end", "exception"):
            self._finish_step(visit, step, status, node)
        self._tell()
        if visit in self._over:
            return
        if len(self._done[visit]) == total:
            self._over.add(visit)
            self._tell()
            display().end(name, f"{name}: done")
        else:
            display().advance(name, len(self._done[visit]), self._running(visit) or "waits")

    def _running(self, visit: str) -> str:
        """Return the steps of a visit that run, each with the stage that it is at."""
        steps = [key for key in list(self._started) if key[0] == visit]
        return ", ".join(_words(step) + self._stage(visit, step) for _, step in steps)

    def _stage(self, visit: str, step: str) -> str:
        """Return the stage that a step has written down, as the end of a text."""
        try:
            return f": {Path(self._folders[visit, step], STAGE).read_text(encoding='utf-8')}"
        except (KeyError, OSError):
            return ""

    def refresh(self, shown: Display) -> None:
        """Show the stages of the steps that run, on a display: its clock is a thread that knows of no other.

        Parameters
        ----------
        shown : Display
        """
        shown.overall(self._counted(), self.left())
        for visit in {visit for visit, _ in list(self._started)} - self._over:
            shown.advance(
                self._names.get(visit, visit), len(self._done[visit]), self._running(visit) or "waits"
            )

    def _finish_step(self, visit: str, step: str, status: str, node: Any) -> None:
        name, begun = self._names.get(visit, visit), self._started.pop((visit, step), None)
        took = time.monotonic() - begun if begun else 0.0
        if status == "exception":
            display().say(f"{name}: {_words(step)} failed{_reason(node)}")
            self._over.add(visit)
            self._failed.add(visit)
            display().end(name)
            return
        self._done[visit].add(step)
        if begun:
            self._measured[step].append(took)
        count = f"{len(self._done[visit])} of {len(self._steps.get(visit, ()))}"
        display().detail(f"{name}: {_words(step)}, {spell(took) if begun else 'kept'} ({count})")

    def _tell(self) -> None:
        display().overall(self._counted(), self.left())

    def _counted(self) -> str:
        done, failed = len(self._over - self._failed), len(self._failed)
        return f"{done} of {len(self._names)} visits done" + (f", {failed} failed" if failed else "")

    def left(self) -> float | None:
        """Return how many seconds are left: from steps measured so far and how many ran side by side.

        Before the first step has ended it is what the steps took in the last run on this machine (`learned`), else
        what is typical.
        """
        now = time.monotonic()
        measured = {step: sum(times) for step, times in list(self._measured.items())}
        worked = sum(measured.values())
        if not self._steps:
            return None
        usual = sum(self._typical(step) * len(self._measured[step]) for step in measured)
        scale = worked / usual if worked and usual else 1.0
        running = {key: now - begun for key, begun in list(self._started.items()) if key[0] not in self._over}
        work, whole = 0.0, 0.0
        for visit, steps in list(self._steps.items()):
            for step in steps:
                cost = self._cost(step, scale)
                whole += cost
                if visit not in self._over and step not in self._done[visit]:
                    ran = running.get((visit, step), 0.0)
                    work += max(cost - ran, OVERDUE * ran)
        work += whole / len(self._steps) * max(len(self._names) - len(self._steps), 0)
        elapsed = now - self._begun
        if not worked:
            return work / max(len({visit for visit, _ in running}), 1)
        return work / max((worked + sum(running.values())) / max(elapsed, 1e-3), 0.1)

    def _cost(self, step: str, scale: float) -> float:
        times: Sequence[float] = self._measured.get(step, ())
        return sum(times) / len(times) if times else self._typical(step) * scale

    def _typical(self, step: str) -> float:
        """Return the seconds of a step in the last run here, else what its record says."""
        return self._learned[step] if step in self._learned else STEPS[step].seconds

    def times(self) -> dict[str, float]:
        """Return the mean seconds of each step that was measured, for the next run."""
        return {step: round(sum(times) / len(times), 2) for step, times in self._measured.items()}


def _reason(node: Any) -> str:
    """Return why a step failed, as the end of a line; nothing where it left no reason."""
    try:
        text = Path(node.output_dir(), FAILURE).read_text(encoding="utf-8")
        return f": {json.loads(text)['reason']}"
    except (AttributeError, OSError, ValueError, KeyError):
        return ""


def _words(step: str) -> str:
    return step.replace("_", " ")

"""What nipype tells of its nodes, as progress of visits and the time that is left."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bids_app.progress import display
from bids_app.progress.meter import spell
from bids_app.steps.record import STEPS
from bids_app.workflows.step import FAILURE


class Watch:
    """Follows all visits of a run through one or more graphs.

    Parameters
    ----------
    visits : dict
        Names of the visits to process by the names of their graphs.
    """

    def __init__(self, visits: dict[str, str]) -> None:
        self._names = visits
        self._steps: dict[str, set[str]] = {}
        self._shown: set[str] = set()
        self._over: set[str] = set()
        self._failed: set[str] = set()
        self._done: dict[str, set[str]] = defaultdict(set)
        self._started: dict[tuple[str, str], float] = {}
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
            running = [_words(s) for v, s in self._started if v == visit]
            display().advance(name, len(self._done[visit]), ", ".join(running) or "waits")

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
        done, failed = len(self._over - self._failed), len(self._failed)
        line = f"{done} of {len(self._names)} visits done" + (f", {failed} failed" if failed else "")
        display().overall(line, self.left())

    def left(self) -> float | None:
        """Return how many seconds are left: from steps measured so far and how many ran side by side.

        None before the first step has ended.
        """
        now = time.monotonic()
        worked = sum(sum(times) for times in self._measured.values())
        if not worked or not self._steps:
            return None
        scale = worked / sum(_typical(step) * len(times) for step, times in self._measured.items())
        running = {key: now - begun for key, begun in self._started.items() if key[0] not in self._over}
        work, whole = 0.0, 0.0
        for visit, steps in self._steps.items():
            for step in steps:
                cost = self._cost(step, scale)
                whole += cost
                if visit not in self._over and step not in self._done[visit]:
                    work += max(cost - running.get((visit, step), 0.0), 0.0)
        work += whole / len(self._steps) * max(len(self._names) - len(self._steps), 0)
        side_by_side = (worked + sum(running.values())) / max(now - self._begun, 1e-3)
        return work / max(side_by_side, 0.1)

    def _cost(self, step: str, scale: float) -> float:
        times: Sequence[float] = self._measured.get(step, ())
        return sum(times) / len(times) if times else _typical(step) * scale


def _reason(node: Any) -> str:
    """Return why a step failed, as the end of a line; nothing where it left no reason."""
    try:
        text = Path(node.output_dir(), FAILURE).read_text(encoding="utf-8")
        return f": {json.loads(text)['reason']}"
    except (AttributeError, OSError, ValueError, KeyError):
        return ""


def _typical(step: str) -> float:
    return STEPS[step].seconds


def _words(step: str) -> str:
    return step.replace("_", " ")

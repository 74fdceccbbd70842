"""Progress where there is no terminal: lines with the time, few by default but never silent."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType

from bids_app.progress import Display
from bids_app.progress.meter import Meter, spell

SILENCE = 60.0  # seconds after which a sign of life is given
OFTEN = 10.0  # seconds between two lines about the same phase


@dataclass
class Running:
    """A visit or phase that goes on."""

    total: int | None
    begun: float
    done: int = 0
    note: str = ""
    reported: float = 0.0


class Lines(Display):
    """Lines that begin with the time of day.

    Parameters
    ----------
    verbose : int
        From 1 on with every step.
    """

    def __init__(self, verbose: int) -> None:
        self._verbose = verbose
        self._meter = Meter(self._beat)
        self._running: dict[str, Running] = {}
        self._overall = ""
        self._left: float | None = None
        self._last = time.monotonic()

    def __enter__(self) -> Lines:
        self._meter.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._meter.stop()

    def say(self, line: str) -> None:
        """Print a line after the time of day."""
        self._last = time.monotonic()
        stamp = time.strftime("%H:%M:%S")
        print("\n".join(f"{stamp}  {part}" for part in line.splitlines()), flush=True)

    def detail(self, line: str) -> None:
        """Print a line where `-v` asks for it."""
        if self._verbose:
            self.say(line)

    def begin(self, key: str, total: int | None) -> None:
        """Print that something begins."""
        now = time.monotonic()
        self._running[key] = Running(total, now, reported=now)
        self.say(f"{key}: begins")

    def advance(self, key: str, done: int, note: str = "") -> None:
        """Print how far a phase is, now and then; visits tell their steps themselves.

        Parameters
        ----------
        key : str
            Which phase.
        done : int
            Steps that are done.
        note : str
            What it does now.
        """
        if key not in self._running:
            return
        running = self._running[key]
        running.done, running.note, now = done, note, time.monotonic()
        if not note and done != running.total and (self._verbose or now - running.reported >= OFTEN):
            running.reported = now
            self.say(self._state(key, running))

    def end(self, key: str, line: str = "") -> None:
        """Print that something is over, how long it took and how far the run is."""
        running = self._running.pop(key, None)
        if running and line:
            took = spell(time.monotonic() - running.begun)
            self.say("; ".join([f"{line} ({took})", *self._whole()]))

    def overall(self, line: str, left: float | None) -> None:
        """Keep how far the run is, for the next line."""
        self._overall = line
        self._left = left

    def _whole(self) -> list[str]:
        left = [f"about {spell(self._left)} left"] if self._left else []
        return [", ".join([*([self._overall] if self._overall else []), *left, self._meter.memory()])]

    def _state(self, key: str, running: Running) -> str:
        took = time.monotonic() - running.begun
        parts = [f"{running.done} of {running.total}"] if running.total else []
        parts += [running.note] if running.note else []
        parts.append(spell(took))
        if not running.note and running.total and running.done:
            parts.append(f"about {spell(took / running.done * (running.total - running.done))} left")
        return f"{key}: " + ", ".join(parts)

    def _beat(self) -> None:
        """Look for progress; give a sign of life after a minute of silence."""
        if (poll := self.poll) is not None:  # taken once: the run may end meanwhile
            poll()
        if time.monotonic() - self._last < SILENCE:
            return
        for key, running in list(self._running.items()):
            self.say("; ".join([self._state(key, running), *self._whole()]))

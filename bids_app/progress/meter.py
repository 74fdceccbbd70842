"""Time and memory of a run."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Thread

import psutil

EVERY = 1.0  # seconds between two looks at memory


def spell(seconds: float) -> str:
    """Return a length of time in words that a person would use."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 10:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, rest = divmod(round(seconds / 60), 60)
    if hours == 0:
        return f"{rest} min"
    return f"{hours} h {rest} min" if rest else f"{hours} h"


class Meter:
    """Clock and memory gauge; looks once a second in a thread of its own, and calls `beat` then.

    Memory is the sum of resident sizes of this process and its children: pages that they share count for each.
    """

    def __init__(self, beat: Callable[[], None] | None = None) -> None:
        self._beat = beat
        self._begun = time.monotonic()
        self._over = Event()
        self._thread = Thread(target=self._watch, daemon=True)
        self.now = 0.0
        self.peak = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._begun

    def start(self) -> None:
        """Begin to look."""
        self._look()
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()

    def memory(self) -> str:
        """Return memory now and at its highest, in words."""
        return f"memory {self.now:.1f} GB (peak {self.peak:.1f} GB)"

    def _watch(self) -> None:
        while not self._over.wait(EVERY):
            self._look()
            if self._beat:
                self._beat()

    def _look(self) -> None:
        self.now = _resident() / 1e9
        self.peak = max(self.peak, self.now)


def _resident() -> int:
    """Return the resident bytes of this process and its children."""
    main = psutil.Process()
    total = 0
    for process in [main, *main.children(recursive=True)]:
        try:
            total += process.memory_info().rss
        except psutil.Error:  # ended in between
            continue
    return total

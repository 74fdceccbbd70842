"""The log file of a run: every line that was shown, with the date and the time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TextIO


class RunLog:
    """Lines of a run; kept in memory until it is known where they may be written."""

    def __init__(self) -> None:
        self._waiting: list[str] = []
        self._stream: TextIO | None = None
        self.path: Path | None = None

    def attach(self, folder: Path, level: str) -> Path:
        """Open `<level>_<time>.log` in a folder for what was said and what will be; return its path.

        A log that cannot be written never stops a run: its lines are then shown and not kept.
        """
        if self.path is None:
            self.path = folder / f"{level}_{time.strftime('%Y%m%dT%H%M%S')}.log"
            try:
                self._stream = self.path.open("a", encoding="utf-8")
            except OSError:
                self._stream = None
            for line in self._waiting:
                self._put(line)
            self._waiting.clear()
        return self.path

    def write(self, text: str) -> None:
        """Add lines."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        for line in text.splitlines():
            if self.path is None:
                self._waiting.append(f"{stamp}  {line}")
            else:
                self._put(f"{stamp}  {line}")

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _put(self, line: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except OSError:  # a full disk: the run says so itself
            self._stream = None


_log: ContextVar[RunLog | None] = ContextVar("log", default=None)


@contextmanager
def logged() -> Iterator[RunLog]:
    """Keep a log while inside."""
    log = RunLog()
    token = _log.set(log)
    try:
        yield log
    finally:
        _log.reset(token)
        log.close()


def current() -> RunLog | None:
    """Return the log of this run, None where none is kept."""
    return _log.get()


def note(line: str) -> None:
    """Add a line to the log that is not shown."""
    if (log := _log.get()) is not None:
        log.write(line)


def attach(folder: Path, level: str) -> None:
    """Say where the log of this run may be written."""
    if (log := _log.get()) is not None:
        log.attach(folder, level)

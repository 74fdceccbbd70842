"""Telling people how a run goes.

Code below calls `say`, `phase` and `track` and knows nothing of terminals. Where a run starts, `showing` chooses the
display; without it (Demyelin used as a library) lines are printed and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from typing import TypeVar

from bids_app.progress.log import RunLog, current

T = TypeVar("T")


class Display:
    """Prints lines, shows no progress; the others build on it.

    Attributes
    ----------
    poll : callable, optional
        Called once a second where the display has a clock, to look for progress that nobody tells.
    """

    poll: Callable[[], None] | None = None

    def say(self, line: str) -> None:
        """Tell something that everybody should see."""
        print(line, flush=True)

    def detail(self, line: str) -> None:
        """Tell something for `-v`."""

    def begin(self, key: str, total: int | None) -> None:
        """Show that a visit or phase has begun; `total` is its number of steps where known."""

    def advance(self, key: str, done: int, note: str = "") -> None:
        """Show how far a visit or phase is, and what it does now.

        Parameters
        ----------
        key : str
            Which visit or phase.
        done : int
            Steps that are done.
        note : str
            What it does now.
        """

    def end(self, key: str, line: str = "") -> None:
        """Show that a visit or phase is over, and keep a line about it."""

    def overall(self, line: str, left: float | None) -> None:
        """Show how far the run as a whole is, with the seconds that are left where known."""


class Tee(Display):
    """Shows on another display, and keeps lines and details in the log.

    Parameters
    ----------
    shown : Display
    log : RunLog
    """

    def __init__(self, shown: Display, log: RunLog) -> None:
        self._shown, self._log = shown, log

    def say(self, line: str) -> None:
        """Show and keep a line."""
        self._log.write(line)
        self._shown.say(line)

    def detail(self, line: str) -> None:
        """Show where `-v` asks for it, and keep, a line."""
        self._log.write(line)
        self._shown.detail(line)

    def begin(self, key: str, total: int | None) -> None:
        """Show and keep that something begins."""
        self._log.write(f"{key}: begins")
        self._shown.begin(key, total)

    def advance(self, key: str, done: int, note: str = "") -> None:
        """Show how far something is.

        Parameters
        ----------
        key : str
            Which visit or phase.
        done : int
            Steps that are done.
        note : str
            What it does now.
        """
        self._shown.advance(key, done, note)

    def end(self, key: str, line: str = "") -> None:
        """Show that something is over, and keep its line."""
        if line:
            self._log.write(line)
        self._shown.end(key, line)

    def overall(self, line: str, left: float | None) -> None:
        """Show how far the run is."""
        self._shown.overall(line, left)


PRINTS = Display()
_display: ContextVar[Display] = ContextVar("display")
_tracking: ContextVar[bool] = ContextVar("tracking", default=False)


def display() -> Display:
    """Return the display of this run, which keeps the log as well where there is one."""
    shown, log = _display.get(PRINTS), current()
    return Tee(shown, log) if log is not None else shown


@contextmanager
def showing(verbose: int) -> Iterator[Display]:
    """Show progress while inside: a live table on a terminal, lines with the time elsewhere.

    Parameters
    ----------
    verbose : int
        0 for visits and phases, 1 for their steps too, 2 for everything that libraries tell as well.
    """
    from bids_app.progress.lines import Lines
    from bids_app.progress.live import Live, can_show

    chosen = Live(verbose) if verbose < 2 and can_show() else Lines(verbose)
    with chosen:
        token = _display.set(chosen)
        try:
            yield chosen
        finally:
            _display.reset(token)


@contextmanager
def polling(poll: Callable[[Display], None]) -> Iterator[None]:
    """Let the display of this run look for progress once a second while inside.

    Parameters
    ----------
    poll : callable
        Is given the display, from a thread of the display's own.
    """
    shown = _display.get(PRINTS)
    shown.poll = partial(poll, shown)
    try:
        yield
    finally:
        shown.poll = None


def say(line: str) -> None:
    """Tell something that everybody should see, at once."""
    display().say(line)


def phase(what: str) -> AbstractContextManager[None]:
    """Show one part of a run while inside, and how long it took; parts within parts are not shown."""
    return nullcontext() if _tracking.get() else _phase(what)


@contextmanager
def _phase(what: str) -> Iterator[None]:
    shown = display()
    token = _tracking.set(True)
    shown.begin(what, None)
    try:
        yield
        shown.end(what, what)
    finally:
        shown.end(what)
        _tracking.reset(token)


def track(items: Iterable[T], what: str, total: int) -> Iterator[T]:
    """Hand items on and show how many of them are done.

    Parameters
    ----------
    items : iterable
        Results as they come, e.g. of `joblib.Parallel(return_as="generator")`.
    what : str
        What they are, e.g. "outer folds".
    total : int
        How many there will be.
    """
    if _tracking.get() or not total:
        yield from items
        return
    shown = display()
    token = _tracking.set(True)
    shown.begin(what, total)
    try:
        for done, item in enumerate(items, start=1):
            shown.advance(what, done)
            yield item
        shown.end(what, what)
    finally:
        shown.end(what)
        _tracking.reset(token)

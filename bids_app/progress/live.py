"""Progress on a terminal: finished things scroll by, running ones stay in a table below."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType

from rich import live
from rich.console import Console, Group
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from bids_app.progress import Display
from bids_app.progress.meter import Meter, spell

ROWS_SHOWN = 12  # rows of the table at most


def can_show() -> bool:
    """Whether standard output is a terminal that can redraw lines."""
    console = Console()
    return console.is_terminal and not console.is_dumb_terminal


@dataclass
class PhaseRow:
    """A visit or phase that goes on."""

    total: int | None
    begun: float
    done: int = 0
    note: str = ""

    def left(self) -> str:
        """Return what is left of a phase, from the pace so far."""
        if self.note or not self.total or not self.done:
            return ""
        took = time.monotonic() - self.begun
        return f"about {spell(took / self.done * (self.total - self.done))} left"


class Live(Display):
    """A table that is redrawn four times a second.

    Parameters
    ----------
    verbose : int
        From 1 on every finished step stays as a line.
    console : Console, optional
        Where to draw; standard output by default.
    """

    def __init__(self, verbose: int, console: Console | None = None) -> None:
        self._verbose = verbose
        self._meter = Meter(self._beat)
        self._rows: dict[str, PhaseRow] = {}
        self._overall = ""
        self._left: float | None = None
        self._spinner = Spinner("dots")
        console = console or Console(highlight=False)
        self._live = live.Live(get_renderable=self._draw, console=console, transient=True)

    def __enter__(self) -> Live:
        self._meter.start()
        self._live.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.stop()
        self._meter.stop()

    def say(self, line: str) -> None:
        """Print a line above the table."""
        self._live.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def detail(self, line: str) -> None:
        """Print a line above the table where `-v` asks for it."""
        if self._verbose:
            self.say(line)

    def begin(self, key: str, total: int | None) -> None:
        """Add a row."""
        self._rows[key] = PhaseRow(total, time.monotonic())

    def advance(self, key: str, done: int, note: str = "") -> None:
        """Change a row.

        Parameters
        ----------
        key : str
            Which row.
        done : int
            Steps that are done.
        note : str
            What it does now.
        """
        if key in self._rows:
            self._rows[key].done, self._rows[key].note = done, note

    def end(self, key: str, line: str = "") -> None:
        """Take a row away and leave a line about it."""
        row = self._rows.pop(key, None)
        if row and line:
            self.say(f"{line} ({spell(time.monotonic() - row.begun)})")

    def overall(self, line: str, left: float | None) -> None:
        """Change the line above the rows."""
        self._overall = line
        self._left = left

    def _beat(self) -> None:
        """Look for progress."""
        if (poll := self.poll) is not None:  # taken once: the run may end meanwhile
            poll()

    def _draw(self) -> Group:
        left = [f"about {spell(self._left)} left"] if self._left else []
        whole = [*([self._overall] if self._overall else []), spell(self._meter.elapsed), *left]
        head = Table.grid(padding=(0, 1))
        head.add_row(self._spinner, Text(" · ".join([*whole, self._meter.memory()]), style="bold"))
        table = Table.grid(padding=(0, 2))
        rows = list(self._rows.items())
        for key, row in rows[:ROWS_SHOWN]:
            bar = ProgressBar(total=row.total, completed=row.done, width=24, pulse=row.total is None)
            count = f"{row.done}/{row.total}" if row.total else ""
            took = spell(time.monotonic() - row.begun)
            table.add_row("", Text(key), bar, count, Text(row.note or row.left(), style="dim"), took)
        more = [Text(f"   and {len(rows) - ROWS_SHOWN} more", style="dim")] if len(rows) > ROWS_SHOWN else []
        return Group(head, table, *more)

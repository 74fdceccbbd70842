"""`logs/chosen.tsv`: what became of each image of a dataset, and why."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bids_app.derivatives.files import write_text
from bids_app.layout import Plan
from bids_app.layout.rows import Row

CHOSEN_COLUMNS = ("visit", "role", "image", "used", "reason")
MISSING = "n/a"
LOCKED = 2**62  # a byte of logs/.locks that is no visit's


def write_chosen(plan: Plan, logs: Path, *, everybody: bool) -> Path:
    """Write the table: a row an image, sorted by visit and path.

    Parameters
    ----------
    plan : Plan
        What was chosen.
    logs : Path
        Folder of the table.
    everybody : bool
        Whether the plan is of the whole dataset; else rows of other visits stay, so that a run for each participant
        ends in one table. Runs beside each other wait for each other.
    """
    path = logs / "chosen.tsv"
    rows = {_cells(row) for row in plan.table}
    with _alone(logs):
        if not everybody:
            mine = ({visit.name for visit in plan.visits} | {row[0] for row in rows}) - {MISSING}
            rows |= {row for row in _read(path) if row[0] not in mine}
        lines = ["\t".join(row) for row in [CHOSEN_COLUMNS, *sorted(rows)]]
        return write_text("\n".join(lines) + "\n", path)


def _cells(row: Row) -> tuple[str, ...]:
    cells = (row.visit, row.role, row.image, "yes" if row.used else "no", row.reason)
    return tuple(" ".join(cell.encode("utf-8", "replace").decode().split()) or MISSING for cell in cells)


def _read(path: Path) -> Iterator[tuple[str, ...]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()[1:]
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        row = tuple(line.split("\t"))
        if len(row) == len(CHOSEN_COLUMNS):
            yield row


@contextmanager
def _alone(logs: Path) -> Iterator[None]:
    """Let one run at a time read and write the table; must end before `VisitLocks` holds visits of this process."""
    with (logs / ".locks").open("a+b") as stream:
        fcntl.lockf(stream, fcntl.LOCK_EX, 1, LOCKED)
        yield

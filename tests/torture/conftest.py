"""What every torture is held to: nothing is written outside the folders that a run was given."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CHANGES = {
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "shutil.rmtree",
}
_watched: list[tuple[Path, list[str]]] = []


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if not _watched or (event != "open" and event not in CHANGES):
        return
    if event == "open":
        path, _, flags = arguments
        if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
            return
    else:
        path = arguments[1] if event in ("os.rename", "os.link", "os.symlink") else arguments[0]
    folder, found = _watched[-1]
    if isinstance(path, str | bytes | os.PathLike):
        place = Path(os.path.realpath(os.fsdecode(path)))
        if not place.is_relative_to(folder) and not place.is_relative_to("/dev"):
            found.append(f"{event} {place}")


sys.addaudithook(_watch)


@pytest.fixture
def only_below():
    """Return a context manager that fails where anything outside a folder is written, made or removed."""

    @contextmanager
    def watch(folder: Path) -> Iterator[None]:
        found: list[str] = []
        _watched.append((folder.resolve(), found))
        try:
            yield
        finally:
            _watched.pop()
        assert found == []

    return watch


_survived: list[tuple[str, str]] = []


@pytest.fixture
def survived():
    """Return a function that adds a row to the table of faults that the run prints at its end."""
    return lambda fault, found: _survived.append((fault, found))


def pytest_terminal_summary(terminalreporter) -> None:
    if _survived:
        terminalreporter.write_sep("=", "faults survived")
        for fault, found in _survived:
            terminalreporter.write_line(f"| {fault} | {found} |")

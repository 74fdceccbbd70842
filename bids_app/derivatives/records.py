"""Done records: a finished visit is not processed again unless an input, a setting or the version changed."""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bids_app import __version__
from bids_app.derivatives.files import write_json
from bids_app.errors import VisitError


def sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def visit_key(inputs: Iterable[Path], settings: dict[str, Any]) -> dict[str, Any]:
    """Return what a visit's results depend on: version, settings and the content of its inputs."""
    return {
        "version": __version__,
        "settings": settings,
        "inputs": {path.name: sha256(path) for path in inputs},
    }


def _record(output_dir: Path, name: str) -> Path:
    return output_dir / "logs" / "done" / f"{name}.json"


def is_done(output_dir: Path, name: str, key: dict[str, Any]) -> bool:
    """Whether a visit is finished: same key, and every file still there with its size."""
    try:
        record = json.loads(_record(output_dir, name).read_text(encoding="utf-8"))
        sizes = record["outputs"].items()
        return record["key"] == key and all((output_dir / f).stat().st_size == size for f, size in sizes)
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return False


def mark_done(output_dir: Path, name: str, key: dict[str, Any], outputs: Iterable[Path]) -> Path:
    """Record that a visit is finished, with the files that it wrote."""
    sizes = {path.relative_to(output_dir).as_posix(): path.stat().st_size for path in sorted(outputs)}
    return write_json({"key": key, "outputs": sizes}, _record(output_dir, name))


def forget(output_dir: Path, name: str) -> None:
    """Remove a visit's done record before its files change."""
    _record(output_dir, name).unlink(missing_ok=True)


@contextmanager
def visit_lock(output_dir: Path, name: str) -> Iterator[None]:
    """Hold a visit for this process; the lock ends with the process, however it ends.

    Raises
    ------
    VisitError
        If another process holds it.
    """
    path = output_dir / "logs" / "locks" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise VisitError(
                f"{name}: another run is processing it into {output_dir}; left to that run"
            ) from error
        yield

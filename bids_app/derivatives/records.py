"""Done records: a finished visit is not processed again unless an input, a setting or the version changed."""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bids_app import __version__
from bids_app.derivatives.files import write_json
from bids_app.derivatives.names import LEVELS
from bids_app.errors import VisitError


def sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fingerprint(path: Path) -> dict[str, Any]:
    """Return what distinguishes one file from another: content hash, and size and time to spare the hashing later."""
    stat = path.stat()
    return {"sha256": sha256(path), "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def unchanged(path: Path, known: dict[str, Any]) -> bool:
    """Whether a file is the one recorded: by size and time, else by content."""
    stat = path.stat()
    if (stat.st_size, stat.st_mtime_ns) == (known["size"], known["mtime_ns"]):
        return True
    return sha256(path) == known["sha256"]


def record_path(output_dir: Path, name: str) -> Path:
    """Return the place of a visit's done record."""
    return output_dir / "logs" / "done" / f"{name}.json"


def read_record(output_dir: Path, name: str) -> dict[str, Any] | None:
    """Return a visit's done record, None where there is none that can be read."""
    try:
        record = json.loads(record_path(output_dir, name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    kinds = {"version": str, "level": str, "settings": dict, "inputs": dict, "outputs": dict, "notes": list}
    good = isinstance(record, dict) and all(isinstance(record.get(key), kind) for key, kind in kinds.items())
    return record if good else None


def is_done(
    output_dir: Path, name: str, inputs: Iterable[Path], settings: dict[str, Any], level: str = "standard"
) -> bool:
    """Whether a visit is finished: same version, settings and inputs, every file of the level there and whole.

    Parameters
    ----------
    output_dir : Path
        The derivatives' root.
    name : str
        Of the visit, e.g. `sub-01_ses-1`.
    inputs : iterable of Path
        Files that the visit is made from.
    settings : dict
        Choices that results depend on.
    level : str
        Output level whose files must be there.
    """
    record = read_record(output_dir, name)
    try:
        if record is None or (record["version"], record["settings"]) != (__version__, settings):
            return False
        if LEVELS.index(record["level"]) < LEVELS.index(level):
            return False
        known = record["inputs"]
        paths = {path.name: path for path in inputs}
        whole = all((output_dir / file).stat().st_size == size for file, size in record["outputs"].items())
        return whole and known.keys() == paths.keys() and all(unchanged(paths[n], known[n]) for n in paths)
    except (OSError, KeyError, AttributeError, TypeError, ValueError):
        return False


def mark_done(
    output_dir: Path,
    name: str,
    *,
    inputs: dict[str, Any],
    settings: dict[str, Any],
    outputs: Iterable[Path],
    notes: Iterable[str] = (),
    level: str = "standard",
    about: Mapping[str, Any] | None = None,
) -> Path:
    """Record that a visit is finished, from which inputs, and which files it wrote.

    Parameters
    ----------
    output_dir : Path
        Root of the derivatives.
    name : str
        The visit's prefix.
    inputs : dict
        `fingerprint` of each input as it was read, by file name.
    settings : dict
        The settings that change results.
    outputs : iterable of Path
        Files of the visit.
    notes : iterable of str
        What was noticed while processing.
    level : str
        The `--output-level` that decided which files were kept.
    about : mapping, optional
        What the report says of the run.
    """
    record = {
        "version": __version__,
        "level": level,
        "settings": settings,
        "inputs": inputs,
        "outputs": {p.relative_to(output_dir).as_posix(): p.stat().st_size for p in sorted(outputs)},
        "notes": list(notes),
        "about": dict(about or {}),
    }
    return write_json(record, record_path(output_dir, name))


def forget(output_dir: Path, name: str) -> None:
    """Remove a visit's done record before its files change."""
    record_path(output_dir, name).unlink(missing_ok=True)


class VisitLocks:
    """Visits held by this process; they are free again when it ends, however it ends.

    One file, one locked byte a visit: works on network file systems and needs one open file for any
    number of visits.
    """

    def __init__(self, output_dir: Path) -> None:
        path = output_dir / "logs" / ".locks"
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = path.open("a+b")

    def hold(self, name: str) -> None:
        """Hold a visit.

        Raises
        ------
        VisitError
            If another process holds it.
        """
        place = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big")
        try:
            fcntl.lockf(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except (BlockingIOError, PermissionError) as error:
            raise VisitError(f"{name}: another run is processing it; left to that run") from error

    def close(self) -> None:
        """Let all visits go."""
        self._stream.close()

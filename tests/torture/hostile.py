"""Hostile places to run in, made with Linux namespaces: no cleanup and no privileges needed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(sys.executable).parent / "demyelin"


def demyelin(*args: str | Path, wrap: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run `demyelin`, behind a command prefix."""
    command = [*wrap, str(TOOL), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def reasons(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Return what a run told about each failed visit."""
    return dict(re.findall(r"^failed  sub-(\w+): (.*)$", done.stdout, re.MULTILINE))


def as_stranger() -> tuple[str, ...]:
    """Return a prefix: a user id without passwd entry, HOME, LOGNAME, privileges and network."""
    wrap = ("unshare", "--user", "--map-user=1234", "--map-group=1234", "--net")
    return _usable((*wrap, "env", "-u", "HOME", "-u", "LOGNAME", "-u", "USER"))


def on_small_disk(place: Path, size: str) -> tuple[str, ...]:
    """Return a prefix for which a folder is a disk of its own, soon full; its content ends with the run."""
    place.mkdir(exist_ok=True)
    script = 'mount -t tmpfs -o mode=0700,size="$0" none "$1" && shift && exec "$@"'
    return _usable(("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, size, str(place)))


def with_little_memory(megabytes: int) -> tuple[str, ...]:
    """Return a prefix: a control group with so much memory."""
    group = Path("/sys/fs/cgroup/memory/demyelin-torture")
    limit = group / "memory.limit_in_bytes"
    try:
        group.mkdir(exist_ok=True)
        limit.write_text(str(megabytes * 2**20))
    except OSError as error:
        pytest.skip(f"needs a control group of its own: {error}")
    return _usable(("sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"))


def _usable(wrap: tuple[str, ...]) -> tuple[str, ...]:
    try:
        subprocess.run([*wrap, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"needs user namespaces (unshare): {error}")
    return wrap

"""Commands that are killed again and again, and what must be true of what they leave."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bids_app.derivatives.files import PARTIAL

TOOL = Path(sys.executable).parent / "demyelin"
KILLS = int(os.environ.get("DEMYELIN_KILLS", "30"))
PATIENCE = 3000  # seconds

Command = list[str]


def start(command: Command, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | dict(env or {}),
        start_new_session=True,
    )


def run(command: Command, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    process = start(command, env)
    output = process.communicate(timeout=PATIENCE)
    assert "Traceback" not in "".join(output), output
    return subprocess.CompletedProcess(command, process.returncode, *output)


def killed_again_and_again(
    command: Command, lasting: float, kills: int, after_kill: Callable[[], None], finished: Callable[[], None]
) -> int:
    """Run a command, ended by SIGKILL at random moments until `kills` have struck; then let it end.

    `lasting` is how long an undisturbed run takes, in seconds. A life that ends by itself before its kill must
    have ended well; `finished` then checks it and sets all back to the beginning. Return the number of lives.
    """
    rng = random.Random(1)
    struck = lives = 0
    while struck < kills:
        lives += 1
        process = start(command)
        try:
            out, err = process.communicate(timeout=rng.uniform(0, lasting / 3))
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
            struck += 1
            time.sleep(0.2)  # its workers end with it
            after_kill()
            continue
        assert process.returncode == 0, out + err
        finished()
    done = run(command)
    assert done.returncode == 0, done.stdout + done.stderr
    return lives + 1


def check_whole(folder: Path) -> None:
    """Read every file under its final name to its end."""
    for path in folder.rglob("*"):
        if not path.is_file() or path.name.startswith(PARTIAL):
            continue
        if path.suffix == ".gz":
            with gzip.open(path) as stream:
                stream.read()
        elif path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".html":
            assert path.read_text(encoding="utf-8").rstrip().endswith("</html>"), path
        elif path.suffix == ".tsv":
            assert path.read_bytes().endswith(b"\n"), path


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every image, table and JSON file that a run writes, but logs and caches."""
    files = [path for path in folder.rglob("*") if path.suffix in {".gz", ".tsv", ".json", ".skops", ".png"}]
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {
        name: path.read_bytes()
        for name, path in names.items()
        if not name.startswith("logs/") and "/cache" not in name
    }

"""The BIDS validator, run on what the participant level reads of the selected participants."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bids_app.derivatives import write_json
from bids_app.errors import InputError
from bids_app.layout import Visit
from bids_app.progress import say, track
from bids_app.tables.notes import EXAMPLES
from bids_app.visit_name import VisitName

READ = ("dataset_description.json", "README", "README.md", "README.txt", "README.rst", ".bidsignore")
SIDECARS = ("*T1w.json", "*FLAIR.json")
AT_ONCE = 100  # participants for one start of the validator, which takes about a second
LIMIT_S = 180.0  # then the run goes on: names and headers are checked anyway


def validate(bids_dir: Path, visits: Sequence[Visit], log: Path) -> None:
    """Run bids-validator-deno on the dataset's description and the `anat` folders of the visits; say what it found.

    Tables, other modalities and participants that are not processed are not looked at: they are not read. Errors other
    than of the description are counted, and the run goes on: how images are named is checked by `layout` as well.

    Parameters
    ----------
    bids_dir : Path
        Root of the dataset.
    visits : sequence of Visit
        What is going to be processed.
    log : Path
        Where the validator's errors are kept.

    Raises
    ------
    InputError
        If `dataset_description.json` has an error, or the validator cannot run.
    """
    program, began = _program(), time.monotonic()
    people = sorted({visit.participant for visit in visits})
    parts = [people[start : start + AT_ONCE] for start in range(0, len(people), AT_ONCE)]
    found: list[dict[str, Any]] = []
    checked = 0
    for part in track(parts, "validating the names of files", len(parts)):
        left = LIMIT_S - (time.monotonic() - began)
        mine = [visit for visit in visits if visit.participant in part]
        issues = _issues(program, bids_dir, part, mine, left) if left > 0 else None
        if issues is None:
            done = f"{checked} of {len(people)} participants"
            say(f"note: the BIDS validator was stopped after {LIMIT_S:g} s, with {done} done")
            break
        checked += len(part)
        found += [issue for issue in issues if issue not in found]
    write_json({"participants": checked, "errors": found}, log)
    _tell(bids_dir, found, log)


def _tell(bids_dir: Path, found: Sequence[dict[str, Any]], log: Path) -> None:
    """Refuse errors of the dataset's description; count the others in a line."""
    stop = [_line(issue) for issue in found if str(issue.get("location")).lstrip("/") == READ[0]]
    if stop:
        more = f" (and {len(stop) - EXAMPLES} more, see {log})" if len(stop) > EXAMPLES else ""
        listed = "; ".join(stop[:EXAMPLES]) + more
        raise InputError(f"{bids_dir}: not valid BIDS: {listed}; correct it or give --skip-bids-validation")
    if found:
        say(f"warning: not valid BIDS: {len(found)} errors, such as {_line(found[0])} (see {log})")


def _line(issue: dict[str, Any]) -> str:
    what = " ".join(str(part) for part in (issue.get("code"), issue.get("subCode")) if part)
    return f"{issue.get('location') or 'dataset'}: {what}"


def _program() -> str:
    beside = Path(sys.executable).parent / "bids-validator-deno"
    program = str(beside) if beside.exists() else shutil.which("bids-validator-deno")
    if program is None:
        raise InputError("bids-validator-deno is not installed; install it or give --skip-bids-validation")
    return program


def _issues(
    program: str, bids_dir: Path, people: Sequence[str], visits: Sequence[Visit], limit: float
) -> list[dict[str, Any]] | None:
    """Return the validator's errors on some participants, None where it took longer than the limit in seconds."""
    options = ["--format", "json", "--ignoreNiftiHeaders", "--ignoreWarnings", "--prune"]
    with tempfile.TemporaryDirectory(prefix="demyelin-bids-") as folder:
        for path in _read(bids_dir, people, visits):
            link = Path(folder) / path.relative_to(bids_dir)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
        try:
            answer = subprocess.run(
                [program, *options, folder], capture_output=True, text=True, check=False, timeout=limit
            )
        except subprocess.TimeoutExpired:
            return None
    try:
        issues = json.loads(answer.stdout)["issues"]["issues"]
    except (ValueError, KeyError, TypeError) as error:
        reason = (answer.stderr.strip().splitlines() or ["no answer"])[-1]
        raise InputError(
            f"the BIDS validator failed ({reason}); give --skip-bids-validation to go on"
        ) from error
    return [issue for issue in issues if issue.get("severity") == "error"]


def _read(bids_dir: Path, people: Sequence[str], visits: Sequence[Visit]) -> Iterator[Path]:
    """Yield the files that the participant level reads: the description, sidecars, and what lies in `anat`."""
    yield from (path for name in READ if (path := bids_dir / name).is_file())
    folders = [bids_dir, *(bids_dir / VisitName(person).folder for person in people)]
    for pattern in SIDECARS:
        for folder in folders:
            yield from sorted(folder.glob(pattern))
    for visit in visits:
        anat = bids_dir / visit.folder / "anat"
        if anat.is_dir():
            yield from sorted(path for path in anat.iterdir() if path.is_file())  # not what was not fetched

"""The BIDS validator, run on the dataset before anything else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from bids_app.derivatives import write_text
from bids_app.errors import InputError

SHOWN = 3


def validate(bids_dir: Path, log: Path) -> list[str]:
    """Run bids-validator-deno; refuse errors in the dataset's top-level files.

    An error inside one participant's folder is that participant's: it is told, and the others go on.

    Parameters
    ----------
    bids_dir : Path
        Root of the dataset.
    log : Path
        Where the validator's whole answer is kept.

    Returns
    -------
    list of str
        One line for each error that does not stop the run.

    Raises
    ------
    InputError
        If a top-level file has an error, or the validator cannot run.
    """
    issues = [issue for issue in _issues(bids_dir, log) if issue.get("severity") == "error"]
    stop: list[str] = []
    other: list[str] = []
    for issue in issues:
        place = str(issue.get("location", ""))
        (stop if place.count("/") <= 1 else other).append(_line(issue, place))
    if stop:
        more = f" (and {len(stop) - SHOWN} more, see {log})" if len(stop) > SHOWN else ""
        told = "; ".join(stop[:SHOWN]) + more
        raise InputError(f"{bids_dir}: not valid BIDS: {told}; mend it or give --skip-bids-validation")
    return sorted(set(other))


def _line(issue: dict[str, Any], place: str) -> str:
    what = " ".join(str(part) for part in (issue.get("code"), issue.get("subCode")) if part)
    return f"{place or 'dataset'}: {what}"


def _issues(bids_dir: Path, log: Path) -> list[dict[str, Any]]:
    """Return the validator's issues; keep its answer in the log folder."""
    beside = Path(sys.executable).parent / "bids-validator-deno"
    program = str(beside) if beside.exists() else shutil.which("bids-validator-deno")
    if program is None:
        raise InputError("bids-validator-deno is not installed; install it or give --skip-bids-validation")
    command = [
        program,
        "--format",
        "json",
        "--ignoreNiftiHeaders",
        "--ignoreWarnings",
        "--prune",
        str(bids_dir),
    ]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    write_text(answer.stdout, log)
    try:
        return json.loads(answer.stdout)["issues"]["issues"]
    except (ValueError, KeyError, TypeError) as error:
        told = (answer.stderr.strip().splitlines() or ["no answer"])[-1]
        raise InputError(
            f"the BIDS validator failed ({told}); give --skip-bids-validation to go on"
        ) from error

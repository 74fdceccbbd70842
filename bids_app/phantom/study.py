"""A study-shaped phantom on disk: participants, derivatives and truth, without scans."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from bids_app import __version__
from bids_app.derivatives import write_json, write_table, write_text
from bids_app.derivatives.dataset import IGNORED
from bids_app.errors import InputError
from bids_app.phantom.dataset import DIAGNOSES, PARTICIPANT_COLUMNS

Job = TypeVar("Job")
Result = TypeVar("Result")
DERIVATIVES, TRUTH = Path("derivatives/demyelin"), Path("derivatives/truth")
README = """\
A synthetic cohort made by demyelin-phantom: no person's data, and no scans.

derivatives/demyelin has the files that the group level reads, drawn from a known model; derivatives/truth has
that model. Run: demyelin THIS_FOLDER THIS_FOLDER/derivatives/demyelin group
"""
EDSS_WORDS = "Expanded disability status scale. "
ORDER = ("participant_id", *PARTICIPANT_COLUMNS)


def check_phantom(out: Path) -> None:
    """Check that a folder holds a phantom, to which visits can be added.

    Raises
    ------
    InputError
        If it does not.
    """
    try:
        content = json.loads((out / "dataset_description.json").read_text(encoding="utf-8"))
        makers = [entry["Name"] for entry in content["GeneratedBy"]]
    except (OSError, ValueError, KeyError, TypeError):
        makers = []
    if "demyelin-phantom" not in makers:
        raise InputError(f"{out}: not made by demyelin-phantom; --add needs a phantom")


def describe(out: Path, made: str) -> None:
    """Write the descriptions of the raw folder, the derivatives and the truth; those that exist stay.

    Parameters
    ----------
    out : Path
        Root of the phantom.
    made : str
        What it was made with, for the record.
    """
    generated = [{"Name": "demyelin-phantom", "Version": __version__, "Description": made}]
    common = {"BIDSVersion": "1.10.0", "License": "CC0", "Authors": ["demyelin-phantom"]}
    links = {"SourceDatasets": [{"URL": "../../"}], "DatasetLinks": {"raw": "../../"}}
    for folder, name, kind, more, ignored in (
        (out, "participants alone", "raw", {}, ["raters.tsv"]),
        (out / DERIVATIVES, "derivatives", "derivative", links, IGNORED),
        (out / TRUTH, "truth", "derivative", links, ["*"]),
    ):
        content = {"Name": f"Demyelin study phantom: {name}", "DatasetType": kind, "GeneratedBy": generated}
        if not (folder / "dataset_description.json").exists():
            write_json(content | common | more, folder / "dataset_description.json")
            write_text(README, folder / "README")
        lists = folder / ".bidsignore"
        lines = lists.read_text(encoding="utf-8").splitlines() if lists.exists() else []
        write_text("\n".join(dict.fromkeys([*lines, *ignored])) + "\n", lists)


def write_participants(people: pd.DataFrame, out: Path, edss: str) -> None:
    """Write participants.tsv and its description, and a folder for each participant; rows that exist stay.

    Parameters
    ----------
    people : DataFrame
        One row per participant, the columns of `ORDER`.
    out : Path
        Root of the phantom.
    edss : str
        How the EDSS came about.

    Raises
    ------
    InputError
        If a participant is there already.
    """
    path, sidecar = out / "participants.tsv", out / "participants.json"
    table = people[list(ORDER)]
    if path.exists():
        known = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
        if both := sorted(set(known["participant_id"]) & set(table["participant_id"])):
            raise InputError(f"{path}: has {both[0]} already; choose other visits to add")
        table = pd.concat([known, table], ignore_index=True)
        before = json.loads(sidecar.read_text(encoding="utf-8"))["edss"]["Description"]
        edss = f"{before.removeprefix(EDSS_WORDS)} Added visits: {edss}"
    write_table(table, path)
    courses = {"RR": "relapsing-remitting", "SP": "secondary progressive"}
    columns: dict[str, dict[str, object]] = {
        "participant_id": {"Description": "Participant."},
        **PARTICIPANT_COLUMNS,
    }
    columns["edss"] = {"Description": EDSS_WORDS + edss}
    columns["disease_course"] = {"Description": "Course.", "Levels": courses}
    columns["diagnosis"] = {"Description": "Diagnosis.", "Levels": DIAGNOSES}
    write_json(columns, sidecar)
    for name in people["participant_id"]:
        (out / name).mkdir(exist_ok=True)


def write_with_sidecar(
    table: pd.DataFrame, path: Path, about: str, columns: Mapping[str, Any] | None = None
) -> None:
    """Write a derivative table and the JSON file beside it.

    Parameters
    ----------
    table : DataFrame
    path : Path
        Of the table, `.tsv`.
    about : str
        What it holds.
    columns : mapping, optional
        What each column holds.
    """
    write_table(table, path)
    write_json({"Description": about, "Synthetic": True, **(columns or {})}, path.with_suffix(".json"))


def run_jobs(write: Callable[[Job], Result], jobs: Sequence[Job], nprocs: int) -> Iterator[Result]:
    """Write all jobs, in processes where asked for; yield what `write` returns, in order.

    What is written must not depend on `nprocs`: a job draws from its own seed.

    Parameters
    ----------
    write : callable
        Writes one job.
    jobs : sequence
    nprocs : int
        Processes.
    """
    from joblib import Parallel, delayed

    yield from Parallel(n_jobs=nprocs, return_as="generator")(delayed(write)(job) for job in jobs)


def progress(number: int, total: int, name: str) -> Iterator[str]:
    """Yield a line for every fiftieth job, and the last.

    Parameters
    ----------
    number : int
        Of the job that is done, from 1.
    total : int
    name : str
        What was written.
    """
    if number % 50 == 0 or number == total:
        yield f"{number} of {total} ({name})"

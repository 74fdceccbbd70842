"""A study-shaped phantom on disk: participants, derivatives and truth, without scans."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from bids_app import __version__
from bids_app.derivatives import write_json, write_table, write_text
from bids_app.derivatives.dataset import IGNORED
from bids_app.phantom.dataset import PARTICIPANT_COLUMNS

Job = TypeVar("Job")
Result = TypeVar("Result")
DERIVATIVES, TRUTH = Path("derivatives/demyelin"), Path("derivatives/truth")
README = """\
A synthetic cohort made by demyelin-phantom: no person's data, and no scans.

derivatives/demyelin has the files that the group level reads, drawn from a known model; derivatives/truth has
that model. Run: demyelin THIS_FOLDER THIS_FOLDER/derivatives/demyelin group
"""
ORDER = ("participant_id", *PARTICIPANT_COLUMNS)


def describe(out: Path, made: str) -> None:
    """Write the descriptions of the raw folder, the derivatives and the truth.

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
        write_json(content | common | more, folder / "dataset_description.json")
        write_text(README, folder / "README")
        write_text("\n".join(ignored) + "\n", folder / ".bidsignore")


def write_participants(people: pd.DataFrame, out: Path, edss: str) -> None:
    """Write participants.tsv and its description, and a folder for each participant.

    Parameters
    ----------
    people : DataFrame
        One row per participant, the columns of `ORDER`.
    out : Path
        Root of the phantom.
    edss : str
        How the EDSS came about.
    """
    write_table(people[list(ORDER)], out / "participants.tsv")
    courses = {"RR": "relapsing-remitting", "SP": "secondary progressive"}
    diagnoses = {
        "MS": "multiple sclerosis",
        "RRMS": "relapsing-remitting multiple sclerosis",
        "NMOSD": "neuromyelitis optica spectrum disorder",
    }
    told: dict[str, dict[str, object]] = {
        "participant_id": {"Description": "Participant."},
        **PARTICIPANT_COLUMNS,
    }
    told["edss"] = {"Description": f"Expanded disability status scale. {edss}"}
    told["disease_course"] = {"Description": "Course.", "Levels": courses}
    told["diagnosis"] = {"Description": "Diagnosis.", "Levels": diagnoses}
    write_json(told, out / "participants.json")
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

"""The derivative dataset as a whole: description, README, what validators shall not look at."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

from bids_app import __version__
from bids_app.derivatives.files import PARTIAL, write_json, write_text
from bids_app.errors import InputError

CODE = "https://github.com/demyelin/demyelin"
VERSION = "1.10.0"  # of BIDS
ATLASES: dict[str, dict[str, Any]] = {
    "AAL": {
        "Name": "Automated anatomical labelling, first version, 116 regions",
        "Authors": [
            "Tzourio-Mazoyer N",
            "Landeau B",
            "Papathanassiou D",
            "Crivello F",
            "Etard O",
            "Delcroix N",
        ],
        "ReferencesAndLinks": ["https://doi.org/10.1006/nimg.2001.0978"],
        "Species": "Homo sapiens",
    }
}
IGNORED = ("*.html", "figures", "group", "logs", "*_xfm.*", "*_qc.*", f"{PARTIAL}*")
README = """\
Derivatives of Demyelin {version}
=================================

Lesions, tissues, parcels, volumes, radiomics and disconnection of people with multiple sclerosis or
its mimics. Each participant has a report (sub-*.html); every image and table has a JSON file beside it
that says what it is, what it was made from and with which settings. Methods text with citations: logs/.
"""


def start_dataset(output_dir: Path, bids_dir: Path) -> None:
    """Make the output folder a BIDS derivative dataset; leaves files that are already right.

    Raises
    ------
    InputError
        If the folder cannot be written to, or holds another program's dataset.
    """
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        refuse_links_out(output_dir, Path("logs"), Path("logs", "done"), Path("group"))
        if (output_dir / "dataset_description.json").exists():
            read_description(output_dir)
        for name, text in {
            "dataset_description.json": json.dumps(description(bids_dir, output_dir), indent=2) + "\n",
            "README": README.format(version=__version__),
            ".bidsignore": "\n".join(IGNORED) + "\n",
        }.items():
            path = output_dir / name
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                write_text(text, path)
        (output_dir / "logs").mkdir(exist_ok=True)
        for folder in (output_dir, output_dir / "logs"):
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
    except OSError as error:
        where = error.filename or output_dir
        raise InputError(
            f"{where}: cannot be written ({error.strerror}); choose another output folder"
        ) from error


def refuse_links_out(output_dir: Path, *folders: Path) -> None:
    """Refuse folders (relative to the output folder) that lead out of it: results stay where they were asked for.

    Raises
    ------
    InputError
        If a folder is, or lies below, a symbolic link to a place outside.
    """
    root = output_dir.resolve()
    for folder in folders:
        target = (output_dir / folder).resolve()
        if not target.is_relative_to(root):
            raise InputError(
                f"{output_dir / folder}: a link that leads out of the output folder, to {target}; remove it"
            )


def read_description(output_dir: Path) -> dict[str, Any]:
    """Read the description of Demyelin's derivatives.

    Raises
    ------
    InputError
        If there is none, or another program made the dataset.
    """
    path = output_dir / "dataset_description.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        made_by = [entry["Name"] for entry in content.get("GeneratedBy", [])]
    except OSError as error:
        raise InputError(f"{path}: missing; run the participant level into this folder first") from error
    except (ValueError, TypeError, KeyError, AttributeError):
        made_by = []
    if not {"Demyelin", "demyelin-phantom"} & set(made_by):
        raise InputError(f"{output_dir}: holds a dataset of another program; choose another folder")
    return content


def description(bids_dir: Path, output_dir: Path) -> dict[str, Any]:
    """Return the content of `dataset_description.json`; authors and licence are those of the raw dataset."""
    raw = _raw_description(bids_dir)
    link = _link(bids_dir, output_dir)
    authors = raw.get("Authors")
    people = [str(one) for one in authors] if isinstance(authors, list) else []
    more = {"License": raw["License"]} if isinstance(raw.get("License"), str) else {}
    made = {"Name": "Demyelin", "Version": __version__, "CodeURL": CODE}
    return {
        "Name": "Demyelin derivatives",
        "BIDSVersion": VERSION,
        "DatasetType": "derivative",
        "Authors": [*people, "Demyelin (software)"],
        **more,
        "GeneratedBy": [made | container()],
        "SourceDatasets": [{"URL": link}],
        "DatasetLinks": {"raw": link},
    }


def _raw_description(bids_dir: Path) -> dict[str, Any]:
    """Return the raw dataset's description; empty where it cannot be read."""
    try:
        content = json.loads((bids_dir / "dataset_description.json").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _link(bids_dir: Path, output_dir: Path) -> str:
    """Return the raw dataset's address from the derivatives', so that both can be moved together."""
    return Path(os.path.relpath(bids_dir.resolve(), output_dir.resolve())).as_posix()


def describe_atlas(output_dir: Path, atlas: str) -> None:
    """Write `atlas-<name>_description.json`, which BIDS asks for; one that is there stays."""
    path = output_dir / f"atlas-{atlas}_description.json"
    if not path.exists():
        write_json({"Name": atlas, "BIDSVersion": VERSION} | ATLASES.get(atlas, {}), path)


def container() -> dict[str, Any]:
    """Say which container this is, if any: `DEMYELIN_CONTAINER` is set in the image."""
    tag = os.environ.get("DEMYELIN_CONTAINER")
    if os.environ.get("APPTAINER_CONTAINER") or os.environ.get("SINGULARITY_CONTAINER"):
        return {"Container": {"Type": "apptainer", "Tag": tag or __version__}}
    return {"Container": {"Type": "docker", "Tag": tag}} if tag else {}


def uri(path: Path, roots: dict[str, Path]) -> str:
    """Return a BIDS URI for a file, e.g. `bids:raw:sub-01/anat/sub-01_T1w.nii.gz`.

    Parameters
    ----------
    path : Path
        The file.
    roots : dict of str to Path
        Dataset names (empty for this dataset) and their folders.
    """
    for name, root in roots.items():
        if path.is_relative_to(root):
            return f"bids:{name}:{path.relative_to(root).as_posix()}"
    return path.as_uri()


def sidecar(path: Path) -> Path:
    """Return the name of the JSON file beside an image or table."""
    return path.with_name(path.name.split(".")[0] + ".json")


def write_sidecar(path: Path, content: dict[str, Any]) -> Path:
    """Write the JSON file beside an image or table."""
    return write_json(content, sidecar(path))

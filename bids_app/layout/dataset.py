"""A dataset as a whole: its description, and the labels of participants and sessions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bids_app.errors import InputError
from bids_app.layout.files import same_label
from bids_app.visit_name import bare


def check_description(folder: Path) -> dict[str, Any]:
    """Read `dataset_description.json` of a raw dataset.

    Raises
    ------
    InputError
        If the folder or the file is missing, empty or not a JSON object with Name and BIDSVersion, or says that the
        dataset is a derivative one.
    """
    path = folder / "dataset_description.json"
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the root of a BIDS dataset")
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        inside = next(
            (one for one in ("rawdata", "bids", "raw") if (folder / one / path.name).is_file()), None
        )
        hint = f"did you mean {folder / inside}?" if inside else f"is {folder} the root of a BIDS dataset?"
        raise InputError(f"{path}: missing; {hint}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: empty or not valid JSON; it needs at least Name and BIDSVersion"
        ) from error
    if not isinstance(content, dict) or not {"Name", "BIDSVersion"} <= content.keys():
        raise InputError(f"{path}: needs at least the keys Name and BIDSVersion")
    if "derivative" in str(content.get("DatasetType")).lower():
        raise InputError(f"{path}: DatasetType is derivative; give the raw dataset that it was made from")
    if "PipelineDescription" in content:  # how derivatives were marked before BIDS 1.4
        raise InputError(
            f"{path}: PipelineDescription says that a program made it; give the raw dataset that it was made from"
        )
    return content


def chosen_labels(present: Sequence[str], requested: Sequence[str], prefix: str, folder: Path) -> list[str]:
    """Return the labels asked for (all where none were), each once, in the order of the dataset.

    Parameters
    ----------
    present : sequence of str
        Labels in the dataset.
    requested : sequence of str
        Labels on the command line, with or without the prefix.
    prefix : str
        `sub-` or `ses-`.
    folder : Path
        Where they were looked for, for the message.

    Raises
    ------
    InputError
        If one is not there; the message has those that are, and the one that was probably meant.
    """
    labels = [bare(label, prefix) for label in requested]
    if absent := sorted(set(labels) - set(present)):
        names = ", ".join(prefix + label for label in absent)
        meant = same_label(absent[0], present)
        some = ", ".join(prefix + label for label in sorted(present)[:10]) or "none"
        hint = f"did you mean {prefix}{meant}? " if meant else ""
        raise InputError(
            f"{folder}: has no {names}; {hint}it has {some}{' ...' if len(present) > 10 else ''}"
        )
    return [label for label in present if label in labels] if labels else list(present)

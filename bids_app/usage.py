"""Help for a command that is a little wrong: near spellings, swapped folders, options of the other level."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

from bids_app.errors import InputError
from bids_app.settings import Settings

LEVELS = ("participant", "group")
ORDER = "demyelin BIDS_DIR OUTPUT_DIR participant|group, then options"
NEAR = 0.6  # share of letters in common from which a spelling counts as near; difflib's own default


def explain(message: str, words: Sequence[str], parser: argparse.ArgumentParser) -> str:
    """Add to argparse's message what was probably meant.

    Parameters
    ----------
    message : str
        What argparse says.
    words : sequence of str
        The command's words, without the program.
    parser : ArgumentParser
        The parser that refused them.

    Returns
    -------
    str
        The message, with a suggestion where there is one.
    """
    known = [name for action in parser._actions for name in action.option_strings if "_" not in name]
    if message.startswith("unrecognized arguments"):
        misspelt = [word.split("=")[0] for word in message.split(": ", 1)[1].split() if word.startswith("--")]
        near = {name: get_close_matches(name.replace("_", "-"), known, n=1, cutoff=NEAR) for name in misspelt}
        found = dict.fromkeys(match for matches in near.values() for match in matches)
        return f"{message}; did you mean {', '.join(found)}?" if found else message
    if "analysis_level" in message:
        return f"{message}; {_order(words, parser)}"
    return message


def _order(words: Sequence[str], parser: argparse.ArgumentParser) -> str:
    """Return how the words that are no options are to be given."""
    several = {name for action in parser._actions if action.nargs == "+" for name in action.option_strings}
    first = next((word for word in words if word.startswith("-")), "")
    if first in several and words.index(first) < 3 and any(level in words for level in LEVELS):
        return f"{first} takes all words after it: write {ORDER}"
    near = [match for word in words for match in get_close_matches(word, LEVELS, n=1, cutoff=NEAR)]
    if near and not set(words) & set(LEVELS):
        return f"did you mean {near[0]}?"
    return f"write {ORDER}"


def refuse_swapped(bids: Path, out: Path, level: str) -> None:
    """Refuse folders that were given the other way round.

    Parameters
    ----------
    bids, out : Path
        The folders as they were given.
    level : {"participant", "group"}
        For the command that is suggested.

    Raises
    ------
    InputError
        If only the output folder is a dataset, or the first one holds results.
    """
    if is_dataset(out) and not is_dataset(bids):
        raise InputError(
            f"{out} is a BIDS dataset and {bids} is none: the dataset comes first: demyelin {out} {bids} {level}"
        )
    if _generator(bids) == "Demyelin":
        raise InputError(f"{bids}: holds Demyelin's results; give the dataset that they were made from first")


def is_dataset(folder: Path) -> bool:
    """Tell whether a folder is a raw BIDS dataset: described as one, or not described and with participants."""
    content = _description(folder)
    if content:
        return content.get("DatasetType", "raw") == "raw"
    return folder.is_dir() and any(folder.glob("sub-*/"))


def _generator(folder: Path) -> str:
    makers = _description(folder).get("GeneratedBy") or [{}]
    first = makers[0] if isinstance(makers, list) else None
    return str(first.get("Name")) if isinstance(first, dict) else ""


def _description(folder: Path) -> dict:
    """Return a dataset's description; empty where there is none that can be read."""
    try:
        content = json.loads((folder / "dataset_description.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def without_effect(names: Iterable[str], level: str) -> list[str]:
    """Return the options, of those given on the command line, that only the other level reads.

    Parameters
    ----------
    names : iterable of str
        Names of settings.
    level : {"participant", "group"}
        The level that runs.

    Returns
    -------
    list of str
        As typed, `--with-dashes`.
    """
    of = {spec.name: spec.metadata.get("level") for spec in dataclasses.fields(Settings)}
    return ["--" + name.replace("_", "-") for name in names if of.get(name) not in (None, level)]

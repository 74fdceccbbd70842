"""Every command in README and docs: parsed by the real parsers; cheap ones run, the whole first hour when slow."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pages import KNOWN, ROOT, commands

from bids_app import cli
from bids_app.features import connectome_cli
from bids_app.phantom import cli as phantom_cli

PARSERS = {
    "demyelin": cli.build_parser,
    "demyelin-phantom": phantom_cli.build_parser,
    "demyelin-connectome": connectome_cli.build_parser,
}
ALL = commands()
DEMYELIN = [command for command in ALL if command.demyelin]


def test_there_are_commands_on_the_pages_that_teach():
    pages = {command.page for command in DEMYELIN}
    assert {
        "README.md",
        "index.md",
        "first-hour.md",
        "your-data.md",
        "clusters.md",
        "disconnection.md",
    } <= pages
    assert len(DEMYELIN) > 30


@pytest.mark.parametrize("command", DEMYELIN, ids=lambda c: f"{c.page}: {' '.join(c.demyelin[1])[:60]}")
def test_command_is_understood(command):
    program, arguments = command.demyelin
    if "--help" not in arguments:
        PARSERS[program]().parse_args(arguments)


def test_a_wrong_command_would_be_found(capsys):
    for words in (["out", "participant"], ["ds", "out", "participant", "--no-such-option"]):
        with pytest.raises(SystemExit):
            PARSERS["demyelin"]().parse_args(words)


def test_other_commands_are_known_and_name_files_that_exist():
    for command in ALL:
        if command.demyelin is None:
            assert Path(command.words[0]).name in KNOWN, command
        if command.words[0] == "make":
            assert f"\n{command.words[1]}:" in (ROOT / "Makefile").read_text()
        for word in command.words:
            if word.startswith(("docs/", "brainlife/")) or word == "boutiques.json":
                assert (ROOT / word).exists(), command


@pytest.fixture(scope="module")
def programs():
    """Demyelin's commands as they are installed."""
    folder = Path(sys.executable).parent
    return {name: str(folder / name) for name in PARSERS}


@cache
def reaches_the_connectome():
    """Whether the host that the normative connectome is fetched from has an address here."""
    try:
        socket.getaddrinfo(urlsplit(connectome_cli.REPOSITORY).hostname, 443)
    except OSError:
        return False
    return True


def run(words, programs, folder):
    if words[:2] == ["demyelin-connectome", "fetch"] and not reaches_the_connectome():
        warnings.warn(f"not run, for want of a network: {' '.join(words)}", stacklevel=2)
        return ""
    done = subprocess.run(
        [programs[words[0]], *words[1:]],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "100"},
    )
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


SMALL = {
    "--participants": "1",
    "--streamlines": "300",
    "--visits": {"A": "4,2", "B": "6,4"},
    "--patients": "3,2",
}


def small(words):
    """The same command, with fewer people and streamlines."""
    study = words[words.index("--study") + 1] if "--study" in words else ""
    chosen = {
        name: value[study] if isinstance(value, dict) and study else value for name, value in SMALL.items()
    }
    return [chosen.get(before, word) for before, word in zip(["", *words], words, strict=False)]


def of_page(page, program):
    return [[c.demyelin[0], *c.demyelin[1]] for c in DEMYELIN if c.page == page and c.demyelin[0] == program]


@pytest.mark.slow
def test_a_cohort_as_the_first_hour_makes_it(programs, tmp_path):
    made = of_page("first-hour.md", "demyelin-phantom")
    study = next(words for words in made if "study-b" in words)
    run(small(study), programs, tmp_path)
    words_of_page = next(words for words in of_page("first-hour.md", "demyelin") if "study-b" in words)
    group = cli.parse([str(tmp_path / words) if "study-b" in words else words for words in words_of_page[1:]])
    assert (group.output_dir / "dataset_description.json").is_file()


def test_help_teaches(programs, tmp_path):
    output = run(["demyelin", "--help"], programs, tmp_path)
    assert "--participant_label" not in output  # one spelling is enough to learn from
    for line in output.splitlines():
        if line.startswith("  demyelin"):
            words = line.split("      ")[0].split()
            PARSERS[words[0]]().parse_args(words[1:])


@pytest.mark.slow
def test_connectomes_and_phantoms_of_the_first_hour(programs, tmp_path):
    for program in ("demyelin-phantom", "demyelin-connectome"):
        for words in of_page("first-hour.md", program):
            run(small(words), programs, tmp_path)
    assert '"NStreamlines"' in run(["demyelin-connectome", "info", "toy"], programs, tmp_path)


@pytest.mark.slow
def test_the_first_hour_as_written(programs, tmp_path):
    for command in DEMYELIN:
        if command.page == "first-hour.md":
            run([command.demyelin[0], *command.demyelin[1]], programs, tmp_path)
    for page in ("phantom-out/sub-001.html", "study-a/derivatives/demyelin/group.html"):
        assert (tmp_path / page).stat().st_size > 50_000
    assert list((tmp_path / "new-site/derivatives/demyelin/group").glob("edss_applied*.tsv"))

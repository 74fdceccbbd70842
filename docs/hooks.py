"""Pages that mkdocs makes from Demyelin itself, and equations as MathML.

The tables that name the files and the parser of the command line are the only source of the two reference
pages, so that they cannot go stale. Equations are turned into MathML here: browsers show it without a script.
"""

from __future__ import annotations

import argparse
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from bids_app import cli
from bids_app.derivatives.names import OUTPUTS, RESOLUTION
from bids_app.features import connectome_cli
from bids_app.learn.diagnosis import result as diagnosis
from bids_app.learn.edss import result as edss
from bids_app.phantom import cli as phantom_cli

PLACES = {"{template}": "TEMPLATE", "{atlas}": "ATLAS"}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Show fences named math as equations."""
    fences = config.mdx_configs.setdefault("pymdownx.superfences", {}).setdefault("custom_fences", [])
    fences.append({"name": "math", "class": "math", "format": _equation})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made here."""
    for name, page in {"outputs.md": outputs_page(), "options.md": options_page()}.items():
        files.append(File.generated(config, name, content=page))
    return files


def _equation(source: str, *_: Any, **__: Any) -> str:
    return "\n".join(convert(line, display="block") for line in source.splitlines() if line.strip())


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *[tuple(_cell(cell) for cell in row) for row in rows]]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def outputs_page() -> str:
    """Return the reference of every file that Demyelin writes."""
    rows = []
    for output in OUTPUTS.values():
        name = output.ending
        for field, word in PLACES.items():
            name = name.replace(field, word)
        rows.append((f"`{name}`", output.about, "yes" if output.flair_only else "", output.level))
    grids = _table(("grid", "what it is"), [(f"`{name}`", text) for name, text in RESOLUTION.items()])
    groups = {
        "Prediction of EDSS": [(f"`edss_{name}.tsv`", about) for name, about in edss.ABOUT.items()],
        "Differential diagnosis": [(f"`diagnosis_{name}.tsv`", about) for name, about in diagnosis.ABOUT.items()],
    }
    parts = [OUTPUTS_TOP, _table(("file", "what", "FLAIR alone", "kept from"), rows), grids, OUTPUTS_MIDDLE]
    for title, tables in groups.items():
        parts += [f"### {title}", _table(("file in `group/`", "what"), tables)]
    return "\n\n".join([*parts, OUTPUTS_END])


def options_page() -> str:
    """Return the reference of every option of the three commands."""
    parsers = {
        "demyelin": cli.build_parser(),
        "demyelin-phantom": phantom_cli.build_parser(),
        "demyelin-connectome": connectome_cli.build_parser(),
    }
    parts = [OPTIONS_TOP]
    for name, parser in parsers.items():
        parts += [f"## {name}", _cell(parser.description or "")]
        parts += _groups(parser)
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for command, sub in action.choices.items():
                    parts += [f"### {name} {command}", *_groups(sub, heading=False)]
    return "\n\n".join(parts)


def _groups(parser: argparse.ArgumentParser, *, heading: bool = True) -> list[str]:
    parts = []
    for group in parser._action_groups:
        rows = [_option(action) for action in group._group_actions if _shown(action)]
        if rows:
            title = [f"### {(group.title or '').capitalize()}"] if heading and parser.prog == "demyelin" else []
            parts += [*title, _table(("option", "what"), rows)]
    return parts


def _shown(action: argparse.Action) -> bool:
    return not isinstance(action, argparse._HelpAction | argparse._VersionAction | argparse._SubParsersAction)


def _option(action: argparse.Action) -> tuple[str, str]:
    names = [name for name in action.option_strings if "_" not in name]
    value = action.metavar or (action.dest.upper() if action.nargs != 0 and not action.choices else "")
    if action.choices:
        value = "\\|".join(str(choice) for choice in action.choices)
    shown = ", ".join(names) or str(action.metavar or action.dest)
    many = " ..." if action.nargs == "+" else ""
    head = f"`{shown}{f' {value}' if names and value else ''}{many}`".replace("\\|", "|")
    return head, (action.help or "").replace("%%", "%")


OUTPUTS_TOP = """\
# Outputs

This page is made from the tables by which Demyelin names its files.

## Of a visit

In `OUTPUT_DIR/sub-LABEL/[ses-LABEL/]anat/`, each name after the prefix `sub-LABEL_[ses-LABEL_]`; each file has a `.json` beside
it with its description, sources and settings. No `space-` means the space of the T1w image as it was taken. TEMPLATE is
`MNI152NLin2009aSym` and ATLAS is `AAL` where nothing else is asked for. Disconnection files come with a
[connectome](disconnection.md). Visits without T1w have the files marked `yes`; the last column says from which `--output-level` on a file
is kept."""

OUTPUTS_MIDDLE = """\
Beside these: `sub-LABEL[_ses-LABEL].html`, the report, one file that opens without a network; `logs/methods.md`, the methods
text with references; `logs/done/`, what was made from which images with which settings; `logs/*_crash.txt`, details of a failure;
`dataset_description.json` and `.bidsignore`. All of it passes the BIDS validator.

## Of a cohort

`group.html` and, in `group/`, tables, maps (`diagnosis_*.nii.gz`), figures (`*.svg`) and models (`models/*.skops`, each with a card
`*.json`: training cohort, sites, metrics, limits). A table is left out where it has no rows."""

OUTPUTS_END = """\
`cohort.tsv` is one row a visit with everything that was joined: the table to start from with statistics of your own."""

OPTIONS_TOP = """\
# Options

This page is made from the parsers of the commands. Every long option can be written with underscores too, and all of `demyelin`'s go
into a TOML file (`--config-file`), long names as keys; the command line wins."""

"""What mkdocs makes from Demyelin itself: tables of files, columns and options, and equations as MathML.

The tables that name the files and the parsers of the commands are the only source, so that the reference cannot
go stale. Browsers show MathML without a script.
"""

from __future__ import annotations

import argparse
import html
import re
from collections.abc import Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig

import demyelin
from bids_app import cli
from bids_app.derivatives.names import OUTPUTS, RESOLUTION, Output
from bids_app.features import bundles, chaco, connectome_cli, volumes
from bids_app.image import (
    calibration,
    criteria,
    expansion,
    lesion_table,
    lesions,
    longitudinal,
    pair_calibration,
    quality,
    volume_change,
)
from bids_app.learn.study import load_study
from bids_app.phantom import cli as phantom_cli
from bids_app.settings import DEFAULT_METHOD, STUDIES

MARK = re.compile(r"<!-- table: (\w+) -->")
COLUMNS: dict[str, Mapping[str, Mapping[str, object]]] = {
    "lesion_table": lesion_table.LESION_COLUMNS,
    "lesion_places": lesion_table.PLACES_COLUMNS,
    "criteria": criteria.SPACE_COLUMNS,
    "detection_limits": calibration.LIMIT_COLUMNS,
    "calibration_lesions": calibration.INSERTED_COLUMNS,
    "changes": longitudinal.CHANGE_COLUMNS | expansion.EXPANSION_COLUMNS,
    "expanding": expansion.OVER_VISITS,
    "change_criteria": criteria.TIME_COLUMNS,
    "volume_changes": volume_change.volume_columns(),
    "volume_calibration": pair_calibration.CALIBRATED_VOLUME_COLUMNS,
    "change_calibration": pair_calibration.CALIBRATED_CHANGE_COLUMNS,
    "volumes": volumes.VOLUME_COLUMNS,
    "chaco": chaco.CHACO_COLUMNS,
    "chaco_pairs": chaco.PAIR_COLUMNS,
    "chaco_bundles": bundles.BUNDLE_COLUMNS,
    "qc": quality.QUALITY_COLUMNS,
}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Show fences named math as equations; a page that the navigation does not name joins the last section."""
    fences = config.mdx_configs.setdefault("pymdownx.superfences", {}).setdefault("custom_fences", [])
    fences.append({"name": "math", "class": "math", "format": equations})
    named = str(config.nav)
    more = [page.name for page in sorted(Path(config.docs_dir).glob("*.md")) if page.name not in named]
    sections = [pages for entry in config.nav or [] for pages in entry.values() if isinstance(pages, list)]
    sections[-1].extend(more)
    return config


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the tables where a page wants them."""
    makers = {
        "visit": visit,
        "grids": grids,
        "columns": columns,
        "methods": methods,
        "cohort": cohort,
        "options": options,
        "api": api,
    }
    return MARK.sub(lambda found: makers[found[1]](), markdown)


def equations(source: str, *_: Any, **__: Any) -> str:
    """Return LaTeX, one equation a line, as MathML."""
    return "\n".join(convert(line, display="block") for line in source.splitlines() if line.strip())


def visit() -> str:
    """Return the table of a visit's files."""
    rows = []
    for output in OUTPUTS.values():
        rows.append((_code(_name(output)), output.about, "yes" if output.flair_only else "", output.level))
    return _table(("file", "what", "FLAIR alone", "kept from"), rows)


def _name(output: Output) -> str:
    return output.ending.format(template="TEMPLATE", atlas="ATLAS", before="LABEL")


def grids() -> str:
    """Return the table of grids in template space."""
    return _table(("grid", "what"), [(_code(name), text) for name, text in RESOLUTION.items()])


def columns() -> str:
    """Return a table of columns for each table of a visit."""
    parts = []
    for key, described in COLUMNS.items():
        rows = [_column(name, about) for name, about in described.items()]
        parts += [f"### {_name(OUTPUTS[key])}", _table(("column", "what", "unit"), rows)]
    return "\n\n".join(parts)


def methods() -> str:
    """Return the table of lesion methods."""
    names = {
        name: f"{_code(name)}{' (default)' if name == DEFAULT_METHOD else ''}" for name in lesions.METHODS
    }
    rows = [(names[name], method.about) for name, method in lesions.METHODS.items()]
    return _table((_code("--lesions"), "method"), rows)


def cohort() -> str:
    """Return the tables of the group level's tables."""
    parts = []
    for name in STUDIES:
        study = load_study(name)
        rows = [(_code(f"{name}_{table}.tsv"), about) for table, about in study.result.about.items()]
        parts += [f"### {study.title}", _table(("file in `group/`", "what"), rows)]
    return "\n\n".join(parts)


def options() -> str:
    """Return the options of the three commands, under their headings of `--help`."""
    parsers = [cli.build_parser(), phantom_cli.build_parser(), connectome_cli.build_parser()]
    parts = []
    for parser in parsers:
        parts += [f"## {parser.prog}", _cell(parser.description or ""), *_groups(parser)]
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for sub in action.choices.values():
                    parts += [f"### {sub.prog}", *_groups(sub)]
    return "\n\n".join(parts)


def api() -> str:
    """Return a heading for each public function, and its docstring."""
    parts = []
    for name in demyelin.CALLED:
        found: Any = attrgetter(name)(demyelin)
        parts.append(f"## demyelin.{name}\n\n::: {found.__module__}.{found.__qualname__}")
    return "\n\n".join(parts)


def _groups(parser: argparse.ArgumentParser) -> list[str]:
    """Return a table for each group of options, with headings where there are more than argparse's own two."""
    groups = [
        (g.title or "", [_option(a) for a in g._group_actions if _is_documented(a)])
        for g in parser._action_groups
    ]
    groups = [(title, rows) for title, rows in groups if rows]
    few = all(title in ("positional arguments", "options") for title, _ in groups)
    if few:
        return [_table(("option", "what"), [row for _, rows in groups for row in rows])] if groups else []
    return [
        part
        for title, rows in groups
        for part in (f"### {title.capitalize()}", _table(("option", "what"), rows))
    ]


def _is_documented(action: argparse.Action) -> bool:
    return not isinstance(action, argparse._HelpAction | argparse._VersionAction | argparse._SubParsersAction)


def _option(action: argparse.Action) -> tuple[str, str]:
    names = [name for name in action.option_strings if "_" not in name]
    value = str(action.metavar or action.dest.upper())
    if action.choices:
        value = "|".join(str(choice) for choice in action.choices)
    if action.nargs == "+":
        value += " ..."
    shown = ", ".join(names) + ("" if action.nargs == 0 else f" {value}") if names else value
    return _code(shown), (action.help or "").replace("%%", "%")


def _column(name: str, about: Mapping[str, object]) -> tuple[str, str, str]:
    meaning = str(about.get("Description", ""))
    levels = about.get("Levels")
    if isinstance(levels, dict):
        meaning += " " + "; ".join(f"{level}: {text}" for level, text in levels.items())
    return _code(name), meaning, str(about.get("Units", ""))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *[[_cell(cell) for cell in row] for row in rows]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _code(text: str) -> str:
    """Return code that a table may hold: a bar would end the cell."""
    return f"<code>{html.escape(text).replace('|', '&#124;')}</code>"

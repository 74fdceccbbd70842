"""The Boutiques descriptor (Glatard et al. 2018, GigaScience 7:giy016), made from the argument parser.

`python -m bids_app.boutiques > boutiques.json` writes it anew.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from bids_app import __version__
from bids_app.cli import DESCRIPTION, build_parser

IMAGE = f"ghcr.io/demyelin/demyelin:{__version__}"
FIRST = ("bids_dir", "output_dir", "analysis_level", "participant_label", "session_label")
RESOURCES = {
    "cpu-cores": 2,
    "ram": 4,
    "disk-space": 2,
    "walltime-estimate": 900,
}  # GB, GB, s: one visit, 1 mm
OUTPUT_AS_FILE = {
    "id": "output_dir_file",
    "name": "output_dir_file",
    "type": "File",
    "optional": True,
    "description": "Not used: give output_dir.",
}
ERRORS = (
    (1, "A visit or an analysis failed; the others are finished. Run the same command again to go on."),
    (2, "Wrong usage or input; nothing was run."),
)


def descriptor() -> dict[str, Any]:
    """Return the descriptor, with every option of `demyelin` that bears on a run.

    The output folder is there twice, as a text and as a file: `bosh validate --bids` insists. The text comes
    first and must be given, because bosh drops a key from the command at the first input without a value.
    """
    actions = {a.dest: a for a in build_parser()._actions if a.dest not in ("help", "print_completion")}
    order = [*FIRST, *(name for name in actions if name not in FIRST)]
    inputs = [_input(actions[name]) for name in order]
    output = next(one for one in inputs if one["id"] == "output_dir")
    inputs.append(output | OUTPUT_AS_FILE)
    return {
        "name": "demyelin",
        "tool-version": __version__,
        "schema-version": "0.5",
        "description": " ".join(DESCRIPTION.split()),
        "author": "The Demyelin developers",
        "command-line": "mkdir -p [OUTPUT_DIR]; demyelin " + " ".join(f"[{name.upper()}]" for name in order),
        "container-image": {"type": "docker", "image": IMAGE, "index": "docker://"},
        "inputs": inputs,
        "groups": [
            {
                "id": "again",
                "name": "Finished visits again: all of it or the reports only",
                "members": ["force", "reports_only"],
                "mutually-exclusive": True,
            }
        ],
        "output-files": [
            {
                "id": "results",
                "name": "Derivatives",
                "description": "BIDS derivatives, reports and logs.",
                "path-template": "[OUTPUT_DIR]",
            }
        ],
        "suggested-resources": RESOURCES,
        "error-codes": [{"code": code, "description": text} for code, text in ERRORS],
        "tests": [
            _test("version", 0, version=True),
            _test("negative number of processes", 2, nprocs=-1),
        ],
        "tags": {"domain": ["neuroinformatics", "mri"], "bids-app": True},
    }


def _input(action: argparse.Action) -> dict[str, Any]:
    """Describe one argument of the parser."""
    help_text = (action.help or "").replace("%%", "%")
    described: dict[str, Any] = {
        "id": action.dest,
        "name": action.dest,
        "description": help_text,
        "type": _type(action),
        "value-key": f"[{action.dest.upper()}]",
        "optional": bool(action.option_strings),
    }
    if action.option_strings:
        described["command-line-flag"] = max(action.option_strings, key=_is_long_with_dashes)
    if action.choices:
        described["value-choices"] = list(action.choices)
    if action.nargs == "+":
        described["list"] = True
    if described["type"] == "Number":
        described["integer"] = action.type is int
    return described


def _is_long_with_dashes(name: str) -> tuple[bool, bool]:
    return name.startswith("--"), "_" not in name


def _type(action: argparse.Action) -> str:
    """Return the Boutiques type of an argument; folders that need not exist are texts."""
    if action.nargs == 0:
        return "Flag"
    if action.type in (int, float):
        return "Number"
    return "File" if action.dest == "bids_dir" or action.metavar == "FILE" else "String"


def _test(name: str, code: int, **values: Any) -> dict[str, Any]:
    """Make a test that ends before any image is read."""
    invocation = {"bids_dir": ".", "output_dir": "out", "analysis_level": "participant", **values}
    return {"name": name, "invocation": invocation, "assertions": {"exit-code": code}}


def main() -> int:
    """Print the descriptor."""
    json.dump(descriptor(), sys.stdout, indent=2, ensure_ascii=False)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())

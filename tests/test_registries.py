"""Every fact has one owner: an entry that is taken from or added to a registry, in a copy, turns a test red."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bids_app.image.lesions import METHODS
from bids_app.settings import DEFAULT_METHOD, FROM_DERIVATIVES, Settings

ROOT = Path(__file__).parents[1]
GRAPH = "tests/workflows/test_graph.py"
LESION_TABLE = "tests/image/test_lesion_table.py"
CHANGES = {  # what is appended to a module, and the tests that must fail
    "a quality number goes": ("image/quality", 'del QUALITY["cnr_t1w"]', "tests/image/test_quality.py"),
    "a class of place goes": ("image/places", 'del CLASSES["infratentorial"]', LESION_TABLE),
    "an artefact-prone site goes": ("image/places", 'del ARTEFACT_SITES["septum"]', LESION_TABLE),
    "a kind of change goes": (
        "image/longitudinal",
        'del CHANGES["resolved"]',
        "tests/image/test_longitudinal.py",
    ),
    "a step goes": ("steps/lesions", 'step.__globals__["STEPS"].pop("fill")', GRAPH),
    "a lesion method comes": (
        "image/lesions",
        'METHODS["magic"] = METHODS["demyelin"]',
        "tests/test_registries.py -k methods",
    ),
    "a lesion method goes": (
        "image/lesions",
        'del METHODS["lesion-growth"]',
        "tests/test_registries.py -k methods",
    ),
    "an output goes": ("derivatives/names", 'del OUTPUTS["lesion_places"]', GRAPH),
    "an output comes": ("derivatives/names", 'OUTPUTS["magic"] = OUTPUTS["t1w"]', GRAPH),
}


def test_methods_are_those_that_can_be_asked_for_and_are_documented():
    choices = Settings.__dataclass_fields__["lesions"].metadata["choices"]
    assert set(choices) == {*METHODS, FROM_DERIVATIVES}
    assert DEFAULT_METHOD in METHODS
    assert "<!-- table: methods -->" in (ROOT / "docs" / "lesions.md").read_text()


@pytest.fixture
def copy(tmp_path):
    """Return a copy of the package and its tests."""

    def put(source: str, target: str) -> str:
        """Copy code; link what is large."""
        return (
            str(shutil.copy2(source, target)) if source.endswith(".py") else os.link(source, target) or target
        )

    for name in ("bids_app", "tests", "docs"):
        skip = shutil.ignore_patterns("__pycache__", ".hypothesis")
        shutil.copytree(ROOT / name, tmp_path / name, copy_function=put, ignore=skip)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize("change", CHANGES)
def test_an_entry_more_or_less_turns_a_test_red(copy, change):
    module, line, tests = CHANGES[change]
    path = copy / "bids_app" / f"{module}.py"
    text = path.read_text()
    path.unlink()
    path.write_text(f"{text}\n{line}\n")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests.split()]
    done = subprocess.run(
        command,
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "failed" in done.stdout or "error" in done.stdout, done.stdout + done.stderr

"""Every fact has one owner: an entry that is taken from or added to a registry, in a copy, turns a test red."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from bids_app.image.lesions import METHODS
from bids_app.settings import DEFAULT_METHOD, FROM_DERIVATIVES, Settings

ROOT = Path(__file__).parents[1]
GRAPH = "tests/workflows/test_graph.py"
LESION_TABLE = "tests/image/test_lesion_table.py"
PYTEST = ("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider")
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


class Addition(NamedTuple):
    """What it takes to add a thing: by module, text and what follows it then; a program that must run; green tests."""

    places: dict[str, tuple[str, str]]
    program: str
    tests: str


COMES = {
    "a quality number": Addition(
        {
            "image/quality": (
                "    for number in (\n",
                'QualityNumber("magic", "Magic number", "What magic there is.", lambda visit: 42.0, typical=(4, 2)),',
            )
        },
        "from bids_app.image.quality import QUALITY_COLUMNS\n"
        "from bids_app.phantom.quality import NUMBERS\n"
        "assert 'What magic there is.' in hooks.columns() and 'magic' in QUALITY_COLUMNS and 'magic' in NUMBERS",
        f"tests/image/test_quality.py tests/image/test_outliers.py {GRAPH}",
    ),
    "a lesion method": Addition(
        {
            "image/lesions": (
                "    for method in (\n",
                'Method("magic", "Magic finds them.", _belief_threshold, {}),',
            ),
            "settings": ("choices=(DEFAULT_METHOD,", ' "magic",'),
        },
        "assert 'Magic finds them.' in hooks.methods()\nassert 'magic' in build_parser().format_help()",
        f"{GRAPH} tests/test_registries.py::test_methods_are_those_that_can_be_asked_for_and_are_documented",
    ),
    "a regressor": Addition(
        {
            "learn/edss/models": (
                "REGRESSORS = {\n",
                '"magic": Regressor("magic regression", lambda seed: (ProportionalOdds(), {"alpha": [1.0]})),',
            ),
            "settings": ("EDSS_MODELS = (", '"magic", '),
        },
        "from bids_app.learn.edss.models import MODELS, NAMES\n"
        "assert NAMES['magic'] == 'magic regression' and 'magic' in MODELS\n"
        "assert 'magic' in build_parser().format_help() and 'magic' in hooks.options()",
        "tests/learn/test_regressors.py",
    ),
    "a study": Addition(
        {"settings": ("STUDIES = {\n", '"toy": "toy_study",')},
        "import sys; sys.path.append('tests/learn')\n"
        "assert 'toy' in build_parser().format_help() and 'toy_ages.tsv' in hooks.cohort()",
        "tests/learn/test_study.py -k learning",
    ),
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


def run(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("change", CHANGES)
def test_an_entry_more_or_less_turns_a_test_red(copy, change):
    module, line, tests = CHANGES[change]
    path = copy / "bids_app" / f"{module}.py"
    path.write_text(f"{path.read_text()}\n{line}\n")
    done = run(copy, *PYTEST, *shlex.split(tests))
    assert done.returncode != 0
    assert "failed" in done.stdout or "error" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("thing", COMES)
def test_a_thing_is_added_in_few_places_and_help_docs_and_tests_follow(copy, thing):
    for module, (after, added) in COMES[thing].places.items():
        path = copy / "bids_app" / f"{module}.py"
        assert path.read_text().count(after) == 1
        path.write_text(path.read_text().replace(after, after + added))
    head = "import sys; sys.path.append('docs')\nimport hooks\nfrom bids_app.cli import build_parser\n"
    shown = run(copy, "-c", head + COMES[thing].program)
    assert shown.returncode == 0, shown.stderr
    done = run(copy, *PYTEST, *shlex.split(COMES[thing].tests))
    assert done.returncode == 0, done.stdout

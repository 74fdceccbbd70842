"""Studies as objects: a third one is a line in the registry, and learning knows nothing of BIDS files."""

from __future__ import annotations

import ast
from pathlib import Path

import pandas as pd
import pytest

import bids_app.learn
from bids_app.cli import main
from bids_app.derivatives.names import OUTPUTS
from bids_app.learn.study import load_study
from bids_app.phantom.cli import main as phantom
from bids_app.protocol import CROSS_VALIDATED, LABELS, Protocol, requested
from bids_app.settings import BOTH, PROTOCOLS, STUDIES

LEARN = Path(bids_app.learn.__file__).parent
ROOMS = ("learn", "figures", "cohort", "reports/cohort")
GROUP_LEVEL = [
    *(path for room in ROOMS for path in sorted((LEARN.parent / room).rglob("*.py"))),
    LEARN.parent / "group.py",
]


def place(path: Path) -> str:
    """The name of a module in the list of tests."""
    return str(path.relative_to(LEARN.parent))


@pytest.fixture
def cohort(tmp_path) -> tuple[str, Path]:
    """The derivatives of a phantom study too small for study A and without diagnoses."""
    root = tmp_path / "bids"
    options = ["--derivatives-only", "--study", "A", "--visits", "6,2", "--regions", "7", "--nprocs", "1"]
    assert phantom([str(root), *options]) == 0
    return str(root), root / "derivatives" / "demyelin"


@pytest.mark.parametrize("analysis", ["auto", "toy"])
def test_a_third_study_is_one_line_in_the_registry(cohort, monkeypatch, analysis, capsys):
    bids, out = cohort
    monkeypatch.setitem(STUDIES, "toy", "toy_study")
    assert main([bids, str(out), "group", "--analysis", analysis, "--nprocs", "1"]) == 0
    ages = pd.read_csv(out / "group" / "toy_ages.tsv", sep="\t")
    assert ages["older"].sum() == 4
    page = (out / "group.html").read_text()
    for words in ("Toy study: who is older", "Half are older", "Everybody", "above the median", "toy_flow"):
        assert words in page, words
    models = str(out / "group" / "models")
    assert main([bids, str(out), "group", "--apply-model", models]) == 0
    assert (out / "group" / "toy_applied.tsv").is_file()
    assert "note: median of another cohort" in capsys.readouterr().out


def test_a_study_that_is_not_registered_is_no_choice(cohort, capsys):
    bids, out = cohort
    with pytest.raises(SystemExit):
        main([bids, str(out), "group", "--analysis", "toy"])
    assert "'auto', 'edss', 'diagnosis'" in capsys.readouterr().err


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_says_what_its_tables_are_and_shows_only_those(name):
    study = load_study(name)
    assert study.name == name
    shown = [table for part in study.parts for table in (*part.tables, *part.folded)]
    assert len(shown) == len(set(shown))
    assert set(shown) - {"visits"} <= set(study.result.about)


def test_outer_folds_of_each_study_are_in_the_help():
    from bids_app.learn import diagnosis, edss
    from bids_app.settings import Settings

    words = Settings.__dataclass_fields__["outer_folds"].metadata["help"]
    assert f"{edss.Options().outer} for edss, {diagnosis.Options().outer} for diagnosis" in words


def test_protocols_are_one_enum():
    assert requested(BOTH) == CROSS_VALIDATED == tuple(map(Protocol, PROTOCOLS))
    assert requested("nested") == (Protocol.NESTED,)
    assert set(LABELS) == set(Protocol)


def texts(path: Path) -> list[str]:
    """The texts of a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    ]


@pytest.mark.parametrize("path", sorted(LEARN.rglob("*.py")), ids=place)
def test_learning_knows_no_file_names_of_a_visit(path):
    endings = {output.ending.format(template="", atlas="", before="") for output in OUTPUTS.values()}
    pieces = (
        "sub-",
        "ses-",
        "desc-",
        "label-",
        "space-",
        "seg-lesions",
        "_dseg",
        "_mask",
        "_probseg",
        "anat",
    )
    found = [text for text in texts(path) if text in endings or text.startswith(pieces)]
    assert not found


@pytest.mark.parametrize("path", GROUP_LEVEL, ids=place)
def test_protocols_are_not_spelled_out(path):
    if path.name in {"grid.py", "sizes.py"}:  # the kernel's scale as published is called so, too
        return
    assert not [text for text in texts(path) if text in {BOTH, *map(str, Protocol)}]


@pytest.mark.parametrize("path", [p for p in GROUP_LEVEL if p.parent.parent != LEARN], ids=place)
def test_no_study_is_told_from_another_by_its_name_outside_its_room(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    equal = [
        n for n in ast.walk(tree) if isinstance(n, ast.Compare) and isinstance(n.ops[0], ast.Eq | ast.NotEq)
    ]
    sides = [side for n in equal for side in (n.left, *n.comparators)]
    assert not [side.lineno for side in sides if isinstance(side, ast.Constant) and side.value in STUDIES]

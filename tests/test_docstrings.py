"""Public functions say what their parameters are; numbers say where they come from."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "bids_app"
# files in which some functions or numbers are still without: they may leave this list, none may join
WITHOUT_PARAMETERS = {"image/lesions.py"}
WITHOUT_REASONS = {
    "image/lesion_classifier.py",
    "image/lesion_features.py",
    "image/lesion_network.py",
    "image/lesion_table.py",
    "image/lesions.py",
    "image/structures.py",
}
ROOMS = ("features", "image", "phantom")
FILES = [path.relative_to(ROOT).as_posix() for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def public(body: list[ast.stmt]) -> Iterator[ast.FunctionDef]:
    """Functions and methods without an underscore, at any depth of classes."""
    for node in body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public(node.body)


def bare_functions(text: str) -> list[str]:
    """Public functions of three or more parameters without a section on them."""
    found = []
    for function in public(ast.parse(text).body):
        arguments = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
        names = [one.arg for one in arguments if one.arg not in ("self", "cls")]
        if len(names) >= 3 and "Parameters\n-----" not in (ast.get_docstring(function) or ""):
            found.append(function.name)
    return found


def is_number(value: ast.expr) -> bool:
    if isinstance(value, ast.UnaryOp):
        return is_number(value.operand)
    if isinstance(value, ast.BinOp):
        return is_number(value.left) and is_number(value.right)
    if isinstance(value, ast.Tuple | ast.List):
        return bool(value.elts) and all(map(is_number, value.elts))
    return isinstance(value, ast.Constant) and type(value.value) in (int, float)


def bare_numbers(text: str) -> list[str]:
    """Numbers of a module without a comment beside or above, which the module's docstring does not name either."""
    tree, lines = ast.parse(text), text.splitlines()
    found = []
    for node in tree.body:
        if isinstance(node, ast.Assign):
            names = ast.unparse(node.targets[0])
        elif isinstance(node, ast.AnnAssign) and node.value:
            names = ast.unparse(node.target)
        else:
            continue
        near = [
            lines[node.lineno - 2].lstrip()[:1],
            *("#" * ("#" in line) for line in lines[node.lineno - 1 : node.end_lineno]),
        ]
        if is_number(node.value) and "#" not in near and names not in (ast.get_docstring(tree) or ""):
            found.append(names)
    return found


@pytest.mark.parametrize("name", FILES)
def test_parameters_are_described(name):
    assert (bare_functions((ROOT / name).read_text(encoding="utf-8")) == []) is (
        name not in WITHOUT_PARAMETERS
    )


@pytest.mark.parametrize("name", FILES)
def test_numbers_have_a_reason(name):
    assert name in WITHOUT_REASONS or bare_numbers((ROOT / name).read_text(encoding="utf-8")) == []


def test_what_is_bare_is_found():
    assert bare_functions("def f(a, b, c):\n    '''Do.'''") == ["f"]
    assert bare_functions("def f(a, b):\n    '''Do.'''\ndef _g(a, b, c): ...") == []
    assert bare_numbers("A = 1\nB = (2, -3)  # why\n# why\nC = 4\nD = 'x'\nE = 2 * 3") == ["A", "E"]

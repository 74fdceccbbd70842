"""Public functions say what their parameters are; numbers say where they come from; a name stands for one thing."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "bids_app"
FILES = [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.rglob("*.py"))]
TREES = {name: ast.parse((ROOT / name).read_text(encoding="utf-8")) for name in FILES}
# words that a reader from the field would not look for; theirs are permute, denoise, hysteresis, note, wanted, dataset
HOUSE = frozenset(
    ["asked", "deal", "deals", "dealt", "given", "honest", "honesty", "own", "peaked", "quieter", "told"]
)
SCREEN = 50  # lines
PARALLEL = {
    "Options",
    "LEAST_CONTRAST",
}  # each study has its own, reached as `edss.Options` and `diagnosis.Options`


def public(body: list[ast.stmt]) -> Iterator[ast.FunctionDef]:
    """Functions and methods without an underscore, at any depth of classes."""
    for node in body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public(node.body)


def bare_functions(text: str) -> list[str]:
    """Public functions of three or more parameters without a section on them; numpydoc checks that it is complete."""
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


def numbers(tree: ast.Module) -> Iterator[tuple[ast.stmt, ast.expr, ast.expr]]:
    """Numeric constants of a module: statement, target and value."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if value is not None and targets[0] is not None and is_number(value):
            yield node, targets[0], value


def bare_numbers(text: str) -> list[str]:
    """Numbers of a module without a comment beside or above, which the module's docstring does not name either."""
    tree, lines = ast.parse(text), text.splitlines()
    found = []
    for node, target, _ in numbers(tree):
        near = [
            lines[node.lineno - 2].lstrip()[:1],
            *("#" * ("#" in line) for line in lines[node.lineno - 1 : node.end_lineno]),
        ]
        if "#" not in near and ast.unparse(target) not in (ast.get_docstring(tree) or ""):
            found.append(ast.unparse(target))
    return found


def twice(trees: dict[str, ast.Module]) -> list[str]:
    """Names that modules give to different numbers, and names of several classes or tables of columns."""
    values, things = defaultdict(set), defaultdict(list)
    for name, tree in trees.items():
        for _, target, value in numbers(tree):
            pairs = (
                zip(target.elts, value.elts, strict=True)
                if isinstance(target, ast.Tuple)
                else [(target, value)]
            )
            for one, number in pairs:
                values[ast.unparse(one)].add(ast.unparse(number))
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                things[node.name].append(name)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                target = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
                if target.endswith("COLUMNS"):
                    things[target].append(name)
    numeric = [name for name, found in values.items() if len(found) > 1]
    return numeric + [name for name, found in things.items() if len(found) > 1]


@pytest.mark.parametrize("name", FILES)
def test_parameters_are_described(name):
    assert bare_functions((ROOT / name).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", FILES)
def test_numbers_have_a_reason(name):
    assert bare_numbers((ROOT / name).read_text(encoding="utf-8")) == []


def long_functions(text: str) -> list[str]:
    """Functions of more lines than a screen has, docstrings not counted."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            first = node.body[0]
            words = first.end_lineno - first.lineno + 1 if ast.get_docstring(node) else 0
            if node.end_lineno - node.lineno + 1 - words > SCREEN:
                found.append(node.name)
    return found


@pytest.mark.parametrize("name", FILES)
def test_functions_fit_a_screen(name):
    assert long_functions((ROOT / name).read_text(encoding="utf-8")) == []


def test_a_name_stands_for_one_thing():
    assert set(twice(TREES)) <= PARALLEL


def names(tree: ast.AST) -> Iterator[str]:
    """Everything that a module names: functions, classes, arguments, variables and attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr


def house_words(tree: ast.AST) -> list[str]:
    parts = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+")
    return [one for one in names(tree) if HOUSE & {part.casefold() for part in parts.findall(one)}]


@pytest.mark.parametrize("name", FILES)
def test_names_are_the_field_s(name):
    assert house_words(TREES[name]) == []


@pytest.mark.parametrize("folder", ["tests", "bench", "training", "docs", "demyelin"])
def test_names_of_variables_are_the_field_s_elsewhere_too(folder):
    found = []
    for path in (ROOT.parent / folder).rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += [one for one in house_words(tree) if not one.startswith(("test_", "_test_"))]
    assert found == []


def test_what_is_bare_is_found():
    assert bare_functions("def f(a, b, c):\n    '''Do.'''") == ["f"]
    assert bare_functions("def f(a, b):\n    '''Do.'''\ndef _g(a, b, c): ...") == []
    body = "    x = 1\n"
    assert long_functions("def f():\n    '''Do.'''\n" + 49 * body) == []
    assert long_functions("def f():\n" + 50 * body) == ["f"]
    assert bare_numbers("A = 1\nB = (2, -3)  # why\n# why\nC = 4\nD = 'x'\nE = 2 * 3") == ["A", "E"]
    assert house_words(ast.parse("def f(own): told_ = self.asked = 1\nunknown = 2")) == [
        "own",
        "told_",
        "asked",
    ]
    one, other = ast.parse("A, B = 1, 2\nclass C: ..."), ast.parse("B = 3\nA = 1\nclass C: ...")
    assert twice({"one": one, "other": other}) == ["B", "C"]

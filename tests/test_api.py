"""`import demyelin`: light, complete, and every example in the docstrings runs."""

from __future__ import annotations

import doctest
import importlib
import os
import subprocess
import sys
from operator import attrgetter
from pathlib import Path

import pytest

import demyelin


def test_import_is_light():
    code = "import demyelin, sys; print(demyelin.__version__, 'numpy' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.split() == [demyelin.__version__, "False"]


def test_every_public_name_is_there():
    assert set(demyelin.__all__) - {"__version__"} == set(demyelin.PLACES)
    for name in demyelin.__all__:
        assert getattr(demyelin, name) is not None
        assert name in dir(demyelin)
    with pytest.raises(AttributeError, match="demyelin has no 'nothing'; it has"):
        demyelin.nothing  # noqa: B018


@pytest.mark.parametrize("name", demyelin.CALLED)
def test_example_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    found = attrgetter(name)(demyelin)
    module = importlib.import_module(found.__module__)
    tests = doctest.DocTestFinder(recurse=False).find(found, name, module=module, globs={})
    assert tests and tests[0].examples
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for test in tests:
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0

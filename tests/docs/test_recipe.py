"""The conda recipe asks for what the package asks for."""

from __future__ import annotations

import re
import tomllib

import yaml
from pages import ROOT

from bids_app import __version__


def test_recipe_has_the_packages_version_requirements_and_commands():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    recipe = yaml.safe_load((ROOT / "conda" / "recipe.yaml").read_text())
    assert recipe["context"]["version"] == __version__
    requested = {
        re.sub(r"\s", "", one).lower()
        for one in recipe["requirements"]["run"]
        if not one.startswith("python ")
    }
    assert requested == {re.sub(r"\s", "", one).lower() for one in project["dependencies"]}
    assert f"python {project['requires-python']}" in recipe["requirements"]["run"]
    commands = dict(line.split(" = ") for line in recipe["build"]["python"]["entry_points"])
    assert commands == project["scripts"]

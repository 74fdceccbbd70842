"""Every module can be the first that a program imports."""

import pkgutil
import subprocess
import sys

import bids_app

PACKAGES = ("bids_app.cohort", "bids_app.features", "bids_app.image", "bids_app.learn", "bids_app.reports")


def test_no_module_depends_on_which_was_imported_before_it():
    names = [
        module.name for module in pkgutil.walk_packages(bids_app.__path__, "bids_app.") if not module.ispkg
    ]
    chosen = [name for name in names if name.startswith(PACKAGES)]
    program = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    for known in [n for n in sys.modules if n.split('.')[0] == 'bids_app']: del sys.modules[known]\n"
        "    importlib.import_module(name)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, *chosen], check=False, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr

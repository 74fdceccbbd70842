"""Which programs wrote a page."""

from __future__ import annotations

import platform
from importlib.metadata import version

from bids_app import __version__

ENGINES = ("picsl-greedy", "SimpleITK", "nipype", "nibabel", "nilearn", "onnxruntime", "scipy", "numpy")


def versions() -> list[tuple[str, str]]:
    """Return Demyelin's and its engines' versions, and the system."""
    return [
        ("Demyelin", __version__),
        *((name, version(name)) for name in ENGINES),
        ("Python", platform.python_version()),
        ("System", f"{platform.system()} {platform.machine()}"),
    ]

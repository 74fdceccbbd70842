"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real scans, tractography and reference answers; absent on most machines."""
    default = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("DEMYELIN_SHARED", default))
    if not (folder / "data").is_dir():
        pytest.skip("no shared data folder: set DEMYELIN_SHARED to run this test")
    return folder

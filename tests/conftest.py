"""Fixtures shared by all tests."""

from __future__ import annotations

import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from chromium import browser, open_page  # noqa: F401
from processed import processed  # noqa: F401

# as the command line does: more threads add up in another order, and registrations then differ
os.environ.setdefault("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real scans, tractography and reference answers; absent on most machines."""
    default = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("DEMYELIN_SHARED", default))
    if not (folder / "data").is_dir():
        pytest.skip("no shared data folder: set DEMYELIN_SHARED to run this test")
    return folder


@pytest.fixture
def bids(tmp_path: Path) -> Path:
    """An empty BIDS dataset: a folder and its description."""
    root = tmp_path / "bids"
    root.mkdir()
    content = {"Name": "test", "BIDSVersion": "1.10.0", "DatasetType": "raw", "License": "CC0"}
    (root / "dataset_description.json").write_text(json.dumps(content))
    (root / "README").write_text("A dataset made by a test.\n" * 10)
    return root


@pytest.fixture
def add_scan(bids: Path):
    """Return a function that adds a small image to the dataset `bids`."""

    def add(name: str, *, zooms: tuple[float, float, float] = (4.0, 4.0, 4.0)) -> Path:
        parts = name.split("_")
        folder = bids / parts[0]
        folder = folder / parts[1] if parts[1].startswith("ses-") else folder
        path = folder / "anat" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = np.random.default_rng(0).integers(1, 100, (6, 6, 6)).astype(np.int16)
        nib.save(nib.Nifti1Image(data, np.diag([*zooms, 1.0])), path)
        return path

    return add

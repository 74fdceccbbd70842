"""What the BIDS validator says of a run's derivatives, and what pybids finds in them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from bids_app.features.radiomics import feature_names
from bids_app.features.radiomics.catalogue import CLASSES, describe_feature

# the validator knows no other way to say these
UNAVOIDABLE: set[str] = set()


def test_every_feature_is_described_in_words():
    for name in feature_names():
        text = describe_feature(name)["Description"]
        assert not any(family in text for family in CLASSES)
        assert not text[0].islower()
        assert text.endswith(".")


def test_the_validator_has_neither_errors_nor_warnings(processed):
    validator = Path(sys.executable).parent / "bids-validator-deno"
    done = subprocess.run(
        [validator, "--format", "json", processed.out], capture_output=True, text=True, check=False
    )
    issues = json.loads(done.stdout)["issues"]["issues"]
    found = Counter(
        (one["severity"], one["code"], one.get("subCode", "")[:40])
        for one in issues
        if one["severity"] in {"error", "warning"} and one["code"] not in UNAVOIDABLE
    )
    assert found == {}


def test_links_and_makers(processed):
    content = json.loads((processed.out / "dataset_description.json").read_text())
    assert (processed.out / content["DatasetLinks"]["raw"]).resolve() == processed.bids.resolve()
    assert content["GeneratedBy"][0]["CodeURL"].startswith("https://")
    for path in (processed.out / "sub-001" / "anat").glob("*.json"):
        said = json.loads(path.read_text())
        links = [*said.get("Sources", []), said.get("SpatialReference", "bids::")]
        assert all(link.startswith(("bids:", "https:")) for link in links), path.name
        if "bids::" in (reference := said.get("SpatialReference", "")):
            assert (processed.out / reference.removeprefix("bids::")).exists()


def test_pybids_finds_what_the_documentation_asks_for(processed):
    bids = pytest.importorskip("bids")
    layout = bids.BIDSLayout(processed.out, validate=False, is_derivative=True)
    masks = layout.get(suffix="mask", label="L", space=None, extension=".nii.gz", return_type="file")
    assert [Path(path).name for path in masks] == [
        "sub-001_label-L_mask.nii.gz",
        "sub-002_label-L_mask.nii.gz",
    ]
    tables = layout.get(suffix="dseg", desc="volumes", extension=".tsv")
    assert [table.entities["subject"] for table in tables] == ["001"]

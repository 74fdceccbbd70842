"""The table of outputs is the only place that spells names of files: renamed there, both levels still work."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from made_visits import BUILT_IN, make_visit, settings

from bids_app.cohort.features import read_features
from bids_app.cohort.stability import _files as stability_files
from bids_app.derivatives.names import OUTPUTS
from bids_app.derivatives.reader import Derivatives
from bids_app.learn.diagnosis.scans import map_paths
from bids_app.reports.cohort.quality import read_quality
from bids_app.reports.visit import write_visit_report

VISITS = pd.DataFrame({"participant_id": ["sub-01", "sub-02"], "session_id": ["ses-1", None]})
NAMES = pd.Series(["sub-01_ses-1", "sub-02"])
NEW = "rec-renamed_"


def renamed(ending: str) -> str:
    """Put another entity before the suffix."""
    return re.sub(r"([^_]+)$", rf"{NEW}\1", ending)


@pytest.fixture
def rename(monkeypatch):
    """Return a function that renames every output of a visit."""

    def change() -> None:
        for key, output in OUTPUTS.items():
            monkeypatch.setitem(OUTPUTS, key, replace(output, ending=renamed(output.ending)))

    return change


def make_both(root: Path) -> Path:
    for name in NAMES:
        make_visit(root, name)
    return root


def test_a_report_shows_the_same_from_renamed_files(tmp_path, rename):
    before, after = tmp_path / "before", tmp_path / "after"
    make_both(before)
    pages = [write_visit_report(before, "sub-01_ses-1", settings=settings())[0].read_text()]
    rename()
    make_both(after)
    assert all(NEW in path.name for path in after.rglob("*.nii.gz"))
    pages.append(write_visit_report(after, "sub-01_ses-1", settings=settings())[0].read_text())
    assert NEW in pages[1]
    assert pages[1].replace(NEW, "") == pages[0]


def test_the_group_level_reads_the_same_from_renamed_files(tmp_path, rename):
    def read(root: Path) -> list[object]:
        visits = Derivatives(root).visits()
        maps = map_paths(pd.DataFrame({"visit": NAMES}), root, BUILT_IN)
        there = {kind: [path.exists() for path in paths.values()] for kind, paths in maps.items()}
        stability = [sorted(stability_files(root, row)) for row in VISITS.to_dict("records")]
        quality = read_quality(root, VISITS, NAMES)
        return [visits, there, stability, quality.to_csv(), read_features(root, VISITS).values.to_csv()]

    found = read(make_both(tmp_path / "before"))
    rename()
    again = read(make_both(tmp_path / "after"))
    assert [name.prefix for name in found[0]] == list(NAMES)
    assert found[1].pop("median") == [False, False]
    assert found[1] == {key: [True, True] for key in ("belief", "lesions", "table", "quality", "native_mask")}
    assert again[1].pop("median") == [False, False]
    assert again == found

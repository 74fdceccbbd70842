"""Pages of what saved models say of new scans: why each call, wrong calls first, names as text."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from bids_app.cli import main
from bids_app.phantom.cli import main as phantom


@pytest.fixture(scope="module")
def applied(tmp_path_factory):
    """Train on a drawn cohort and apply to another by the command line; return the new cohort's group folder."""
    root = tmp_path_factory.mktemp("applied")
    cohorts = {}
    for name, seed in (("train", "1"), ("new", "2")):
        made = root / name
        sizes = (
            ["--visits", "16,12", "--patients", "8,6"]
            if name == "train"
            else ["--visits", "4,4", "--patients", "4,4"]
        )
        assert (
            phantom(
                [str(made), "--derivatives-only", "--study", "B", *sizes, "--seed", seed, "--nprocs", "1"]
            )
            == 0
        )
        cohorts[name] = [
            str(made),
            str(made / "derivatives" / "demyelin"),
            "group",
            "--analysis",
            "diagnosis",
        ]
    quick = [
        "--folds",
        "3",
        "--outer-folds",
        "3",
        "--permutations",
        "0",
        "--sizes",
        "16",
        "--protocol",
        "nested",
    ]
    assert main([*cohorts["train"], *quick]) == 0
    models = f"{cohorts['train'][1]}/group/models"
    assert main([*cohorts["new"], "--apply-model", models]) in (0, 1)
    return root / "new" / "derivatives" / "demyelin" / "group"


def test_every_scan_called_has_a_page_that_says_why(applied):
    table = pd.read_csv(applied / "diagnosis_applied.tsv", sep="\t")
    voxels = pd.read_csv(applied / "diagnosis_applied_voxels.tsv", sep="\t")
    index = (applied / "diagnosis_applied.html").read_text(encoding="utf-8")
    for row in table.to_dict("records"):
        visit = "_".join(
            str(row[name]) for name in ("participant_id", "session_id") if isinstance(row[name], str)
        )
        assert f'href="diagnosis_applied/{visit}.html"' in index
        page = (applied / "diagnosis_applied" / f"{visit}.html").read_text(encoding="utf-8")
        rows = voxels[voxels["visit"] == visit]
        assert rows["region"].iloc[0] in page
        words = "indeterminate" if row["indeterminate"] else row["called"]
        assert f"<dd>{words}" in page
        assert page.count("<img") == rows["positive"].nunique()
        assert "the other way round would be enough" in page or "more than 30 voxels" in page


def test_wrong_calls_come_first(applied):
    index = (applied / "diagnosis_applied.html").read_text(encoding="utf-8")
    table = pd.read_csv(applied / "diagnosis_applied.tsv", sep="\t")
    wrong = table["diagnosis"].notna() & (table["diagnosis"] != table["called"])
    names = (table["participant_id"] + "_" + table["session_id"])[wrong].tolist()
    order = re.findall(r'href="diagnosis_applied/([^"]+)\.html"', index)
    assert order[: len(names)] == names
    assert len(order) == len(table)

"""The last step of a visit: which files it leaves at each output level."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bids_app import cli
from bids_app.derivatives.names import LEVELS, OUTPUTS
from bids_app.derivatives.records import fingerprint, is_done, read_record
from bids_app.visit_name import VisitName
from bids_app.workflows.finish import VisitPlan, finish
from bids_app.workflows.run import run_participants

TEMPLATE = "MNI152NLin2009aSym"


@pytest.fixture
def visit(bids, add_scan, tmp_path):
    """Working files of a visit with a FLAIR image alone, and how the last step is called."""
    scan, work = add_scan("sub-01_FLAIR.nii.gz"), tmp_path / "work"
    work.mkdir()
    image = nib.Nifti1Image(np.random.default_rng(0).uniform(1, 2, (8, 8, 8)).astype(np.float32), np.eye(4))
    mask = nib.Nifti1Image(np.ones((8, 8, 8), np.uint8), np.eye(4))
    files: dict[str, Path] = {}
    for key, output in OUTPUTS.items():
        if output.flair_only and not output.pair:
            files[key] = path = work / (key + "." + output.ending.split(".", 1)[1].removesuffix(".gz"))
            if path.suffix == ".nii":
                nib.save(mask if "mask" in output.ending or "dseg" in output.ending else image, path)
            elif path.suffix == ".tsv":
                pd.DataFrame({"volume_mm3": [10.0], "name": ["Lesion"]}).to_csv(path, sep="\t", index=False)
            else:
                path.write_bytes(b"transform")
    settings = cli.parse([str(bids), str(tmp_path / "out"), "participant"])

    def call(level: str) -> Path:
        plan = VisitPlan(
            bids_dir=bids,
            output_dir=settings.output_dir,
            name=VisitName("01"),
            template=TEMPLATE,
            atlas="AAL",
            settings=settings.results(),
            inputs={scan.name: fingerprint(scan)},
            level=level,
        )
        finish(files, {}, plan, flair=scan)
        return settings.output_dir

    return call


def names(out: Path) -> set[str]:
    return {path.name for path in (out / "sub-01" / "anat").iterdir() if path.suffix != ".json"}


@pytest.mark.parametrize("level", LEVELS)
def test_exactly_the_files_of_the_level_stay(visit, level):
    visit("full")
    out = visit(level)
    expected = {
        output.path("sub-01", template=TEMPLATE, atlas="AAL")
        for output in OUTPUTS.values()
        if output.flair_only and not output.pair and output.kept_at(level)
    }
    assert names(out) == expected
    for table in (out / "sub-01" / "anat").glob("*.tsv"):
        assert json.loads(table.with_suffix(".json").read_text())["Description"]
    assert (out / "sub-01" / "figures").exists() is (level != "minimal")
    assert "data:image" in (out / "sub-01.html").read_text()
    record = read_record(out, "sub-01")
    assert record is not None
    assert all((out / file).exists() for file in record["outputs"])


def test_a_table_beside_an_image_that_goes_keeps_its_own_words(visit):
    folder = visit("minimal") / "sub-01" / "anat"
    meta = json.loads((folder / "sub-01_seg-lesions_dseg.json").read_text())
    assert meta["Description"] == OUTPUTS["lesion_table"].about


def test_done_at_minimal_is_due_again_at_standard_and_its_report_stays(visit, bids, capsys):
    out = visit("minimal")
    scans = [*bids.rglob("*_FLAIR.nii.gz")]
    settings = cli.parse([str(bids), str(out), "participant", "--reports-only"])
    assert is_done(out, "sub-01", scans, settings.results(), "minimal")
    assert not is_done(out, "sub-01", scans, settings.results(), settings.output_level)
    before = (out / "sub-01.html").read_bytes()
    assert run_participants(settings) == 1
    assert "--output-level minimal" in capsys.readouterr().out
    assert (out / "sub-01.html").read_bytes() == before

"""Pairs of visits compared from derivatives: which, what is written, and what a rerun does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bids_app import cli
from bids_app.derivatives import save_image, write_text
from bids_app.derivatives.dataset import start_dataset
from bids_app.derivatives.names import OUTPUTS, anat_folder
from bids_app.derivatives.reader import Derivatives
from bids_app.derivatives.records import VisitLocks, mark_done
from bids_app.image.template import load_template
from bids_app.workflows.longitudinal import due_pairs, find_pairs, init_pairs_wf, run_pairs

META = {"Description": "x", "Sources": [], "SkullStripped": False, "Type": "Brain"}
META["SpatialReference"] = "bids:raw:sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz"
STEM = "sub-01_ses-2_seg-lesions_desc-since1_dseg"


def add_visit(out: Path, session: str, corner: int, images: bool = True) -> None:
    """Add the derivatives of a visit with one lesion and a done record."""
    template, name = load_template(resolution=3.0), f"sub-01_ses-{session}"
    folder, grid = anat_folder(out, Path("sub-01", f"ses-{session}")), template.t1w.affine
    lesion = np.zeros(template.t1w.shape, np.uint8)
    lesion[corner : corner + 3, 30:33, 30:33] = 1
    t1w = np.asarray(template.t1w.dataobj, dtype=np.float32)
    tissue = np.where(np.asarray(template.wm.dataobj) > 0.5, 2, 1).astype(np.uint8)
    made = {
        "t1w": t1w,
        "flair": t1w.max() - t1w + 50 * lesion,
        "brain": (t1w > 0).astype(np.uint8),
        "dseg": tissue,
        "lesion_labels": lesion.astype(np.int32),
    }
    for key, data in made.items() if images else ():
        path = folder / OUTPUTS[key].path(name, template="", atlas="")
        save_image(nib.Nifti1Image(data, grid), path)
        write_text(json.dumps(META), path.with_name(f"{path.name.split('.')[0]}.json"))
    settings = {"template": "T", "atlas": "AAL", "lesions": "demyelin", "fast": False, "random_seed": 1}
    mark_done(out, name, inputs={}, settings=settings, outputs=[], level="standard" if images else "minimal")


@pytest.fixture
def settings(bids, add_scan, tmp_path):
    add_scan("sub-01_ses-1_FLAIR.nii.gz")
    plugin = tmp_path / "plugin.json"
    plugin.write_text('{"plugin": "Linear"}')  # no worker processes to start: quicker
    made = cli.parse([str(bids), str(tmp_path / "out"), "participant", "--use-plugin", str(plugin)])
    start_dataset(made.output_dir, bids)
    return made


@pytest.fixture
def compare(settings, tmp_path):
    """Return a function that compares what there is to compare."""

    def run():
        locks = VisitLocks(settings.output_dir)
        try:
            return run_pairs(["01"], settings, tmp_path / "work", locks)
        finally:
            locks.close()

    return run


def test_a_pair_gets_its_table_image_and_figure_once_and_stays_valid(settings, compare):
    out = settings.output_dir
    add_visit(out, "1", 20)
    assert compare() == ([], {})
    add_visit(out, "2", 40)
    assert compare() == (["sub-01_ses-2_since-1"], {})
    folder = out / "sub-01" / "ses-2" / "anat"
    table = pd.read_csv(folder / f"{STEM}.tsv", sep="\t")
    assert sorted(table["change"]) == ["new", "resolved"]
    labels = np.asarray(nib.load(folder / f"{STEM}.nii.gz").dataobj)
    assert labels[41, 31, 31] == table.set_index("change")["index"]["new"]
    meta = json.loads((folder / f"{STEM}.json").read_text())
    assert (meta["Summary"]["new"], meta["Summary"]["resolved"]) == (1, 1)
    assert np.allclose(meta["LaterToEarlier"], np.eye(4), atol=0.3)
    figure = out / "sub-01" / "figures" / "sub-01_ses-2_desc-since1.png"
    assert figure.stat().st_size > 10_000
    volumes = pd.read_csv(folder / "sub-01_ses-2_seg-brain_desc-since1_dseg.tsv", sep="\t").set_index("name")
    assert volumes["percent"]["brain"] == pytest.approx(0, abs=0.1)  # the same head twice
    assert volumes["percent_per_year"].isna().all()
    assert "Brain volume changed by" in (out / "sub-01_ses-2.html").read_text()
    page = (out / "sub-01_ses-2.html").read_text()
    assert "1 new, 1 resolved" in page
    criteria = pd.read_csv(folder / "sub-01_ses-2_seg-lesions_desc-criteriasince1_dseg.tsv", sep="\t")
    assert dict(zip(criteria["name"], criteria["met"], strict=True)) == {
        "dissemination_in_time": "yes",
        "neda_mri": "no",
    }
    assert "Since ses-1: 1 new, 0 enlarged." in page
    assert "no diagnosis" in page
    validator = Path(sys.executable).parent / "bids-validator-deno"
    done = subprocess.run([validator, "--format", "json", out], capture_output=True, text=True, check=False)
    assert [i for i in json.loads(done.stdout)["issues"]["issues"] if i["severity"] == "error"] == []
    assert compare() == ([], {})
    calibrated = folder / "sub-01_ses-2_seg-brain_desc-calibrationsince1_dseg.tsv"
    calibrated.write_text("index\n")  # as an earlier run with --calibrate left it
    record = out / "logs" / "done" / "sub-01_ses-2_since-1.json"
    content = json.loads(record.read_text())
    content["outputs"][str(calibrated.relative_to(out))] = calibrated.stat().st_size
    record.write_text(json.dumps(content))
    add_visit(out, "2", 20)
    assert compare()[0] == ["sub-01_ses-2_since-1"]
    assert not calibrated.exists()
    assert pd.read_csv(folder / f"{STEM}.tsv", sep="\t")["change"].tolist() == ["unchanged"]


@pytest.mark.slow
def test_a_pair_that_fails_is_told_and_spares_the_other(settings, compare):
    for session, corner in (("1", 20), ("2", 20), ("3", 40), ("4", 40)):
        add_visit(settings.output_dir, session, corner)
    dates = "".join(f"ses-{n}\t202{n}-01-01\n" for n in range(1, 5))
    (settings.bids_dir / "sub-01" / "sub-01_sessions.tsv").write_text(f"session_id\tacq_time\n{dates}")
    (bad,) = settings.output_dir.rglob("sub-01_ses-4_desc-brain_mask.nii.gz")
    bad.write_bytes(bad.read_bytes()[:300])
    done, failed = compare()
    assert done == ["sub-01_ses-2_since-1", "sub-01_ses-3_since-2"]
    assert list(failed) == ["sub-01_ses-4_since-3"]
    visit = Derivatives(settings.output_dir).visit("sub-01_ses-3")
    assert visit.path("expanding", before="2").exists()  # three visits
    assert "Slowly expanding over 3 visits: 0 of 1 lesions followed" in visit.page.read_text()
    record = json.loads((settings.output_dir / "logs" / "done" / "sub-01_ses-3_since-2.json").read_text())
    assert any("expanding" in file for file in record["outputs"])


@pytest.mark.parametrize("calibrate", [False, True])
def test_known_change_is_put_into_a_pair_where_it_is_asked_for(settings, calibrate):
    for session in ("1", "2"):
        add_visit(settings.output_dir, session, 20)
    chosen = replace(settings, calibrate=calibrate)
    visit = Derivatives(chosen.output_dir).visit("sub-01_ses-1", template=chosen.template)
    visit.path("from_template").write_bytes(b"a transform")
    flair = visit.path("flair")
    made_from = META | {"Sources": ["bids:raw:sub-01/ses-1/anat/sub-01_ses-1_FLAIR.nii.gz"]}
    write_text(json.dumps(made_from), flair.with_name(f"{flair.name.split('.')[0]}.json"))
    (graph,) = init_pairs_wf(due_pairs(chosen, ["01"], print), settings=chosen, name="pairs")._graph.nodes
    assert ("calibrate_pair" in {node.name for node in graph._graph.nodes}) == calibrate


def names(settings):
    pairs, notes = find_pairs(settings.output_dir, settings.bids_dir, "01")
    return [pair.name for pair in pairs], notes


def test_visits_are_in_order_of_time_else_of_numbers(settings):
    for session in ("10", "9", "1"):
        add_visit(settings.output_dir, session, 20)
    assert names(settings)[0] == ["sub-01_ses-9_since-1", "sub-01_ses-10_since-9"]
    sessions = "session_id\tacq_time\nses-1\t2021-05-01\nses-9\t2020-01-01\nses-10\t2022-01-01\n"
    (settings.bids_dir / "sub-01" / "sub-01_sessions.tsv").write_text(sessions)
    assert names(settings)[0] == ["sub-01_ses-1_since-9", "sub-01_ses-10_since-1"]


def test_years_between_visits_come_from_their_dates(settings):
    for session in ("1", "2", "3"):
        add_visit(settings.output_dir, session, 20)
    scans = settings.bids_dir / "sub-01" / "ses-2" / "sub-01_ses-2_scans.tsv"
    scans.parent.mkdir(parents=True, exist_ok=True)
    scans.write_text("filename\tacq_time\nanat/x_T1w.nii.gz\t2022-01-01T10:00:00\n")
    sessions = "session_id\tacq_time\nses-1\t2020-01-01\nses-2\tn/a\nses-3\tsoon\n"
    (settings.bids_dir / "sub-01" / "sub-01_sessions.tsv").write_text(sessions)
    pairs, _ = find_pairs(settings.output_dir, settings.bids_dir, "01")
    assert pairs[0].years == pytest.approx(2.0, abs=0.01)
    assert pairs[1].years is None


def test_visits_without_images_are_told(settings):
    add_visit(settings.output_dir, "1", 20)
    add_visit(settings.output_dir, "2", 20, images=False)
    pairs, notes = names(settings)
    assert pairs == []
    assert "sub-01_ses-2 has no images any more (--output-level minimal)" in notes[0]


@pytest.mark.parametrize(
    ("gone", "why"), [("flair", "has no FLAIR image"), ("dseg", "lacks some of its images")]
)
def test_an_image_that_is_missing_is_told_by_what_it_is(settings, gone, why):
    add_visit(settings.output_dir, "1", 20)
    add_visit(settings.output_dir, "2", 20)
    Derivatives(settings.output_dir).visit("sub-01_ses-2").path(gone).unlink()
    pairs, notes = names(settings)
    assert pairs == []
    assert f"sub-01_ses-2 {why}" in notes[0]


@pytest.mark.slow
def test_results_of_visits_that_are_no_longer_neighbours_go(settings, compare):
    add_visit(settings.output_dir, "1", 20)
    add_visit(settings.output_dir, "3", 40)
    assert compare()[0] == ["sub-01_ses-3_since-1"]
    assert list(settings.output_dir.rglob("*desc-since1*"))
    add_visit(settings.output_dir, "2", 20)
    assert compare()[0] == ["sub-01_ses-2_since-1", "sub-01_ses-3_since-2"]
    assert not list(settings.output_dir.rglob("sub-01_ses-3*since1*"))
    assert not list(settings.output_dir.rglob("sub-01_ses-3*since-1*"))


def test_a_pair_is_compared_under_whatever_names_the_table_of_outputs_has(settings, compare, monkeypatch):
    for key, output in OUTPUTS.items():
        ending = re.sub(r"([^_]+)$", r"rec-renamed_\1", output.ending)
        monkeypatch.setitem(OUTPUTS, key, replace(output, ending=ending))
    out = settings.output_dir
    add_visit(out, "1", 20)
    add_visit(out, "2", 40)
    assert compare() == (["sub-01_ses-2_since-1"], {})
    visit = Derivatives(out).visit("sub-01_ses-2")
    for key in ("changes", "change_labels"):
        path = visit.path(key, before="1")
        assert "rec-renamed" in path.name
        assert path.exists()
    assert [found.entities for found in visit.find("changes")] == [{"before": "1"}]
    assert "1 new, 1 resolved" in visit.page.read_text()

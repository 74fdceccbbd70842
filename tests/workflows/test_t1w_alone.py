"""Visits without a FLAIR: left out unless asked for, then made from the T1w alone, and told wherever lesions are."""

from __future__ import annotations

import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from processed import demyelin

from bids_app import cli
from bids_app.derivatives.names import OUTPUTS
from bids_app.layout import plan_visits
from bids_app.layout.tell import summary
from bids_app.workflows.run import run_participants
from bids_app.workflows.visit import init_visit_wf

OF_FLAIR = {
    "flair", "flair_native", "flair_to_t1w", "flair_to_template", "lesions_flair", "belief", "belief_median",
    "detection_limits", "calibration_lesions",
}  # fmt: skip


def test_without_the_option_the_visit_is_left_out_and_the_option_named(bids, add_scan):
    add_scan("sub-01_T1w.nii.gz")
    plan = plan_visits(bids)
    assert [visit.left_out for visit in plan.visits] == ["no FLAIR image"]
    assert any("sub-01, would be processed with --t1w-alone" in line for line in summary(plan))


def test_with_the_option_it_is_counted_by_itself(bids, add_scan):
    add_scan("sub-01_T1w.nii.gz")
    add_scan("sub-02_FLAIR.nii.gz")
    plan = plan_visits(bids, t1w_alone=True)
    assert not any(visit.left_out for visit in plan.visits)
    assert any("T1w image alone" in note for note in plan.visits[0].notes)
    first = summary(plan)[0]
    assert "1 with FLAIR alone, 1 with T1w alone, in which far fewer lesions are found, 0 left out" in first


@pytest.mark.parametrize("name", ["sub-01_T2FLAIR.nii.gz", "sub-01_flair.nii.gz"])
def test_a_flair_that_may_be_meant_is_not_passed_over(bids, add_scan, name):
    add_scan("sub-01_T1w.nii.gz")
    add_scan(name)
    (visit,) = plan_visits(bids, t1w_alone=True).visits
    assert visit.left_out.startswith("no FLAIR image: ")


def test_nor_one_that_a_filter_leaves_out(bids, add_scan, tmp_path):
    add_scan("sub-01_T1w.nii.gz")
    add_scan("sub-01_acq-ax_FLAIR.nii.gz")
    add_scan("sub-02_acq-3d_FLAIR.nii.gz")
    file = tmp_path / "filter.json"
    file.write_text('{"flair": {"acquisition": "3d"}}')
    first = plan_visits(bids, t1w_alone=True, filter_file=file).visits[0]
    assert "left out by --bids-filter-file" in first.left_out


@pytest.mark.parametrize("method", ["weighted-belief", "lesion-growth", "belief-threshold"])
def test_methods_of_belief_need_a_flair(bids, add_scan, tmp_path, capsys, method):
    add_scan("sub-01_T1w.nii.gz")
    arguments = [str(bids), str(tmp_path / "out"), "participant", "--t1w-alone", "--lesions", method]
    run_participants(cli.parse([*arguments, "--skip-bids-validation", "--connectome", "none"]))
    assert f"sub-01: no FLAIR image, and --lesions {method} needs one" in capsys.readouterr().out


@pytest.mark.parametrize("method", ["derivatives", "lesion-growth"])
def test_the_option_is_not_named_where_it_would_not_help(bids, add_scan, tmp_path, capsys, method):
    add_scan("sub-01_T1w.nii.gz")
    arguments = [str(bids), str(tmp_path / "out"), "participant", "--dry-run", "--lesions", method]
    run_participants(cli.parse(arguments))
    output = capsys.readouterr().out
    assert "would be processed with" not in output
    assert "no FLAIR image" in (tmp_path / "out/logs/chosen.tsv").read_text() + output


@pytest.mark.parametrize("masked", [False, True])
def test_the_graph_publishes_all_that_needs_no_flair(bids, add_scan, tmp_path, masked):
    add_scan("sub-01_T1w.nii.gz")
    if masked:
        add_scan("sub-01_label-L_mask.nii.gz")
    settings = cli.parse([str(bids), str(tmp_path / "out"), "participant"])
    (visit,) = plan_visits(bids, t1w_alone=True).visits
    nodes = {node.name: node for node in init_visit_wf(visit, settings=settings)._graph.nodes}
    taken = nodes["finish"].inputs.copyable_trait_names()
    published = {name.removeprefix("files__") for name in taken if name.startswith("files__")}
    disconnection = {key for key in OUTPUTS if key.startswith("chaco")} | {"disconnectome"}
    assert published == {key for key, one in OUTPUTS.items() if not one.pair} - OF_FLAIR - disconnection
    assert ("take_lesions" in nodes, "find_lesions" in nodes) == (masked, not masked)
    assert nodes["measure_volumes"].inputs.coverage == 0 or masked  # a mask that came is as good as it was


@pytest.fixture(scope="module")
def alone(processed, tmp_path_factory):
    """The MS phantom once more, without its FLAIR."""
    root = tmp_path_factory.mktemp("alone")
    shutil.copytree(
        processed.bids, root / "ds", ignore=shutil.ignore_patterns("sub-002", "*FLAIR*", "*label*")
    )
    run = demyelin(root / "ds", root / "out", "participant", "--fast", "--t1w-alone", "--connectome", "none")
    assert run.returncode == 0, run.stdout + run.stderr
    return root / "out"


def test_a_visit_says_everywhere_that_it_has_no_flair(alone):
    anat = alone / "sub-001" / "anat"
    for name in ("label-L_mask", "label-L_probseg", "atlas-AAL_desc-volumes_dseg"):
        said = json.loads((anat / f"sub-001_{name}.json").read_text())
        assert said["FlairCoverage"] == 0 and "no FLAIR" in said["WithoutFlair"]
    quality = pd.read_csv(anat / "sub-001_desc-demyelin_qc.tsv", sep="\t").iloc[0]
    assert quality["flair_coverage"] == 0 and np.isnan(quality["snr_flair_wm"]) and quality["snr_t1w_wm"] > 0
    page = (alone / "sub-001.html").read_text()
    assert "Without a FLAIR there is no belief map" in page and "by the T1-weighted image alone" in page
    assert "sagittal T1w" in page and 'id="lesion-1"' in page  # its lesions are drawn on the T1w


def test_its_volumes_are_those_with_a_flair(alone, processed):
    name = "sub-001/anat/sub-001_atlas-AAL_desc-volumes_dseg.tsv"
    here, there = (pd.read_csv(out / name, sep="\t").set_index("name") for out in (alone, processed.out))
    for region in ("TIV", "GM", "WM"):
        assert here.loc[region, "volume_mm3"] == pytest.approx(there.loc[region, "volume_mm3"], rel=0.03)


def test_its_lesions_are_lesions(alone, processed):
    mask, truth = (
        np.asarray(nib.load(out / "sub-001/anat/sub-001_label-L_mask.nii.gz").dataobj) > 0
        for out in (alone, processed.out)
    )
    assert mask.sum() and (mask & truth).sum() / mask.sum() >= 0.5

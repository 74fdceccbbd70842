"""File trees of the kinds that public datasets with T1w and FLAIR have, a few participants each; the names are made up,
but for those of the last tree, which has sessions as OpenNeuro's ds004910.
"""

from __future__ import annotations

import pytest

from bids_app import cli
from bids_app.layout import plan_visits

# kind: files, then the numbers of visits: (T1w and FLAIR, FLAIR alone, left out)
TREES = {
    "epilepsy surgery: acquisitions, regions of interest on the FLAIR": (
        """
        sub-00001/anat/sub-00001_acq-iso08_T1w.nii.gz
        sub-00001/anat/sub-00001_acq-T2sel_FLAIR.nii.gz
        sub-00001/anat/sub-00001_acq-T2sel_FLAIR_roi.nii.gz
        sub-00002/anat/sub-00002_acq-iso08_T1w.nii.gz
        sub-00002/anat/sub-00002_acq-tse3dvfl_FLAIR.nii.gz
        """,
        (2, 0, 0),
    ),
    "mind and brain: MP2RAGE parts, two FLAIRs, several sessions": (
        """
        sub-010001/ses-01/anat/sub-010001_ses-01_acq-mp2rage_T1w.nii.gz
        sub-010001/ses-01/anat/sub-010001_ses-01_acq-mp2rage_T1map.nii.gz
        sub-010001/ses-01/anat/sub-010001_ses-01_acq-mp2rage_defacemask.nii.gz
        sub-010001/ses-01/anat/sub-010001_ses-01_inv-1_mp2rage.nii.gz
        sub-010001/ses-01/anat/sub-010001_ses-01_inv-2_mp2rage.nii.gz
        sub-010001/ses-01/anat/sub-010001_ses-01_acq-lowres_FLAIR.nii.gz
        sub-010001/ses-01/anat/sub-010001_ses-01_acq-highres_FLAIR.nii.gz
        sub-010001/ses-02/anat/sub-010001_ses-02_acq-mp2rage_T1w.nii.gz
        sub-010001/ses-02/func/sub-010001_ses-02_task-rest_bold.nii.gz
        """,
        (1, 0, 1),
    ),
    "stroke: sessions by day, lesion masks, FLAIR in some": (
        """
        sub-M2001/ses-1076/anat/sub-M2001_ses-1076_acq-tfl3_run-4_T1w.nii.gz
        sub-M2001/ses-1076/anat/sub-M2001_ses-1076_acq-tfl3_run-5_T1w.nii.gz
        sub-M2001/ses-1076/anat/sub-M2001_ses-1076_acq-spc3p2_run-3_FLAIR.nii.gz
        sub-M2001/ses-1076/dwi/sub-M2001_ses-1076_run-8_dwi.nii.gz
        sub-M2001/ses-1253/anat/sub-M2001_ses-1253_acq-tfl3_run-4_T1w.nii.gz
        sub-M2002/ses-1441/anat/sub-M2002_ses-1441_acq-tfl3_run-4_T1w.nii.gz
        """,
        (1, 0, 2),
    ),
    "ageing: FLAIR and T1w in different sessions": (
        """
        sub-001/ses-1/anat/sub-001_ses-1_T1w.nii.gz
        sub-001/ses-1/anat/sub-001_ses-1_FLAIR.nii.gz
        sub-002/ses-1/anat/sub-002_ses-1_T1w.nii.gz
        sub-002/ses-2/anat/sub-002_ses-2_FLAIR.nii.gz
        """,
        (1, 1, 1),
    ),
    "presurgical: runs and corrected images": (
        """
        sub-1/anat/sub-1_run-01_T1w.nii.gz
        sub-1/anat/sub-1_run-02_T1w.nii.gz
        sub-1/anat/sub-1_FLAIR.nii.gz
        sub-2/anat/sub-2_T1w.nii.gz
        """,
        (1, 0, 1),
    ),
    "processed images in folders beside sub-*": (
        """
        sub-01/anat/sub-01_T1w.nii.gz
        sub-01/anat/sub-01_FLAIR.nii.gz
        derivatives/freesurfer/sub-01/mri/T1.mgz
        derivatives/prep/sub-01/anat/sub-01_desc-preproc_T1w.nii.gz
        sub-02/anat/sub-02_T1w.nii.gz
        sub-02/func/sub-02_task-n_bold.nii.gz
        """,
        (1, 0, 1),
    ),
    "a FLAIR in the first of many sessions (ds004910)": (
        """
        sub-01/ses-01/anat/sub-01_ses-01_FLAIR.nii.gz
        sub-01/ses-03/dwi/sub-01_ses-03_dwi.nii.gz
        sub-01/ses-06/dwi/sub-01_ses-06_dwi.nii.gz
        """,
        (0, 1, 0),
    ),
}


@pytest.mark.parametrize("name", TREES)
def test_visits_of_a_tree(bids, name, tmp_path, capsys):
    listing, (both, alone, left_out) = TREES[name]
    for line in listing.split():
        path = bids / line
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    # tables and files that the participant level never reads, as these datasets have them
    (bids / "participants.tsv").write_text("participant_id\tsex\nsub-999\tunheard-of\n")
    (bids / "participants.json").write_text('{"sex": {"Levels": {"M": "male"}}}')
    (bids / "task-n_bold.json").write_text("{}")
    plan = plan_visits(bids)
    kinds = [
        "out" if visit.left_out else "both" if visit.t1w and visit.flair else "alone" for visit in plan.visits
    ]
    assert [kinds.count(kind) for kind in ("both", "alone", "out")] == [both, alone, left_out]
    assert sorted(row.image for row in plan.table) == sorted(listing.split())
    assert not any(row.used for row in plan.table if row.image.startswith("derivatives/"))
    assert all(row.reason for row in plan.table)
    assert cli.main([str(bids), str(tmp_path / "out"), "participant", "--dry-run"]) == 0
    assert (
        f"{both} with T1w and FLAIR, {alone} with FLAIR alone, {left_out} left out" in capsys.readouterr().out
    )

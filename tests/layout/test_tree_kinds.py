"""File trees of the kinds that public datasets with T1w and FLAIR have, a few participants each.

They stand for ds004199, ds000221, ds004884, ds003592, ds005602, ds004889 and ds004910 of OpenNeuro, in this order. No
listing of these was at hand: the trees of the first six are made from what is known of each kind of dataset, and their
numbers of visits are of these made trees. Facts are the one name of ds004889 (`sub-1/anat/sub-1_T1w.nii.gz`), the
place and the form of names of lesion masks in ds004884, the sessions `ses-01` and `ses-02` of ds000221 (with a T2w
image in the first), the sessions of ds004910, and most columns of the tables of ds004199 and ds004889; the rows
of tables are made up.
"""

from __future__ import annotations

import pytest

from bids_app import cli
from bids_app.layout import plan_visits
from bids_app.lesion_masks import by_visit, choose_mask, list_images
from bids_app.tables import read_people

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
        sub-010001/ses-01/anat/sub-010001_ses-01_T2w.nii.gz
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
    "runs and corrected images": (
        """
        sub-1/anat/sub-1_run-01_T1w.nii.gz
        sub-1/anat/sub-1_run-02_T1w.nii.gz
        sub-1/anat/sub-1_FLAIR.nii.gz
        sub-2/anat/sub-2_T1w.nii.gz
        """,
        (1, 0, 1),
    ),
    "acute stroke: labels without padding, processed images in derivatives": (
        """
        sub-1/anat/sub-1_T1w.nii.gz
        sub-1/anat/sub-1_FLAIR.nii.gz
        derivatives/freesurfer/sub-1/mri/T1.mgz
        derivatives/prep/sub-1/anat/sub-1_desc-preproc_T1w.nii.gz
        sub-10/anat/sub-10_T1w.nii.gz
        sub-10/dwi/sub-10_dwi.nii.gz
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


def test_masks_named_for_another_contrast_are_sorted_to_their_visit(tmp_path):
    """As in ds004884: the mask's name is that of the T2w image that it was drawn on, and lies on its grid."""
    name = "sub-M2254/ses-814/anat/sub-M2254_ses-814_acq-spc3p2_run-4_T2w_desc-lesion_mask.nii.gz"
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.touch()
    assert by_visit(list_images(tmp_path), tmp_path) == {"sub-M2254_ses-814": [path]}
    mask, _ = choose_mask([path], "sub-M2254_ses-814")
    assert mask is not None


@pytest.mark.parametrize(
    ("text", "columns", "values", "message"),
    [
        (  # columns of ds004199, with its blank before an underscore
            "participant_id\tgroup\tsex\tage_epilepsyonset\tage_scan\tmri _diagnosis\tmap\top\themisphere\n"
            "sub-00001\tfcd\tM\t4\t30\tsuspicion\t1\t0\tR\nsub-00002\thc\tF\tn/a\t12\tn/a\tn/a\t0\tn/a\n",
            {"age": "age_scan"},
            {"age": [30, 12], "sex": ["M", "F"], "mri _diagnosis": ["suspicion", None]},
            "",
        ),
        (  # columns of ds004889, with its class of the oldest and cells in quotes
            "participant_id\tsex\tage\trace\tacuteischaemicstroke\tpriorstroke\tbmi\tnihss\tetiology\n"
            'sub-1\tF\t89+\tw\t1\t0\tn/a\t3\t"2: one (a, b)"\nsub-2\tn/a\tn/a\tn/a\tn/a\tn/a\tn/a\tn/a\tn/a\n',
            {},
            {"age": [89, None], "sex": ["F", None], "etiology": ["2: one (a, b)", None]},
            "'89+' is a class of the oldest: read as its lower bound",
        ),
    ],
    ids=["ds004199", "ds004889"],
)
def test_tables_of_people_with_the_headers_of_public_datasets(tmp_path, text, columns, values, message):
    path = tmp_path / "participants.tsv"
    path.write_text(text)
    read = read_people(path, columns=columns)
    for name, expected in values.items():
        found = read.values[name].tolist()
        assert [None if one != one else one for one in found] == expected
    assert any(message in note for note in read.notes) or not message

"""Datasets in which something is amiss: it is told on the console, and nothing wrong is used without a word."""

from __future__ import annotations

import json
import shutil

import nibabel as nib
import numpy as np
import pytest

from bids_app.errors import InputError
from bids_app.layout import plan_visits
from bids_app.layout.tell import summary
from bids_app.layout.twins import content_print

NATIVE_LINK = "../../.git/annex/objects/aa/bb/MD5E-s1--0.nii.gz/MD5E-s1--0.nii.gz"


@pytest.fixture
def put(bids):
    """Return a function that adds an image of its own content (path in the dataset) of a shape and voxel size."""
    numbers = iter(range(1000))

    def add(path, shape=(24, 32, 24), zoom=8.0):
        file = bids / path
        file.parent.mkdir(parents=True, exist_ok=True)
        data = np.random.default_rng(next(numbers)).integers(1, 100, shape).astype(np.int16)
        nib.save(nib.Nifti1Image(data, np.diag([zoom] * 3 + [1.0])), file)
        return file

    return add


def choices(root, **more):
    """Return the lines of the console, and the reasons by image."""
    plan = plan_visits(root, **more)
    return "\n".join(summary(plan)), {row.image: row.reason for row in plan.rows}


def test_an_image_of_another_kind_of_dimension_comes_after_a_volume_and_alone_is_said_to_fail(put, bids):
    put("sub-01/anat/sub-01_FLAIR.nii.gz")
    put("sub-01/anat/sub-01_run-1_T1w.nii.gz", (24, 32, 24, 5))
    put("sub-01/anat/sub-01_run-2_T1w.nii.gz", (24, 32))
    put("sub-01/anat/sub-01_run-3_T1w.nii.gz", zoom=0.008)
    put("sub-01/anat/sub-01_run-4_T1w.nii.gz")
    (bids / "sub-01/anat/sub-01_run-5_T1w.nii.gz").touch()
    (bids / "sub-01/anat/sub-01_run-6_T1w.nii.gz").mkdir()
    put("sub-02/anat/sub-02_FLAIR.nii.gz", (24, 32, 24, 2))
    lines, why = choices(bids)
    assert why["sub-01/anat/sub-01_run-4_T1w.nii.gz"] == "preferred to 5 others"
    for run, reason in enumerate(["holds 5 volumes", "one slice", "may be in metres"], 1):
        assert reason in why[f"sub-01/anat/sub-01_run-{run}_T1w.nii.gz"]
    assert "not a readable NIfTI file (0 bytes)" in why["sub-01/anat/sub-01_run-5_T1w.nii.gz"]
    assert "cannot be read" in why["sub-01/anat/sub-01_run-6_T1w.nii.gz"]
    assert (
        "not there: 1 image of 1 visit, which will fail, such as sub-02/anat/sub-02_FLAIR.nii.gz: holds 2"
        in lines
    )


def test_a_native_image_that_was_not_fetched_is_not_replaced_by_one_after_contrast_agent(put, bids):
    put("sub-01/anat/sub-01_FLAIR.nii.gz")
    put("sub-01/anat/sub-01_ce-gd_T1w.nii.gz")
    (bids / "sub-01/anat/sub-01_T1w.nii.gz").symlink_to(NATIVE_LINK)
    lines, why = choices(bids)
    assert (
        "not there: 1 image of 1 visit, which will fail, such as sub-01/anat/sub-01_T1w.nii.gz: not fetched"
        in lines
    )
    assert "a native image was used" in why["sub-01/anat/sub-01_ce-gd_T1w.nii.gz"]


def test_one_persons_image_under_anothers_name_is_told(put, bids):
    flair = put("sub-01/anat/sub-01_FLAIR.nii.gz")
    put("sub-01/anat/sub-01_T1w.nii.gz")
    put("sub-02/anat/sub-02_T1w.nii.gz")
    shutil.copy(flair, bids / "sub-02/anat/sub-02_FLAIR.nii.gz")
    lines, why = choices(bids)
    assert (
        "copies: 2 images in use, such as sub-01/anat/sub-01_FLAIR.nii.gz: the same content as sub-02"
        in lines
    )
    assert "the same content as sub-01/anat/sub-01_FLAIR" in why["sub-02/anat/sub-02_FLAIR.nii.gz"]
    assert "same content" not in why["sub-02/anat/sub-02_T1w.nii.gz"]


def test_one_image_as_t1w_and_flair_is_told(put, bids):
    put("sub-01/anat/sub-01_FLAIR.nii.gz")
    (bids / "sub-01/anat/sub-01_T1w.nii.gz").symlink_to("sub-01_FLAIR.nii.gz")
    assert "copies: 2 images in use" in choices(bids)[0]


def test_the_print_of_a_content(put, bids, tmp_path):
    one, two = put("sub-01/anat/sub-01_T1w.nii"), put("sub-02/anat/sub-02_T1w.nii")
    assert content_print(one) and content_print(one) != content_print(two)
    link = tmp_path / "a_T1w.nii.gz"
    link.symlink_to(NATIVE_LINK)
    assert content_print(link) == "MD5E-s1--0.nii.gz"
    assert content_print(tmp_path / "none.nii") == ""


def test_a_link_to_a_store_under_another_name_is_told(put, bids, tmp_path):
    put("sub-01/anat/sub-01_FLAIR.nii.gz")
    shutil.move(put("sub-01/anat/sub-01_T1w.nii.gz"), tmp_path / "sub-77_T1w.nii.gz")
    (bids / "sub-01/anat/sub-01_T1w.nii.gz").symlink_to(tmp_path / "sub-77_T1w.nii.gz")
    assert "a link to sub-77_T1w.nii.gz" in choices(bids)[1]["sub-01/anat/sub-01_T1w.nii.gz"]


def test_labels_that_differ_in_zeros_or_case_are_told(put, bids):
    for name in ("1", "001", "a"):
        put(f"sub-{name}/ses-1/anat/sub-{name}_ses-1_FLAIR.nii.gz")
    put("sub-a/ses-01/anat/sub-a_ses-01_FLAIR.nii.gz")
    lines, _ = choices(bids)
    assert "alike: sub-001 and sub-1 are taken as different" in lines
    assert "alike: sub-a_ses-01 and sub-a_ses-1 are taken as different" in lines


def test_folders_without_any_image_are_counted(put, bids):
    put("sub-01/ses-1/anat/sub-01_ses-1_FLAIR.nii.gz")
    (bids / "sub-01" / "ses-2" / "eeg").mkdir(parents=True)
    (bids / "sub-02").mkdir()
    assert "in 2 folders of participants or sessions: sub-01_ses-2, sub-02" in choices(bids)[0]


def test_a_t1w_image_elsewhere_is_offered_and_a_session_that_nobody_has_is_refused(put, bids):
    put("sub-01/anat/sub-01_T1w.nii.gz")
    put("sub-01/ses-1/anat/sub-01_ses-1_FLAIR.nii.gz")
    put("sub-02/ses-1/anat/sub-02_ses-1_FLAIR.nii.gz")
    assert "T1w elsewhere: 1 visit with FLAIR alone could take" in choices(bids)[0]
    assert (
        "T1w from another session: 1 of 2 visits without one; sub-02_ses-1 has no"
        in choices(bids, t1w_from="nearest")[0]
    )
    with pytest.raises(InputError, match="--t1w-from 9: there is no such session; there are ses-1"):
        plan_visits(bids, t1w_from="9")


def test_a_borrowed_image_keeps_its_drawbacks(put, bids):
    put("sub-01/ses-1/anat/sub-01_ses-1_ce-gd_T1w.nii.gz")
    put("sub-01/ses-2/anat/sub-01_ses-2_FLAIR.nii.gz")
    plan = plan_visits(bids, t1w_from="1")
    assert any("after contrast agent" in row.reason and row.used for row in plan.table)


def test_a_filter_for_what_is_not_there_is_told(put, bids, tmp_path):
    put("sub-01/anat/sub-01_FLAIR.nii.gz")
    filters = tmp_path / "filter.json"
    filters.write_text(json.dumps({"t1w": {"acquisition": "mprage"}, "flair": {"acq": "Query.OPTIONAL"}}))
    assert "filter: there is no T1w image for its t1w" in choices(bids, filter_file=filters)[0]


def test_masks_that_a_visit_has_and_cannot_use_are_told(put, bids, tmp_path):
    for person in ("01", "02", "03", "04"):
        put(f"sub-{person}/anat/sub-{person}_FLAIR.nii.gz")
    for name in (
        *("sub-01_space-MNI_label-L_mask.nii.gz", "sub-02_label-L_mask.NII.GZ", "sub-03_label-T_mask.nii.gz"),
        *("sub-04_label-L_desc-rater1_mask.nii.gz", "sub-04_label-L_desc-rater2_mask.nii.gz"),
    ):
        (tmp_path / "masks").mkdir(exist_ok=True)
        (tmp_path / "masks" / name).touch()
    lines, _ = choices(bids, lesions_dir=tmp_path / "masks")
    assert (
        "masks: 1 of 4 visits; 3 visits could not use theirs, such as sub-01_space-MNI_label-L_mask" in lines
    )
    assert "masks: 1 visit had several of one kind" in lines


def test_the_raw_dataset_given_as_the_folder_of_masks_is_refused(put, bids):
    put("sub-01/anat/sub-01_FLAIR.nii.gz")
    with pytest.raises(InputError, match="no NIfTI or MGZ image"):
        plan_visits(bids, lesions_dir=bids)


def test_folders_that_programs_made_are_not_walked_through_to_the_end(put, bids, monkeypatch):
    monkeypatch.setattr("bids_app.layout.files.MOST_APART", 2)
    put("sub-01/anat/sub-01_FLAIR.nii.gz")
    for number in range(4):
        put(f"derivatives/x/sub-01/anat/sub-01_run-{number}_T1w.nii.gz")
    lines, why = choices(bids)
    assert "not looked at: derivatives/, which holds too many images to list" in lines
    assert len(why) == 3

"""From a dataset to visits."""

from __future__ import annotations

import json

import pytest

from bids_app.errors import InputError
from bids_app.layout import find_visits


def test_visits_are_participants_and_sessions(bids, add_scan):
    for ses in ("1", "2"):
        add_scan(f"sub-02_ses-{ses}_T1w.nii.gz")
        add_scan(f"sub-02_ses-{ses}_FLAIR.nii.gz")
    add_scan("sub-01_FLAIR.nii")
    visits = find_visits(bids)
    assert [visit.name for visit in visits] == ["sub-01", "sub-02_ses-1", "sub-02_ses-2"]
    assert visits[0].t1w is None
    assert visits[0].flair.name == "sub-01_FLAIR.nii"
    assert visits[1].t1w.name == "sub-02_ses-1_T1w.nii.gz"


@pytest.mark.parametrize("label", ["02", "sub-02"])
def test_labels_with_and_without_prefix(bids, add_scan, label):
    add_scan("sub-01_FLAIR.nii.gz")
    add_scan("sub-02_FLAIR.nii.gz")
    assert [visit.name for visit in find_visits(bids, participants=[label])] == ["sub-02"]


def test_of_several_runs_the_thinnest_without_contrast_is_used_and_told(bids, add_scan):
    add_scan("sub-01_FLAIR.nii.gz")
    add_scan("sub-01_ce-gd_T1w.nii.gz", zooms=(1, 1, 1))
    add_scan("sub-01_run-1_T1w.nii.gz", zooms=(1, 1, 5))
    add_scan("sub-01_run-2_T1w.nii.gz", zooms=(1, 1, 1))
    (visit,) = find_visits(bids)
    assert visit.t1w.name == "sub-01_run-2_T1w.nii.gz"
    assert "sub-01_run-1_T1w.nii.gz (voxels of 5 mm; the one used has 1 mm)" in visit.notes[0]
    assert "sub-01_ce-gd_T1w.nii.gz (made after contrast agent (ce-gd)" in visit.notes[0]


def test_filter_file_chooses_the_image(bids, add_scan, tmp_path):
    add_scan("sub-01_FLAIR.nii.gz")
    add_scan("sub-01_acq-a_T1w.nii.gz")
    add_scan("sub-01_acq-b_T1w.nii.gz")
    filters = tmp_path / "filter.json"
    filters.write_text(json.dumps({"t1w": {"acquisition": "b"}}))
    (visit,) = find_visits(bids, filter_file=filters)
    assert visit.t1w.name == "sub-01_acq-b_T1w.nii.gz"


def test_lesion_mask_of_the_dataset_and_of_a_derivative(bids, add_scan, tmp_path):
    add_scan("sub-01_FLAIR.nii.gz")
    add_scan("sub-01_label-lesion_mask.nii.gz")
    (visit,) = find_visits(bids)
    assert visit.lesions.name == "sub-01_label-lesion_mask.nii.gz"
    masks = tmp_path / "masks"
    (masks / "sub-01" / "anat").mkdir(parents=True)
    (masks / "dataset_description.json").write_text((bids / "dataset_description.json").read_text())
    visit.lesions.rename(masks / "sub-01" / "anat" / "sub-01_space-FLAIR_label-L_mask.nii.gz")
    (visit,) = find_visits(bids, lesions_dir=masks)
    assert visit.lesions.is_relative_to(masks)


def test_a_folder_without_images_is_refused(bids, add_scan, tmp_path):
    add_scan("sub-01_FLAIR.nii.gz")
    (tmp_path / "masks").mkdir()
    with pytest.raises(InputError, match="no NIfTI or MGZ image"):
        find_visits(bids, lesions_dir=tmp_path / "masks")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda root: (root / "dataset_description.json").unlink(), "missing"),
        (lambda root: (root / "dataset_description.json").write_text(""), "empty or not valid JSON"),
        (lambda root: (root / "dataset_description.json").write_text("{}"), "Name and BIDSVersion"),
        (lambda root: None, "no participants"),
    ],
)
def test_unusable_dataset_is_told_in_a_line(bids, spoil, words):
    spoil(bids)
    with pytest.raises(InputError, match=words):
        find_visits(bids)


def test_unknown_labels_are_told_with_those_there(bids, add_scan):
    add_scan("sub-01_ses-1_FLAIR.nii.gz")
    with pytest.raises(InputError, match=r"has no sub-09; it has sub-01"):
        find_visits(bids, participants=["09"])
    with pytest.raises(InputError, match=r"has no ses-2; it has ses-1"):
        find_visits(bids, sessions=["2"])


@pytest.mark.parametrize("text", ["not json", "[]", '{"bold": {}}', '{"t1w": 3}'])
def test_bad_filter_file(bids, add_scan, tmp_path, text):
    add_scan("sub-01_FLAIR.nii.gz")
    path = tmp_path / "filter.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"filter\.json"):
        find_visits(bids, filter_file=path)

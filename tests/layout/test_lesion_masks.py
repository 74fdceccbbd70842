"""Lesion masks as tools and people name them."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from bids_app.lesion_masks import by_visit, choose_mask, dataset_source, list_images

VISIT = "sub-01_ses-1"


def choose(root, *names, source=None):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return choose_mask(by_visit(list_images(root), root).get(VISIT, []), VISIT, source)


@pytest.mark.parametrize(
    ("name", "source", "label"),
    [
        ("sub-01/ses-1/anat/sub-01_ses-1_space-FLAIR_label-lesion_mask.nii.gz", "not stated", None),
        ("sub-01/ses-1/anat/sub-01_ses-1_label-L_desc-manual_roi.nii", "manual", None),
        ("sub-01/ses-1/space-flair_seg-lst.nii.gz", "LST-AI", None),
        ("lst/sub-01_ses-1_space-t1w_seg-lst.nii.gz", "LST-AI", None),
        ("sub-01/ses-1/seg.mgz", "SAMSEG", 99),
        ("sub-01_ses-1/seg.nii.gz", "SAMSEG", 99),
        ("sub-01_ses-1.nii.gz", "not stated", None),
        ("by hand/sub-01_ses-1_consensus_lesions.nii.gz", "manual", None),
        ("sub-01_ses-1_WMH.nii.gz", "not stated", None),
    ],
)
def test_names_tell_who_made_a_mask(tmp_path, name, source, label):
    mask, notes = choose(tmp_path, name, "sub-01/ses-1/anat/sub-01_ses-1_desc-brain_mask.nii.gz")
    assert (mask.path, mask.source, mask.label) == (tmp_path / name, source, label)
    assert source in notes[0] and mask.path.name in notes[0]


def test_nnunets_files_beside_tell_it(tmp_path):
    (tmp_path / "predict_from_raw_data_args.json").touch()
    mask, _ = choose(tmp_path, f"{VISIT}.nii.gz", "sub-01_ses-2.nii.gz", "sub-02_ses-1.nii.gz")
    assert (mask.path.name, mask.source) == (f"{VISIT}.nii.gz", "nnU-Net")


def test_the_dataset_says_who_made_it(tmp_path):
    about = {"GeneratedBy": [{"Name": "LesionTool", "Version": "2.1"}]}
    (tmp_path / "dataset_description.json").write_text(json.dumps(about))
    assert dataset_source(tmp_path) == "LesionTool 2.1"
    mask, _ = choose(tmp_path, f"{VISIT}_label-L_mask.nii.gz", source="LesionTool 2.1")
    assert mask.source == "LesionTool 2.1"
    (tmp_path / "dataset_description.json").write_text("[]")
    assert dataset_source(tmp_path) is None


def test_other_visits_and_other_spaces_are_not_taken(tmp_path):
    assert choose(tmp_path, "sub-011_ses-1_label-L_mask.nii.gz", "sub-01_label-L_mask.nii.gz") == (None, [])
    mask, notes = choose(tmp_path, f"{VISIT}_space-MNI152NLin6Asym_label-L_mask.nii.gz")
    assert mask is None
    assert "is not in T1w or FLAIR space" in notes[0]
    mask, notes = choose(
        tmp_path, f"{VISIT}_space-mni_seg-lst.nii.gz", f"{VISIT}_space-flair_desc-annotated_seg-lst.nii.gz"
    )
    assert mask is None


def test_of_several_the_one_on_the_scans_own_name_and_it_is_told(tmp_path):
    mask, notes = choose(
        tmp_path,
        f"{VISIT}_space-FLAIR_label-L_mask.nii.gz",
        f"{VISIT}_label-L_mask.nii.gz",
        f"{VISIT}.nii.gz",
    )
    assert mask.path.name == f"{VISIT}_label-L_mask.nii.gz"
    assert any("several lesion masks" in note for note in notes)


def test_of_several_the_one_on_a_scans_grid(tmp_path):
    """Demyelin's own derivatives hold a mask on the grid worked on, nobody's scan, and one on the FLAIR's."""

    def image(name, size):
        path = tmp_path / name
        nib.save(nib.Nifti1Image(np.zeros((size, 4, 4), np.uint8), np.eye(4)), path)
        return path

    flair = image("flair.nii.gz", 5)
    masks = [image(f"{VISIT}_label-L_mask.nii.gz", 9), image(f"{VISIT}_space-FLAIR_label-L_mask.nii.gz", 5)]
    mask, _ = choose_mask(masks, VISIT, scans=[flair])
    assert mask.path == masks[1]
    mask, _ = choose_mask(masks, VISIT, scans=[image("other.nii.gz", 7), tmp_path / "absent.nii.gz"])
    assert mask.path == masks[0]  # refused later, with the grids told

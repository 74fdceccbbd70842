"""Differences between the protocols of two visits."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from bids_app.layout.protocol import FIELDS, differences

SAME = {"MagneticFieldStrength": 3, "EchoTime": 0.1, "Manufacturer": "Siemens"}


@pytest.fixture
def pair(tmp_path):
    """Return a function that writes an image of two visits and compares them."""

    def compare(before, after, sizes=((1, 1, 1), (1, 1, 1)), names=("FLAIR", "FLAIR")):
        images = []
        for session, sidecar, size, name in zip((1, 2), (before, after), sizes, names, strict=True):
            path = tmp_path / f"sub-1/ses-{session}/anat/sub-1_ses-{session}_{name}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(np.zeros((3, 3, 3), np.uint8), np.diag([*size, 1])), path)
            path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps(sidecar))
            images.append({"FLAIR": path})
        return differences(tmp_path, *images)

    return compare


def test_the_same_protocol_has_no_differences(pair):
    assert (
        pair(SAME, SAME | {"EchoTime": 0.1001, "Manufacturer": "SIEMENS "}, ((1, 1, 3), (3, 1, 1.01))) == []
    )
    assert pair(SAME, {}) == []


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_that_differs_is_told(pair, field):
    (words,) = pair(SAME | {field: 1.5}, SAME | {field: 3})
    assert words == f"FLAIR {FIELDS[field]}: 1.5, then 3"


def test_voxels_and_contrast_agent_are_told(pair):
    assert pair(SAME, SAME, ((1, 1, 3), (1, 1, 1))) == ["FLAIR voxels: 1 x 1 x 3 mm, then 1 x 1 x 1 mm"]
    (words,) = pair(SAME, SAME | {"ContrastBolusIngredient": "GADOLINIUM"})
    assert words == "FLAIR contrast agent: none told, then GADOLINIUM"


def test_an_agent_in_a_name_is_told(pair):
    (words,) = pair(SAME, SAME, names=("FLAIR", "ce-GD_FLAIR"))
    assert words == "FLAIR contrast agent: none told, then GD"


def test_an_image_of_one_visit_only_is_told(tmp_path):
    assert differences(tmp_path, {}, {"T1w": tmp_path / "x_T1w.nii"}) == ["T1w at the later visit only"]


def test_images_that_are_gone_tell_nothing(tmp_path):
    gone = {"FLAIR": tmp_path / "sub-1_FLAIR.nii"}
    assert differences(tmp_path, gone, gone) == []

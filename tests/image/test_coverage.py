"""A FLAIR that shows a part of the brain, lies far away, or is the T1w itself."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from bids_app.errors import VisitError
from bids_app.image import coverage

SIZE = (20, 20, 20)


def image(data, shift=0.0):
    affine = np.eye(4)
    affine[2, 3] = shift
    return nib.Nifti1Image(np.asarray(data, np.float32), affine)


@pytest.fixture
def brain():
    mask = np.zeros(SIZE)
    mask[5:15, 5:15, 5:15] = 1
    return image(mask)


def test_the_share_of_the_brain_in_the_field_of_view(brain):
    seen = np.zeros(SIZE)
    assert coverage.share_seen(image(seen), brain) == 0
    seen[:, :, :9] = 1
    assert coverage.share_seen(image(seen), brain) == pytest.approx(0.4)
    notes = coverage.remarks("f.nii", 0.4, 250.0)
    assert "shows 40 % of the brain" in notes[0] and "lower bounds" in notes[0] and "lies 250 mm" in notes[1]
    assert coverage.remarks("f.nii", 1.0, 20.0) == []
    assert coverage.about(0.4)["FlairCoverage"] == 0.4 and "Unknown" in coverage.about(0.4)["OutsideFlair"]
    assert coverage.about(1.0) == {"FlairCoverage": 1.0} and coverage.about(None) == {}


def test_how_far_two_fields_of_view_are(brain):
    assert coverage.distance(brain, image(np.ones(SIZE), shift=250)) == pytest.approx(250)


def test_a_copy_and_a_stranger_are_refused(brain):
    rng = np.random.default_rng(0)
    t1w = rng.normal(100, 20, SIZE)
    with pytest.raises(VisitError, match="is a copy of it"):
        coverage.check_contrast("f.nii", image(3 * t1w + rng.normal(0, 1, SIZE)), image(t1w), brain)
    with pytest.raises(VisitError, match="shows 2 % of the brain"):
        coverage.check_share("f.nii", 0.02)
    assert coverage.check_contrast("f.nii", image(200 - t1w), image(t1w), brain) == []
    assert coverage.check_contrast("f.nii", image(np.ones(SIZE)), image(t1w), brain) == []
    (note,) = coverage.check_contrast("f.nii", image(t1w + rng.normal(0, 7, SIZE)), image(t1w), brain)
    assert "is it a FLAIR?" in note


def test_images_that_tell_nothing_of_each_other_are_refused_whatever_their_size(brain):
    rng = np.random.default_rng(0)
    t1w = rng.normal(100, 20, SIZE)
    same = coverage.shared_information(image(300 - t1w + rng.normal(0, 8, SIZE)), image(t1w), brain, 1)
    other = coverage.shared_information(image(rng.normal(100, 20, SIZE)), image(t1w), brain, 1)
    assert abs(other) < coverage.LEAST_SHARED < same
    coverage.check_shared("f.nii", same)
    with pytest.raises(VisitError, match=r"f\.nii: does not match the T1w image once aligned"):
        coverage.check_shared("f.nii", other)

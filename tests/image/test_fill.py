"""Lesion filling leaves no trace."""

import nibabel as nib
import numpy as np
import pytest

from bids_app.errors import VisitError
from bids_app.image.fill import fill_lesions


def image(data):
    return nib.Nifti1Image(np.asarray(data), np.diag([1.0, 1.0, 2.0, 1.0]))


@pytest.fixture
def head():
    """White matter of 200 with a slope and noise of SD 4; two dark lesions."""
    rng = np.random.default_rng(3)
    t1w = 200 + np.arange(40)[:, None, None] * 0.5 + rng.normal(0, 4, (40, 40, 24))
    lesion = np.zeros(t1w.shape, np.uint8)
    lesion[8:14, 10:16, 8:12] = 1
    lesion[28:30, 28:30, 12:13] = 1
    truth = t1w.copy()
    t1w[lesion > 0] = 120
    nawm = np.ones(t1w.shape, np.uint8)
    nawm[:, :, :3] = 0
    return image(t1w), image(lesion), image(nawm), truth


def test_filled_like_its_surround(head):
    t1w, lesion, nawm, truth = head
    filled = np.asarray(fill_lesions(t1w, lesion, nawm, seed=1).dataobj)
    inside = np.asarray(lesion.dataobj) > 0
    assert abs(filled[inside].mean() - truth[inside].mean()) < 1.5
    assert filled[inside].std() == pytest.approx(truth[inside].std(), rel=0.25)
    assert filled[inside].min() > 180


def test_nothing_else_changes_and_same_seed_same_bytes(head):
    t1w, lesion, nawm, _ = head
    filled = np.asarray(fill_lesions(t1w, lesion, nawm, seed=1).dataobj)
    outside = np.asarray(lesion.dataobj) == 0
    np.testing.assert_array_equal(filled[outside], np.asarray(t1w.dataobj)[outside].astype(np.float32))
    assert filled.tobytes() == np.asarray(fill_lesions(t1w, lesion, nawm, seed=1).dataobj).tobytes()
    assert (filled != np.asarray(fill_lesions(t1w, lesion, nawm, seed=2).dataobj)).any()


def test_lesion_voxels_marked_as_white_matter_are_not_used(head):
    t1w, lesion, nawm, _ = head
    both = image(np.ones(nawm.shape, np.uint8))
    filled = np.asarray(fill_lesions(t1w, lesion, both, seed=1).dataobj)
    assert filled[np.asarray(lesion.dataobj) > 0].min() > 180


def test_no_lesions(head):
    t1w, lesion, nawm, _ = head
    none = image(np.zeros(lesion.shape, np.uint8))
    np.testing.assert_array_equal(
        fill_lesions(t1w, none, nawm, seed=1).dataobj, np.asarray(t1w.dataobj).astype(np.float32)
    )


def test_no_white_matter_is_told(head):
    t1w, lesion, _, _ = head
    with pytest.raises(VisitError, match="no normal-appearing white matter"):
        fill_lesions(t1w, lesion, image(np.zeros(lesion.shape, np.uint8)), seed=1)

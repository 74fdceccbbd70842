"""The belief map against its definition."""

import nibabel as nib
import numpy as np
import pytest

from bids_app.errors import VisitError
from bids_app.image.belief import belief_map, grey_matter_mean


def image(data):
    return nib.Nifti1Image(np.asarray(data, dtype=np.float32), np.eye(4))


@pytest.fixture
def brain():
    """A 12 x 12 x 12 brain: grey matter at 100, white at 80, a lesion at 150 inside the grey matter map."""
    flair = np.full((12, 12, 12), 100.0)
    flair[6:] = 80
    flair[:2, :2, :4] = 150
    gm = np.zeros(flair.shape)
    gm[:6] = 1
    mask = np.ones(flair.shape)
    mask[0] = mask[-1] = 0
    lesion = flair == 150
    return image(flair), image(gm), image(mask), image(lesion)


def test_definition(brain):
    flair, gm, mask, lesion = brain
    belief = np.asarray(belief_map(flair, gm, mask, lesion).dataobj)
    assert belief[3, 5, 5] == pytest.approx(0)
    assert belief[8, 5, 5] == pytest.approx(-0.2)
    assert belief[1, 0, 0] == pytest.approx(0.5)
    assert not belief[0].any()


def test_lesions_do_not_move_the_mean(brain):
    flair, gm, mask, lesion = brain
    assert grey_matter_mean(flair, gm, mask, lesion) == pytest.approx(100)
    assert grey_matter_mean(flair, gm, mask) >= 100


def test_scale_of_the_flair_does_not_matter(brain):
    flair, gm, mask, _ = brain
    tenfold = image(np.asarray(flair.dataobj) * 10)
    np.testing.assert_allclose(
        belief_map(tenfold, gm, mask).dataobj, belief_map(flair, gm, mask).dataobj, atol=1e-6
    )


def test_no_grey_matter_is_told(brain):
    flair, gm, mask, _ = brain
    with pytest.raises(VisitError, match="0 voxels of grey matter"):
        belief_map(flair, image(np.zeros(gm.shape)), mask)


def test_dark_grey_matter_is_told(brain):
    flair, gm, mask, _ = brain
    with pytest.raises(VisitError, match="not above 0"):
        belief_map(image(np.zeros(flair.shape)), gm, mask)

"""How noisy an image is, and taking noise out."""

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from bids_app.image.noise import denoise, noise_share


def head(noise):
    """A ball of white matter with soft structure, mean 100, and noise as a share of it."""
    rng = np.random.default_rng(0)
    shape = (40, 40, 40)
    brain = sum((axis - 20) ** 2 for axis in np.indices(shape)) < 18**2
    soft = 100 + 60 * ndimage.gaussian_filter(rng.normal(0, 3, shape), 3)
    data = np.where(brain, soft, 20) + rng.normal(0, 100 * noise, shape)
    return *(nib.Nifti1Image(one.astype(np.float32), np.eye(4)) for one in (data, brain, brain)), soft


@pytest.mark.parametrize("noise", [0.02, 0.1, 0.3])
def test_noise_is_measured_whatever_the_unit(noise):
    image, brain, _, _ = head(noise)
    inside = ndimage.binary_erosion(np.asarray(brain.dataobj) > 0)
    for unit in (1, 50):
        assert noise_share(np.asarray(image.dataobj) * unit, inside) == pytest.approx(noise, rel=0.1)


def test_only_a_loud_image_is_changed_and_comes_nearer_to_what_is_under_the_noise():
    quiet = head(0.1)
    assert denoise(*quiet[:3]) is quiet[0]
    image, brain, prior, soft = head(0.3)
    calm = np.asarray(denoise(image, brain, prior).dataobj)
    loud, inside = np.asarray(image.dataobj), np.asarray(brain.dataobj) > 0
    assert np.abs(calm - soft)[inside].mean() < 0.5 * np.abs(loud - soft)[inside].mean()
    assert np.array_equal(calm[~inside], loud[~inside])

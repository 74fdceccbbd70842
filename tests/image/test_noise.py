"""How noisy an image is."""

import numpy as np
import pytest
from scipy import ndimage

from bids_app.image.noise import noise_share


def head(noise):
    """A ball of white matter with soft structure, mean 100, and noise as a share of it."""
    rng = np.random.default_rng(0)
    shape = (40, 40, 40)
    brain = sum((axis - 20) ** 2 for axis in np.indices(shape)) < 18**2
    soft = 100 + 60 * ndimage.gaussian_filter(rng.normal(0, 3, shape), 3)
    data = np.where(brain, soft, 20) + rng.normal(0, 100 * noise, shape)
    return data, brain


@pytest.mark.parametrize("noise", [0.02, 0.1, 0.3])
def test_noise_is_measured_whatever_the_unit(noise):
    data, brain = head(noise)
    inside = ndimage.binary_erosion(brain)
    for unit in (1, 50):
        assert noise_share(data * unit, inside) == pytest.approx(noise, rel=0.1)

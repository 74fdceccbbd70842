"""The wavelet transform of a box against PyWavelets on the whole image, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
import pywt

from bids_app.features.radiomics.wavelet import stationary_wavelet


def whole(image, wavelet):
    """The whole image's subbands by PyWavelets: odd axes made even by repeating their first plane."""
    padded = np.pad(image, [(0, n % 2) for n in image.shape], "wrap")
    bands = pywt.swtn(padded, wavelet, level=1, axes=(2, 1, 0))[0]
    cut = tuple(slice(0, n) for n in image.shape)
    return {name.replace("a", "L").replace("d", "H"): band[cut] for name, band in bands.items()}


BOXES = [
    (slice(5, 12), slice(4, 9), slice(6, 11)),  # inside
    (slice(0, 3), slice(9, 17), slice(12, 19)),  # at edges
    (slice(0, 16), slice(0, 17), slice(0, 19)),  # all of it
]


@pytest.mark.parametrize("box", BOXES, ids=["inside", "edges", "all"])
@pytest.mark.parametrize("wavelet", ["coif1", "haar", "db3", "bior2.2"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16])
def test_equals_pywavelets_to_the_bit(box, wavelet, dtype):
    image = (np.random.default_rng(0).normal(size=(16, 17, 19)) * 100).astype(dtype)
    bands = stationary_wavelet(image, box, wavelet)
    theirs = whole(image, wavelet)
    assert list(bands) == [*list(theirs)[1:], "LLL"]
    for name, band in bands.items():
        assert band.dtype == theirs[name].dtype
        assert np.array_equal(band, theirs[name][box]), name


def test_a_flat_image_has_the_rounding_of_pywavelets():
    """Bins open at 0: the sign of a detail of 1e-15 decides on the grey level."""
    image = np.full((12, 11, 10), -50.3)
    box = (slice(2, 9), slice(0, 11), slice(3, 10))
    for name, band in stationary_wavelet(image, box).items():
        assert np.array_equal(band, whole(image, "coif1")[name][box])

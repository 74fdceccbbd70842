"""Noise around the head, as strong as the head."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from heads import synthetic_head

from bids_app.errors import VisitError
from bids_app.image.background import NOISY, background_noise, check_background


def share(data):
    brain = np.median(data[30:60, 40:70, 30:60])
    return background_noise(nib.Nifti1Image(data, np.eye(4)), float(brain))


def test_noise_around_the_head_is_refused_and_nothing_or_a_constant_is_not():
    image, _ = synthetic_head()
    head = np.asarray(image.dataobj)
    outside = head < 15
    rng = np.random.default_rng(0)
    assert share(head) < NOISY / 4
    check_background("a.nii", share(head))
    check_background("a.nii", share(np.where(outside, 500, head)))  # a constant other than 0
    cut = head.copy()
    cut[: cut.shape[0] // 3, :, :20] = 150 + rng.normal(
        0, 60, cut[: cut.shape[0] // 3, :, :20].shape
    )  # a shoulder
    check_background("a.nii", share(cut))
    noisy = np.where(outside, rng.uniform(0, 250, head.shape), head)
    with pytest.raises(VisitError, match=r"a\.nii: the noise around the head .* denoise its background"):
        check_background("a.nii", share(noisy))

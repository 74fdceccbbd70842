"""Correction of a known non-uniformity."""

from __future__ import annotations

import nibabel as nib
import numpy as np

from bids_app.image.bias import correct_bias
from bids_app.image.template import load_template


def test_a_known_field_is_removed_and_the_mean_kept():
    template = load_template(resolution=6.0)
    inside = np.asarray(template.brain.dataobj) > 0
    clean = np.asarray(template.t1w.dataobj) * 100 + 20
    ramp = np.linspace(0.7, 1.3, clean.shape[1], dtype=np.float32)[None, :, None]

    def corrected(data: np.ndarray) -> np.ndarray:
        image = nib.Nifti1Image(data - 5, template.brain.affine)  # some voxels below 0, as some scans have
        out = np.asarray(correct_bias(image, template.brain).dataobj)
        assert np.isfinite(out).all()
        assert out.min() >= 0
        return out[inside]

    of_clean, of_biased = corrected(clean), corrected(clean * ramp)
    before = np.std(np.broadcast_to(ramp, clean.shape)[inside])
    after = np.std(of_biased / of_clean * (of_clean.mean() / of_biased.mean()))
    assert after < 0.15 * before

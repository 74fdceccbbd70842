"""Correction of intensity non-uniformity."""

from __future__ import annotations

import nibabel as nib
import numpy as np

from bids_app.image.convert import from_ants, to_ants

SHRINK_MM = 4.0


def correct_bias(image: nib.Nifti1Image, mask: nib.Nifti1Image) -> nib.Nifti1Image:
    """Correct intensity non-uniformity with N4 (Tustison et al. 2010, doi:10.1109/TMI.2010.2046908).

    The field is estimated inside the mask on voxels of about 4 mm, with four levels of at most 50
    iterations, and the image divided by it everywhere.

    Parameters
    ----------
    image : Nifti1Image, (x, y, z)
        Any unit.
    mask : Nifti1Image, (x, y, z)
        Where the field is estimated: the brain, on the same grid.

    Returns
    -------
    Nifti1Image, float32
        In the unit of `image`; the mean inside the mask is kept.
    """
    import ants

    shrink = max(1, round(SHRINK_MM / float(nib.affines.voxel_sizes(image.affine).min())))
    low = min(float(np.asarray(image.dataobj).min()), 0.0)
    shifted = nib.Nifti1Image(np.asarray(image.dataobj, dtype=np.float32) - low, image.affine)
    corrected = ants.n4_bias_field_correction(
        to_ants(shifted),
        mask=to_ants(mask),
        shrink_factor=shrink,
        convergence={"iters": [50, 50, 50, 50], "tol": 1e-6},
        rescale_intensities=False,
    )
    out = np.nan_to_num(from_ants(corrected, image).get_fdata(dtype=np.float32))
    inside = np.asanyarray(mask.dataobj) > 0
    before, after = np.asarray(shifted.dataobj)[inside].mean(), out[inside].mean()
    return nib.Nifti1Image(np.maximum(out * np.float32(before / after), 0), image.affine)

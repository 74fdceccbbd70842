"""Three tissues: grey matter, white matter, cerebrospinal fluid."""

from __future__ import annotations

from typing import NamedTuple

import nibabel as nib
import numpy as np

from bids_app.errors import VisitError
from bids_app.image.convert import from_ants, to_ants

LABELS = {"GM": 1, "WM": 2, "CSF": 3}
PRIOR_WEIGHT = 0.2
SMOOTHING = "[0.1,1x1x1]"
ITERATIONS = "[5,0]"


class Tissues(NamedTuple):
    """Labels (uint8: 1 GM, 2 WM, 3 CSF) and the probability of each tissue (float32), on one grid."""

    labels: nib.Nifti1Image
    gm: nib.Nifti1Image
    wm: nib.Nifti1Image
    csf: nib.Nifti1Image


def segment_tissues(
    image: nib.Nifti1Image,
    brain: nib.Nifti1Image,
    gm: nib.Nifti1Image,
    wm: nib.Nifti1Image,
    csf: nib.Nifti1Image,
) -> Tissues:
    """Segment three tissues with Atropos and template priors.

    Avants et al. 2011, doi:10.1007/s12021-011-9109-y: Gaussian classes, a Markov random field of weight 0.1
    and prior weight 0.2.

    Parameters
    ----------
    image : Nifti1Image, (x, y, z)
        T1w with lesions filled; or FLAIR, where fluid is dark and grey matter brighter than white.
    brain : Nifti1Image, (x, y, z)
        Brain mask; every voxel in it gets a tissue.
    gm, wm, csf : Nifti1Image, (x, y, z)
        Prior probabilities on the same grid.

    Returns
    -------
    Tissues

    Raises
    ------
    VisitError
        If a tissue comes out empty.
    """
    import ants

    mask = np.asanyarray(brain.dataobj) > 0
    data = np.asarray(image.dataobj, dtype=np.float32)
    low, high = np.percentile(data[mask], [0.1, 99.9])
    clipped = nib.Nifti1Image(np.clip(data, low, high) * mask, image.affine)
    priors = [_floor(prior, mask) for prior in (gm, wm, csf)]
    total = priors[0] + priors[1] + priors[2]
    try:
        found = ants.atropos(
            a=to_ants(clipped),
            x=to_ants(nib.Nifti1Image(mask.astype(np.float32), image.affine)),
            i=[to_ants(nib.Nifti1Image(prior / total, image.affine)) for prior in priors],
            m=SMOOTHING,
            c=ITERATIONS,
            priorweight=PRIOR_WEIGHT,
            r=0,  # a constant seed: the same images give the same tissues
        )
    except Exception as error:  # Atropos ends so where a class has no voxels left
        raise VisitError(
            "tissue segmentation failed; look at the brain mask, the registration and the contrast"
        ) from error
    maps = [from_ants(one, image) for one in found["probabilityimages"]]
    labels = np.rint(found["segmentation"].numpy()).astype(np.uint8) * mask
    for name, label in LABELS.items():
        if not (labels == label).any():
            raise VisitError(f"tissue segmentation found no {name}; look at the brain mask and the contrast")
    return Tissues(nib.Nifti1Image(labels, image.affine), *maps)


def _floor(prior: nib.Nifti1Image, mask: np.ndarray) -> np.ndarray:
    """Keep each tissue possible everywhere in the brain: a template is never all of an anatomy."""
    return np.maximum(np.asarray(prior.dataobj, dtype=np.float32), 0.02) * mask + ~mask

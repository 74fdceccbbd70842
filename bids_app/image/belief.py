"""Study B's grey-matter belief map: how much brighter than grey matter a FLAIR voxel is."""

from __future__ import annotations

import nibabel as nib
import numpy as np

from bids_app.errors import VisitError

SURE_GM = 0.7  # chosen by hand so that few voxels shared with fluid or white matter count; not tuned
TRIM = (1.0, 99.0)  # percentiles, chosen by hand: skull and fluid at the edge, lesions taken for grey matter
MIN_GM_VOXELS = 100  # fewer are refused; chosen by hand


def grey_matter_mean(
    flair: nib.Nifti1Image,
    gm: nib.Nifti1Image,
    brain: nib.Nifti1Image,
    lesions: nib.Nifti1Image | None = None,
) -> float:
    """Return the mean FLAIR intensity of grey matter.

    Study B takes the mean over the grey matter of a segmentation of the FLAIR image. Two choices make
    it hold on images with many lesions or a coarse segmentation: only voxels whose probability of grey
    matter is at least 0.7 count, less the lesions where they are known, and the mean leaves out the
    lowest and highest 1 % of them (skull and fluid at the edge, lesions taken for grey matter).

    Parameters
    ----------
    flair : Nifti1Image, (x, y, z)
        FLAIR image corrected for non-uniformity, any unit.
    gm : Nifti1Image, (x, y, z)
        Probability of grey matter (0 to 1) or a grey-matter mask, on the same grid.
    brain : Nifti1Image, (x, y, z)
        Brain mask on the same grid.
    lesions : Nifti1Image, (x, y, z), optional
        Lesion mask on the same grid.

    Returns
    -------
    float
        Mean, in the unit of `flair`.

    Raises
    ------
    VisitError
        If there are fewer than 100 such voxels, or their mean is not above 0.
    """
    inside = (np.asanyarray(gm.dataobj) >= SURE_GM) & (np.asanyarray(brain.dataobj) > 0)
    if lesions is not None:
        inside &= np.asanyarray(lesions.dataobj) == 0
    values = np.asarray(flair.dataobj)[inside].astype(np.float64)
    values = values[np.isfinite(values)]
    if values.size < MIN_GM_VOXELS:
        raise VisitError(f"FLAIR: only {values.size} voxels of grey matter; check the tissue segmentation")
    low, high = np.percentile(values, TRIM)
    mean = float(values[(values >= low) & (values <= high)].mean())
    if mean <= 0:
        raise VisitError(
            f"FLAIR: mean of grey matter is {mean:g}, not above 0; check the image's intensities"
        )
    return mean


def belief_map(
    flair: nib.Nifti1Image,
    gm: nib.Nifti1Image,
    brain: nib.Nifti1Image,
    lesions: nib.Nifti1Image | None = None,
) -> nib.Nifti1Image:
    """Return the grey-matter belief map B = (F - mean_GM) / mean_GM.

    The map of study B (after Schmidt et al. 2012, NeuroImage 59:3774): 0 where the FLAIR image is as
    bright as grey matter, 0.3 where it is 30 % brighter. See `grey_matter_mean` for mean_GM.

    Parameters
    ----------
    flair : Nifti1Image, (x, y, z)
        FLAIR image corrected for non-uniformity, any unit.
    gm : Nifti1Image, (x, y, z)
        Probability of grey matter (0 to 1) or a grey-matter mask, on the same grid.
    brain : Nifti1Image, (x, y, z)
        Brain mask on the same grid.
    lesions : Nifti1Image, (x, y, z), optional
        Lesion mask on the same grid; lesions do not count as grey matter.

    Returns
    -------
    Nifti1Image, (x, y, z), float32
        B inside the brain, no unit; 0 outside. Unchanged when the FLAIR image is multiplied by a constant.

    Raises
    ------
    VisitError
        As in `grey_matter_mean`.

    Examples
    --------
    One voxel is half as bright again as pure grey matter:

    >>> import nibabel as nib
    >>> import numpy as np
    >>> from demyelin import belief_map, load_template
    >>> head = load_template(resolution=4)
    >>> bright = 100 * head.gm.get_fdata() + 80 * head.wm.get_fdata()
    >>> bright[15, 28, 28] = 150
    >>> belief = belief_map(nib.Nifti1Image(bright, head.gm.affine), head.gm, head.brain)
    >>> bool(belief.get_fdata()[15, 28, 28] > 0.5)
    True
    """
    mean = grey_matter_mean(flair, gm, brain, lesions)
    belief = np.asarray(flair.dataobj, dtype=np.float32) / np.float32(mean) - np.float32(1)
    belief[(np.asanyarray(brain.dataobj) == 0) | ~np.isfinite(belief)] = 0
    return nib.Nifti1Image(belief, flair.affine, flair.header)


def parenchyma_moments(
    belief: nib.Nifti1Image, brain: nib.Nifti1Image, csf: nib.Nifti1Image
) -> dict[str, float]:
    """Return mean and standard deviation of belief over the brain without its fluid, as a sidecar names them.

    Study B's threshold is learned from the brain's belief before maps are brought to template space. Its standard
    deviation (.1199) is that of grey and white matter (.115 and .118 in two visits of a patient), not that with fluid
    (.22).

    Parameters
    ----------
    belief : Nifti1Image, (x, y, z)
        Belief map on the visit's grid.
    brain : Nifti1Image, (x, y, z)
        Brain mask on the same grid.
    csf : Nifti1Image, (x, y, z)
        Probability of fluid (0 to 1) on the same grid.
    """
    inside = (np.asanyarray(brain.dataobj) > 0) & (np.asanyarray(csf.dataobj) < 0.5)
    values = np.asarray(belief.dataobj)[inside].astype(np.float64)
    return {"ParenchymaMean": float(values.mean()), "ParenchymaSD": float(values.std())}

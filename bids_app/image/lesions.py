"""Lesion segmentation: a ladder of methods behind one function, from study B's threshold to Demyelin's own.

Every method works from the FLAIR image and a tissue segmentation; where a T1w image exists the segmentation
comes from it, else from the FLAIR image itself. None draws random numbers: same images, same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import cc3d
import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bids_app.errors import InputError
from bids_app.image.belief import belief_map
from bids_app.image.growth import grow_lesions

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

MIN_VOLUME = 10.0


@dataclass(frozen=True, kw_only=True)
class LesionInputs:
    """The images of one visit that a method may use, all on one grid.

    Attributes
    ----------
    flair : Nifti1Image, (x, y, z)
        FLAIR image corrected for non-uniformity, any unit.
    brain : Nifti1Image, (x, y, z)
        Brain mask.
    gm, wm, csf : Nifti1Image, (x, y, z)
        Tissue probabilities of this brain, 0 to 1.
    gm_prior, wm_prior : Nifti1Image, (x, y, z)
        The template's tissue probabilities brought to this grid, 0 to 1.
    """

    flair: nib.Nifti1Image
    brain: nib.Nifti1Image
    gm: nib.Nifti1Image
    wm: nib.Nifti1Image
    csf: nib.Nifti1Image
    gm_prior: nib.Nifti1Image
    wm_prior: nib.Nifti1Image


class Lesions(NamedTuple):
    """A segmentation: probability (float32, 0 to 1) and mask (uint8), on the grid of the inputs."""

    probability: nib.Nifti1Image
    mask: nib.Nifti1Image


@dataclass(frozen=True)
class Method:
    """One rung of the ladder: what `--lesions` calls it, what it is, and how it runs."""

    name: str
    about: str
    run: Callable[[LesionInputs, float], tuple[Array, Mask]]
    settings: dict[str, float]


def segment_lesions(
    inputs: LesionInputs, method: str = "demyelin", min_volume: float = MIN_VOLUME
) -> Lesions:
    """Segment lesions by one method of `METHODS`.

    Parameters
    ----------
    inputs : LesionInputs
        The visit's images on one grid.
    method : str
        Name in `METHODS`.
    min_volume : float
        Smallest lesion in mm3; smaller ones leave the mask, not the probability map.

    Returns
    -------
    Lesions
        Probability map and mask.

    Raises
    ------
    InputError
        If there is no such method.
    VisitError
        If the images hold no grey matter to compare with.
    """
    if method not in METHODS:
        raise InputError(f"lesion method {method}: not one of {', '.join(METHODS)}")
    probability, mask = METHODS[method].run(inputs, min_volume)
    affine = inputs.flair.affine
    return Lesions(
        nib.Nifti1Image(np.clip(probability, 0, 1).astype(np.float32), affine),
        nib.Nifti1Image(mask.astype(np.uint8), affine),
    )


def drop_small(mask: Mask, voxel_volume: float, min_volume: float) -> Mask:
    """Return the mask without 26-connected lesions smaller than `min_volume` mm3."""
    voxels = int(np.ceil(min_volume / voxel_volume - 1e-6))
    return cc3d.dust(mask, threshold=max(voxels, 1), connectivity=26, binary_image=True).astype(bool)


def hysteresis(values: Array, low: float, high: float) -> Mask:
    """Return the 26-connected regions above `low` that reach above `high` somewhere."""
    labels = cc3d.connected_components(values > low, connectivity=26, binary_image=True)
    keep = np.unique(labels[values > high])
    return np.isin(labels, keep[keep > 0])


def _array(image: nib.Nifti1Image) -> Array:
    return np.asarray(image.dataobj, dtype=np.float32)


def _voxel_size(image: nib.Nifti1Image) -> npt.NDArray[np.float64]:
    return nib.affines.voxel_sizes(image.affine)


def _logistic(values: Array, centre: float, width: float) -> Array:
    return 1 / (1 + np.exp(-np.clip((values - centre) / width, -30, 30)))


# --- study B ---------------------------------------------------------------------------------------------

BELIEF_THRESHOLD = 0.0261 + 2.54 * 0.1199
BELIEF_WIDTH = 0.1199 / 2


def _belief_threshold(inputs: LesionInputs, min_volume: float) -> tuple[Array, Mask]:
    """Study B's mask: belief above mean + 2.54 SD of its training images, anywhere in the brain.

    Its probability is a logistic function of the belief that is 0.5 at the threshold; study B has none.
    """
    belief = _array(belief_map(inputs.flair, inputs.gm, inputs.brain))
    probability = _logistic(belief, BELIEF_THRESHOLD, BELIEF_WIDTH) * (_array(inputs.brain) > 0)
    voxel = float(np.prod(_voxel_size(inputs.flair)))
    return probability, drop_small(belief > BELIEF_THRESHOLD, voxel, min_volume)


# --- Schmidt 2012 ----------------------------------------------------------------------------------------

KAPPA = 0.3


def _lesion_growth(inputs: LesionInputs, min_volume: float) -> tuple[Array, Mask]:
    """Schmidt et al. 2012: seeds from the grey-matter belief map, grown towards their hyperintense surround."""
    tissues = np.stack([_array(inputs.csf), _array(inputs.gm), _array(inputs.wm)])
    brain = _array(inputs.brain) > 0
    probability = grow_lesions(_array(inputs.flair), tissues, _array(inputs.wm_prior), brain, KAPPA)
    voxel = float(np.prod(_voxel_size(inputs.flair)))
    return probability, drop_small(probability >= 0.5, voxel, min_volume)


# --- Demyelin --------------------------------------------------------------------------------------------

LOW, HIGH = 0.15, 0.30
EDGE_MM = 4.0
PRIOR_SMOOTHING_MM = 2.0
MAX_GM_PRIOR = 0.5


def white_matter_hull(inputs: LesionInputs) -> Array:
    """Return how far each voxel is inside the white matter's hull, 0 (outside) to 1.

    The hull is where lesions of white matter can be, whatever the segmentation calls them: more than
    4 mm from the edge of the brain and where the template expects little grey matter.
    """
    size = _voxel_size(inputs.flair)
    edge = ndimage.distance_transform_edt(_array(inputs.brain) > 0, sampling=size)
    prior = ndimage.gaussian_filter(_array(inputs.gm_prior), PRIOR_SMOOTHING_MM / size)
    return ((edge > EDGE_MM) & (prior < MAX_GM_PRIOR)).astype(np.float32)


def _demyelin(inputs: LesionInputs, min_volume: float) -> tuple[Array, Mask]:
    """Hysteresis on the belief map inside the white matter's hull."""
    belief = _array(belief_map(inputs.flair, inputs.gm, inputs.brain))
    hull = white_matter_hull(inputs)
    probability = hull * _logistic(belief, (LOW + HIGH) / 2, 0.05)
    mask = hysteresis(belief * hull, LOW, HIGH)
    return probability, drop_small(mask, float(np.prod(_voxel_size(inputs.flair))), min_volume)


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "belief-threshold",
            "Study B: grey-matter belief above 0.331, anywhere in the brain.",
            _belief_threshold,
            {"threshold": BELIEF_THRESHOLD},
        ),
        Method(
            "lesion-growth",
            "Schmidt et al. 2012: seeds of the belief map, grown.",
            _lesion_growth,
            {"kappa": KAPPA},
        ),
        Method(
            "demyelin",
            "Demyelin: hysteresis on the belief map inside the white matter's hull.",
            _demyelin,
            {"low": LOW, "high": HIGH, "edge_mm": EDGE_MM, "max_gm_prior": MAX_GM_PRIOR},
        ),
    )
}

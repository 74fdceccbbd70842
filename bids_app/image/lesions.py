"""Lesion segmentation: a ladder of methods behind one function, from study B's threshold to Demyelin's own.

Demyelin's own works from the images alone; the others from the FLAIR image and a tissue segmentation, of the T1w where
there is one, else of the FLAIR. None draws random numbers: same images, same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

import cc3d
import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bids_app.errors import InputError
from bids_app.image.belief import belief_map
from bids_app.image.box import box_around, put_back, within
from bids_app.image.growth import grow_lesions
from bids_app.image.lesion_network import BRAIN_MARGIN_MM, network_probability

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

MIN_VOLUME = 3.0  # mm3, three voxels at 1 mm; chosen by hand, an option


@dataclass(frozen=True, kw_only=True)
class LesionInputs:
    """The images of one visit that a method may use, all on one grid.

    Attributes
    ----------
    brain : Nifti1Image, (x, y, z)
        Brain mask.
    wm_prior : Nifti1Image, (x, y, z)
        The template's probability of white matter brought to this grid, 0 to 1.
    flair, t1w : Nifti1Image, (x, y, z), optional
        FLAIR and T1w image corrected for non-uniformity, any unit; only Demyelin's own method does without FLAIR.
    gm, wm, csf : Nifti1Image, (x, y, z), optional
        Tissue probabilities of this brain, 0 to 1, for methods that need them (`Method.of_tissues`).
    """

    brain: nib.Nifti1Image
    wm_prior: nib.Nifti1Image
    flair: nib.Nifti1Image | None = None
    t1w: nib.Nifti1Image | None = None
    gm: nib.Nifti1Image | None = None
    wm: nib.Nifti1Image | None = None
    csf: nib.Nifti1Image | None = None


class Lesions(NamedTuple):
    """A segmentation: probability (float32, 0 to 1) and mask (uint8), on the grid of the inputs."""

    probability: nib.Nifti1Image
    mask: nib.Nifti1Image


@dataclass(frozen=True)
class Method:
    """One rung of the ladder: what `--lesions` calls it, what it is, how it runs and where its mask begins.

    A lesion of the mask holds voxels of at least `threshold`, one of them of at least `peak`.
    """

    name: str
    about: str
    probability: Callable[[LesionInputs], Array]
    settings: dict[str, float]
    threshold: float = 0.5
    peak: float = 0.5
    of_tissues: bool = True

    def recorded(self, threshold: float | None, min_volume: float) -> dict[str, float]:
        """Return the settings for a sidecar: `threshold` is the method's, on the scale that it is published on.

        Where that is not the scale of the probability map, the cut in probability is `probability_threshold`.
        """
        cut = threshold or self.threshold
        name = "probability_threshold" if "threshold" in self.settings else "threshold"
        return self.settings | {name: cut, "min_volume_mm3": min_volume}


def segment_lesions(
    inputs: LesionInputs,
    method: str | Method = "demyelin",
    *,
    threshold: float | None = None,
    min_volume: float = MIN_VOLUME,
) -> Lesions:
    """Segment lesions by one method of `METHODS`.

    Parameters
    ----------
    inputs : LesionInputs
        The visit's images on one grid.
    method : str or Method
        Name in `METHODS`, or a method.
    threshold : float, optional
        Least probability in the mask; the method's own where not given (or 0).
    min_volume : float
        Smallest lesion in mm3; smaller ones leave the mask, not the probability map.

    Returns
    -------
    Lesions
        Probability map and mask.

    Raises
    ------
    InputError
        If there is no such method, or it needs a FLAIR or tissues that are not given.
    VisitError
        If the images hold no grey matter to compare with, or are dark in most of the brain.

    Examples
    --------
    A FLAIR image of grey matter (100), white matter (80) and one bright lesion of 27 voxels:

    >>> import nibabel as nib
    >>> import numpy as np
    >>> from demyelin import LesionInputs, load_template, segment_lesions
    >>> head = load_template(resolution=3)
    >>> bright = 100 * head.gm.get_fdata() + 80 * head.wm.get_fdata() + 20 * head.csf.get_fdata()
    >>> bright[39:42, 45:48, 35:38] = 200
    >>> visit = LesionInputs(
    ...     flair=nib.Nifti1Image(bright, head.gm.affine),
    ...     brain=head.brain, gm=head.gm, wm=head.wm, csf=head.csf, wm_prior=head.wm,
    ... )
    >>> lesions = segment_lesions(visit, "belief-threshold")
    >>> int(lesions.mask.get_fdata().sum())
    27
    """
    if isinstance(method, str) and method not in METHODS:
        raise InputError(f"lesion method {method}: not one of {', '.join(METHODS)}")
    chosen = METHODS[method] if isinstance(method, str) else method
    if chosen.of_tissues and any(one is None for one in (inputs.flair, inputs.gm, inputs.wm, inputs.csf)):
        raise InputError(
            f"lesion method {chosen.name}: needs a FLAIR and the probabilities of tissues (gm, wm, csf)"
        )
    shape, affine = inputs.brain.shape, inputs.brain.affine
    box = box_around(_array(inputs.brain) > 0, affine, BRAIN_MARGIN_MM)
    inputs = within(inputs, box)
    probability = np.clip(chosen.probability(inputs), 0, 1).astype(np.float32)
    voxel = float(np.prod(nib.affines.voxel_sizes(affine)))
    mask = hysteresis_threshold(probability, threshold or chosen.threshold, chosen.peak)
    mask = drop_small(mask, voxel, min_volume)
    whole = (put_back(data, box, shape) for data in (probability, mask.astype(np.uint8)))
    return Lesions(*(nib.Nifti1Image(data, affine) for data in whole))


def hysteresis_threshold(probability: Array, threshold: float, peak: float) -> Mask:
    """Return the 26-connected regions of at least `threshold` that reach `peak` somewhere.

    Parameters
    ----------
    probability : ndarray, (x, y, z)
        Lesion probability.
    threshold : float
        Least probability of a voxel of the mask.
    peak : float
        Least highest probability of a region.
    """
    mask = probability >= threshold
    if peak <= threshold or not mask.any():
        return mask
    labels = cc3d.connected_components(mask, connectivity=26)
    highest = ndimage.maximum(probability, labels, np.arange(labels.max() + 1))
    return mask & (highest >= peak)[labels]


def drop_small(mask: Mask, voxel_volume: float, min_volume: float) -> Mask:
    """Return the mask without 26-connected lesions that are too small.

    Parameters
    ----------
    mask : ndarray of bool, (x, y, z)
        Lesions.
    voxel_volume, min_volume : float
        Volume of a voxel, and of the smallest lesion that stays, in mm3.
    """
    voxels = int(np.ceil(min_volume / voxel_volume - 1e-6))
    return cc3d.dust(mask, threshold=max(voxels, 1), connectivity=26, binary_image=True).astype(bool)


def _known(image: nib.Nifti1Image | None) -> nib.Nifti1Image:
    """Return an image, which `segment_lesions` has made sure is given."""
    return cast("nib.Nifti1Image", image)


def _array(image: nib.Nifti1Image) -> Array:
    return np.asarray(image.dataobj, dtype=np.float32)


def _logistic(values: Array, centre: float | Array, width: float) -> Array:
    return 1 / (1 + np.exp(-np.clip((values - centre) / width, -30, 30)))


# --- study B ---------------------------------------------------------------------------------------------

BELIEF_THRESHOLD = 0.0261 + 2.54 * 0.1199  # mean + 2.54 SD of belief in study B
# half that SD; only the probability's slope, not the mask, depends on it; chosen by hand
BELIEF_WIDTH = 0.1199 / 2


def _belief_threshold(inputs: LesionInputs) -> Array:
    """Study B's mask: belief above mean + 2.54 SD of its training images, anywhere in the brain.

    Its probability is a logistic function of the belief that is 0.5 at the threshold; study B has none.
    """
    belief = _array(belief_map(_known(inputs.flair), _known(inputs.gm), inputs.brain))
    return _logistic(belief, BELIEF_THRESHOLD, BELIEF_WIDTH) * (_array(inputs.brain) > 0)


# --- Schmidt 2012 ----------------------------------------------------------------------------------------

KAPPA = 0.3  # Schmidt et al. 2012


def _lesion_growth(inputs: LesionInputs) -> Array:
    """Schmidt et al. 2012: seeds from the grey-matter belief map, grown towards their hyperintense surround."""
    tissues = np.stack([_array(_known(one)) for one in (inputs.csf, inputs.gm, inputs.wm)])
    brain = _array(inputs.brain) > 0
    return grow_lesions(_array(_known(inputs.flair)), tissues, _array(inputs.wm_prior), brain, KAPPA)


# --- weighted belief -------------------------------------------------------------------------------------

# nearer to the brain's edge there are no lesions; chosen by hand, as all below; not tuned
BRAIN_EDGE_MM = 4.0
PRIOR_SMOOTHING_MM = 1.0  # SD
RIM_MM = 1.0  # from a core, within which RIM_BELIEF is enough
RIM_BELIEF = 0.08  # belief at which a rim has probability 0.5
BELIEF_PER_MM = 0.20  # more belief needed for each further mm from a core
LONE_BELIEF = 0.40  # belief that is enough anywhere
LOGISTIC_WIDTH = 0.05  # slope of the probability; the mask at 0.5 does not depend on it


def weighted_belief(inputs: LesionInputs) -> Array:
    """Return the belief map weighed by where lesions of white matter can be.

    B times the square root of the template's white matter (smoothed by 1 mm; the root keeps the rim of the
    white matter, where juxtacortical and periventricular lesions are), 0 within 4 mm of the brain's edge.
    """
    size = nib.affines.voxel_sizes(inputs.brain.affine)
    edge = ndimage.distance_transform_edt(_array(inputs.brain) > 0, sampling=size)
    prior = np.clip(ndimage.gaussian_filter(_array(inputs.wm_prior), PRIOR_SMOOTHING_MM / size), 0, 1)
    belief = _array(belief_map(_known(inputs.flair), _known(inputs.gm), inputs.brain))
    return (belief * np.sqrt(prior) * (edge > BRAIN_EDGE_MM)).astype(np.float32)


def _weighted_belief(inputs: LesionInputs) -> Array:
    """Cores by lesion growth, their rims and lone bright spots by weighted belief.

    A voxel's probability rises with its weighted belief and falls with its distance from a core: it is 0.5 at
    a belief of 0.08 up to 1 mm from one, 0.20 more for each further mm, and no more than 0.40 anywhere; in
    a core it is at least that of lesion growth.
    """
    core = _lesion_growth(inputs)
    belief = weighted_belief(inputs)
    if (core >= 0.5).any():
        size = nib.affines.voxel_sizes(inputs.brain.affine)
        distance = ndimage.distance_transform_edt(core < 0.5, sampling=size)
    else:
        distance = np.full(core.shape, np.inf)
    needed = np.minimum(RIM_BELIEF + BELIEF_PER_MM * np.maximum(distance - RIM_MM, 0), LONE_BELIEF)
    return np.where(belief > 0, np.maximum(core, _logistic(belief, needed, LOGISTIC_WIDTH)), core)


# --- Demyelin --------------------------------------------------------------------------------------------

# chosen with a network before, as good for this one (training/README.md)
NETWORK_THRESHOLD = 0.4
NETWORK_PEAK = 0.7  # as the threshold


def network_lesions(inputs: LesionInputs, weights: Path | None = None) -> Array:
    """Return the probability of Demyelin's network.

    Parameters
    ----------
    inputs : LesionInputs
        The visit's images on one grid.
    weights : Path, optional
        Folder whose weights take the place of those that come with Demyelin.

    Returns
    -------
    ndarray, (x, y, z)
        0 to 1; 0 outside the brain.
    """
    return network_probability(inputs.flair, inputs.t1w, inputs.brain, weights)


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "belief-threshold",
            f"Study B: grey-matter belief above {BELIEF_THRESHOLD:.3f}, anywhere in the brain.",
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
            "weighted-belief",
            "Lesion growth's cores, with rims and lone bright spots by weighted belief.",
            _weighted_belief,
            {
                "kappa": KAPPA,
                "edge_mm": BRAIN_EDGE_MM,
                "rim_belief": RIM_BELIEF,
                "belief_per_mm": BELIEF_PER_MM,
                "lone_belief": LONE_BELIEF,
            },
        ),
        Method(
            "demyelin",
            "Demyelin: a 3D network that sees FLAIR, T1w and place, trained on synthetic scans of labelled heads and "
            "on patients whose lesions experts drew.",
            network_lesions,
            {"peak": NETWORK_PEAK},
            threshold=NETWORK_THRESHOLD,
            peak=NETWORK_PEAK,
            of_tissues=False,
        ),
    )
}

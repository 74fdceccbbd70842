"""What Demyelin's lesion classifier knows of a voxel: FLAIR and T1w at several scales, tissue and place."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bids_app.errors import VisitError

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

FEATURES = (
    "belief", "belief_1mm", "belief_2mm", "belief_max", "flair_1mm", "flair_4mm", "flair_local", "flair_noise",
    "flair_contrast", "flair_spot",
    "t1w_1mm", "t1w_2mm", "t1w_spot", "t1w_local", "t1w_contrast",
    "prior", "prior_1mm", "prior_3mm", "edge", "fluid_2mm", "fluid_5mm",
)  # fmt: skip
SURE_WM = 0.9
LIKELY_WM = 0.8
WM_RANGE = 0.25
LOCAL_MM = 10.0
FARTHEST_EDGE_MM = 15.0
FLUID = 0.6
CANDIDATE_PRIOR = 0.02
CANDIDATE_FLAIR = 0.03
MIN_VOXELS = 500
SURE_GM = 0.7
LEAST_CONTRAST = 0.03


def lesion_features(
    flair: Array, t1w: Array | None, brain: Mask, prior: Array, gm: Array
) -> tuple[Mask, Array]:
    """Return which voxels may be lesions, and what is known of each.

    Intensities are relative to white matter, x / m - 1 with m the median where the template's white matter is
    sure (0.9), and to grey matter (the belief map), so that neither the unit of an image nor much of its
    contrast matters. Means over Gaussian neighbourhoods leave out what is outside the brain.

    Parameters
    ----------
    flair : ndarray, (x, y, z)
        FLAIR on voxels of 1 mm, corrected for non-uniformity, any unit.
    t1w : ndarray, (x, y, z), or None
        T1w likewise; without one its features are NaN.
    brain : ndarray of bool, (x, y, z)
        Brain mask.
    prior : ndarray, (x, y, z)
        The template's probability of white matter, 0 to 1.
    gm : ndarray, (x, y, z)
        Probability of grey matter of this brain, 0 to 1.

    Returns
    -------
    where : ndarray of bool, (x, y, z)
        Candidates: brain near the template's white matter, brighter than its median on FLAIR by 3 %.
    features : ndarray, (n, 21), float32
        A row for each candidate, the columns of `FEATURES`.

    Raises
    ------
    VisitError
        If the brain has almost no white matter, or it is dark.
    """
    prior_1, prior_3 = (ndimage.gaussian_filter(prior, sigma) for sigma in (1.0, 3.0))
    weights = {s: np.maximum(_blur(brain.astype(np.float32), s), 1e-3) for s in (1.0, 2.0, 4.0)}
    bright = _Relative(flair, brain, prior, gm, weights, "FLAIR")
    where = brain & (prior_3 > CANDIDATE_PRIOR) & (bright.smooth[1.0] > CANDIDATE_FLAIR)
    edge = np.minimum(ndimage.distance_transform_edt(brain), FARTHEST_EDGE_MM)
    fluid = ((bright.raw < FLUID - 1) & brain).astype(np.float32)
    belief = (bright.smooth[1.0] - bright.grey) / (1 + bright.grey)
    columns = [
        (bright.raw - bright.grey) / (1 + bright.grey), belief,
        (bright.smooth[2.0] - bright.grey) / (1 + bright.grey), ndimage.maximum_filter(belief, 5),
        bright.smooth[1.0], bright.smooth[4.0], bright.local, bright.smooth[1.0] / bright.noise,
        bright.by_contrast, bright.spot,
    ]  # fmt: skip
    if t1w is None:
        columns += [np.full(flair.shape, np.nan, np.float32)] * 5
    else:
        dark = _Relative(t1w, brain, prior, gm, weights, "T1w")
        columns += [dark.smooth[1.0], dark.smooth[2.0], dark.spot, dark.local, dark.by_contrast]
    columns += [prior, prior_1, prior_3, edge, _blur(fluid, 2.0), _blur(fluid, 5.0)]
    return where, np.stack([column[where] for column in columns], axis=1).astype(np.float32)


def relative_to_white(image: Array, brain: Mask, prior: Array, gm: Array, name: str) -> tuple[Array, float]:
    """Return an image relative to white matter, and how bright grey matter is on that scale.

    Parameters
    ----------
    image : ndarray, (x, y, z)
        Any unit.
    brain, prior, gm
        As in `lesion_features`.
    name : str
        What the image is called in an error.

    Returns
    -------
    relative : ndarray, (x, y, z), float32
        x / m - 1 with m the median where the template's white matter is sure (0.9); 0 outside the brain.
    grey : float
        Median of grey matter in it.

    Raises
    ------
    VisitError
        If the brain has almost no white or grey matter, or white matter is dark.
    """
    sure = brain & (prior > SURE_WM)
    grey = brain & (gm >= SURE_GM)
    if min(sure.sum(), grey.sum()) < MIN_VOXELS:
        raise VisitError("lesions: the brain has almost no white or grey matter; look at the tissues")
    median = float(np.median(image[sure]))
    if median <= 0:
        raise VisitError(f"{name}: white matter is dark; look at the brain mask and the intensities")
    relative = np.where(brain, image / median - 1, 0).astype(np.float32)
    return relative, float(np.median(relative[grey]))


class _Relative:
    """An image relative to white matter: as it is, smoothed, against what is nearby, against grey matter."""

    def __init__(
        self, image: Array, brain: Mask, prior: Array, gm: Array, weights: dict[float, Array], name: str
    ) -> None:
        self.raw, self.grey = relative_to_white(image, brain, prior, gm, name)
        self.smooth = {sigma: _blur(self.raw, sigma) / weight for sigma, weight in weights.items()}
        low, high = np.percentile(self.raw[brain & (prior > SURE_WM)], [25, 75])
        self.noise = max(float(high - low) / 1.35, 0.01)
        step = np.sign(self.grey or 1) * max(abs(self.grey), LEAST_CONTRAST)
        self.by_contrast = self.smooth[1.0] / np.float32(step)
        self.spot = self.smooth[1.0] - self.smooth[4.0]
        likely = (brain & (prior > LIKELY_WM) & (np.abs(self.raw) < WM_RANGE)).astype(np.float32)
        around = _blur(self.raw * likely, LOCAL_MM) / np.maximum(_blur(likely, LOCAL_MM), 1e-3)
        self.local = (self.smooth[1.0] - around) / (1 + around)


def _blur(data: Array, sigma: float) -> Array:
    return ndimage.gaussian_filter(data, sigma, truncate=2.5, mode="constant")

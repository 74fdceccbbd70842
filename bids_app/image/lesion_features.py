"""What Demyelin's lesion classifier knows of a voxel: FLAIR and T1w at several scales, tissue and place."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bids_app.image.white_matter import LEAST_CONTRAST, Relative

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

FEATURES = (
    "belief", "belief_1mm", "belief_2mm", "belief_max", "flair_1mm", "flair_4mm", "flair_local", "flair_noise",
    "flair_contrast", "flair_spot",
    "t1w_1mm", "t1w_2mm", "t1w_spot", "t1w_local", "t1w_contrast",
    "prior", "prior_1mm", "prior_3mm", "edge", "fluid_2mm", "fluid_5mm",
)  # fmt: skip
# template's probability of white matter, chosen by hand; the trees were trained with this and all below
LIKELY_WM = 0.8
WM_RANGE = 0.25  # most that normal white matter differs from its median; chosen by hand, not tuned
LOCAL_MM = 10.0  # SD of the window of local white matter; chosen by hand, not tuned
FARTHEST_EDGE_MM = 15.0  # distance from the brain's edge beyond which it no longer matters; chosen by hand
FLUID_FLAIR = 0.6  # of white matter's median on FLAIR, below which a voxel counts as fluid; chosen by hand
CANDIDATE_PRIOR = 0.02  # smoothed prior below which no lesion is looked for; low, so that few are lost
CANDIDATE_FLAIR = 0.03  # least brightness over white matter; low, so that few lesions are lost


def lesion_features(flair: Relative, t1w: Relative | None, brain: Mask, prior: Array) -> tuple[Mask, Array]:
    """Return which voxels may be lesions, and what is known of each.

    Means over Gaussian neighbourhoods leave out what is outside the brain.

    Parameters
    ----------
    flair : Relative, (x, y, z)
        FLAIR relative to white matter, on voxels of 1 mm.
    t1w : Relative, (x, y, z), or None
        T1w likewise; without one its features are NaN.
    brain : ndarray of bool, (x, y, z)
        Brain mask.
    prior : ndarray, (x, y, z)
        The template's probability of white matter, 0 to 1.

    Returns
    -------
    where : ndarray of bool, (x, y, z)
        Candidates: brain near the template's white matter, brighter than its median on FLAIR by 3 %.
    features : ndarray, (n, 21), float32
        A row for each candidate, the columns of `FEATURES`.
    """
    prior_1, prior_3 = (ndimage.gaussian_filter(prior, sigma) for sigma in (1.0, 3.0))
    weights = {s: np.maximum(_blur(brain.astype(np.float32), s), 1e-3) for s in (1.0, 2.0, 4.0)}
    bright = _Neighbourhoods(flair, brain, prior, weights)
    where = brain & (prior_3 > CANDIDATE_PRIOR) & (bright.smooth[1.0] > CANDIDATE_FLAIR)
    columns = _of_flair(flair, bright, where)
    del bright  # whole images, of which only the candidates are kept
    if t1w is None:
        columns += [np.full(int(where.sum()), np.nan, np.float32)] * 5
    else:
        dark = _Neighbourhoods(t1w, brain, prior, weights)
        kept = (dark.smooth[1.0], dark.smooth[2.0], dark.spot, dark.local, dark.by_contrast)
        columns += [column[where] for column in kept]
    edge = np.minimum(ndimage.distance_transform_edt(brain), FARTHEST_EDGE_MM)
    fluid = ((flair.image < FLUID_FLAIR - 1) & brain).astype(np.float32)
    columns += [column[where] for column in (prior, prior_1, prior_3, edge)]
    columns += [_blur(fluid, sigma)[where] for sigma in (2.0, 5.0)]
    return where, np.stack(columns, axis=1).astype(np.float32)


def _of_flair(flair: Relative, bright: _Neighbourhoods, where: Mask) -> list[Array]:
    """Return the first ten features of the candidates."""
    belief = flair.above_grey(bright.smooth[1.0])
    return [
        flair.above_grey()[where],
        belief[where],
        flair.above_grey(bright.smooth[2.0])[where],
        ndimage.maximum_filter(belief, 5)[where],
        bright.smooth[1.0][where],
        bright.smooth[4.0][where],
        bright.local[where],
        bright.smooth[1.0][where] / bright.noise(),
        bright.by_contrast[where],
        bright.spot[where],
    ]


class _Neighbourhoods:
    """An image relative to white matter: smoothed, against what is nearby, against grey matter."""

    def __init__(self, one: Relative, brain: Mask, prior: Array, weights: dict[float, Array]) -> None:
        self._one = one
        self.smooth = {sigma: _blur(one.image, sigma) / weight for sigma, weight in weights.items()}
        step = np.sign(one.grey or 1) * max(abs(one.grey), LEAST_CONTRAST)
        self.by_contrast = self.smooth[1.0] / np.float32(step)
        self.spot = self.smooth[1.0] - self.smooth[4.0]
        likely = (brain & (prior > LIKELY_WM) & (np.abs(one.image) < WM_RANGE)).astype(np.float32)
        around = _blur(one.image * likely, LOCAL_MM) / np.maximum(_blur(likely, LOCAL_MM), 1e-3)
        self.local = (self.smooth[1.0] - around) / (1 + around)

    def noise(self) -> float:
        """Return the spread of white matter."""
        low, high = np.percentile(self._one.image[self._one.white], [25, 75])
        return max(float(high - low) / 1.35, 0.01)


def _blur(data: Array, sigma: float) -> Array:
    return ndimage.gaussian_filter(data, sigma, truncate=2.5, mode="constant")

"""Intensities relative to white matter and to grey matter, so that an image's unit does not matter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bids_app.errors import VisitError
from bids_app.image.belief import SURE_GM

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

SURE_WM = 0.9  # of the template's probability: away from the borders; chosen by hand, not tuned
# grey against white matter; less is not divided by. Chosen by hand; the classifiers were trained so
LEAST_CONTRAST = 0.03
MIN_TISSUE_VOXELS = 500  # fewer are refused; chosen by hand


@dataclass(frozen=True)
class Relative:
    """An image relative to white matter.

    Attributes
    ----------
    image : ndarray, (x, y, z), float32
        x / m - 1 with m the median of white matter; 0 outside the brain.
    grey : float
        Median of grey matter in it.
    white : ndarray of bool, (x, y, z)
        Where the template is sure of white matter.
    """

    image: Array
    grey: float
    white: Mask

    def above_grey(self, values: Array | None = None) -> Array:
        """Return values (the image's, or others on its scale) relative to grey matter: the belief map's scale."""
        return ((self.image if values is None else values) - self.grey) / (1 + self.grey)


def relative_to_white(image: Array, brain: Mask, prior: Array, gm: Array, name: str) -> Relative:
    """Bring an image to the scale on which white matter is 0.

    Parameters
    ----------
    image : ndarray, (x, y, z)
        Corrected for non-uniformity, any unit.
    brain : ndarray of bool, (x, y, z)
        Brain mask.
    prior : ndarray, (x, y, z)
        The template's probability of white matter, 0 to 1; white matter is where it is 0.9.
    gm : ndarray, (x, y, z)
        Probability of grey matter of this brain, 0 to 1; grey matter is where it is 0.7.
    name : str
        What the image is called in an error.

    Raises
    ------
    VisitError
        If the brain has almost no white or grey matter, or white matter is dark.
    """
    white = brain & (prior > SURE_WM)
    grey = brain & (gm >= SURE_GM)
    if min(white.sum(), grey.sum()) < MIN_TISSUE_VOXELS:
        raise VisitError("lesions: the brain has almost no white or grey matter; look at the tissues")
    median = float(np.median(image[white]))
    if median <= 0:
        raise VisitError(f"{name}: white matter is dark; look at the brain mask and the intensities")
    relative = np.where(brain, image / median - 1, 0).astype(np.float32)
    return Relative(relative, float(np.median(relative[grey])), white)

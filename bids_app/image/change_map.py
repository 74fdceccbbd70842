"""Where two FLAIRs of one head differ by more than their noise: a map of voxels, whatever the lesion masks say."""

from __future__ import annotations

import cc3d
import numpy as np
import numpy.typing as npt
from scipy import ndimage

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

BRIGHTER, DARKER = 1, 2  # values of the label image
VOXEL_LEVELS = {
    "Levels": {
        str(BRIGHTER): "The FLAIR became brighter.",
        str(DARKER): "The FLAIR became darker.",
        "0": "Neither.",
    }
}
SMOOTHING_MM = 0.7  # SD; a lesion of 10 mm3 is 2.7 mm wide
# Voxels join from 3 SD of the difference in white matter, where one of them reaches 5 SD (hysteresis). Chosen for F1 on
# one real pair, scored on another: see docs/methods.md.
JOINING_SD, SEED_SD = 3.0, 5.0
LEAST_JOINING = 0.1  # of white matter's brightness: less is no lesion, however little noise there is
LEAST_CHANGED_MM3 = 10.0  # three of the smallest lesions segmented


def change_map(
    difference: Array, white: Mask, lesions: Mask, size: npt.NDArray[np.float64]
) -> npt.NDArray[np.uint8]:
    """Return where the later FLAIR is brighter or darker than the earlier one.

    Parameters
    ----------
    difference : ndarray, (x, y, z)
        Later minus earlier FLAIR on one grid, intensities matched, over white matter's.
    white : ndarray of bool, (x, y, z)
        White matter at both visits, lesions not counted.
    lesions : ndarray of bool, (x, y, z)
        Lesions of either visit.
    size : ndarray, (3,)
        Edges of a voxel in mm.

    Returns
    -------
    ndarray, (x, y, z), uint8
        `BRIGHTER` or `DARKER` in lesions and white matter away from its border, else 0.
    """
    found = np.zeros(difference.shape, np.uint8)
    if not white.any():
        return found
    smooth = ndimage.gaussian_filter(difference, SMOOTHING_MM / size)
    noise = 1.4826 * float(np.median(np.abs(smooth[white] - np.median(smooth[white]))))
    joining = max(JOINING_SD * noise, LEAST_JOINING)
    inside = ndimage.binary_erosion(white | lesions) | lesions
    for value, signed in ((BRIGHTER, smooth), (DARKER, -smooth)):
        pieces = cc3d.connected_components(inside & (signed >= joining), connectivity=26)
        counts = np.bincount(pieces.ravel())
        kept = counts * np.prod(size) >= LEAST_CHANGED_MM3
        seeded = np.zeros_like(kept)
        seeded[np.unique(pieces[inside & (signed >= joining * SEED_SD / JOINING_SD)])] = True
        kept &= seeded
        kept[0] = False
        found[kept[pieces]] = value
    return found

"""How noisy an image is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

MAD_OF_NORMAL = 0.6745  # median absolute deviation of a standard normal number (Donoho and Johnstone 1994)


def noise_share(data: Array, where: npt.NDArray[np.bool_]) -> float:
    """Return the standard deviation of noise as a share of the median intensity.

    From the median absolute value of the differences along all three axes at once, Haar's finest diagonal
    wavelet (Donoho and Johnstone 1994).

    Parameters
    ----------
    data : ndarray, (x, y, z)
        Any unit.
    where : ndarray of bool, (x, y, z)
        Where both are measured: white matter, or a head.
    """
    finest = data
    for axis in range(3):
        finest = np.diff(finest, axis=axis, append=0) / np.sqrt(2)
    median = float(np.median(data[where])) if where.any() else 0.0
    return float(np.median(np.abs(finest[where]))) / MAD_OF_NORMAL / median if median > 0 else 0.0

"""Undecimated wavelet transform of a box of an image, equal to PyWavelets' `swtn` on the whole image.

One level of the stationary transform (Nason and Silverman 1995) filters each axis with a short kernel. Only the box and
half a kernel around it matter, and the image continues periodically beyond its edges; an odd axis is first made even
by repeating its first plane at the end, as pyradiomics does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from bids_app.features.radiomics.regions import Box

STRETCH = 256  # columns filtered at a time, so that they stay in the processor's cache


def _periodic(length: int, start: int, stop: int) -> npt.NDArray[np.int64]:
    """Return the indices start..stop - 1 of the periodic continuation of an axis."""
    index = np.arange(start, stop) % (length + length % 2)
    return np.where(index == length, 0, index)


def _kernels(wavelet: str, dtype: type) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    """Return the low- and high-pass kernels as PyWavelets uses them: its single-precision table is its own."""
    import pywt

    taps = len(pywt.Wavelet(wavelet).dec_lo)
    impulse: npt.NDArray[np.floating] = np.zeros(4 * taps, dtype)
    impulse[2 * taps] = 1
    start = 2 * taps - taps // 2
    low, high = (part[start : start + taps] for part in pywt.swt(impulse, wavelet, level=1)[0])
    return low, high


def _tap_order(length: int, start: int, stop: int, taps: int) -> npt.NDArray[np.int64]:
    """Return for each output along an axis the order in which PyWavelets adds the taps, (stop - start, taps).

    Ascending; but taps that reach beyond the end of the axis come first, in descending order. The order decides on the
    last bit, and so on the sign of a coefficient that should be 0.
    """
    beyond = np.arange(start, stop)[:, None] + taps // 2 - (length + length % 2)
    tap = np.broadcast_to(np.arange(taps), (stop - start, taps))
    return np.where(tap <= beyond, beyond - tap, tap)


@numba.njit(nogil=True, cache=True)
def _along_x(data, low, high, order):
    """Filter along the last axis with both kernels; the axis gets shorter by a kernel less one."""
    taps = low.size
    shape = (data.shape[0], data.shape[1], data.shape[2] - taps + 1)
    a, d = np.zeros(shape, data.dtype), np.zeros(shape, data.dtype)
    ascending = shape[2]
    while ascending > 0 and order[ascending - 1, 0] > 0:
        ascending -= 1
    for z in range(shape[0]):
        for y in range(shape[1]):
            for j in range(taps):
                f, g, first = low[j], high[j], taps - 1 - j
                for x in range(ascending):
                    a[z, y, x] += f * data[z, y, first + x]
                    d[z, y, x] += g * data[z, y, first + x]
            for x in range(ascending, shape[2]):
                for j in order[x]:
                    a[z, y, x] += low[j] * data[z, y, x + taps - 1 - j]
                    d[z, y, x] += high[j] * data[z, y, x + taps - 1 - j]
    return a, d


@numba.njit(nogil=True, cache=True)
def _across_rows(data, low, high, order):
    """Filter along the middle axis with both kernels, a stretch of columns at a time to stay in the cache."""
    taps = low.size
    shape = (data.shape[0], data.shape[1] - taps + 1, data.shape[2])
    a, d = np.zeros(shape, data.dtype), np.zeros(shape, data.dtype)
    for z in range(shape[0]):
        for start in range(0, shape[2], STRETCH):
            stop = min(start + STRETCH, shape[2])
            for y in range(shape[1]):
                for j in order[y]:
                    f, g, row = low[j], high[j], y + taps - 1 - j
                    for x in range(start, stop):
                        a[z, y, x] += f * data[z, row, x]
                        d[z, y, x] += g * data[z, row, x]
    return a, d


def _along_z(
    data: npt.NDArray[np.floating],
    low: npt.NDArray[np.floating],
    high: npt.NDArray[np.floating],
    order: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    """Filter along the first axis with both kernels: rows of a volume seen as one slice."""
    slices, height, width = data.shape
    a, d = _across_rows(data.reshape(1, slices, height * width), low, high, order)
    return a.reshape(-1, height, width), d.reshape(-1, height, width)


def stationary_wavelet(
    image: npt.NDArray[np.generic], box: Box, wavelet: str = "coif1"
) -> dict[str, npt.NDArray[np.floating]]:
    """Transform an image and return the eight subbands inside a box.

    Parameters
    ----------
    image : ndarray, (z, y, x)
    box : tuple of slices
        Part of the image that is wanted.
    wavelet : str
        Name of a discrete wavelet.

    Returns
    -------
    dict of str to ndarray, the box's shape
        Subbands `LLH`, `LHL`, ..., `LLL` in pyradiomics' order; the letters stand for the axes x, y, z.
        Single precision for single-precision images, else double, as PyWavelets.
    """
    dtype = np.float32 if image.dtype == np.float32 else np.float64
    low, high = _kernels(wavelet, dtype)
    after = low.size // 2
    before = low.size - 1 - after
    sides = list(zip(image.shape, box, strict=True))
    around = [_periodic(n, s.start - before, s.stop + after) for n, s in sides]
    orders = [_tap_order(n, s.start, s.stop, low.size) for n, s in sides]
    bands: dict[str, npt.NDArray[np.floating]] = {"": np.ascontiguousarray(image[np.ix_(*around)], dtype)}
    filters: tuple[Callable[..., Any], ...] = (_along_x, _across_rows, _along_z)
    for along, order in zip(filters, reversed(orders), strict=True):
        bands = {
            name + letter: band
            for name, parent in bands.items()
            for letter, band in zip("LH", along(parent, low, high, order), strict=True)
        }
    return {name: bands[name] for name in [*list(bands)[1:], "LLL"]}

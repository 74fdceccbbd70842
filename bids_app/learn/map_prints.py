"""Fingerprints of belief maps, by which the same scan is known again: under another name or in another cohort."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bids_app.learn.fingerprints import kept_whole

Prints = npt.NDArray[np.uint8]

BITS = 512  # 64 bytes a scan; how far such prints tell scans apart stands at SAME
VALUES = 8192  # of a scan's values, evenly spaced, that enter its fingerprint
SAME = 6  # bits: two scans correlated at .9999 differ in 2 of 512 on average, at .99 in 23 (SD 5)


def fingerprints(rows: npt.NDArray[np.floating]) -> Prints:
    """Return the fingerprint of each scan: the signs of fixed random projections, one bit each.

    Two scans whose values correlate at r differ in a share arccos(r) / pi of the bits, on average, so rounding,
    another header or another scale hardly change a fingerprint. No map can be made from it.

    Parameters
    ----------
    rows : ndarray, shape (n, v)
        Values of each scan in one order, e.g. belief at the brain voxels.

    Returns
    -------
    ndarray of uint8, shape (n, 64)

    References
    ----------
    Charikar, Proc 34th ACM Symposium on Theory of Computing 2002, 380.
    """
    n, v = rows.shape
    chosen = np.unique(np.linspace(0, v - 1, min(v, VALUES)).astype(np.intp))
    projections = np.random.default_rng([BITS, len(chosen)]).standard_normal((len(chosen), BITS))
    bits = np.empty((n, BITS), bool)
    for k in range(n):
        values = np.asarray(rows[k], np.float64)[chosen]
        bits[k] = (values - values.mean()) @ projections > 0
    return np.packbits(bits, axis=1)


def bits_apart(a: Prints, b: Prints) -> npt.NDArray[np.intp]:
    """Return in how many bits fingerprints differ, (n_a, 64), (n_b, 64) -> (n_a, n_b)."""
    left, right = (np.unpackbits(x, axis=1).astype(np.float32) * 2 - 1 for x in (a, b))
    return np.rint((BITS - left @ right.T) / 2).astype(np.intp)


def copies(prints: Prints) -> npt.NDArray[np.intp]:
    """Return the number of the first scan that each scan is a copy of, (n,); its own where it is none.

    Parameters
    ----------
    prints : ndarray, shape (n, 64)
        Of `fingerprints`.
    """
    close = np.triu(bits_apart(prints, prints) <= SAME, 1)
    return kept_whole(np.arange(len(prints)), [(int(i), int(j)) for i, j in np.argwhere(close)])


def to_text(prints: Prints) -> list[str]:
    """Return fingerprints as hexadecimal text, for a card."""
    return [bytes(row).hex() for row in prints]


def from_text(texts: Sequence[str]) -> Prints:
    """Return fingerprints from their text.

    Raises
    ------
    ValueError
        If a text is not one of a fingerprint.
    """
    rows = [np.frombuffer(bytes.fromhex(text), np.uint8) for text in texts]
    if any(len(row) != BITS // 8 for row in rows):
        raise ValueError(f"a fingerprint has {BITS} bits")
    return np.array(rows, np.uint8).reshape(len(rows), BITS // 8)

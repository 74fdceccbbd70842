"""How well a lesion mask agrees with a truth: the measures that the field's challenges use."""

from __future__ import annotations

import cc3d
import numpy as np
from scipy import ndimage

OVERLAP = 0.1


def scores(found: np.ndarray, truth: np.ndarray, size: np.ndarray) -> dict[str, float]:
    """Return what `overlap_scores` returns, and the 95 % Hausdorff distance in mm."""
    return overlap_scores(found, truth, size) | {"hd95_mm": _hausdorff(found, truth, size)}


def overlap_scores(found: np.ndarray, truth: np.ndarray, size: np.ndarray) -> dict[str, float]:
    """Return Dice, lesion-wise F1, recall and precision, volumes in mL and volume error.

    A true lesion (26-connected) is found when a tenth of it is in the mask; a lesion of the mask is true when
    a tenth of it is in the truth.
    """
    millilitre = float(np.prod(size)) / 1000
    volume, true_volume = found.sum() * millilitre, truth.sum() * millilitre
    recall, precision = _hit(truth, found), _hit(found, truth)
    total = recall + precision
    return {
        "dice": float(2 * (found & truth).sum() / max(found.sum() + truth.sum(), 1)),
        "lesion_f1": 2 * recall * precision / total if total > 0 else 0.0,
        "recall": recall,
        "precision": precision,
        "volume_ml": float(volume),
        "true_ml": float(true_volume),
        "volume_error": float(abs(volume - true_volume) / true_volume) if true_volume else np.nan,
    }


def _hit(mask: np.ndarray, other: np.ndarray) -> float:
    """Return the share of a mask's lesions of which at least a tenth is in the other mask."""
    labels, count = cc3d.connected_components(mask, connectivity=26, return_N=True)
    if not count:
        return 0.0
    share = ndimage.mean(other, labels, np.arange(1, count + 1))
    return float((share >= OVERLAP).mean())


def _hausdorff(found: np.ndarray, truth: np.ndarray, size: np.ndarray) -> float:
    """Return the 95th percentile of the distances between the two surfaces, the larger of both ways."""
    if not found.any() or not truth.any():
        return float("nan")
    box = ndimage.find_objects((found | truth).astype(np.uint8))[0]
    edges = [mask[box] & ~ndimage.binary_erosion(mask[box]) for mask in (found, truth)]
    away = [ndimage.distance_transform_edt(~edge, sampling=size) for edge in edges]
    return float(max(np.percentile(away[1][edges[0]], 95), np.percentile(away[0][edges[1]], 95)))

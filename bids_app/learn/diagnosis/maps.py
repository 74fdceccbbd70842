"""Study B's maps: lesion frequency per class, signed chi-square, the voxels that were selected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.learn.diagnosis.engine import chi2_rank
from bids_app.spelling import percent

MIN_CLUSTER = 5  # voxels of 27 mm3


def frequency(maps: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Return the share of scans with a lesion at each voxel (Fig 1 A, B)."""
    return maps.mean(axis=0, dtype=np.float64).astype(np.float32)


def signed_chi2(
    maps: npt.NDArray[np.bool_], y: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return chi-square, positive where lesions are more frequent in the true class (Fig 1 C), and q values.

    Parameters
    ----------
    maps : ndarray of bool, shape (n, n_voxels)
        Lesion maps.
    y : ndarray of bool, shape (n,)
        Scans of the class whose lesions count as positive.

    Returns
    -------
    signed : ndarray of float32, shape (n_voxels,)
        Chi-square with the sign of the difference in frequency.
    q : ndarray of float32, shape (n_voxels,)
        By Benjamini and Hochberg over voxels where any scan has a lesion; 1 elsewhere. Scans of one patient
        are not independent: with several per patient q is too small, and the map is a description.
    """
    from scipy.stats import chi2, false_discovery_control

    statistic, _ = chi2_rank(maps, y)
    sign = np.sign(frequency(maps[y]).astype(float) - frequency(maps[~y]))
    q = np.ones_like(statistic)
    seen = maps.any(axis=0)
    if seen.any():
        q[seen] = false_discovery_control(chi2.sf(statistic[seen], 1))
    return (sign * statistic).astype(np.float32), q.astype(np.float32)


def selection_depth(order: npt.NDArray[np.intp], sizes: Sequence[int]) -> npt.NDArray[np.int32]:
    """Return, per voxel, the smallest number of voxels at which it is selected (Figs 3, 5); 0 where never."""
    depth = np.zeros(len(order), np.int32)
    for size in sorted(sizes, reverse=True):
        depth[order[:size]] = size
    return depth


@dataclass(frozen=True)
class Regions:
    """Atlas regions on a grid of maps, grown to the nearest voxels outside any region.

    Attributes
    ----------
    nearest : ndarray of int, shape of the grid
        Label of the nearest region.
    distance : ndarray, shape of the grid
        Distance to it in mm; 0 inside.
    names : mapping of label to name
        Region names.
    """

    nearest: npt.NDArray[np.integer]
    distance: npt.NDArray[np.float64]
    names: Mapping[int, str]

    @classmethod
    def of(cls, labels: nib.Nifti1Image, names: Mapping[int, str]) -> Regions:
        """Grow the labels of an atlas image."""
        from scipy.ndimage import distance_transform_edt

        values, size = np.asarray(labels.dataobj), nib.affines.voxel_sizes(labels.affine)
        distance, index = distance_transform_edt(values == 0, sampling=size, return_indices=True)
        return cls(values[tuple(index)], distance, names)


def atlas_regions(mask: npt.NDArray[np.bool_], affine: npt.NDArray[np.float64]) -> Regions:
    """Return AAL on the grid of a brain mask (x, y, z) in template space."""
    from bids_app.image.atlas import load_atlas
    from bids_app.image.volume import resample

    atlas = load_atlas()
    names = dict(zip(atlas.regions["index"], atlas.regions["name"], strict=True))
    return Regions.of(resample(atlas.image, nib.Nifti1Image(mask.astype(np.uint8), affine), order=0), names)


def clusters(
    signed: nib.Nifti1Image,
    q: npt.NDArray[np.floating],
    regions: Regions,
    classes: tuple[str, str],
    alpha: float = 0.05,
) -> pd.DataFrame:
    """Return clusters of significant voxels with atlas labels, highest peak first.

    Parameters
    ----------
    signed : Nifti1Image
        Signed chi-square.
    q : ndarray, shape of `signed`
        False discovery rate.
    regions : Regions
        Atlas on the grid of `signed`.
    classes : (str, str)
        Class of positive and of negative voxels.
    alpha : float
        Voxels with q below it count; clusters (26-connected) of at least five voxels.

    Returns
    -------
    DataFrame
        Columns cluster, more_in, n_voxels, volume_mm3, peak_chi2, x, y, z (peak, template mm), nearest_region and
        distance_mm (from the peak), regions (share of the cluster nearest to each region, the three largest).
    """
    from scipy.ndimage import label

    values, rows = np.asarray(signed.dataobj), []
    for direction, name in ((1, classes[0]), (-1, classes[1])):
        numbered, n = label((q < alpha) & (values * direction > 0), np.ones((3, 3, 3)))
        for k in range(1, n + 1):
            where = np.argwhere(numbered == k)
            if len(where) >= MIN_CLUSTER:
                rows.append({"more_in": name} | _cluster(where, signed, regions))
    columns = ["more_in", "n_voxels", "volume_mm3", "peak_chi2", "x", "y", "z"]
    table = pd.DataFrame(rows, columns=[*columns, "nearest_region", "distance_mm", "regions"])
    table = table.sort_values("peak_chi2", ascending=False, ignore_index=True, kind="stable")
    table.insert(0, "cluster", np.arange(1, len(table) + 1))
    return table


def _cluster(where: npt.NDArray[np.intp], signed: nib.Nifti1Image, regions: Regions) -> dict[str, object]:
    """Describe one cluster of voxels (n, 3)."""
    strength = np.abs(np.asarray(signed.dataobj)[tuple(where.T)])
    peak = where[np.argmax(strength)]
    x, y, z = np.round(nib.affines.apply_affine(signed.affine, peak), 1)
    found = pd.Series(regions.nearest[tuple(where.T)]).map(lambda r: regions.names[int(r)])
    shares = found.value_counts(normalize=True)[:3]
    return {
        "n_voxels": len(where),
        "volume_mm3": len(where) * abs(np.linalg.det(signed.affine[:3, :3])),
        "peak_chi2": float(strength.max()),
        "x": x,
        "y": y,
        "z": z,
        "nearest_region": regions.names[int(regions.nearest[tuple(peak)])],
        "distance_mm": round(float(regions.distance[tuple(peak)]), 1),
        "regions": ", ".join(f"{region} {percent(share)}" for region, share in shares.items()),
    }

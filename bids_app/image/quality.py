"""Quality numbers of a visit, and which of them ask for a look."""

from __future__ import annotations

from collections.abc import Mapping

import nibabel as nib
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]

COLUMNS: dict[str, dict[str, object]] = {
    "snr_t1w_wm": {"Description": "T1w signal-to-noise ratio: mean / SD of white matter."},
    "snr_t1w_gm": {"Description": "T1w signal-to-noise ratio: mean / SD of grey matter."},
    "cnr_t1w": {"Description": "T1w contrast-to-noise ratio: |mean WM - mean GM| / sqrt(var WM + var GM)."},
    "snr_flair_wm": {"Description": "FLAIR signal-to-noise ratio: mean / SD of white matter."},
    "cnr_flair": {
        "Description": "FLAIR contrast-to-noise ratio: |mean WM - mean GM| / sqrt(var WM + var GM)."
    },
    "flair_slice_outlier": {
        "Description": "FLAIR: largest jump of mean brain intensity between a slice and its two neighbours, in "
        "robust SDs of all such jumps (stripes, dropped slices)."
    },
    "brain_volume_ml": {"Description": "Volume of the brain mask.", "Units": "mL"},
    "template_correlation": {
        "Description": "Correlation of the registered image and the template in the brain."
    },
    "lesion_volume_ml": {"Description": "Total lesion volume.", "Units": "mL"},
    "lesion_count": {"Description": "Number of lesions."},
    "skull_stripped": {"Description": "Whether the image came without a skull (1) or not (0)."},
    "flags": {
        "Description": "Numbers outside the range in which most visits lie, separated by commas; n/a if none."
    },
}

USUAL: dict[str, tuple[float, float]] = {
    "snr_t1w_wm": (5.0, np.inf),
    "cnr_t1w": (0.8, np.inf),
    "snr_flair_wm": (4.0, np.inf),
    "flair_slice_outlier": (-np.inf, 20.0),
    "brain_volume_ml": (950.0, 2000.0),
    "template_correlation": (0.45, 1.0),
    "lesion_volume_ml": (0.0, 80.0),
}


def contrast(
    image: nib.Nifti1Image, labels: nib.Nifti1Image, lesions: nib.Nifti1Image
) -> tuple[float, float, float]:
    """Return an image's SNR in white matter, SNR in grey matter, and CNR between them.

    As MRIQC defines them (Esteban et al. 2017, doi:10.1371/journal.pone.0184661), without the part of air
    in the noise, which skull-stripped and defaced images lack.

    Parameters
    ----------
    image : Nifti1Image, (x, y, z)
        T1w or FLAIR corrected for non-uniformity.
    labels : Nifti1Image, (x, y, z)
        1 GM, 2 WM, 3 CSF.
    lesions : Nifti1Image, (x, y, z)
        Mask of voxels left out.
    """
    data = np.asarray(image.dataobj, dtype=np.float64)
    tissue, sound = np.asanyarray(labels.dataobj), np.asanyarray(lesions.dataobj) == 0
    wm, gm = data[(tissue == 2) & sound], data[(tissue == 1) & sound]
    spread_wm, spread_gm = wm.std(ddof=1), gm.std(ddof=1)
    cnr = abs(wm.mean() - gm.mean()) / np.hypot(spread_wm, spread_gm)
    return float(wm.mean() / spread_wm), float(gm.mean() / spread_gm), float(cnr)


def slice_outlier(scan: nib.Nifti1Image) -> float:
    """Return the largest jump of mean foreground intensity along the axis of slices, in robust SDs.

    Parameters
    ----------
    scan : Nifti1Image, (x, y, z)
        Image as acquired; its slices lie across the axis of its largest voxel edge.
    """
    data = np.asarray(scan.dataobj, dtype=np.float64)
    axis = int(np.argmax(nib.affines.voxel_sizes(scan.affine)))
    data = np.moveaxis(data, axis, 0).reshape(data.shape[axis], -1)
    inside = data > 0.2 * np.percentile(data, 99)
    enough = inside.sum(axis=1) > 0.25 * inside.sum(axis=1).max()
    sums = np.where(inside, data, 0).sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
    profile = sums[enough]
    if profile.size < 5:
        return 0.0
    jumps = profile[1:-1] - (profile[:-2] + profile[2:]) / 2
    spread = 1.4826 * np.median(np.abs(jumps - np.median(jumps)))
    return float(np.abs(jumps).max() / max(spread, 1e-3 * profile.mean()))


def flags(numbers: Mapping[str, float]) -> list[str]:
    """Return the names of numbers outside `USUAL`; a missing number is not flagged."""
    found = []
    for name, (low, high) in USUAL.items():
        value = numbers.get(name)
        if value is not None and np.isfinite(value) and not low <= value <= high:
            found.append(name)
    return found

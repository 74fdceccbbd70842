"""How well images and masks do: contrast, noise, damaged slices, agreement."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import numpy.typing as npt

from bids_app.image.noise import noise_share

Mask = npt.NDArray[np.bool_]

BINS = 64  # of each axis of the joint histogram; chosen by hand
FOREGROUND = 0.3  # share of the 98th percentile below which air and its noise lie; chosen by hand


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


def scan_noise(scan: nib.Nifti1Image) -> float:
    """Return the standard deviation of a scan's noise as a share of the foreground's median intensity.

    Parameters
    ----------
    scan : Nifti1Image, (x, y, z)
        Raw: interpolation smooths noise away. Its foreground is what has 0.3 of the 98th percentile.
    """
    data = np.asarray(scan.dataobj, dtype=np.float32)
    return noise_share(data, data > FOREGROUND * np.percentile(data, 98))


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
    enough = np.flatnonzero(inside.sum(axis=1) > 0.25 * inside.sum(axis=1).max())
    sums = np.where(inside, data, 0).sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
    profile = sums[enough[0] : enough[-1] + 1]  # an empty slice between full ones was dropped
    if profile.size < 5:
        return 0.0
    jumps = profile[1:-1] - (profile[:-2] + profile[2:]) / 2
    spread = 1.4826 * np.median(np.abs(jumps - np.median(jumps)))
    return float(np.abs(jumps).max() / max(spread, 1e-3 * profile.mean()))


def mutual_information(one: nib.Nifti1Image, other: nib.Nifti1Image, mask: nib.Nifti1Image) -> float:
    """Return the normalised mutual information of two images in a mask, 1 (unrelated) to 2 (one determines the other).

    (H(A) + H(B)) / H(A, B) of Studholme et al. 1999 (Pattern Recognit 32:71), of 64 bins between the 1st and 99th
    percentile of each image, so that a few bright voxels do not squeeze the rest into one bin.

    Parameters
    ----------
    one, other : Nifti1Image, (x, y, z)
        Aligned images on one grid.
    mask : Nifti1Image, (x, y, z)
        Where to look.
    """
    inside = np.asanyarray(mask.dataobj) > 0
    values = [np.asarray(image.dataobj, dtype=np.float64)[inside] for image in (one, other)]
    if not inside.any():
        return float("nan")
    cut = [np.clip(v, *np.percentile(v, (1, 99))) for v in values]
    joint = np.histogram2d(cut[0], cut[1], bins=BINS)[0]

    def entropy(counts: npt.NDArray[np.float64]) -> float:
        share = counts[counts > 0] / counts.sum()
        return float(-(share * np.log(share)).sum())

    both = entropy(joint)
    return (entropy(joint.sum(axis=0)) + entropy(joint.sum(axis=1))) / both if both > 0 else float("nan")


def compare_masks(one: nib.Nifti1Image, other: nib.Nifti1Image) -> tuple[float, float]:
    """Return the Dice of two masks on one grid (1 where both are empty) and the first's volume minus the second's.

    Parameters
    ----------
    one, other : Nifti1Image, (x, y, z)
        Masks; above 0 is lesion.

    Returns
    -------
    tuple of float
        Dice, 0 to 1; volume difference in mL.
    """
    a, b = np.asanyarray(one.dataobj) > 0, np.asanyarray(other.dataobj) > 0
    total = int(a.sum()) + int(b.sum())
    voxel = float(abs(np.linalg.det(one.affine[:3, :3]))) / 1000
    dice = 2 * int((a & b).sum()) / total if total else 1.0
    return dice, (int(a.sum()) - int(b.sum())) * voxel

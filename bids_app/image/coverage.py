"""How much of the brain a FLAIR shows, and whether it can be of the same head as the T1w."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np

from bids_app.errors import VisitError
from bids_app.image.quality_measures import mutual_information
from bids_app.spelling import percent

WHOLE = (
    0.98  # of the brain mask: what is missing of a whole one is its uncertain rim and the lowest brainstem
)
LEAST_OVERLAP = 0.1  # below, there is nothing to align
# Correlation of aligned images in the brain: 0.65 and 0.70 in two real pairs (nine had 0.52 to 0.70 before
# correction for non-uniformity), 0.88 in the phantom; 0.93 of T1w images of two visits, 1.00 of a copy.
COPY = 0.98
SAME_CONTRAST = 0.9  # above the phantom, below two visits
# Mutual information of FLAIR and T1w beyond that of the same voxels shuffled (0.001 to 0.003), in the brain, at 2 mm:
# 0.040 to 0.074 in ten real pairs of two scanners, 0.037 in one with noise of 0.3 of the intensity, 0.063 with half its
# field of view; up to 0.005 in 18 with the FLAIR upside down or back to front; 0.004 to 0.015 in 12 with the FLAIR of
# another head, most where slices are 6 mm thick or more.
LEAST_SHARED = 0.02
SHOWN_WITHOUT_FLAIR = 0.0  # share of the brain in a FLAIR that is not there
# of seven patients' lesions, 26 % (5 to 42 %) are found; Dice .37 (training/README.md)
BY_T1W = "There is no FLAIR: lesions are those that the T1w image shows, about a quarter of them, most of them large."
FAR_MM = 100.0  # between the centres of two fields of view of one head in one session


def share_seen(seen: nib.Nifti1Image, brain: nib.Nifti1Image) -> float:
    """Return the share of a brain mask inside a field of view.

    Parameters
    ----------
    seen : Nifti1Image, (x, y, z)
        1 inside the field of view, on the grid of `brain`.
    brain : Nifti1Image, (x, y, z)
        Mask.
    """
    inside = np.asanyarray(brain.dataobj) > 0
    return float((np.asanyarray(seen.dataobj)[inside] > 0.5).mean()) if inside.any() else 0.0


def shared_information(
    flair: nib.Nifti1Image, t1w: nib.Nifti1Image, where: nib.Nifti1Image, seed: int
) -> float:
    """Return how much two aligned images tell of each other, beyond what as many voxels do by chance.

    The normalised mutual information (see `quality_measures.mutual_information`) minus that of the FLAIR's voxels in
    random order: few voxels in many bins seem to share information, which would hide a wrong pair in a small field of
    view.

    Parameters
    ----------
    flair, t1w, where : Nifti1Image, (x, y, z)
        Aligned, on one grid; `where` is a mask.
    seed : int
        Of the random order.

    Returns
    -------
    float
        About 0 for unrelated images.
    """
    inside = np.asanyarray(where.dataobj) > 0
    shuffled = np.array(flair.dataobj, dtype=np.float64)
    shuffled[inside] = np.random.default_rng(seed).permutation(shuffled[inside])
    by_chance = mutual_information(nib.Nifti1Image(shuffled, flair.affine), t1w, where)
    return mutual_information(flair, t1w, where) - by_chance


def distance(one: nib.Nifti1Image, other: nib.Nifti1Image) -> float:
    """Return how far the centres of two fields of view are from each other, in mm, by their headers."""
    centres = [
        nib.affines.apply_affine(image.affine, (np.asarray(image.shape[:3]) - 1) / 2)
        for image in (one, other)
    ]
    return float(np.linalg.norm(centres[0] - centres[1]))


def check_share(name: str, share: float) -> None:
    """Refuse a FLAIR that shows hardly any of the brain.

    Parameters
    ----------
    name : str
        Of the FLAIR's file.
    share : float
        From `share_seen`.

    Raises
    ------
    VisitError
        If so.
    """
    if share < LEAST_OVERLAP:
        raise VisitError(
            f"{name}: shows {percent(share)} of the brain in the T1w image; is it of this visit, and of the head?"
        )


def check_contrast(
    name: str, flair: nib.Nifti1Image, t1w: nib.Nifti1Image, where: nib.Nifti1Image
) -> list[str]:
    """Refuse a FLAIR that the T1w image is a copy of; note one that looks like another T1w image.

    Parameters
    ----------
    name : str
        Of the FLAIR's file.
    flair, t1w, where : Nifti1Image, (x, y, z)
        Aligned, corrected for non-uniformity, on one grid; `where` is a mask.

    Returns
    -------
    list of str
        The note, if any.

    Raises
    ------
    VisitError
        If so.
    """
    inside = np.asanyarray(where.dataobj) > 0
    values = [np.asarray(image.dataobj, dtype=np.float64)[inside] for image in (flair, t1w)]
    alike = np.corrcoef(values[0], values[1])[0, 1] if min(np.ptp(value) for value in values) > 0 else 0.0
    if alike > COPY:
        raise VisitError(f"{name}: the T1w image is a copy of it; put the right images in their places")
    if alike > SAME_CONTRAST:
        return [f"{name}: has nearly the contrast of the T1w image (correlation {alike:.2f}): is it a FLAIR?"]
    return []


def check_shared(name: str, shared: float) -> None:
    """Refuse a FLAIR that does not match the T1w image after alignment.

    Parameters
    ----------
    name : str
        Of the FLAIR's file.
    shared : float
        From `shared_information`.

    Raises
    ------
    VisitError
        If so.
    """
    if shared < LEAST_SHARED:
        raise VisitError(
            f"{name}: does not match the T1w image once aligned (mutual information {shared:.3f} beyond chance, "
            f"{LEAST_SHARED:g} at least in images of one head): is it of this visit, a FLAIR, and the right way up?"
        )


def remarks(name: str, share: float, millimetres: float) -> list[str]:
    """Tell a visit's report of a FLAIR that shows a part of the brain, or lies far away by its header.

    Parameters
    ----------
    name : str
        Of the FLAIR's file.
    share : float
        From `share_seen`.
    millimetres : float
        From `distance`.
    """
    notes = []
    if share < WHOLE:
        notes.append(
            f"{name}: shows {percent(share)} of the brain; outside its field of view lesions are unknown, so that "
            "their number, volume and disconnection are lower bounds"
        )
    if millimetres > FAR_MM:
        notes.append(
            f"{name}: lies {millimetres:.0f} mm from the T1w image by its header; look at the alignment"
        )
    return notes


def about(share: float | None) -> dict[str, Any]:
    """Return what the sidecar of a lesion mask, and of what is measured with it, says of the FLAIR's field of view."""
    if share is None:
        return {}
    said: dict[str, Any] = {"FlairCoverage": round(share, 4)}
    if share == SHOWN_WITHOUT_FLAIR:
        said["WithoutFlair"] = BY_T1W
    elif share < WHOLE:
        said["OutsideFlair"] = "Unknown, not free of lesions: voxels that the FLAIR does not show are 0 here."
    return said

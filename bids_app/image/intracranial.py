"""The intracranial space: its volume, and what a brain mask holds beyond it."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bids_app.errors import VisitError
from bids_app.image.brain import largest_component
from bids_app.image.itk import to_ras
from bids_app.image.structure_priors import load_priors, sample

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

INSIDE = 0.5  # probability: more likely inside than out
# share of people with anything inside the skull there, below which tissue is foreign; chosen by hand
FOREIGN = 0.05
SLACK_MM = 2.0  # allowance for the registration at the skull; chosen by hand
OPENING_MM = 2.0  # bridges to what is cut, such as optic nerves; chosen by hand
LEAST_ML = 2.0  # less stays: an edge that the registration missed, 0.4 mL in a good mask


def intracranial_probability(coordinates: Array) -> Array:
    """Return the share of people for whom each voxel lies inside the skull, outer fluid with it.

    Parameters
    ----------
    coordinates : ndarray, (3, x, y, z), float32
        From `template_coordinates`.

    Returns
    -------
    ndarray, (x, y, z), float32
        0 to 1.
    """
    return sample(_summed(), coordinates.reshape(3, -1)).reshape(coordinates.shape[1:])


def intracranial_volume(probability: Array, affine: npt.NDArray[np.float64]) -> float:
    """Return the total intracranial volume in mm3: where at least half of the people are inside their skull."""
    return float((probability >= INSIDE).sum() * abs(np.linalg.det(affine[:3, :3])))


def volume_by_scaling(forward: Path) -> float:
    """Return the total intracranial volume in mm3 as the affine's scaling has it.

    The template's volume, scaled as the brain was scaled to it (Buckner et al. 2004,
    doi:10.1016/j.neuroimage.2004.06.018); it knows nothing of the mask's edge, so it checks `intracranial_volume`.

    Parameters
    ----------
    forward : Path
        ITK composite transform for images to the template.

    Raises
    ------
    VisitError
        If it holds no affine transform.
    """
    summed = _summed()
    template = intracranial_volume(
        np.asarray(summed.dataobj, dtype=np.float32) / np.float32(255), summed.affine
    )
    return template * _scaling(forward)


def _scaling(forward: Path) -> float:
    """Return by how much the linear transforms of a composite change volumes from the template to the visit."""
    import SimpleITK

    whole = SimpleITK.CompositeTransform(SimpleITK.ReadTransform(str(forward)))
    parts = [whole.GetNthTransform(place) for place in range(whole.GetNumberOfTransforms())]
    linear = [part for part in parts if part.IsLinear()]
    if not linear:
        raise VisitError(f"{forward.name}: no affine transform in it")
    return float(np.prod([abs(np.linalg.det(to_ras(part)[:3, :3])) for part in linear]))


def _summed() -> nib.Nifti1Image:
    priors = load_priors()
    total = np.asarray(priors.dataobj).sum(axis=3, dtype=np.uint16)
    return nib.Nifti1Image(np.minimum(total, 255).astype(np.uint8), priors.affine)


def cut_foreign(brain: nib.Nifti1Image, probability: Array) -> tuple[nib.Nifti1Image, float]:
    """Return a brain mask without what lies outside the skull's inside, and how many mL that was.

    Eyes, muscles and neck that a poor stripping left are where almost nobody has brain or fluid. Pieces that only a
    thin bridge joins to the brain go with them.

    Parameters
    ----------
    brain : Nifti1Image, (x, y, z)
        Brain mask.
    probability : ndarray, (x, y, z)
        From `intracranial_probability`.

    Returns
    -------
    mask : Nifti1Image, uint8
        The same mask where less than 2 mL is foreign.
    foreign : float
        mL.
    """
    mask = np.asanyarray(brain.dataobj) > 0
    size = nib.affines.voxel_sizes(brain.affine)
    inside = probability > FOREIGN
    possible = ndimage.distance_transform_edt(~inside, sampling=size) <= SLACK_MM
    if not (mask & ~possible).any():
        return brain, 0.0
    kept = mask & possible
    ball = _ball(OPENING_MM, size)
    core = largest_component(ndimage.binary_erosion(kept, ball))
    kept &= ndimage.binary_dilation(core, ball) | (probability >= INSIDE)
    kept = largest_component(kept)
    foreign = float((mask & ~kept).sum() * np.prod(size) / 1000)
    if foreign < LEAST_ML:
        return brain, 0.0
    return nib.Nifti1Image(kept.astype(np.uint8), brain.affine), foreign


def _ball(radius: float, size: Array) -> Mask:
    reach = [int(np.ceil(radius / edge)) for edge in size]
    axes = np.ogrid[tuple(slice(-r, r + 1) for r in reach)]
    return sum((axis * edge) ** 2 for axis, edge in zip(axes, size, strict=True)) <= radius**2 + 1e-6

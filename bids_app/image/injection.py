"""Known change put into real images, so that what a measurement would have found on them can be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial.transform import Rotation

from bids_app.image.deformation import jacobian, sample

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

UNEVENNESS = (
    0.5  # contraction varies over the brain by up to this share of its mean: tissue loss is not uniform
)
UNEVENNESS_MM = 15.0  # scale on which it varies (SD of a Gaussian)
INVERSION_STEPS = 10  # fixed-point steps; displacements are under 1 mm, the error is then under 1e-6 mm
AXES = (0.7, 1.4)  # lesions' half axes over the radius of a ball of their volume
BLUR_MM = 0.7  # lesions have no sharp edge: about half of a voxel of 1.5 mm


class Contracted(NamedTuple):
    """An image whose content was deformed: the image, and the local factor of volume in the original's space."""

    image: nib.Nifti1Image
    factor: Array


def contract(image: nib.Nifti1Image, brain: nib.Nifti1Image, percent: float, seed: int) -> Contracted:
    """Shrink the content of an image around the brain's centre, unevenly, by a mean of `percent` of its volume.

    Parameters
    ----------
    image : Nifti1Image, (x, y, z)
        Any image of the visit.
    brain : Nifti1Image, (x, y, z)
        Brain mask on the same grid: its centre stays.
    percent : float
        Loss of volume in percent; negative for growth.
    seed : int
        Of the unevenness; the same seed gives the same field.

    Returns
    -------
    Contracted
        The truth for a region is the mean of `factor` over it, minus 1.
    """
    data = np.asarray(image.dataobj, dtype=np.float32)
    size = nib.affines.voxel_sizes(image.affine)
    rough = ndimage.gaussian_filter(
        np.random.default_rng(seed).standard_normal(data.shape), UNEVENNESS_MM / size, mode="nearest"
    )
    uneven = (1 + UNEVENNESS * rough / np.abs(rough).max()).astype(np.float32)
    centre = ndimage.center_of_mass(np.asanyarray(brain.dataobj) > 0)
    points = np.moveaxis(np.indices(data.shape, dtype=np.float32), 0, -1)
    # sampling further out moves the content in
    drawn = np.float32(percent / 300) * (points - np.float32(centre)) * uneven[..., None]
    content = -drawn
    for _ in range(INVERSION_STEPS):
        content = -sample(drawn, content)
    moved = ndimage.map_coordinates(data, np.moveaxis(points + drawn, -1, 0), order=3, mode="nearest")
    return Contracted(nib.Nifti1Image(moved.astype(np.float32), image.affine), jacobian(content))


def rescan(
    image: nib.Nifti1Image,
    *,
    turn: Sequence[float] = (0.0, 0.0, 0.0),
    shift: Sequence[float] = (0.0, 0.0, 0.0),
    gain: float = 1.0,
    drift: float = 0.0,
    noise: float = 0.0,
    seed: int = 0,
) -> nib.Nifti1Image:
    """Return an image as if taken again: another position of the head, gain, bias field and noise.

    Parameters
    ----------
    image : Nifti1Image, (x, y, z)
        The grid stays; the content moves.
    turn, shift : sequence of 3 float
        Rotation about x, y, z of the image's centre in degrees, and shift in mm.
    gain : float
        Factor of all intensities.
    drift : float
        Largest deviation of a smooth field from 1.
    noise : float
        SD of Gaussian noise, in units of the image.
    seed : int
        Of field and noise.
    """
    data, rng = np.asarray(image.dataobj, dtype=np.float32), np.random.default_rng(seed)
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_euler("xyz", turn, degrees=True).as_matrix()
    centre = nib.affines.apply_affine(image.affine, (np.array(data.shape) - 1) / 2)
    motion[:3, 3] = centre - motion[:3, :3] @ centre + np.asarray(shift)
    back = np.linalg.inv(image.affine) @ np.linalg.inv(motion) @ image.affine
    if np.any(turn) or np.any(shift):
        data = ndimage.affine_transform(data, back[:3, :3], back[:3, 3], order=3, mode="constant")
    ramps = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in data.shape), indexing="ij"), axis=-1)
    direction = rng.standard_normal(3)
    field = 1 + drift * (ramps @ (direction / np.abs(direction).sum()))
    made = data * gain * field + noise * rng.standard_normal(data.shape) * (data != 0)
    return nib.Nifti1Image(np.maximum(made, 0).astype(np.float32), image.affine)


@dataclass(frozen=True)
class Injected:
    """Lesions put into an image.

    Attributes
    ----------
    labels : Nifti1Image, (x, y, z), int32
        1, 2, ... in the order asked for; 0 elsewhere.
    strength : ndarray, (x, y, z), float32
        0 to 1: how much of the contrast each voxel got (blurred edges).
    volumes, contrasts : list of float
        In mm3, and of the FLAIR over white matter's, minus 1; of the lesions that found a place.
    """

    labels: nib.Nifti1Image
    strength: Array
    volumes: list[float]
    contrasts: list[float]


def place_lesions(
    white: nib.Nifti1Image,
    taken: nib.Nifti1Image,
    wanted: Sequence[tuple[float, float]],
    seed: int,
) -> Injected:
    """Place ellipsoid lesions in white matter, apart from each other and from what is taken.

    Parameters
    ----------
    white : Nifti1Image, (x, y, z)
        Where their centres may lie: above 0.
    taken : Nifti1Image, (x, y, z)
        Present lesions: above 0; new ones keep their own radius and 3 mm away from them.
    wanted : sequence of (float, float)
        Volume in mm3 and contrast of each lesion.
    seed : int
        Of places, shapes and directions.

    Returns
    -------
    Injected
        Lesions that found no place are left out.
    """
    rng, size = np.random.default_rng(seed), nib.affines.voxel_sizes(white.affine)
    inside, full = np.asanyarray(white.dataobj) > 0, np.asanyarray(taken.dataobj) > 0
    labels, strength = np.zeros(inside.shape, np.int32), np.zeros(inside.shape, np.float32)
    volumes: list[float] = []
    contrasts: list[float] = []
    for volume, contrast in wanted:
        radius = (3 * volume / (4 * np.pi)) ** (1 / 3)
        blocked = full | (labels > 0)
        free = ndimage.distance_transform_edt(~blocked, sampling=size) if blocked.any() else np.inf
        room = np.flatnonzero(inside & (free > 2 * radius + 3))
        if not room.size:
            continue
        centre = np.array(np.unravel_index(rng.choice(room), inside.shape))
        shape = _ellipsoid(centre, radius, inside.shape, size, rng)
        number = len(volumes) + 1
        labels[shape >= 0.5] = number
        strength = np.maximum(strength, shape)
        volumes.append(float((labels == number).sum() * np.prod(size)))
        contrasts.append(float(contrast))
    return Injected(nib.Nifti1Image(labels, white.affine), strength, volumes, contrasts)


def _ellipsoid(
    centre: npt.NDArray[np.int_],
    radius: float,
    shape: tuple[int, ...],
    size: npt.NDArray[np.float64],
    rng: np.random.Generator,
) -> Array:
    """Return a blurred ellipsoid of the volume of a ball of `radius` mm, at a voxel, in a random direction."""
    stretch = rng.uniform(*AXES, 3)
    axes = radius * stretch / np.prod(stretch) ** (1 / 3)
    frame = Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
    points = (np.moveaxis(np.indices(shape), 0, -1) - centre) * size @ frame
    out = np.linalg.norm(points / axes, axis=-1) - 1
    # distance to the surface in mm, about; a logistic edge as wide as the blur
    return (1 / (1 + np.exp(np.clip(out * radius / (BLUR_MM / 2), -30, 30)))).astype(np.float32)


def brighten(flair: nib.Nifti1Image, added: Injected, normal: float) -> nib.Nifti1Image:
    """Return a FLAIR with lesions added.

    Parameters
    ----------
    flair : Nifti1Image, (x, y, z)
        On the grid of `added`.
    added : Injected
        From `place_lesions`.
    normal : float
        Median of white matter; a lesion of contrast c becomes (1 + c) times as bright.
    """
    number = np.asarray(added.labels.dataobj)
    nearest = ndimage.distance_transform_edt(number == 0, return_distances=False, return_indices=True)
    contrast = np.concatenate([[0.0], added.contrasts])[number[tuple(nearest)]] if added.volumes else 0.0
    data = np.asarray(flair.dataobj, dtype=np.float32)
    bright = np.maximum(data, normal * (1 + contrast))
    return nib.Nifti1Image((data + added.strength * (bright - data)).astype(np.float32), flair.affine)

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

from bids_app.image.box import box_around
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
APART_MM = 3.0  # lesions nearer to each other than two voxels could be found as one
MOST_GROWTH_MM = 6.0  # how far a present lesion may grow
FWHM_PER_SD = 2.355  # of a Gaussian


class Contraction(NamedTuple):
    """A deformation of a visit's content.

    Attributes
    ----------
    drawn : ndarray, (x, y, z, 3), float32
        Where, in voxels from each point, the deformed image takes its content from.
    factor : ndarray, (x, y, z), float32
        Local factor of volume in the original's space: the truth for a region is its mean there, minus 1.
    """

    drawn: Array
    factor: Array


class Contracted(NamedTuple):
    """An image whose content was deformed: the image, and the local factor of volume in the original's space."""

    image: nib.Nifti1Image
    factor: Array


def contraction(brain: nib.Nifti1Image, percent: float, seed: int) -> Contraction:
    """Return a deformation that shrinks around the brain's centre, unevenly, by a mean of `percent` of its volume.

    Parameters
    ----------
    brain : Nifti1Image, (x, y, z)
        Brain mask: its centre stays.
    percent : float
        Loss of volume in percent; negative for growth.
    seed : int
        Of the unevenness; the same seed gives the same field.
    """
    size = nib.affines.voxel_sizes(brain.affine)
    rough = ndimage.gaussian_filter(
        np.random.default_rng(seed).standard_normal(brain.shape, dtype=np.float32),
        UNEVENNESS_MM / size,
        mode="nearest",
    )
    uneven = (1 + UNEVENNESS * rough / np.abs(rough).max()).astype(np.float32)
    centre = ndimage.center_of_mass(np.asanyarray(brain.dataobj) > 0)
    points = np.moveaxis(np.indices(brain.shape, dtype=np.float32), 0, -1)
    # sampling further out moves the content in
    drawn = np.float32(percent / 300) * (points - np.float32(centre)) * uneven[..., None]
    content = -drawn
    for _ in range(INVERSION_STEPS):
        content = -sample(drawn, content)
    return Contraction(drawn, jacobian(content))


def deformed(image: nib.Nifti1Image, drawn: Array, order: int = 3) -> nib.Nifti1Image:
    """Return an image whose content moved, sampled once by splines of an order (0: labels).

    Parameters
    ----------
    image : Nifti1Image, (x, y, z)
        Any image of the visit.
    drawn : ndarray, (x, y, z, 3)
        Displacement of each voxel's sample, in voxels.
    order : int
        Of the spline; 0 for labels.
    """
    data = np.asarray(image.dataobj, dtype=np.float32)
    where = np.moveaxis(np.moveaxis(np.indices(data.shape, dtype=np.float32), 0, -1) + drawn, -1, 0)
    moved = ndimage.map_coordinates(data, where, order=order, mode="nearest")
    return nib.Nifti1Image(moved.astype(np.float32), image.affine)


def contract(image: nib.Nifti1Image, brain: nib.Nifti1Image, percent: float, seed: int) -> Contracted:
    """Shrink the content of an image around the brain's centre: `contraction` and `deformed` in one.

    Parameters
    ----------
    image : Nifti1Image, (x, y, z)
        Any image of the visit.
    brain : Nifti1Image, (x, y, z)
        Brain mask on the same grid.
    percent : float
        As in `contraction`.
    seed : int
        As in `contraction`.
    """
    made = contraction(brain, percent, seed)
    return Contracted(deformed(image, made.drawn), made.factor)


def rescan(
    image: nib.Nifti1Image,
    *,
    turn: Sequence[float] = (0.0, 0.0, 0.0),
    shift: Sequence[float] = (0.0, 0.0, 0.0),
    gain: float = 1.0,
    drift: float = 0.0,
    noise: float = 0.0,
    seed: int = 0,
    order: int = 3,
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
    order : int
        Of the splines that the moved image is sampled by; 0 for labels.
    """
    data, rng = np.asarray(image.dataobj, dtype=np.float32), np.random.default_rng(seed)
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_euler("xyz", turn, degrees=True).as_matrix()
    centre = nib.affines.apply_affine(image.affine, (np.array(data.shape) - 1) / 2)
    motion[:3, 3] = centre - motion[:3, :3] @ centre + np.asarray(shift)
    back = np.linalg.inv(image.affine) @ np.linalg.inv(motion) @ image.affine
    if np.any(turn) or np.any(shift):
        data = ndimage.affine_transform(data, back[:3, :3], back[:3, 3], order=order, mode="constant")
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
        1, 2, ... in the order of `volumes`; 0 elsewhere.
    strength : ndarray, (x, y, z), float32
        0 to 1: how much of its lesion's contrast each voxel gets (blurred edges).
    contrast : ndarray, (x, y, z), float32
        Of the lesion that each voxel belongs to, 0 far from all.
    volumes, contrasts : list of float
        In mm3, and of the FLAIR over white matter's, minus 1; of the lesions that found a place.
    """

    labels: nib.Nifti1Image
    strength: Array
    contrast: Array
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
    labels = np.zeros(inside.shape, np.int32)
    strength, contrast = np.zeros(inside.shape, np.float32), np.zeros(inside.shape, np.float32)
    places = np.argwhere(inside)
    free = np.full(len(places), np.inf, np.float32)
    if full.any():
        box = box_around(inside | full, white.affine)
        free = ndimage.distance_transform_edt(~full[box], sampling=size)[inside[box]].astype(np.float32)
    volumes: list[float] = []
    contrasts: list[float] = []
    for volume, bright in wanted:
        radius = (3 * volume / (4 * np.pi)) ** (1 / 3)
        room = np.flatnonzero(free > AXES[1] * radius + APART_MM)
        if not room.size:
            continue
        centre = places[rng.choice(room)]
        box, shape = _ellipsoid(centre, radius, inside.shape, size, rng)
        stronger = shape > strength[box]
        strength[box][stronger], contrast[box][stronger] = shape[stronger], bright
        labels[box][shape >= 0.5] = len(volumes) + 1
        volumes.append(float((shape >= 0.5).sum() * np.prod(size)))
        contrasts.append(float(bright))
        away = np.linalg.norm((places - centre) * size, axis=1) - AXES[1] * radius
        free = np.minimum(free, away.astype(np.float32))
    return Injected(nib.Nifti1Image(labels, white.affine), strength, contrast, volumes, contrasts)


def grow_present(
    lesions: nib.Nifti1Image,
    white: nib.Nifti1Image,
    flair: nib.Nifti1Image,
    numbers: Sequence[int],
    times: float,
) -> Injected:
    """Let present lesions grow into the white matter around them, as bright as they are.

    Parameters
    ----------
    lesions : Nifti1Image, (x, y, z), int
        Lesions numbered.
    white : Nifti1Image, (x, y, z)
        Where they may grow: above 0.
    flair : Nifti1Image, (x, y, z)
        FLAIR over the median of white matter.
    numbers : sequence of int
        Which lesions grow.
    times : float
        Volume after over volume before.

    Returns
    -------
    Injected
        `labels` has the new rims, numbered as `numbers` are; `volumes` those of the rims.
    """
    label, size = np.asarray(lesions.dataobj), nib.affines.voxel_sizes(lesions.affine)
    bright, free = np.asarray(flair.dataobj), np.asanyarray(white.dataobj) > 0
    labels = np.zeros(label.shape, np.int32)
    strength, contrast = np.zeros(label.shape, np.float32), np.zeros(label.shape, np.float32)
    volumes, contrasts = [], []
    for place, number in enumerate(numbers, 1):
        at = label == number
        corner = np.argwhere(at)
        reach = np.ceil(MOST_GROWTH_MM / size).astype(int)
        box = tuple(
            slice(max(low - more, 0), high + more + 1)
            for low, high, more in zip(corner.min(axis=0), corner.max(axis=0), reach, strict=True)
        )
        away = ndimage.distance_transform_edt(~at[box], sampling=size)
        rim = free[box] & (label[box] == 0) & (labels[box] == 0)
        wanted = min(int((times - 1) * at.sum()), int(rim.sum()))
        chosen = np.zeros(rim.shape, bool)
        chosen.reshape(-1)[np.argsort(np.where(rim, away, np.inf), axis=None, kind="stable")[:wanted]] = True
        level = float(np.median(bright[at])) - 1
        labels[box][chosen], strength[box][chosen], contrast[box][chosen] = place, 1, level
        volumes.append(float(wanted * np.prod(size)))
        contrasts.append(level)
    return Injected(nib.Nifti1Image(labels, lesions.affine), strength, contrast, volumes, contrasts)


def _ellipsoid(
    centre: npt.NDArray[np.int_],
    radius: float,
    shape: tuple[int, ...],
    size: npt.NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[tuple[slice, ...], Array]:
    """Return a box and in it a blurred ellipsoid of the volume of a ball of `radius` mm, in a random direction."""
    stretch = rng.uniform(*AXES, 3)
    axes = radius * stretch / np.prod(stretch) ** (1 / 3)
    frame = Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
    reach = np.ceil((axes.max() + 4 * BLUR_MM) / size).astype(int)
    low, high = np.maximum(centre - reach, 0), np.minimum(centre + reach + 1, shape)
    box = tuple(slice(*ends) for ends in zip(low, high, strict=True))
    points = (np.moveaxis(np.mgrid[box], 0, -1) - centre) * size @ frame
    out = np.linalg.norm(points / axes, axis=-1) - 1
    # distance to the surface in mm, about; a logistic edge as wide as the blur
    return box, (1 / (1 + np.exp(np.clip(out * radius / (BLUR_MM / 2), -30, 30)))).astype(np.float32)


def brighten(
    image: nib.Nifti1Image,
    added: Injected,
    normal: float,
    share: float = 1.0,
    voxel: Sequence[float] = (0, 0, 0),
) -> nib.Nifti1Image:
    """Return an image with lesions added.

    Parameters
    ----------
    image : Nifti1Image, (x, y, z)
        On the grid of `added`.
    added : Injected
        From `place_lesions` or `grow_present`.
    normal : float
        Median of white matter; a lesion of contrast c becomes (1 + `share` c) times as bright.
    share : float
        Of the FLAIR's contrast that this image shows; negative where lesions are dark.
    voxel : sequence of 3 float
        Edges of the image's voxels as acquired, in mm along the axes of its grid: what is added is blurred as they
        blur, so that a small lesion is as faint as thick slices make it.
    """
    data = np.asarray(image.dataobj, dtype=np.float32)
    level = normal * (1 + np.float32(share) * added.contrast)
    other = np.maximum(data, level) if share > 0 else np.minimum(data, level)
    change = added.strength * (other - data)
    size = nib.affines.voxel_sizes(image.affine)
    spread = np.sqrt(np.maximum(np.square(voxel) - size**2, 0)) / FWHM_PER_SD / size
    if spread.any():
        change = ndimage.gaussian_filter(change, spread, mode="nearest")
    return nib.Nifti1Image((data + change).astype(np.float32), image.affine)


def white_median(image: nib.Nifti1Image, white: nib.Nifti1Image) -> float:
    """Return the median of an image over a mask of white matter on its grid, in the image's unit."""
    return float(np.median(np.asarray(image.dataobj)[np.asanyarray(white.dataobj) > 0]))


def acquired_voxel(scan: nib.Nifti1Image, grid: nib.Nifti1Image) -> tuple[float, float, float]:
    """Return the edges of a scan's voxels (mm) along the axes of another grid that it was brought to."""
    edges = nib.affines.voxel_sizes(scan.affine)
    old, new = scan.affine[:3, :3] / edges, grid.affine[:3, :3] / nib.affines.voxel_sizes(grid.affine)
    nearest = np.abs(new.T @ old).argmax(axis=1)
    x, y, z = (float(edges[axis]) for axis in nearest)
    return x, y, z

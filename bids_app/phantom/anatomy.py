"""A person's anatomy: the template bent by a smooth random field, with some atrophy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bids_app.image.atlas import load_atlas
from bids_app.image.template import load_template
from bids_app.image.volume import resample

Array = npt.NDArray[np.float32]

TISSUES = ("GM", "WM", "CSF")
BEND_MM = 3.0  # SD of the shift; heads differ by a few mm after affine alignment
SMOOTH_MM = 18.0  # distance over which the shift changes, so that nothing folds
# of a person's head to the template's, whose intracranial space of 2.0 L is far above the 1.5 L of most adults
HEAD = 0.91
SCALE_SD = 0.02  # heads differ by about 2 % in each direction
FLUID_RIM_MM = 1.0  # between the template's brain mask and the skull
SHELLS = {"bone": 1, "scalp": 2, "muscle": 3}
SHELL_EDGES_MM = {"bone": 8.0, "scalp": 14.0}


@dataclass(frozen=True)
class Sources:
    """The template's maps at 1 mm: T1w (0 to 1), tissues (3, x, y, z), shells around them, brain, atlas labels."""

    t1w: Array
    tissues: Array
    shells: Array
    brain: Array
    labels: Array
    affine: npt.NDArray[np.float64]


@dataclass(frozen=True)
class PhantomAnatomy:
    """One person's maps on the phantom's grid.

    Attributes
    ----------
    tissues : ndarray, (3, x, y, z)
        Probability of GM, WM and CSF; they add up to the brain mask.
    t1w : ndarray, (x, y, z)
        T1w of the template brought here, 0 to 1: the texture of tissues.
    shells : ndarray of int, (x, y, z)
        What lies around the brain, as `SHELLS`; 0 is air and the brain itself.
    brain : ndarray of bool, (x, y, z)
        Brain mask.
    labels : ndarray of int, (x, y, z)
        AAL regions.
    points : ndarray, (3, x, y, z)
        Template coordinates (mm) of every voxel: the deformation itself.
    affine : ndarray, (4, 4)
        Voxel to mm.
    """

    tissues: Array
    t1w: Array
    shells: npt.NDArray[np.int32]
    brain: npt.NDArray[np.bool_]
    labels: npt.NDArray[np.int32]
    points: Array
    affine: npt.NDArray[np.float64]


@lru_cache(maxsize=1)
def sources() -> Sources:
    """Load the built-in template's maps."""
    from nilearn.datasets import load_mni152_template

    template = load_template()
    t1w = np.clip(np.asarray(load_mni152_template(resolution=1).dataobj, dtype=np.float32), 0, None)
    tissues = np.stack(
        [np.asarray(i.dataobj, dtype=np.float32) for i in (template.gm, template.wm, template.csf)]
    )
    labels = resample(load_atlas().image, template.brain, order=0)
    brain = ndimage.distance_transform_edt(np.asarray(template.brain.dataobj) == 0) <= FLUID_RIM_MM
    tissues[2][brain & (tissues.sum(axis=0) < 0.5)] = 1
    return Sources(
        t1w / t1w.max(),
        tissues,
        _shells(brain, template.brain.affine),
        brain.astype(np.float32),
        np.asarray(labels.dataobj, dtype=np.float32),
        template.brain.affine,
    )


def axes_mm(affine: npt.NDArray[np.float64], shape: tuple[int, ...]) -> tuple[npt.NDArray[np.float64], ...]:
    """Return the mm along each axis of a grid without rotation, shaped to be broadcast against each other."""
    along = (affine[axis, axis] * np.arange(side) + affine[axis, 3] for axis, side in enumerate(shape))
    return tuple(np.meshgrid(*along, indexing="ij", sparse=True))


def _shells(brain: npt.NDArray[np.bool_], affine: npt.NDArray[np.float64]) -> Array:
    """Draw bone and scalp around the brain, and the muscles of face and neck below it."""
    away = ndimage.distance_transform_edt(~brain)
    x, y, z = axes_mm(affine, brain.shape)
    face = (np.abs(x) < 62) & (z < -25) & (y > -85) & (y < 75) & (away < 40)
    shells = np.zeros(brain.shape, np.float32)
    shells[face] = SHELLS["muscle"]
    for name in reversed(SHELL_EDGES_MM):
        inner = ~face | (away < SHELL_EDGES_MM["bone"])
        shells[(away <= SHELL_EDGES_MM[name]) & inner] = SHELLS[name]
    shells[brain] = 0
    return shells


def make_anatomy(resolution: float, atrophy: float, rng: np.random.Generator) -> PhantomAnatomy:
    """Bend the template into a person.

    The deformation is a smooth random field (standard deviation 3 mm, correlated over 18 mm) and a scaling
    of each axis (mean 0.91, SD 2 %), so that intracranial volume is about 1.5 L.

    Atrophy widens fluid: its probability p becomes p ** (1 - atrophy).

    Parameters
    ----------
    resolution : float
        Edge of the voxels in mm.
    atrophy : float
        0 (none) to about 0.5.
    rng : Generator
        Draws the field; the same state gives the same person, whatever the atrophy.
    """
    return anatomy_at(*_bent_points(sources(), resolution, rng), atrophy)


def anatomy_at(points: Array, affine: npt.NDArray[np.float64], atrophy: float) -> PhantomAnatomy:
    """Sample the template's maps, once, where each voxel of a person's grid lies in the template.

    Parameters
    ----------
    points : ndarray, (3, x, y, z)
        Template coordinates (mm) of every voxel.
    affine : ndarray, (4, 4)
        Of the person's grid, voxel to mm.
    atrophy : float
        As in `make_anatomy`.
    """
    source = sources()
    voxels = nib.affines.apply_affine(np.linalg.inv(source.affine), np.moveaxis(points, 0, -1))
    where = np.moveaxis(voxels, -1, 0)

    def sample(data: Array, order: int = 1) -> Array:
        return ndimage.map_coordinates(data, where, order=order, mode="constant", prefilter=False)

    brain = sample(source.brain) > 0.5
    gm, wm, csf = (np.clip(sample(tissue), 0, 1) for tissue in source.tissues)
    fluid = np.clip(csf, 0, 1) ** (1 - atrophy) * (csf > 0.02)
    rest = np.maximum(gm + wm, 1e-6)
    tissues = np.stack([gm * (1 - fluid) / rest, wm * (1 - fluid) / rest, fluid]).astype(np.float32)
    total = np.maximum(tissues.sum(axis=0), 1e-6)
    labels = np.rint(sample(source.labels, order=0)).astype(np.int32)
    shells = np.rint(sample(source.shells, order=0)).astype(np.int32) * ~brain
    return PhantomAnatomy(
        tissues / total * brain, sample(source.t1w).astype(np.float32), shells, brain, labels, points, affine
    )


def _bent_points(
    source: Sources, resolution: float, rng: np.random.Generator
) -> tuple[Array, npt.NDArray[np.float64]]:
    """Return the template coordinates of each voxel of the new grid, and the grid's affine."""
    shape = np.ceil(np.array(source.t1w.shape) / resolution).astype(int)
    affine = np.diag([resolution, resolution, resolution, 1.0])
    affine[:3, 3] = source.affine[:3, 3]
    grid = np.indices(tuple(shape)).reshape(3, -1)
    points = nib.affines.apply_affine(affine, grid.T).T.reshape(3, *shape)
    coarse = [max(4, int(n * resolution / SMOOTH_MM) + 3) for n in shape]  # knots apart by the smoothness
    knots = rng.normal(0, BEND_MM, (3, *coarse))
    scale = rng.normal(1, SCALE_SD, 3) / HEAD
    steps = (
        np.indices(tuple(shape)) * (np.array(coarse) - 1)[:, None, None, None] / shape[:, None, None, None]
    )
    field = np.stack([ndimage.map_coordinates(knot, steps, order=3, mode="nearest") for knot in knots])
    return (points * scale[:, None, None, None] + field).astype(np.float32), affine

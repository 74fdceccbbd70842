"""Demyelin's lesion classifiers on voxels of 1 mm, run by onnxruntime: two sets of boosted trees and a small network.

The first trees and the network were trained on synthetic scans and two patients of one centre. The second trees were
fitted to the experts of two centres, and take the first's answer and the weighted belief among their features.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage, special

from bids_app.image.box import box_around
from bids_app.image.inference import session
from bids_app.image.lesion_features import FEATURES, lesion_features
from bids_app.image.lesion_network import network_channels, network_probability
from bids_app.image.volume import resample
from bids_app.image.white_matter import Relative, relative_to_white

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

GRID_MM = 1.0  # the grid that the trees and the network were trained on
TREES, NETWORK, EXPERTS = "lesions/trees.onnx", "lesions/network.onnx", "lesions/experts.onnx"
EXPERT_FEATURES = (*FEATURES, "first_logit", "weighted_belief")
SMALLEST = 1e-5  # least probability whose logit enters the second trees; they were trained with it
GRID_MARGIN_MM = 10  # round the brain; chosen by hand, so that neighbourhoods at its edge are whole


class WorkingImages(NamedTuple):
    """A visit on the working grid, as the classifiers see it."""

    flair: Relative
    t1w: Relative | None
    brain: Mask
    prior: Array
    belief: Array


class Sight(NamedTuple):
    """A visit on the working grid, and the way back.

    Attributes
    ----------
    images : WorkingImages
    grid : Nifti1Image
        The working grid.
    flair, brain : Nifti1Image, (x, y, z)
        As they came.
    """

    images: WorkingImages
    grid: nib.Nifti1Image
    flair: nib.Nifti1Image
    brain: nib.Nifti1Image

    def back(self, probability: Array) -> Array:
        """Bring a probability on the working grid to the FLAIR's, 0 outside the brain."""
        moved = _averaged(nib.Nifti1Image(probability, self.grid.affine), self.flair)
        return moved * (np.asarray(self.brain.dataobj) > 0)


def sight(
    flair: nib.Nifti1Image,
    t1w: nib.Nifti1Image | None,
    brain: nib.Nifti1Image,
    wm_prior: nib.Nifti1Image,
    gm: nib.Nifti1Image,
    belief: nib.Nifti1Image,
) -> Sight:
    """Bring a visit to voxels of 1 mm with axes to the right, front and top, where the classifiers were trained.

    Parameters
    ----------
    flair : Nifti1Image, (x, y, z)
        FLAIR image corrected for non-uniformity, any unit, any orientation.
    t1w : Nifti1Image, (x, y, z), optional
        T1w on the same grid; the classifiers know what to do without one.
    brain : Nifti1Image, (x, y, z)
        Brain mask.
    wm_prior : Nifti1Image, (x, y, z)
        The template's probability of white matter, brought to this grid.
    gm : Nifti1Image, (x, y, z)
        Probability of grey matter of this brain.
    belief : Nifti1Image, (x, y, z)
        Belief weighed by where lesions can be (`weighted_belief`).

    Raises
    ------
    VisitError
        If the brain has almost no white or grey matter, or white matter is dark.
    """
    grid = working_grid(brain)
    return Sight(view(flair, t1w, brain, wm_prior, gm, belief, grid), grid, flair, brain)


def first_probabilities(seen: Sight, weights: Path | None = None) -> tuple[Array, Array]:
    """Return the lesion probabilities of the first trees and of the network, on the FLAIR's grid.

    Parameters
    ----------
    seen : Sight
    weights : Path, optional
        Folder whose `trees.onnx`, `network.onnx` and `experts.onnx`, where it has them, take the place of those that
        come with Demyelin.

    Returns
    -------
    trees : ndarray, (x, y, z), float32
        Of the first trees; 0 outside the brain.
    network : ndarray, (x, y, z), float32
        Of the network; 0 outside the brain.
    """
    images = seen.images
    where, features = lesion_features(images.flair, images.t1w, images.brain, images.prior)
    trees = np.zeros(where.shape, np.float32)
    if where.any():
        trees[where] = _first_answer(features, weights)
    channels = network_channels(images.flair, images.t1w, images.brain, images.prior)
    return seen.back(trees), seen.back(network_probability(channels, session(NETWORK, weights)))


def expert_probability(seen: Sight, weights: Path | None = None) -> Array:
    """Return the lesion probability of the second trees on the FLAIR's grid, 0 outside the brain.

    Parameters
    ----------
    seen : Sight
    weights : Path, optional
        As in `first_probabilities`.
    """
    where, rows = expert_rows(seen.images, weights)
    experts = np.zeros(where.shape, np.float32)
    if where.any():
        (probability,) = session(EXPERTS, weights).run(None, {"features": rows})
        experts[where] = probability[:, 0]
    return seen.back(experts)


def view(
    flair: nib.Nifti1Image,
    t1w: nib.Nifti1Image | None,
    brain: nib.Nifti1Image,
    wm_prior: nib.Nifti1Image,
    gm: nib.Nifti1Image,
    belief: nib.Nifti1Image,
    grid: nib.Nifti1Image,
) -> WorkingImages:
    """Bring a visit's images to the working grid, relative to white matter.

    Parameters
    ----------
    flair, t1w, brain, wm_prior, gm : Nifti1Image, (x, y, z)
        As in `sight`.
    belief : Nifti1Image, (x, y, z)
        Grey-matter belief map on the grid of the others.
    grid : Nifti1Image, (x, y, z)
        The grid that they come to.
    """
    inside, prior = _moved(brain, grid) >= 0.5, _moved(wm_prior, grid)
    place = (inside, prior, _moved(gm, grid))
    bright = relative_to_white(_moved(flair, grid), *place, "FLAIR")
    dark = None if t1w is None else relative_to_white(_moved(t1w, grid), *place, "T1w")
    return WorkingImages(bright, dark, inside, prior, _moved(belief, grid))


def expert_rows(seen: WorkingImages, weights: Path | None = None) -> tuple[Mask, Array]:
    """Return which voxels may be lesions and what the second trees get of each.

    Parameters
    ----------
    seen : WorkingImages
        The visit.
    weights : Path, optional
        As in `first_probabilities`.

    Returns
    -------
    where : ndarray of bool, (x, y, z)
        Candidates.
    rows : ndarray, (n, 23), float32
        A row for each candidate, the columns of `EXPERT_FEATURES`.
    """
    where, features = lesion_features(seen.flair, seen.t1w, seen.brain, seen.prior)
    if not where.any():
        return where, np.zeros((0, len(EXPERT_FEATURES)), np.float32)
    logit = special.logit(_first_answer(features, weights))
    return where, np.column_stack([features, logit, seen.belief[where]]).astype(np.float32)


def _first_answer(features: Array, weights: Path | None) -> Array:
    """Return the first trees' probability of candidates (n,), away from 0 and 1."""
    (first,) = session(TREES, weights).run(None, {"features": features})
    return np.clip(first[:, 0], SMALLEST, 1 - SMALLEST)


def working_grid(brain: nib.Nifti1Image) -> nib.Nifti1Image:
    """Return an empty image around the brain: 1 mm voxels, axes to the right, front and top."""
    canonical = nib.as_closest_canonical(
        nib.Nifti1Image((np.asarray(brain.dataobj) > 0).astype(np.uint8), brain.affine)
    )
    size = nib.affines.voxel_sizes(canonical.affine)
    box = box_around(np.asarray(canonical.dataobj) > 0, canonical.affine, GRID_MARGIN_MM)
    canonical = canonical.slicer[box]
    shape = np.ceil(np.array(canonical.shape) * size / GRID_MM - 1e-3).astype(int)
    affine = nib.affines.rescale_affine(canonical.affine, canonical.shape, GRID_MM, shape)
    return nib.Nifti1Image(np.zeros(tuple(shape), np.uint8), affine)


def _moved(image: nib.Nifti1Image, grid: nib.Nifti1Image) -> Array:
    """Bring an image to the grid, linearly; NaN becomes 0."""
    source = nib.Nifti1Image(np.asarray(image.dataobj, dtype=np.float32), image.affine)
    return np.nan_to_num(np.asarray(resample(source, grid).dataobj, dtype=np.float32))


def _averaged(image: nib.Nifti1Image, like: nib.Nifti1Image) -> Array:
    """Bring an image to another grid; where that is coarser, each voxel is the mean of what it covers."""
    widths = [max(1, round(float(size) / GRID_MM)) for size in nib.affines.voxel_sizes(like.affine)]
    turn = nib.orientations.io_orientation(like.affine)[:, 0].argsort()
    data = np.asarray(image.dataobj, dtype=np.float32)
    if max(widths) > 1:
        data = ndimage.uniform_filter(data, [widths[axis] for axis in turn], mode="constant")
    return np.asarray(resample(nib.Nifti1Image(data, image.affine), like).dataobj, dtype=np.float32)

"""Demyelin's lesion classifiers: boosted trees and a small network, both run by onnxruntime on voxels of 1 mm."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bids_app.image.inference import session
from bids_app.image.lesion_features import lesion_features
from bids_app.image.lesion_network import network_channels, network_probability
from bids_app.image.volume import resample
from bids_app.image.white_matter import relative_to_white

Array = npt.NDArray[np.float32]

GRID_MM = 1.0
TREES, NETWORK = "lesions/trees.onnx", "lesions/network.onnx"


class Answers(NamedTuple):
    """Lesion probability by the trees and by the network, each (x, y, z) float32."""

    trees: Array
    network: Array


def classifier_probability(
    flair: nib.Nifti1Image,
    t1w: nib.Nifti1Image | None,
    brain: nib.Nifti1Image,
    wm_prior: nib.Nifti1Image,
    gm: nib.Nifti1Image,
    weights: Path | None = None,
) -> Answers:
    """Return both classifiers' lesion probabilities.

    The images come to voxels of 1 mm with axes to the right, front and top, where the classifiers were trained.

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
    weights : Path, optional
        Folder with `trees.onnx` and `network.onnx` in place of those that come with Demyelin.

    Returns
    -------
    Answers
        On the grid of `flair`, 0 outside the brain.

    Raises
    ------
    VisitError
        If the brain has almost no white or grey matter, or white matter is dark.
    """
    grid = _grid(flair)
    inside_brain, prior = _moved(brain, grid) >= 0.5, _moved(wm_prior, grid)
    place = (inside_brain, prior, _moved(gm, grid))
    bright = relative_to_white(_moved(flair, grid), *place, "FLAIR")
    dark = None if t1w is None else relative_to_white(_moved(t1w, grid), *place, "T1w")
    where, features = lesion_features(bright, dark, inside_brain, prior)
    trees = np.zeros(where.shape, np.float32)
    if where.any():
        (probability,) = session(TREES, weights).run(None, {"features": features})
        trees[where] = probability[:, 0]
    channels = network_channels(bright, dark, inside_brain, prior)
    network = network_probability(channels, session(NETWORK, weights))
    inside = np.asarray(brain.dataobj) > 0
    back = (_averaged(nib.Nifti1Image(one, grid.affine), flair) * inside for one in (trees, network))
    return Answers(*back)


def _moved(image: nib.Nifti1Image, grid: nib.Nifti1Image) -> Array:
    """Bring an image to the grid, linearly; NaN becomes 0."""
    source = nib.Nifti1Image(np.asarray(image.dataobj, dtype=np.float32), image.affine)
    return np.nan_to_num(np.asarray(resample(source, grid).dataobj, dtype=np.float32))


def _grid(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """Return an empty image with the field of view of `image`, 1 mm voxels, axes to the right, front and top."""
    canonical = nib.as_closest_canonical(nib.Nifti1Image(np.zeros(image.shape, np.uint8), image.affine))
    size = nib.affines.voxel_sizes(canonical.affine)
    shape = np.ceil(np.array(canonical.shape) * size / GRID_MM - 1e-3).astype(int)
    affine = nib.affines.rescale_affine(canonical.affine, canonical.shape, GRID_MM, shape)
    return nib.Nifti1Image(np.zeros(tuple(shape), np.uint8), affine)


def _averaged(image: nib.Nifti1Image, like: nib.Nifti1Image) -> Array:
    """Bring an image to another grid; where that is coarser, each voxel is the mean of what it covers."""
    widths = [max(1, round(float(size) / GRID_MM)) for size in nib.affines.voxel_sizes(like.affine)]
    turn = nib.orientations.io_orientation(like.affine)[:, 0].argsort()
    data = np.asarray(image.dataobj, dtype=np.float32)
    if max(widths) > 1:
        data = ndimage.uniform_filter(data, [widths[axis] for axis in turn], mode="constant")
    return np.asarray(resample(nib.Nifti1Image(data, image.affine), like).dataobj, dtype=np.float32)

"""Brain masks: deepbet's networks, run by onnxruntime."""

from __future__ import annotations

from typing import NamedTuple

import nibabel as nib
import numpy as np
import numpy.typing as npt

from bids_app.errors import VisitError
from bids_app.image.inference import session
from bids_app.image.volume import background

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Box = tuple[slice, slice, slice]

COARSE, FINE = 128, 256  # sides of the networks' input, as deepbet trained them
QUANTILES = (0.005, 0.995)  # deepbet's own scaling of intensities
BOX_MARGIN = 0.1  # round the brain, a share of its size; deepbet's own
SLICE_SHARE = 0.02  # of a slice that must be brain to count; deepbet's own
BRAIN_ML = (600.0, 2400.0)  # chosen by hand, beyond what any adult brain measures
# of the foreground to the brain in it: with skull and scalp it is larger; chosen by hand
STRIPPED_RATIO = 1.35


class Brain(NamedTuple):
    """A brain mask (uint8) and whether the image came without a skull."""

    mask: nib.Nifti1Image
    stripped: bool


def brain_mask(image: nib.Nifti1Image) -> Brain:
    """Find the brain in a head image.

    The networks of Fisch et al. 2024 (doi:10.1016/j.compbiomed.2024.108845): one finds the box of the brain
    on 128^3 voxels, one the brain in that box on 256^3 voxels. Their input is the image between its 0.5 and
    99.5 percentiles, standardised. An image whose own foreground is hardly larger than the brain found in it
    has been skull-stripped before: its foreground, holes filled, is the mask.

    Parameters
    ----------
    image : Nifti1Image, (x, y, z)
        T1w or FLAIR, any orientation.

    Returns
    -------
    Brain
        Mask on the grid of `image`, and whether it was skull-stripped before.

    Raises
    ------
    VisitError
        If no brain of a human's size is found.
    """
    import fill_voids

    canonical = nib.as_closest_canonical(image)
    data = np.nan_to_num(np.asarray(canonical.dataobj, dtype=np.float32))
    millilitre = abs(np.linalg.det(image.affine[:3, :3])) / 1000
    found = fill_voids.fill(_network_mask(data))
    foreground = fill_voids.fill(largest_component(data != background(data)))
    fits = BRAIN_ML[0] <= foreground.sum() * millilitre <= BRAIN_ML[1]
    stripped = bool(fits and foreground.sum() < STRIPPED_RATIO * max(int(found.sum()), 1))
    mask = foreground if stripped else found
    volume = mask.sum() * millilitre
    if not BRAIN_ML[0] <= volume <= BRAIN_ML[1]:
        raise VisitError(
            f"brain mask has {volume:.0f} mL, not a brain's size; check orientation and field of view"
        )
    back = nib.orientations.ornt_transform(
        nib.io_orientation(canonical.affine), nib.io_orientation(image.affine)
    )
    turned = nib.orientations.apply_orientation(mask.astype(np.uint8), back)
    return Brain(nib.Nifti1Image(turned, image.affine), stripped)


def largest_component(mask: Mask) -> Mask:
    """Return the largest 26-connected region of a mask (nothing where the mask is empty)."""
    import cc3d

    return cc3d.largest_k(mask, k=1, connectivity=26).astype(bool)


def _network_mask(data: Array) -> Mask:
    """Return the brain that the two networks find."""
    small = _nearest(data, (COARSE,) * 3)
    low, high = np.quantile(small, QUANTILES)
    if high <= low:
        raise VisitError("brain mask: the image has almost no contrast; check it")
    coarse = largest_component(_run("bbox.onnx", _standardise(small, low, high)) > 0.5)
    box = _box(coarse, data.shape)
    inside = _run("brain.onnx", _standardise(_nearest(data[box], (FINE,) * 3), low, high))
    mask = np.zeros(data.shape, dtype=bool)
    mask[box] = largest_component(_nearest(inside, data[box].shape) > 0.5)
    return mask


def _nearest(data: Array, shape: tuple[int, ...]) -> Array:
    """Resample to a shape by the voxel nearest to each new centre."""
    for axis, size in enumerate(shape):
        centres = ((np.arange(size) + 0.5) * (data.shape[axis] / size)).astype(int)
        data = data.take(np.minimum(centres, data.shape[axis] - 1), axis)
    return data


def _standardise(data: Array, low: float, high: float) -> Array:
    """Return what the networks were trained on: clipped, standardised, with ImageNet's mean and SD."""
    scaled = np.clip((data - low) / (high - low), 0, 1)
    return ((scaled - scaled.mean()) / scaled.std(ddof=1) * 0.226 + 0.449).astype(np.float32)


def _box(mask: Mask, shape: tuple[int, ...]) -> Box:
    """Return the brain's box on the image's own grid, 10 % larger on each side."""
    sides = []
    for axis in range(3):
        share = mask.mean(axis=tuple(other for other in range(3) if other != axis))
        inside = np.flatnonzero(share > SLICE_SHARE)
        if inside.size == 0:
            raise VisitError("brain mask: no brain found; check that the image is a head")
        scale = shape[axis] / mask.shape[axis]
        first, last = inside[0], inside[-1] + 1
        centre = round(scale * (first + last) / 2)
        half = round((1 + 2 * BOX_MARGIN) * scale * (last - first)) / 2
        sides.append(slice(max(0, int(centre - half)), min(shape[axis], int(centre + half))))
    return sides[0], sides[1], sides[2]


def _run(network: str, data: Array) -> Array:
    """Return the probability of brain for an isotropic block."""
    (answer,) = session(f"deepbet/{network}").run(None, {"image": data[None, None]})
    return answer[0, 1]

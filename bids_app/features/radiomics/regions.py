"""The voxels of each region, laid out for the texture kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bids_app.features.radiomics.matrices import offsets
from bids_app.image.box import box_around

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Region:
    """One region.

    Attributes
    ----------
    label : int
    name : str
    voxels : ndarray, (N,), uint64
        Flat indices in the region's box, padded by one voxel on each side, ascending.
    shape : ndarray, (3,), int64
        Shape of the padded box, z y x.
    steps : ndarray, (13,), uint64
        Steps of the directions in the padded box.
    source : ndarray, (N,), int64
        Flat indices in the image that the region was cut from.
    at_edge : bool
        Whether the region touches the edge of the field of view.
    """

    label: int
    name: str
    voxels: npt.NDArray[np.uint64]
    shape: npt.NDArray[np.int64]
    steps: npt.NDArray[np.uint64]
    source: npt.NDArray[np.int64]
    at_edge: bool

    @property
    def dimensions(self) -> int:
        """Number of axes along which the region is more than one voxel long."""
        return int((self.shape > 3).sum())


def bounding_box(images: Sequence[npt.NDArray[np.integer]]) -> Box:
    """Return the smallest box around all labelled voxels of some images (the whole grid where there is none)."""
    labelled = np.any([labels != 0 for labels in images], axis=0)
    z, y, x = box_around(labelled, np.eye(4))
    return z, y, x


def find_regions(
    labels: npt.NDArray[np.integer], names: Mapping[int, str], box: Box
) -> dict[int, Region | None]:
    """Return each label's region within the box, None where the label does not occur.

    Parameters
    ----------
    labels : ndarray, (z, y, x), int
        On the whole grid.
    names : mapping of int to str
        The labels wanted.
    box : tuple of slices
        Box around all labels (`bounding_box`): indices in `Region.source` refer to images cut to it.

    Returns
    -------
    dict
        In the order of `names`.
    """
    wanted = np.array(sorted(names))
    inside = labels[box]
    # find_objects makes a list as long as the largest label: number the labels first
    number = np.searchsorted(wanted, inside).clip(max=wanted.size - 1)
    numbered = np.where(wanted[number] == inside, number + 1, 0)
    boxes = ndimage.find_objects(numbered.astype(np.int32), max_label=wanted.size)
    start = np.array([s.start for s in box])
    regions: dict[int, Region | None] = {}
    for label, name in names.items():
        position = int(np.searchsorted(wanted, label))
        found = boxes[position]
        if found is None:
            regions[label] = None
            continue
        at = np.argwhere(numbered[found] == position + 1)
        low = np.array([s.start for s in found])
        size = np.array([s.stop - s.start for s in found])
        shape = size + 2
        edge = (low + start == 0).any() or (low + size + start == labels.shape).any()
        regions[label] = Region(
            label=label,
            name=name,
            voxels=np.asarray(np.ravel_multi_index(tuple((at + 1).T), tuple(shape)), dtype=np.uint64),
            shape=shape.astype(np.int64),
            steps=offsets(tuple(shape)),
            source=np.asarray(np.ravel_multi_index(tuple((at + low).T), inside.shape), dtype=np.int64),
            at_edge=bool(edge),
        )
    return regions

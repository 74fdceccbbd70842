"""A stand-in for tractography, so that everything runs where no real one can be had. It is no anatomy.

Streamlines are shortest paths between regions through the template's brain, white matter being cheap to cross and
grey matter dear; near regions get more of them, as they do in measured connectomes (Ercsey-Ravasz et al. 2013,
Neuron 80:184).
"""

from __future__ import annotations

from collections.abc import Callable

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import dijkstra

from bids_app.errors import InputError
from bids_app.features.streamlines import Tractogram, from_list
from bids_app.image.atlas import Atlas
from bids_app.image.template import Template, load_template
from bids_app.image.volume import resample

PATH_GRID_MM = 3.0  # coarse, so that shortest paths take seconds
DEAREST = 0.05  # of white matter's cost where there is none of it: its inverse, as a factor
FALL_MM = 40.0  # way through white matter over which the number of streamlines falls to 1/e
STARTS = 3  # voxels of each region
STEP_MM = 1.0  # between points: the atlas has voxels of 1 mm


def synthetic_streamlines(
    atlas: Atlas, *, n_streamlines: int = 30_000, seed: int = 1, tell: Callable[[str], None] | None = None
) -> Tractogram:
    """Return shortest paths between an atlas' regions.

    Parameters
    ----------
    atlas : Atlas
        Regions in template space.
    n_streamlines : int
    seed : int
        The same seed gives the same streamlines.
    tell : callable, optional
        Takes a line of text after each quarter of the work.

    Returns
    -------
    Tractogram
        RAS mm, in the space of the built-in template.

    Raises
    ------
    InputError
        If the atlas has less than two regions inside the template's brain.
    """
    template = load_template(resolution=PATH_GRID_MM)
    inside = np.flatnonzero(np.asarray(template.brain.dataobj))
    labels = np.asarray(resample(atlas.image, template.brain, order=0).dataobj).ravel()[inside]
    regions = np.setdiff1d(np.unique(labels), [0])
    if len(regions) < 2:
        raise InputError(f"--atlas {atlas.name}: less than two regions lie in the template's brain")
    rng, graph = np.random.default_rng(seed), _graph(template, inside)
    starts = np.concatenate([rng.choice(np.flatnonzero(labels == r), STARTS) for r in regions])
    share = np.diff(np.linspace(0, n_streamlines, len(starts) + 1).astype(int))
    centres = np.stack(np.unravel_index(inside, template.brain.shape), axis=1)
    lines = []
    quarters = {round(len(starts) * part / 4): f"synthetic connectome: {25 * part} %" for part in (1, 2, 3)}
    for done, (start, count) in enumerate(zip(starts, share, strict=True)):
        if tell and done in quarters:
            tell(quarters[done])
        if count:
            paths = _paths(graph, start, int(count), labels, rng)
            lines += [_smooth(centres[path] + rng.uniform(-0.5, 0.5, 3)) for path in paths]
    whole = from_list(lines)
    points = nib.affines.apply_affine(template.brain.affine, whole.points)
    return Tractogram(points.astype(np.float32), whole.offsets)


def _graph(template: Template, inside: npt.NDArray[np.int64]) -> csr_array:
    """Return the costs between neighbouring voxels (26) of the brain, mm of white matter."""
    shape = template.brain.shape
    number = np.full(np.array(shape) + 2, -1)
    number[1:-1, 1:-1, 1:-1].flat[inside] = np.arange(len(inside))
    dear = 1 / (DEAREST + (1 - DEAREST) * np.asarray(template.wm.dataobj).ravel()[inside])
    at = np.stack(np.unravel_index(inside, shape), axis=1) + 1
    rows, columns, costs = [], [], []
    for step in np.ndindex(3, 3, 3):
        move = np.array(step) - 1
        if tuple(move) <= (0, 0, 0):
            continue  # each pair of neighbours once
        other = number[tuple((at + move).T)]
        rows.append(np.flatnonzero(other >= 0))
        columns.append(other[rows[-1]])
        costs.append(PATH_GRID_MM * np.linalg.norm(move) * (dear[rows[-1]] + dear[columns[-1]]) / 2)
    entries = np.concatenate(costs), (np.concatenate(rows), np.concatenate(columns))
    return csr_array(coo_array(entries, shape=(len(inside), len(inside))))


def _paths(
    graph: csr_array, start: int, count: int, labels: npt.NDArray, rng: np.random.Generator
) -> list[npt.NDArray[np.int64]]:
    """Return shortest paths from a voxel to random ones of other regions, the nearer the likelier."""
    cost, before = dijkstra(graph, directed=False, indices=start, return_predecessors=True)
    chance = np.exp(-cost / FALL_MM) * ((labels > 0) & (labels != labels[start]))
    now = rng.choice(len(chance), count, p=chance / chance.sum())
    ways = [now]
    while (now != start).any():
        now = np.where(now == start, start, before[now])
        ways.append(now)
    table = np.stack(ways, axis=1)
    return [row[: int(np.argmax(row == start)) + 1] for row in table]


def _smooth(path: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Round off a path of voxels and put a point on every millimetre, both ends staying where they are."""
    for _ in range(2):
        path[1:-1] = (path[:-2] + path[1:-1] + path[2:]) / 3
    way = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    wanted = np.linspace(0, way[-1], max(2, int(np.ceil(way[-1] * PATH_GRID_MM / STEP_MM)) + 1))
    return np.stack([np.interp(wanted, way, path[:, k]) for k in range(3)], axis=1)

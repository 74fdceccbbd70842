"""Voxels that streamlines cross: against dense sampling, by hand at faces and corners, and from either end."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from bids_app.features.traversal import by_voxel, crossed_voxels, strongest

SHAPE = (12, 11, 10)


def voxels_of(line, shape=SHAPE, exact=True):
    line = np.asarray(line, dtype=np.float64)
    _, found = crossed_voxels(line, np.array([0, len(line)]), shape, exact)
    return [tuple(int(i) for i in np.unravel_index(v, shape)) for v in found]


@pytest.mark.parametrize("seed", range(20))
def test_dense_sampling_finds_no_other_voxel(seed):
    rng = np.random.default_rng(seed)
    line = rng.uniform(-1, 12, (6, 3))  # partly outside the grid
    steps = np.linspace(0, 1, 100_001)[:, None]
    voxels = np.floor(np.concatenate([a + steps * (b - a) for a, b in pairwise(line)]) + 0.5).astype(int)
    inside = ((voxels >= 0) & (voxels < SHAPE)).all(axis=1)
    dense = {tuple(v) for v in np.unique(voxels[inside], axis=0).tolist()}
    exact = set(voxels_of(line))
    assert dense <= exact
    for voxel in exact - dense:  # cut at a corner, more finely than the samples lie
        assert max(_length_inside(a, b, np.array(voxel)) for a, b in pairwise(line)) < 1e-3


def _length_inside(a, b, voxel):
    """Length of the segment inside a voxel, by its slabs."""
    with np.errstate(divide="ignore"):
        near, far = (voxel - 0.5 - a) / (b - a), (voxel + 0.5 - a) / (b - a)
    enter = max(0.0, np.minimum(near, far).max())
    leave = min(1.0, np.maximum(near, far).min())
    return max(0.0, leave - enter) * np.linalg.norm(b - a) if leave >= enter - 1e-9 else np.inf


def test_by_hand():
    assert voxels_of([[0, 0, 0], [3, 0, 0]]) == [(0, 0, 0), (1, 0, 0), (2, 0, 0), (3, 0, 0)]
    assert voxels_of([[0, 0, 0], [1, 0.9, 0]]) == [(0, 0, 0), (1, 0, 0), (1, 1, 0)]  # no vertex in (1, 0, 0)
    assert voxels_of([[2, 2, 2]]) == [(2, 2, 2)]
    assert voxels_of([[2, 2, 2], [2, 2, 2]]) == [(2, 2, 2)]
    assert voxels_of([[-9, 0, 0], [-3, 0, 0]]) == []
    assert voxels_of([[0, 0, 0], [2, 0, 0], [0, 0, 0]]) == [(0, 0, 0), (1, 0, 0), (2, 0, 0)]  # each once


def test_vertices_alone():
    assert voxels_of([[0, 0, 0], [3, 0, 0]], exact=False) == [(0, 0, 0), (3, 0, 0)]


@pytest.mark.parametrize("seed", range(5))
def test_both_ways_cross_the_same_voxels(seed):
    rng = np.random.default_rng(seed)
    for line in (rng.integers(0, 9, (5, 3)), rng.integers(0, 19, (5, 3)) / 2, rng.uniform(0, 9, (5, 3))):
        assert voxels_of(line) == voxels_of(
            line[::-1]
        )  # whole and half numbers pass through edges and corners


def test_neighbouring_voxels_of_a_way_share_a_face():
    rng = np.random.default_rng(1)
    for _ in range(50):
        line = rng.integers(0, 10, (2, 3))
        assert len(voxels_of(line)) == np.abs(line[1] - line[0]).sum() + 1


def test_streamlines_of_a_voxel():
    rng = np.random.default_rng(2)
    lines = [rng.uniform(0, 9, (4, 3)) for _ in range(30)]
    offsets = np.arange(0, 121, 4)
    starts, voxels = crossed_voxels(np.concatenate(lines), offsets, SHAPE, True)
    indptr, members = by_voxel(starts, voxels, int(np.prod(SHAPE)))
    assert indptr[-1] == len(members) == len(voxels)
    for v in np.unique(voxels)[:20]:
        through = [s for s in range(30) if v in voxels[starts[s] : starts[s + 1]]]
        assert members[indptr[v] : indptr[v + 1]].tolist() == through


def test_arrays_that_point_outside_themselves_are_refused():
    voxels, values = np.array([0]), np.ones(1, np.float32)
    with pytest.raises(ValueError, match="voxel"):
        strongest(np.array([0, 9]), np.array([0], np.int32), voxels, values, 1)
    with pytest.raises(ValueError, match="streamline"):
        strongest(np.array([0, 1]), np.array([7], np.int32), voxels, values, 1)

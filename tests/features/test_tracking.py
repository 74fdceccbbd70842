"""Tracking: simple fields with known answers, the same streamlines for the same seed, the real field."""

from __future__ import annotations

import gzip

import nibabel as nib
import numpy as np
import pytest

from bids_app.errors import InputError
from bids_app.features.chaco import end_labels
from bids_app.features.connectome import Connectome
from bids_app.features.tracking import Field, TrackingSettings, read_field, track
from bids_app.image.atlas import load_atlas

AFFINE = np.array([[-2.0, 0, 0, 60], [0, -2, 0, 60], [0, 0, 2, -20], [0, 0, 0, 1]])  # LPS voxels of 2 mm
FEW = TrackingSettings(n_streamlines=50, shortest_mm=10)


def along(axis, shape=(40, 40, 20)):
    """One peak everywhere, along a voxel axis."""
    strength = np.zeros((*shape, 3), np.float32)
    strength[..., 0] = 1
    direction = np.zeros((*shape, 3, 3), np.float32)
    direction[..., 0, axis] = 1
    return Field(strength, direction, AFFINE)


def pieces(tractogram):
    return np.split(tractogram.points, tractogram.offsets[1:-1])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_straight_field_gives_straight_lines_through_all_of_it(axis):
    field = along(axis)
    for line in pieces(track(field, FEW)):
        others = [k for k in range(3) if k != axis]
        assert np.ptp(line[:, others], axis=0).max() < 1e-4
        assert np.ptp(line[:, axis]) >= 2 * field.strength.shape[axis] - 5
        np.testing.assert_allclose(np.abs(np.diff(line[:, axis])), 1.0, atol=1e-4)  # steps of 1 mm


def test_crossing_fibres_are_crossed_straight():
    field = along(0)
    field.strength[15:25, ..., 1], field.direction[15:25, ..., 1, 1] = 1.0, 1.0
    field.strength[15:25, ..., 0] = 0.9  # the crossing fibre is the stronger one there
    settings = TrackingSettings(n_streamlines=100, shortest_mm=10, longest_mm=200)
    for line in pieces(track(field, settings)):
        assert min(np.ptp(line[:, 0]), np.ptp(line[:, 1])) < 1e-4


def test_streamlines_end_where_anisotropy_does():
    field = along(0)
    field.strength[30:, ..., 0] = 0.1
    for line in pieces(track(field, FEW)):
        assert line[:, 0].min() >= 60 - 2 * 30.5 - 1


def test_sharp_turns_are_not_followed():
    field = along(0)
    field.direction[20:, ..., 0, :] = [0, 1, 0]
    for line in pieces(track(field, FEW)):
        steps = np.diff(line, axis=0) / np.linalg.norm(np.diff(line, axis=0), axis=1, keepdims=True)
        assert (np.einsum("ij,ij->i", steps[1:], steps[:-1]) >= np.cos(np.deg2rad(45)) - 1e-3).all()


def test_lengths_keep_to_their_limits():
    with pytest.raises(InputError, match="streamlines"):
        track(along(2), TrackingSettings(n_streamlines=10, shortest_mm=60))  # the field is 40 mm high
    with pytest.raises(InputError, match="streamlines"):
        track(along(0), TrackingSettings(n_streamlines=10, shortest_mm=5, longest_mm=20))


def test_a_field_without_fibres_is_refused():
    field = along(0)
    field.strength[:] = 0
    with pytest.raises(InputError, match="fibre field"):
        track(field, FEW)


def test_unreadable_fields_are_refused(tmp_path):
    for content in (b"", b"no gzip", gzip.compress(b"no matlab"), gzip.compress(b"\0" * 400)):
        (tmp_path / "a.fib.gz").write_bytes(content)
        with pytest.raises(InputError, match=r"a\.fib\.gz"):
            read_field(tmp_path / "a.fib.gz")


@pytest.fixture(scope="module")
def hcp_field(shared):
    return read_field(shared / "data" / "hcp1065" / "ICBM152_adult.fib.gz")


def test_the_real_field_is_in_mni_space(hcp_field):
    callosum = np.array(
        [[0, 28, 5], [0, -38, 14], [0, 10, 24]]
    )  # genu, splenium, body: fibres run left-right
    voxels = np.rint(nib.affines.apply_affine(np.linalg.inv(hcp_field.affine), callosum)).astype(int)
    for x, y, z in voxels:
        first = hcp_field.direction[x, y, z, 0]
        assert abs(first[0]) > 0.8
    norms = np.linalg.norm(hcp_field.direction[hcp_field.strength > 0], axis=-1)
    np.testing.assert_allclose(norms, 1, atol=1e-3)


def test_the_same_seed_gives_the_same_streamlines(hcp_field):
    a, b, c = (track(hcp_field, TrackingSettings(n_streamlines=500, seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a.points, b.points)
    assert len(a.points) != len(c.points)
    lengths = np.array([np.linalg.norm(np.diff(line, axis=0), axis=1).sum() for line in pieces(a)])
    assert lengths.min() >= 29.9
    assert lengths.max() <= 250


def test_tracked_streamlines_connect_regions_as_nemos_do(shared, hcp_field):
    from scipy.io import loadmat
    from scipy.stats import spearmanr

    atlas = load_atlas()
    grid = atlas.image
    lines = track(hcp_field, TrackingSettings(n_streamlines=15_000))
    ends = end_labels(Connectome.from_streamlines(lines, affine=grid.affine, shape=grid.shape), atlas, 4.0)
    assert (ends > 0).all(axis=1).mean() > 0.3
    counts = np.zeros((117, 117))
    np.add.at(counts, (ends.min(axis=1), ends.max(axis=1)), 1)
    content = loadmat(shared / "data" / "aal" / "nemo_ifod2act_aal_streamline_counts_mean.mat")
    nemo = next(v for k, v in content.items() if not k.startswith("__") and v.shape == (116, 116))
    upper = np.triu_indices(116, 1)
    assert spearmanr(counts[1:, 1:][upper], np.maximum(nemo, nemo.T)[upper]).statistic > 0.4

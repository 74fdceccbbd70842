"""Disconnection: toy tractograms computed by hand, invariances, real masks through real tractography."""

from __future__ import annotations

import gzip
import json
from itertools import pairwise

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bids_app.errors import InputError
from bids_app.features.chaco import bundle_damage, chaco, disconnectome_map, end_labels
from bids_app.features.connectome import Connectome
from bids_app.features.streamlines import Tractogram, from_list, read_streamlines
from bids_app.features.tracking import TrackingSettings, read_field, track
from bids_app.features.traversal import crossed_voxels
from bids_app.image.atlas import Atlas, load_atlas

SHAPE = (10, 3, 1)


def toy_atlas():
    """Regions A (x 0-1), B (x 8-9) in row 0; C (x 8-9) in row 2; the rest is no region."""
    labels = np.zeros(SHAPE, np.int16)
    labels[:2, 0], labels[8:, 0], labels[8:, 2] = 1, 2, 3
    table = pd.DataFrame({"index": [1, 2, 3, 4], "name": ["A", "B", "C", "D"]})
    return Atlas("toy", nib.Nifti1Image(labels, np.eye(4)), table, "toy")


LINES = [
    [[0, 0, 0], [9, 0, 0]],  # A-B
    [[9, 0, 0], [1, 0, 0]],  # B-A
    [[0, 0, 0], [4, 1, 0], [9, 2, 0]],  # A-C
    [[0, 0, 0], [1, 0, 0]],  # within A
    [[5, 1, 0], [9, 0, 0]],  # unlabelled end-B
]


def toy(lines=LINES, **more):
    return Connectome.from_streamlines(lines, affine=np.eye(4), shape=SHAPE, **more)


def lesion_at(*voxels):
    data = np.zeros(SHAPE, np.uint8)
    for voxel in voxels:
        data[voxel] = 1
    return nib.Nifti1Image(data, np.eye(4))


def by_name(found):
    return found.regions.set_index("name")


def test_scores_of_a_toy_tractogram_by_hand():
    found = chaco(lesion_at((5, 0, 0)), toy(), toy_atlas())  # hits both A-B lines
    table = by_name(found)
    assert found.damaged.tolist() == [True, True, False, False, False]
    assert table["chaco"].round(6).tolist()[:3] == [round(2 / 3, 6), 1.0, 0.0]
    assert table["n_streamlines"].tolist() == [3, 2, 1, 0]
    assert np.isnan(table.loc["D", "chaco"])
    assert table["frac_defined"].tolist() == [1, 1, 1, 0]
    assert table["chaco_sd"].isna().all()  # a group average has no variation between subjects
    pairs = found.pairs.set_index(["region_a", "region_b"])
    assert pairs.loc[("A", "B"), "chaco"] == 1
    assert pairs.loc[("A", "C"), "n_streamlines"] == 1


def test_nemo1_counts_streamlines_within_a_region_once():
    table = by_name(chaco(lesion_at((5, 0, 0)), toy(), toy_atlas(), definition="nemo1"))
    assert table.loc["A", "n_streamlines"] == 4
    assert table.loc["A", "chaco"] == 0.5


def test_mean_and_sd_over_reference_subjects():
    cohort = toy(subject=[0, 1, 1, 0, 0])
    table = by_name(chaco(lesion_at((5, 0, 0)), cohort, toy_atlas()))
    assert table.loc["A", "chaco"] == pytest.approx((1 + 0.5) / 2)
    assert table.loc["A", "chaco_sd"] == pytest.approx(np.std([1, 0.5], ddof=1))
    assert table.loc["C", "frac_defined"] == 0.5


def test_ends_are_searched_within_a_radius():
    counted = [
        by_name(chaco(lesion_at(), toy(), toy_atlas(), definition="nemo1", end_radius=radius))[
            "n_streamlines"
        ]
        for radius in (0.0, 3.0, 3.2)
    ]
    assert [c["B"] for c in counted] == [2, 2, 3]  # the open end lies 3.16 mm from B


def test_all_and_nothing():
    everything = nib.Nifti1Image(np.ones(SHAPE, np.uint8), np.eye(4))
    assert by_name(chaco(everything, toy(), toy_atlas()))["chaco"].dropna().eq(1).all()
    assert by_name(chaco(lesion_at(), toy(), toy_atlas()))["chaco"].dropna().eq(0).all()


def test_direction_and_order_do_not_matter_and_more_lesion_is_more():
    rng = np.random.default_rng(0)
    lines = [rng.uniform([0, 0, 0], [9.4, 2.4, 0.4], (5, 3)) for _ in range(200)]
    other = [lines[k][::-1] for k in rng.permutation(200)]
    lesion = lesion_at((5, 1, 0))
    one, two = (by_name(chaco(lesion, toy(x), toy_atlas())) for x in (lines, other))
    pd.testing.assert_frame_equal(one, two)
    larger = by_name(chaco(lesion_at((5, 1, 0), (3, 0, 0), (7, 2, 0)), toy(lines), toy_atlas()))
    assert (larger["chaco"].dropna() >= one["chaco"].dropna()).all()


def test_probability_weighs_streamlines():
    data = np.zeros(SHAPE, np.float32)
    data[5, 0] = 0.4
    found = chaco(nib.Nifti1Image(data, np.eye(4)), toy(), toy_atlas(), weighted=True)
    assert by_name(found).loc["B", "chaco"] == pytest.approx(0.4)


@pytest.mark.parametrize("seed", range(5))
def test_traversal_finds_every_voxel(seed):
    rng = np.random.default_rng(seed)
    line = rng.uniform(-1, 12, (6, 3))
    _, found = crossed_voxels(line, np.array([0, 6]), (12, 11, 10), True)
    steps = np.linspace(0, 1, 200_001)[:, None]
    dense = np.concatenate([a + steps * (b - a) for a, b in pairwise(line)])
    voxels = np.floor(dense + 0.5).astype(int)
    inside = ((voxels >= 0) & (voxels < (12, 11, 10))).all(axis=1)
    expected = np.unique(np.ravel_multi_index(tuple(voxels[inside].T), (12, 11, 10)))
    assert set(expected) <= set(found.tolist())
    assert len(found) - len(expected) <= 1  # dense sampling may step over a corner


def test_vertices_alone_as_nemo2_counts():
    found = chaco(lesion_at((5, 0, 0)), toy(voxelization="vertex"), toy_atlas())
    assert not found.damaged.any()  # no vertex lies there


def test_saved_connectome_opens_as_it_was(tmp_path):
    made = toy(about={"Source": "by hand"})
    opened = Connectome.open(made.save(tmp_path / "c"))
    np.testing.assert_array_equal(opened.streamlines, made.streamlines)
    assert opened.describe()["Source"] == "by hand"
    assert np.allclose(opened.length[:2], [9, 8])


@pytest.mark.parametrize("name", ["indptr.npy", "ends.npy", "connectome.json"])
def test_damaged_connectome_is_told(tmp_path, name):
    folder = toy().save(tmp_path / "c")
    (folder / name).write_bytes((folder / name).read_bytes()[:30])
    with pytest.raises(InputError, match="damaged connectome"):
        Connectome.open(folder)
    with pytest.raises(InputError, match="no connectome here"):
        Connectome.open(tmp_path)


def test_bad_tractograms_are_refused(tmp_path):
    with pytest.raises(InputError, match="no streamlines"):
        toy([])
    with pytest.raises(InputError, match="streamline 1 has a point"):
        toy([[[0, 0, 0]], [[np.nan, 0, 0]]])
    with pytest.raises(InputError, match="outside the template's grid"):
        toy([[[100, 100, 100], [200, 100, 100]]])
    (tmp_path / "a.tck").write_bytes(b"mrtrix tracks\ncount: 3\n")
    with pytest.raises(InputError, match=r"a\.tck"):
        read_streamlines(tmp_path / "a.tck")
    (tmp_path / "a.tt.gz").write_bytes(gzip.compress(b"nothing"))
    with pytest.raises(InputError, match="damaged or truncated"):
        read_streamlines(tmp_path / "a.tt.gz")
    with pytest.raises(InputError, match="unknown format"):
        read_streamlines(tmp_path / "a.vtk")


@pytest.mark.parametrize("ending", [".tck", ".trk", ".trx"])
def test_formats_hold_the_same_points(tmp_path, ending):
    lines = [np.array(line, np.float32) for line in LINES]
    path = tmp_path / f"a{ending}"
    if ending == ".trx":
        import zipfile

        whole = from_list(lines)
        with zipfile.ZipFile(path, "w") as archive:
            head = {"NB_STREAMLINES": len(lines), "NB_VERTICES": len(whole.points)}
            archive.writestr("header.json", json.dumps(head))
            archive.writestr("positions.3.float32", whole.points.tobytes())
            archive.writestr("offsets.uint64", whole.offsets[:-1].astype(np.uint64).tobytes())
    else:
        nib.streamlines.save(nib.streamlines.Tractogram(lines, affine_to_rasmm=np.eye(4)), path)
    found = read_streamlines(path)
    np.testing.assert_allclose(found.points, from_list(lines).points, atol=1e-5)
    np.testing.assert_array_equal(found.offsets, from_list(lines).offsets)


def test_lesions_of_another_grid_or_place():
    fine = nib.Nifti1Image(np.ones((20, 6, 2), np.uint8), np.diag([0.5, 0.5, 0.5, 1]))
    assert chaco(fine, toy(), toy_atlas()).damaged.all()
    far = nib.Nifti1Image(np.ones((2, 2, 2), np.uint8), nib.affines.from_matvec(np.eye(3), [500, 0, 0]))
    with pytest.raises(InputError, match="no lesion lies in the brain"):
        chaco(far, toy(), toy_atlas())
    with pytest.raises(InputError, match="needs a 3D image"):
        chaco(nib.Nifti1Image(np.ones((2, 2, 2, 2), np.uint8), np.eye(4)), toy(), toy_atlas())


def test_maps_and_bundles_of_damage():
    lines = from_list(LINES)
    made = toy(Tractogram(lines.points, lines.offsets, np.array([0, 0, 1, 1, 1], np.int16), ["one", "two"]))
    found = chaco(lesion_at((5, 0, 0)), made, toy_atlas())
    assert bundle_damage(made, found.damaged)["chaco"].tolist() == [1, 0]
    share = np.asarray(disconnectome_map(made, found.damaged).dataobj)
    assert share[5, 0, 0] == 1
    assert share[0, 0, 0] == pytest.approx(1 / 3)


@pytest.fixture(scope="module")
def hcp(shared):
    field = read_field(shared / "data" / "hcp1065" / "ICBM152_adult.fib.gz")
    lines = track(field, TrackingSettings(n_streamlines=15_000))
    grid = load_atlas().image
    return Connectome.from_streamlines(lines, affine=grid.affine, shape=grid.shape)


def test_tracked_streamlines_connect_regions_as_nemos_do(shared, hcp):
    from scipy.io import loadmat
    from scipy.stats import spearmanr

    atlas = load_atlas()
    ends = end_labels(hcp, atlas, 4.0)
    assert (ends > 0).all(axis=1).mean() > 0.3
    counts = np.zeros((117, 117))
    np.add.at(counts, (ends.min(axis=1), ends.max(axis=1)), 1)
    content = loadmat(shared / "data" / "aal" / "nemo_ifod2act_aal_streamline_counts_mean.mat")
    nemo = next(v for k, v in content.items() if not k.startswith("__") and v.shape == (116, 116))
    upper = np.triu_indices(116, 1)
    assert spearmanr(counts[1:, 1:][upper], np.maximum(nemo, nemo.T)[upper]).statistic > 0.4


def test_tracking_repeats_itself(shared):
    field = read_field(shared / "data" / "hcp1065" / "ICBM152_adult.fib.gz")
    a, b = (track(field, TrackingSettings(n_streamlines=500)) for _ in range(2))
    np.testing.assert_array_equal(a.points, b.points)


def test_real_lesions_disconnect_in_proportion(shared, hcp):
    atlas, mean, volume = load_atlas(), [], []
    for path in sorted((shared / "data" / "openms-mni").glob("sub-*/anat/*consensus_mask.nii.gz"))[:8]:
        mask = nib.load(path)
        found = chaco(mask, hcp, atlas, end_radius=4.0)
        mean.append(found.regions["chaco"].mean())
        volume.append(np.count_nonzero(mask.dataobj))
        assert found.regions["chaco"].dropna().between(0, 1).all()
    assert np.corrcoef(np.log(volume), mean)[0, 1] > 0.5


def test_tractography_atlas_has_named_bundles(shared):
    lines = read_streamlines(shared / "data" / "hcp1065" / "ICBM152_adult.tt.gz")
    assert len(lines.offsets) - 1 == 10_403
    assert len(lines.bundles) >= 106
    lengths = np.linalg.norm(np.diff(lines.points[:200], axis=0), axis=1)
    assert np.median(lengths) < 3
    assert np.abs(lines.points).max() < 120

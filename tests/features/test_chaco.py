"""Disconnection: toy tractograms computed by hand, invariances, real masks through real tractography."""

from __future__ import annotations

import gc
from itertools import pairwise

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from tracts import LINES, SHAPE, by_name, lesion_at, toy, toy_atlas

from bids_app.errors import InputError
from bids_app.features.bundles import damage_by_bundle
from bids_app.features.chaco import bundle_damage, chaco, disconnectome_map, end_labels
from bids_app.features.connectome import Connectome
from bids_app.features.streamlines import Tractogram, from_list, read_streamlines
from bids_app.features.tracking import TrackingSettings, read_field, track
from bids_app.image.atlas import load_atlas


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


def test_a_plain_label_image_is_an_atlas_named_by_its_labels():
    atlas, connectome = toy_atlas(), toy()
    named = by_name(chaco(lesion_at((5, 0, 0)), connectome, atlas))
    plain = chaco(lesion_at((5, 0, 0)), connectome, atlas.image).regions
    present = np.unique(np.asanyarray(atlas.image.dataobj))[1:]
    assert plain["name"].tolist() == [str(label) for label in present]
    known = atlas.regions.set_index("index")["name"]
    expected = named.loc[[known[label] for label in present], "chaco"]
    np.testing.assert_array_equal(plain["chaco"], expected)
    broken = nib.Nifti1Image(np.full(SHAPE, 0.5), atlas.image.affine)
    with pytest.raises(InputError, match="whole-number labels"):
        chaco(lesion_at((5, 0, 0)), connectome, broken)
    assert plain.index.tolist() == plain["index"].tolist() == present.tolist()


def test_an_atlas_that_cannot_be_used_is_refused():
    labels = np.asanyarray(toy_atlas().image.dataobj)
    far = nib.affines.from_matvec(np.eye(3), [200, 0, 0])
    for image, words in (
        (nib.Nifti1Image(labels, far), "no streamline ends on its grid"),
        (nib.Nifti1Image(np.zeros_like(labels), np.eye(4)), "empty"),
    ):
        with pytest.raises(InputError, match=words):
            chaco(lesion_at((5, 0, 0)), toy(), image)


@pytest.mark.parametrize("columns", [2, 4, 6])
def test_streamlines_need_three_coordinates(columns):
    with pytest.raises(InputError, match=r"streamline 0 has shape \(6, "):
        from_list([np.zeros((6, columns))])


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


def test_probability_weighs_streamlines():
    data = np.zeros(SHAPE, np.float32)
    data[5, 0] = 0.4
    found = chaco(nib.Nifti1Image(data, np.eye(4)), toy(), toy_atlas(), weighted=True)
    assert by_name(found).loc["B", "chaco"] == pytest.approx(0.4)


def test_maps_and_bundles_of_damage():
    lines = from_list(LINES)
    made = toy(Tractogram(lines.points, lines.offsets, np.array([0, 0, 1, 1, 1], np.int16), ["one", "two"]))
    found = chaco(lesion_at((5, 0, 0)), made, toy_atlas())
    assert bundle_damage(made, found.damaged)["chaco"].tolist() == [1, 0]
    share = np.asarray(disconnectome_map(made, found.damaged).dataobj)
    assert share[5, 0, 0] == 1
    assert share[0, 0, 0] == pytest.approx(1 / 3)


def test_real_lesions_disconnect_in_proportion(shared, hcp):
    atlas, mean, volume = load_atlas(), [], []
    for path in sorted((shared / "data" / "openms-mni").glob("sub-*/anat/*consensus_mask.nii.gz"))[:8]:
        mask = nib.load(path)
        found = chaco(mask, hcp, atlas, end_radius=4.0)
        mean.append(found.regions["chaco"].mean())
        volume.append(np.count_nonzero(mask.dataobj))
        assert found.regions["chaco"].dropna().between(0, 1).all()
    assert np.corrcoef(np.log(volume), mean)[0, 1] > 0.5


def random_lines(n=200, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.uniform([-0.4, -0.4, -0.4], [9.4, 2.4, 0.4], (5, 3)) for _ in range(n)]


def test_direction_and_order_do_not_matter():
    rng = np.random.default_rng(1)
    halves = [np.rint(2 * line) / 2 for line in random_lines()]  # through edges and corners of voxels
    for lines in (random_lines(), halves):
        other = [lines[k][::-1] for k in rng.permutation(len(lines))]
        one, two = (chaco(lesion_at((5, 1, 0)), toy(x), toy_atlas()) for x in (lines, other))
        pd.testing.assert_frame_equal(one.regions, two.regions)
        pd.testing.assert_frame_equal(one.pairs, two.pairs)


@pytest.mark.parametrize("definition", ["nemo2", "nemo1"])
def test_more_lesion_is_never_less_disconnection(definition):
    rng, made = np.random.default_rng(2), toy(random_lines())
    voxels = [tuple(v) for v in rng.permutation(np.argwhere(np.ones(SHAPE)))]
    before = np.zeros(3)
    for n in range(0, len(voxels) + 1, 3):
        score = by_name(chaco(lesion_at(*voxels[:n]), made, toy_atlas(), definition=definition))["chaco"]
        assert (score.to_numpy()[:3] >= before).all()
        before = score.to_numpy()[:3]
    assert (before == 1).all()


@pytest.mark.parametrize("definition", ["nemo2", "nemo1"])
def test_all_and_nothing(definition):
    everything = nib.Nifti1Image(np.ones(SHAPE, np.uint8), np.eye(4))
    for lesion, expected in ((everything, 1.0), (lesion_at(), 0.0)):
        found = chaco(lesion, toy(), toy_atlas(), definition=definition)
        assert by_name(found)["chaco"].to_numpy()[:3].tolist() == [expected] * 3
        assert (found.pairs["chaco"] == expected).all()


def test_unlabelled_ends_count_for_no_region():
    table = by_name(chaco(lesion_at((6, 1, 0)), toy(), toy_atlas(), definition="nemo1"))
    assert table.loc["B", "n_streamlines"] == 2  # not the one from nowhere
    assert chaco(lesion_at(), toy([LINES[4]]), toy_atlas()).regions["chaco"].isna().all()


def test_a_region_whose_streamlines_all_stay_inside_is_undefined_in_nemo2_alone():
    made = toy([LINES[3]])
    assert np.isnan(by_name(chaco(lesion_at((0, 0, 0)), made, toy_atlas())).loc["A", "chaco"])
    inside = by_name(chaco(lesion_at((0, 0, 0)), made, toy_atlas(), definition="nemo1"))
    assert inside.loc["A", ["chaco", "n_streamlines"]].tolist() == [1, 1]
    with pytest.raises(ValueError, match="nemo3"):
        chaco(lesion_at(), made, toy_atlas(), definition="nemo3")


@pytest.mark.parametrize("voxelization", ["vertex", "exact"])
@pytest.mark.parametrize("definition", ["nemo2", "nemo1"])
def test_equals_the_definition_in_matrices(voxelization, definition):
    """Voxels x streamlines, lesion x voxels, streamlines x regions: products, subject by subject."""
    lines, subject = random_lines(300, seed=3), np.arange(300) % 7
    lesion = lesion_at((5, 1, 0), (6, 0, 0), (3, 2, 0))
    found = by_name(
        chaco(
            lesion, toy(lines, subject=subject, voxelization=voxelization), toy_atlas(), definition=definition
        )
    )
    steps = np.linspace(0, 1, 4001)[:, None]
    crossed = np.zeros((300, *SHAPE), bool)
    for row, line in zip(crossed, lines, strict=True):
        dense = np.concatenate([a + steps * (b - a) for a, b in pairwise(line)])
        row[tuple(np.rint(line if voxelization == "vertex" else dense).astype(int).T)] = True
    hit = crossed.reshape(300, -1) @ np.asarray(lesion.dataobj).ravel() > 0
    labels = np.asarray(toy_atlas().image.dataobj)
    ends = np.array([[labels[tuple(np.rint(line[k]).astype(int))] for k in (0, -1)] for line in lines])
    shares = []
    for region in (1, 2, 3):
        touches = (ends == region).any(axis=1) & (ends > 0).all(axis=1)
        if definition == "nemo2":
            touches &= ends[:, 0] != ends[:, 1]
        of = [touches & (subject == s) for s in range(7)]
        shares.append(
            [
                np.count_nonzero(hit & of_lesion) / of_lesion.sum() if of_lesion.any() else np.nan
                for of_lesion in of
            ]
        )
    np.testing.assert_allclose(found["chaco"].to_numpy()[:3], np.nanmean(shares, axis=1))
    np.testing.assert_allclose(found["chaco_sd"].to_numpy()[:3], np.nanstd(shares, axis=1, ddof=1))
    assert found["frac_defined"].to_numpy()[:3].tolist() == np.isfinite(shares).mean(axis=1).tolist()


def test_vertices_alone_miss_what_segments_cut():
    assert chaco(lesion_at((5, 0, 0)), toy(), toy_atlas()).damaged.sum() == 2
    assert not chaco(lesion_at((5, 0, 0)), toy(voxelization="vertex"), toy_atlas()).damaged.any()


def test_lesions_of_another_grid_are_brought_to_it():
    data = np.zeros((20, 6, 2), np.uint8)
    data[10:12, :2, :2] = 1
    fine = nib.Nifti1Image(data, nib.affines.from_matvec(np.eye(3) / 2, [-0.25, -0.25, -0.25]))
    found = chaco(fine, toy(), toy_atlas())
    assert found.damaged.tolist() == chaco(lesion_at((5, 0, 0)), toy(), toy_atlas()).damaged.tolist()
    assert "resampled from (20, 6, 2)" in found.notes[0]
    mirrored = nib.Nifti1Image(
        np.asarray(lesion_at((5, 0, 0)).dataobj)[::-1],
        nib.affines.from_matvec(np.diag([-1, 1, 1]), [9, 0, 0]),
    )
    assert chaco(mirrored, toy(), toy_atlas()).damaged.tolist() == found.damaged.tolist()


def test_unusable_lesions_are_refused():
    far = nib.Nifti1Image(np.ones((2, 2, 2), np.uint8), nib.affines.from_matvec(np.eye(3), [500, 0, 0]))
    with pytest.raises(InputError, match="no lesion lies in the brain"):
        chaco(far, toy(), toy_atlas())
    with pytest.raises(InputError, match="no lesion lies in the brain"):
        chaco(
            lesion_at((9, 2, 0)), toy(LINES[:1]), toy_atlas()
        )  # on the grid, beside the box of the streamlines
    with pytest.raises(InputError, match="needs a 3D image"):
        chaco(nib.Nifti1Image(np.ones((2, 2, 2, 2), np.uint8), np.eye(4)), toy(), toy_atlas())
    with pytest.raises(InputError, match="probabilities from 0 to 1"):
        chaco(nib.Nifti1Image(np.full(SHAPE, 3.0, np.float32), np.eye(4)), toy(), toy_atlas(), weighted=True)


def test_voxels_that_are_no_number_are_no_lesion():
    data = np.asarray(lesion_at((5, 0, 0)).dataobj).astype(np.float32)
    data[5, 2, 0] = np.nan
    found = chaco(nib.Nifti1Image(data, np.eye(4)), toy(), toy_atlas())
    assert found.damaged.tolist() == [True, True, False, False, False]
    assert "1 voxels that are no number" in found.notes[0]


def test_probabilities_are_lesion_from_a_half():
    data = np.zeros(SHAPE, np.float32)
    data[5, 0], data[2, 2] = 0.5, 0.49
    assert chaco(nib.Nifti1Image(data, np.eye(4)), toy(), toy_atlas()).damaged.sum() == 2


def test_every_atlas_gets_its_own_labels():
    made, seen = toy(), set()
    for k in range(20):  # images that come and go may share an id
        atlas = toy_atlas()
        other = np.roll(np.asarray(atlas.image.dataobj), k % 2, axis=1)
        atlas = type(atlas)("toy", nib.Nifti1Image(other, np.eye(4)), atlas.regions, "toy")
        seen.add((k % 2, tuple(end_labels(made, atlas).ravel().tolist())))
        del atlas
        gc.collect()
    assert len(seen) == 2


def test_real_lesions_hit_the_bundles_beside_the_ventricles(shared):
    """Multiple sclerosis lies around the ventricles and in the callosum, less in cerebellum and cranial nerves."""
    lines = read_streamlines(shared / "data" / "hcp1065" / "ICBM152_adult.tt.gz")
    grid = load_atlas().image
    bundles = Connectome.from_streamlines(lines, affine=grid.affine, shape=grid.shape)
    masks = sorted((shared / "data" / "openms-mni").glob("sub-*/anat/*consensus_mask.nii.gz"))
    tables = [damage_by_bundle(nib.load(p), bundles).set_index("bundle")["chaco"] for p in masks]
    mean = pd.concat(tables, axis=1).mean(axis=1)
    top = " ".join(mean.nlargest(12).index)
    for name in (
        "CorpusCallosum_Tapetum",
        "CorpusCallosum_ForcepsMajor",
        "CorpusCallosum_Body",
        "OpticRadiation",
    ):
        assert name in top
    remote = mean[mean.index.str.contains("CranialNerve|Cerebellum")].mean()
    assert remote < mean[mean.index.str.contains("CorpusCallosum")].mean() / 3


@pytest.fixture(scope="module")
def hcp(shared):
    field = read_field(shared / "data" / "hcp1065" / "ICBM152_adult.fib.gz")
    lines = track(field, TrackingSettings(n_streamlines=15_000))
    grid = load_atlas().image
    return Connectome.from_streamlines(lines, affine=grid.affine, shape=grid.shape)

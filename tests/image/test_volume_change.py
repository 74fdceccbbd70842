"""Volume change of images with known contraction, and lesions put in with known volume."""

from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from bids_app.errors import VisitError
from bids_app.image.deformation import exponential, jacobian, solve_symmetric, warp
from bids_app.image.injection import brighten, contract, place_lesions, rescan
from bids_app.image.longitudinal import half_way
from bids_app.image.template import load_template
from bids_app.image.volume_change import Side, symmetric_percent, tissue_regions, volume_change

STILL = np.eye(4)


@pytest.fixture(scope="module")
def template():
    return load_template(resolution=2.0)


def side(image: nib.Nifti1Image, template, move=None) -> Side:
    """A visit whose tissues are found by intensity, as they would be in its own segmentation."""
    data, affine = np.asarray(image.dataobj), (STILL if move is None else move) @ image.affine
    normal = np.median(data[np.asarray(template.wm.dataobj) > 0.9])

    def at(values, kind=np.uint8):
        return nib.Nifti1Image(np.asarray(values).astype(kind), affine)

    tissue, white = data > 0.45 * normal, data > 0.85 * normal
    labels, none = at(np.where(white, 2, tissue)), at(np.zeros(data.shape))
    return Side(at(data, np.float32), at(data > 0.1 * normal), labels, none, tissue_regions(labels, none))


@pytest.fixture(scope="module")
def pair(template):
    """The template, and it contracted by about 1.5 % with noise, gain and a bias field; the truth."""
    made = contract(template.t1w, template.brain, 1.5, seed=4)
    noise = 0.02 * float(np.percentile(np.asarray(template.t1w.dataobj), 95))
    again = rescan(made.image, gain=1.2, drift=0.1, noise=noise, seed=5)
    first = side(rescan(template.t1w, noise=noise, seed=6), template)
    tissue = np.asarray(first.regions["brain"].dataobj) > 0
    return first, side(again, template), 100 * (float(made.factor[tissue].mean()) - 1)


def test_known_contraction_is_measured_within_a_fifth_of_a_percent(pair):
    before, after, truth = pair
    found = volume_change(before, after, STILL)
    assert truth == pytest.approx(-1.5, abs=0.3)
    # the later image is sampled once more than the earlier one; what that blurs is missed (0.16)
    assert found.percent["brain"] == pytest.approx(truth, abs=0.2)
    back = volume_change(after, before, STILL)
    for name in found.percent:
        assert found.percent[name] == pytest.approx(-back.percent[name], abs=0.02)


def test_no_change_is_none_after_another_position_gain_and_noise(template):
    noise = 0.02 * float(np.percentile(np.asarray(template.t1w.dataobj), 95))
    turn = rescan(template.t1w, turn=(2, -1, 3), shift=(1.3, -2.1, 0.7), gain=0.8, noise=noise, seed=1)
    move = np.eye(4)
    move[:3, :3] = Rotation.from_euler("xyz", (2, -1, 3), degrees=True).as_matrix()
    centre = nib.affines.apply_affine(template.t1w.affine, (np.array(template.t1w.shape) - 1) / 2)
    move[:3, 3] = centre - move[:3, :3] @ centre + np.array([1.3, -2.1, 0.7])
    half = half_way(np.linalg.inv(move), move)  # points of the later visit to the earlier one
    moved_template = replace(template, wm=rescan(template.wm, turn=(2, -1, 3), shift=(1.3, -2.1, 0.7)))
    found = volume_change(side(template.t1w, template), side(turn, moved_template), half)
    assert found.percent["brain"] == pytest.approx(0, abs=0.1)


def test_contrast_that_differs_by_two_percent_is_no_change(template):
    maps = np.stack([np.asarray(image.dataobj) for image in (template.gm, template.wm, template.csf)])
    affine, brain = template.t1w.affine, maps.sum(axis=0) > 0.5
    tissue = nib.Nifti1Image(np.where(brain, maps.argmax(axis=0) + 1, 0).astype(np.uint8), affine)
    none = nib.Nifti1Image(np.zeros(brain.shape, np.uint8), affine)
    regions = tissue_regions(tissue, none)
    sides = []
    for levels in ((0.700, 1, 0.30), (0.714, 1, 0.29)):
        mixed = nib.Nifti1Image(np.tensordot(levels, maps, axes=1).astype(np.float32), affine)
        sides.append(Side(mixed, nib.Nifti1Image(brain.astype(np.uint8), affine), tissue, none, regions))
    found = volume_change(*sides, STILL)
    # 0.12: at the rim of these maps grey matter borders on nothing, which is as dark as a little fluid
    assert found.percent["brain"] == pytest.approx(0, abs=0.15)
    assert found.percent["white matter"] == pytest.approx(0, abs=0.2)


@pytest.mark.slow
def test_two_intervals_add_up_to_the_whole(template):
    visits = [
        side(
            rescan(contract(template.t1w, template.brain, percent, seed=4).image, noise=1, seed=number),
            template,
        )
        for number, percent in enumerate((0, 0.6, 1.4))
    ]
    first, second, whole = (
        volume_change(visits[one], visits[other], STILL).percent["brain"]
        for one, other in ((0, 1), (1, 2), (0, 2))
    )
    assert first + second == pytest.approx(whole, abs=0.1)


def test_an_empty_region_is_refused(template):
    whole = side(template.t1w, template)
    none = nib.Nifti1Image(np.zeros(template.t1w.shape, np.float32), template.t1w.affine)
    empty = whole._replace(regions={"thalamus": none})
    with pytest.raises(VisitError, match="thalamus is empty"):
        volume_change(empty, empty, STILL)


def test_exponentials_of_opposite_fields_undo_each_other():
    rng = np.random.default_rng(0)
    v = np.stack([ndimage.gaussian_filter(rng.standard_normal((30, 30, 30)), 4) for _ in range(3)], axis=-1)
    v = (v / np.abs(v).max()).astype(np.float32)
    there, back = exponential(v), exponential(-v)
    again = there + np.stack([warp(back[..., i], there) for i in range(3)], axis=-1)
    assert np.abs(again[5:-5, 5:-5, 5:-5]).max() < 0.02
    assert jacobian(np.zeros((5, 5, 5, 3), np.float32)) == pytest.approx(np.ones((5, 5, 5)))


def test_small_systems_are_solved_as_numpy_solves_them():
    rng = np.random.default_rng(1)
    root = rng.standard_normal((50, 3, 3)).astype(np.float32)
    matrix = root @ root.transpose(0, 2, 1) + 0.1 * np.eye(3, dtype=np.float32)
    right = rng.standard_normal((50, 3)).astype(np.float32)
    expected = np.linalg.solve(matrix.astype(float), right[..., None].astype(float))[..., 0]
    assert np.allclose(solve_symmetric(matrix, right), expected, rtol=1e-3, atol=1e-3)


def test_percent_is_of_the_mean():
    assert symmetric_percent(100, 98) == pytest.approx(-symmetric_percent(98, 100))
    assert symmetric_percent(100, 98) == pytest.approx(-2.02, abs=0.001)


def test_lesions_get_the_volume_and_contrast_asked_for():
    shape = (60, 60, 60)
    flair = nib.Nifti1Image(np.full(shape, 100, np.float32), np.eye(4))
    white = np.zeros(shape, np.uint8)
    white[10:50, 10:50, 10:50] = 1
    taken = np.zeros(shape, np.uint8)
    taken[28:32, 28:32, 28:32] = 1
    wanted = [(30.0, 0.3), (100.0, 0.5), (300.0, 0.2)]
    added = place_lesions(
        nib.Nifti1Image(white, np.eye(4)), nib.Nifti1Image(taken, np.eye(4)), wanted, seed=2
    )
    assert added.contrasts == [0.3, 0.5, 0.2]
    assert added.volumes == pytest.approx([30, 100, 300], rel=0.35)
    labels = np.asarray(added.labels.dataobj)
    assert not (labels > 0)[taken > 0].any()
    bright = np.asarray(brighten(flair, added, 100.0).dataobj)
    assert bright[labels == 3].max() == pytest.approx(120, abs=1)
    assert bright[added.strength == 0] == pytest.approx(100)
    again = place_lesions(
        nib.Nifti1Image(white, np.eye(4)), nib.Nifti1Image(taken, np.eye(4)), wanted, seed=2
    )
    assert np.array_equal(np.asarray(again.labels.dataobj), labels)


def test_lesions_without_room_are_left_out():
    white = nib.Nifti1Image(np.ones((6, 6, 6), np.uint8), np.eye(4))
    full = nib.Nifti1Image(np.ones((6, 6, 6), np.uint8), np.eye(4))
    assert place_lesions(white, full, [(10.0, 0.3)], seed=0).volumes == []

"""Alignment: known movements are found, transforms are files that anyone can read."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_app.errors import VisitError
from bids_app.image.itk import from_itk, to_itk
from bids_app.image.register import align_rigid, align_template
from bids_app.image.template import load_template
from bids_app.image.transforms import DISPLACEMENT_STEP_MM, apply, apply_averaged, move_points
from bids_app.image.volume import resample


@pytest.fixture(scope="module")
def brain() -> nib.Nifti1Image:
    image = load_template(resolution=4.0).t1w
    return nib.Nifti1Image(np.asarray(image.dataobj) * 100, image.affine)


def test_to_itk_keeps_every_voxel_in_its_place():
    turn = nib.eulerangles.euler2mat(0.2, -0.4, 0.6)
    affine = nib.affines.from_matvec(turn @ np.diag([-2.0, 2.0, 3.0]), [10, -20, 5])
    image = nib.Nifti1Image(np.random.default_rng(0).normal(size=(5, 6, 7)).astype(np.float32), affine)
    moved = to_itk(image)
    point = moved.TransformIndexToPhysicalPoint([1, 2, 3])
    np.testing.assert_allclose(
        np.array(point) * [-1, -1, 1], nib.affines.apply_affine(affine, [1, 2, 3]), atol=1e-4
    )
    np.testing.assert_array_equal(from_itk(moved, image).get_fdata(), image.get_fdata())


def test_a_known_movement_is_found_across_contrasts(tmp_path, brain):
    turn = nib.eulerangles.euler2mat(np.deg2rad(6), np.deg2rad(-4), np.deg2rad(3))
    motion = nib.affines.from_matvec(turn, [5, -7, 4])
    data = np.asarray(brain.dataobj)
    other = np.where(data > 5, 150 - data, 0).astype(np.float32)  # another contrast of the same head
    moving = nib.Nifti1Image(other, motion @ brain.affine)
    path = align_rigid(moving, brain, tmp_path / "a b.txt", seed=1)
    assert path.read_text().startswith("#Insight Transform File")

    points = nib.affines.apply_affine(brain.affine, np.argwhere(data > 50)[::500])
    error = np.linalg.norm(move_points(points, [path]) - nib.affines.apply_affine(motion, points), axis=1)
    assert error.max() < 1.0  # a quarter of a voxel

    back = apply(moving, brain, [path])
    inside = data > 20
    assert abs(np.corrcoef(np.asarray(back.dataobj)[inside], other[inside])[0, 1]) > 0.95
    there = apply(brain, moving, [path], inverse=[True])
    assert np.corrcoef(np.asarray(there.dataobj)[inside], data[inside])[0, 1] > 0.95


def squeezed(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """Return the brain 12 % narrower and shifted, on its old grid."""
    change = nib.affines.from_matvec(np.diag([0.88, 1.0, 1.05]), [6, -5, 3])
    return resample(nib.Nifti1Image(np.asarray(image.dataobj), change @ image.affine), image)


@pytest.fixture(scope="module")
def registered(brain, tmp_path_factory) -> tuple[nib.Nifti1Image, Path, Path, float]:
    folder = tmp_path_factory.mktemp("syn")
    forward, inverse = folder / "forward.h5", folder / "inverse.h5"
    subject = squeezed(brain)
    return subject, forward, inverse, align_template(subject, brain, forward, inverse, seed=1)


def test_the_field_reaches_the_template_and_comes_back(brain, registered):
    subject, forward, inverse, correlation = registered
    inside = np.asarray(brain.dataobj) > 0
    before = np.corrcoef(np.asarray(subject.dataobj)[inside], np.asarray(brain.dataobj)[inside])[0, 1]
    assert before < 0.6
    assert correlation > 0.8
    warped = np.asarray(apply(subject, brain, [forward]).dataobj)
    assert np.corrcoef(warped[inside], np.asarray(brain.dataobj)[inside])[0, 1] == pytest.approx(
        correlation, abs=0.01
    )
    mask = nib.Nifti1Image(inside.astype(np.uint8), brain.affine)
    native = apply(mask, subject, [inverse], interpolation="nearestNeighbor")
    truth = np.asarray(squeezed(nib.Nifti1Image(inside.astype(np.float32), brain.affine)).dataobj) > 0.5
    found = np.asarray(native.dataobj) > 0
    assert native.get_data_dtype() == np.uint8
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.97


def test_displacements_are_kept_to_the_micrometre_and_read_by_itk(registered):
    import h5py
    import SimpleITK as sitk

    _, forward, _, _ = registered
    with h5py.File(forward) as whole:
        field = whole["TransformGroup/2/TransformParameters"]
        assert (field.compression, field.shuffle) == ("gzip", True)
        steps = field[()] / DISPLACEMENT_STEP_MM
    assert np.abs(steps).max() > 1
    np.testing.assert_array_equal(steps, np.rint(steps))
    read = sitk.CompositeTransform(sitk.ReadTransform(str(forward)))
    assert read.GetNumberOfTransforms() == 2


def test_the_same_seed_gives_the_same_registration(brain, registered, tmp_path):
    subject, forward, _, correlation = registered
    again = align_template(subject, brain, tmp_path / "f.h5", tmp_path / "i.h5", seed=1)
    assert again == correlation
    one, other = (apply(subject, brain, [path]) for path in (forward, tmp_path / "f.h5"))
    np.testing.assert_array_equal(np.asarray(one.dataobj), np.asarray(other.dataobj))


def test_averaging_keeps_the_amount_of_lesion(tmp_path, brain):
    fine = load_template(resolution=2.0).brain
    lesion = np.zeros(fine.shape, np.float32)
    lesion[40:47, 50:57, 40:47] = 1
    path = align_rigid(brain, brain, tmp_path / "same.txt", seed=1)
    coarse = apply_averaged(nib.Nifti1Image(lesion, fine.affine), brain, [path])
    assert np.asarray(coarse.dataobj).sum() * 64 == pytest.approx(lesion.sum() * 8, rel=0.1)


def test_an_empty_image_fails_in_one_line(tmp_path, brain):
    empty = nib.Nifti1Image(np.zeros(brain.shape, np.float32), brain.affine)
    with pytest.raises(VisitError, match="registration failed") as caught:
        align_template(empty, brain, tmp_path / "f.h5", tmp_path / "i.h5", seed=1)
    assert "\n" not in str(caught.value)

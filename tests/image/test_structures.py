"""Structures of a brain made from the priors of another place, against the structures it was made from."""

from __future__ import annotations

import hashlib
from importlib.resources import files

import nibabel as nib
import numpy as np
import pytest

from bids_app.errors import VisitError
from bids_app.image.structure_priors import LESION, NUMBER, STEM, STRUCTURES, load_priors, priors_at
from bids_app.image.structures import INTENSITIES, Structures, segment_structures

SIZE = 3.0
LEVELS = {
    "T1w": dict(zip(INTENSITIES, (64, 100, 20, 20, 63, 94, 88, 86, 70, 82, 97), strict=True)),
    "FLAIR": dict(zip(INTENSITIES, (128, 100, 25, 25, 115, 97, 105, 112, 122, 116, 92), strict=True)),
}


def grid() -> tuple[np.ndarray, np.ndarray]:
    """Return a 3 mm grid's affine and the mm of its voxels."""
    affine = nib.affines.from_matvec(np.eye(3) * SIZE, (-92, -128, -70))
    voxels = np.indices((62, 74, 62), dtype=np.float32)
    return affine, voxels * np.float32(SIZE) + affine[:3, 3].reshape(3, 1, 1, 1).astype(np.float32)


def head(contrast: str, shift: float = 2.0) -> tuple[nib.Nifti1Image, nib.Nifti1Image, np.ndarray]:
    """Return an image, its brain and its structures: the likeliest ones, `shift` mm from where the priors are."""
    affine, where = grid()
    moved = where + np.float32([0, shift, 0]).reshape(3, 1, 1, 1)
    shares = priors_at(moved.reshape(3, -1)).structures
    truth = shares.argmax(axis=0).reshape(where.shape[1:])
    brain = (shares.sum(axis=0) > 0.5).reshape(truth.shape)
    levels = np.array([LEVELS[contrast][structure.intensity] for structure in STRUCTURES], dtype=np.float32)
    data = levels[truth] + np.random.default_rng(0).normal(0, 3, truth.shape).astype(np.float32)
    return (
        nib.Nifti1Image(np.where(brain, data, 0).astype(np.float32), affine),
        nib.Nifti1Image(brain.astype(np.uint8), affine),
        truth,
    )


def segmented(image, brain, lesions=None) -> Structures:
    _, where = grid()
    return segment_structures(image, brain, priors_at(where[:, np.asarray(brain.dataobj) > 0]), lesions)


@pytest.fixture(scope="module", params=["T1w", "FLAIR"])
def answer(request):
    image, brain, truth = head(request.param)
    return segmented(image, brain), np.asarray(brain.dataobj) > 0, truth


def test_structures_are_the_true_ones(answer):
    found, inside, truth = answer
    labels = np.asarray(found.labels.dataobj)
    floors = {"thalamus": 0.88, "putamen": 0.86, "caudate": 0.84, "pallidum": 0.75, "wm": 0.9, "cortex": 0.9}
    for name, floor in {**floors, "hippocampus": 0.75, "brainstem": 0.9, "ventricle": 0.85}.items():
        mine = np.isin(labels, STRUCTURES[NUMBER[name]].labels)
        true = (truth == NUMBER[name]) & inside
        assert 2 * (mine & true).sum() / (mine.sum() + true.sum()) >= floor, name


def test_deep_grey_matter_is_grey(answer):
    found, inside, truth = answer
    gm = np.asarray(found.gm.dataobj)
    for name, floor in {"thalamus": 0.8, "putamen": 0.8, "caudate": 0.8}.items():
        assert gm[(truth == NUMBER[name]) & inside].mean() >= floor, name


def test_left_and_right_are_told_apart(answer):
    found, _, _ = answer
    labels = np.asarray(found.labels.dataobj)
    _, where = grid()
    for structure in STRUCTURES:
        if len(structure.labels) == 2:
            left, right = structure.labels
            assert (where[0][labels == left] <= 0).all() and (where[0][labels == right] > 0).all()


def test_every_brain_voxel_has_a_structure_and_a_tissue(answer):
    found, inside, _ = answer
    np.testing.assert_array_equal(np.asarray(found.labels.dataobj) > 0, inside)
    np.testing.assert_array_equal(np.asarray(found.tissues.dataobj) > 0, inside)
    total = sum(np.asarray(one.dataobj) for one in (found.gm, found.wm, found.csf))
    np.testing.assert_allclose(total[inside], 1, atol=1e-4)
    assert (total[~inside] == 0).all()


def test_lesions_are_neither_grey_nor_white():
    image, brain, truth = head("T1w", shift=0)
    lesion = np.zeros(truth.shape, np.uint8)
    lesion[20:23, 40:43, 35:37] = 1
    data = np.asarray(image.dataobj).copy()
    data[lesion > 0] = 60
    found = segmented(nib.Nifti1Image(data, image.affine), brain, nib.Nifti1Image(lesion, image.affine))
    where = (lesion > 0) & (np.asarray(brain.dataobj) > 0)
    assert (np.asarray(found.labels.dataobj)[where] == LESION).all()
    for one in (found.tissues, found.gm, found.wm, found.csf):
        assert (np.asarray(one.dataobj)[where] == 0).all()


def test_a_lesion_that_is_not_known_does_not_become_grey():
    image, brain, truth = head("T1w", shift=0)
    deep = priors_at(grid()[1].reshape(3, -1)).structures[NUMBER["wm"]].reshape(truth.shape) > 0.99
    spot = np.zeros(truth.shape, bool)
    spot[tuple(slice(p - 1, p + 2) for p in np.argwhere(deep)[len(np.argwhere(deep)) // 2])] = True
    data = np.asarray(image.dataobj).copy()
    data[spot & deep] = 62
    found = segmented(nib.Nifti1Image(data, image.affine), brain)
    assert np.asarray(found.gm.dataobj)[spot & deep].mean() < 0.5


def test_the_same_image_in_any_unit_gives_the_same_structures():
    image, brain, _ = head("T1w")
    one = segmented(image, brain)
    other = segmented(nib.Nifti1Image(np.asarray(image.dataobj) * np.float32(8), image.affine), brain)
    again = segmented(image, brain)
    assert np.array_equal(np.asarray(one.gm.dataobj), np.asarray(again.gm.dataobj))
    assert (np.asarray(one.labels.dataobj) == np.asarray(other.labels.dataobj)).mean() > 0.9999


def test_an_image_without_contrast_is_a_clear_line():
    image, brain, _ = head("T1w")
    flat = nib.Nifti1Image(np.full(image.shape, 7, np.float32), image.affine)
    with pytest.raises(VisitError, match="no contrast"):
        segmented(flat, brain)


def test_priors_are_symmetric_and_no_more_than_one():
    data = np.asarray(load_priors().dataobj)[:, ::4, ::4]
    assert np.abs(data.astype(int) - data[::-1]).max() <= 1
    assert data.sum(axis=3).max() <= 255 + len(STRUCTURES)


def test_the_priors_that_ship_are_those_of_the_notice():
    folder = files("bids_app") / "data" / "structures"
    digest = hashlib.sha256((folder / f"{STEM}.nii.gz").read_bytes()).hexdigest()
    assert digest in (folder / "NOTICE.md").read_text()

"""Tissues of a template-made brain against the maps it was made from."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from bids_app.errors import VisitError
from bids_app.image.template import Template, load_template
from bids_app.image.tissue import LABELS, Tissues, segment_tissues

CONTRAST = {"T1w": {"GM": 70.0, "WM": 110.0, "CSF": 25.0}, "FLAIR": {"GM": 110.0, "WM": 90.0, "CSF": 30.0}}


def shifted(data: np.ndarray) -> np.ndarray:
    """Return the map 3 mm to the front: an anatomy that the priors do not quite fit."""
    return ndimage.shift(data, (0, 1, 0), order=1)


def scan(template: Template, contrast: str) -> tuple[nib.Nifti1Image, nib.Nifti1Image, np.ndarray]:
    """Return an image of the moved template, its brain, and the true labels."""
    maps = {name: shifted(np.asarray(getattr(template, name.lower()).dataobj)) for name in LABELS}
    inside = shifted(np.asarray(template.brain.dataobj, dtype=float)) > 0.5
    data = sum(maps[name] * CONTRAST[contrast][name] for name in LABELS)
    data = data + np.random.default_rng(0).normal(0, 4, data.shape)
    truth = (np.argmax([maps[name] for name in LABELS], axis=0) + 1) * inside
    affine = template.brain.affine
    return (
        nib.Nifti1Image((data * inside).astype(np.float32), affine),
        nib.Nifti1Image(inside.astype(np.uint8), affine),
        truth,
    )


@pytest.fixture(scope="module", params=["T1w", "FLAIR"])
def answer(request) -> tuple[Tissues, np.ndarray, np.ndarray]:
    template = load_template(resolution=3.0)
    image, brain, truth = scan(template, request.param)
    found = segment_tissues(image, brain, template.gm, template.wm, template.csf)
    return found, truth, np.asarray(brain.dataobj) > 0


def test_tissues_are_the_true_ones(answer):
    found, truth, _ = answer
    labels = np.asarray(found.labels.dataobj)
    for name, floor in {"GM": 0.8, "WM": 0.8, "CSF": 0.6}.items():
        mine, true = labels == LABELS[name], truth == LABELS[name]
        assert 2 * (mine & true).sum() / (mine.sum() + true.sum()) >= floor, name


def test_every_brain_voxel_gets_a_tissue_and_probabilities_add_up(answer):
    found, _, inside = answer
    labels = np.asarray(found.labels.dataobj)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels > 0, inside)
    total = sum(np.asarray(image.dataobj) for image in (found.gm, found.wm, found.csf))
    np.testing.assert_allclose(total[inside], 1, atol=1e-3)
    assert (total[~inside] == 0).all()
    most = np.argmax([np.asarray(image.dataobj) for image in (found.gm, found.wm, found.csf)], axis=0) + 1
    assert (most[inside] == labels[inside]).mean() > 0.97


def test_a_missing_tissue_is_a_clear_line():
    template = load_template(resolution=4.0)
    white = nib.Nifti1Image((np.asarray(template.wm.dataobj) > 0.95).astype(np.uint8), template.brain.affine)
    flat = nib.Nifti1Image(np.asarray(white.dataobj) * np.float32(100), template.brain.affine)
    with pytest.raises(VisitError, match="tissue segmentation"):
        segment_tissues(flat, white, template.gm, template.wm, template.csf)


def test_the_same_images_give_the_same_tissues():
    template = load_template(resolution=3.0)
    noise = np.random.default_rng(0).normal(0, 0.05, template.brain.shape)
    image = nib.Nifti1Image(
        (np.asarray(template.t1w.dataobj) + noise).astype(np.float32), template.brain.affine
    )
    one, other = (
        segment_tissues(image, template.brain, template.gm, template.wm, template.csf) for _ in range(2)
    )
    for first, second in zip(one, other, strict=True):
        assert np.array_equal(np.asarray(first.dataobj), np.asarray(second.dataobj))

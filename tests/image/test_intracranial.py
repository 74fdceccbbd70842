"""The intracranial space: its volume, and foreign tissue in a brain mask."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import SimpleITK

from bids_app.errors import VisitError
from bids_app.image import transforms
from bids_app.image.intracranial import (
    cut_foreign,
    intracranial_probability,
    intracranial_volume,
    volume_by_scaling,
)

SIZE = 3.0


@pytest.fixture(scope="module")
def space():
    affine = nib.affines.from_matvec(np.eye(3) * SIZE, (-99, -135, -90))
    where = np.indices((67, 80, 70), dtype=np.float32) * np.float32(SIZE)
    where += affine[:3, 3].reshape(3, 1, 1, 1).astype(np.float32)
    return intracranial_probability(where), affine, where


def test_the_volume_is_an_adults_and_scales(space):
    probability, affine, _ = space
    volume = intracranial_volume(probability, affine)
    assert 1.3e6 < volume < 2.1e6
    assert intracranial_volume(probability, affine @ np.diag([2, 1, 1, 1])) == pytest.approx(2 * volume)


def test_eyes_and_neck_are_cut_and_a_brain_is_kept(space):
    probability, affine, where = space
    brain = probability > 0.5
    left, right = (
        ((where - np.float32([x, 72, -38]).reshape(3, 1, 1, 1)) ** 2).sum(0) < 13**2 for x in (-32, 32)
    )
    neck = (np.abs(where[0]) < 12) & (np.abs(where[1] + 45) < 12) & (where[2] < -66)
    foreign = (left | right | neck) & ~brain
    mask = nib.Nifti1Image((brain | foreign).astype(np.uint8), affine)
    kept, millilitres = cut_foreign(mask, probability)
    out = np.asarray(kept.dataobj) > 0
    far = foreign & (probability == 0)
    assert (out & far).sum() < 0.1 * far.sum()
    assert (out & brain).sum() > 0.999 * brain.sum()
    assert millilitres == pytest.approx((mask.get_fdata().sum() - out.sum()) * SIZE**3 / 1000)


def test_a_clean_mask_stays_as_it_is(space):
    probability, affine, _ = space
    mask = nib.Nifti1Image((probability > 0.5).astype(np.uint8), affine)
    kept, millilitres = cut_foreign(mask, probability)
    assert kept is mask and millilitres == 0


def test_the_affines_scaling_is_read_from_the_transform(tmp_path):
    same = SimpleITK.AffineTransform(3)
    grown = SimpleITK.AffineTransform(3)
    grown.Scale([1.1, 1.0, 1.0])
    field = SimpleITK.DisplacementFieldTransform(SimpleITK.Image([4, 4, 4], SimpleITK.sitkVectorFloat64))
    both = []
    for name, one in {"grown": grown, "same": same}.items():
        transforms.write(SimpleITK.CompositeTransform([one, same, field]), tmp_path / f"{name}.h5")
        both.append(volume_by_scaling(tmp_path / f"{name}.h5"))
    assert both[0] / both[1] == pytest.approx(1.1, rel=1e-6)


def test_a_transform_without_an_affine_is_told(tmp_path):
    field = SimpleITK.DisplacementFieldTransform(SimpleITK.Image([4, 4, 4], SimpleITK.sitkVectorFloat64))
    transforms.write(SimpleITK.CompositeTransform([field]), tmp_path / "empty.h5")
    with pytest.raises(VisitError, match="no affine"):
        volume_by_scaling(tmp_path / "empty.h5")

"""Quality numbers against values worked out by hand."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from bids_app.image.quality import BRAIN_MASK, LOOK, QUALITY, QUALITY_COLUMNS, REGISTRATION, SCAN, flags
from bids_app.image.quality_measures import (
    compare_masks,
    contrast,
    mutual_information,
    scan_noise,
    slice_outlier,
)


def image(data: np.ndarray, zooms: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> nib.Nifti1Image:
    return nib.Nifti1Image(data, np.diag([*zooms, 1.0]))


def test_contrast_is_that_of_the_sound_tissue():
    rng = np.random.default_rng(0)
    labels = np.zeros((40, 40, 40), np.uint8)
    labels[:20], labels[20:] = 1, 2
    data = np.where(labels == 2, rng.normal(120, 6, labels.shape), rng.normal(80, 8, labels.shape))
    lesions = np.zeros_like(labels)
    lesions[30:34] = 1
    data[lesions > 0] = 1000
    white, grey, between = contrast(image(data), image(labels), image(lesions))
    assert white == pytest.approx(120 / 6, rel=0.02)
    assert grey == pytest.approx(80 / 8, rel=0.02)
    assert between == pytest.approx(40 / 10, rel=0.02)


@pytest.mark.parametrize("noise", [0.03, 0.15])
def test_noise_of_a_scan_is_a_share_of_its_foreground(noise):
    head = 1.0 * (sum((axis - 20) ** 2 for axis in np.indices((40, 40, 40))) < 15**2)
    data = 400 * head + np.random.default_rng(3).normal(0, 400 * noise, head.shape)
    assert scan_noise(image(data)) == pytest.approx(noise, rel=0.15)
    assert (flags({"flair_noise": scan_noise(image(data))}) == ["flair_noise"]) is (noise > 0.12)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_dropped_slice_stands_out_on_the_slice_axis(axis):
    rng = np.random.default_rng(1)
    smooth = 100 + 10 * np.sin(np.arange(24) / 4)
    data = np.moveaxis(smooth[:, None, None] + rng.normal(0, 3, (24, 30, 30)), 0, axis)
    zooms = tuple(3.0 if one == axis else 1.0 for one in range(3))
    good = slice_outlier(image(data, zooms))
    bad = data.copy()
    np.moveaxis(bad, axis, 0)[12] *= 0.7
    empty = data.copy()
    np.moveaxis(empty, axis, 0)[12] = 0
    assert good < 6
    assert slice_outlier(image(bad, zooms)) > 20 > good
    assert slice_outlier(image(empty, zooms)) > 20


def test_mutual_information_falls_as_images_part_and_ignores_contrast():
    rng = np.random.default_rng(2)
    one = ndimage.gaussian_filter(rng.normal(size=(40, 40, 40)), 3)
    one /= one.std()
    other = image(-5 * one + 300 + rng.normal(0, 0.5, one.shape))
    mask = image(np.ones(one.shape, np.uint8))

    def shifted(voxels):
        return mutual_information(image(np.roll(one, voxels, 0)), other, mask)

    values = [shifted(voxels) for voxels in (0, 1, 3, 20)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 1.2
    assert values[-1] == pytest.approx(1, abs=0.02)
    assert mutual_information(image(one), image(one), mask) == pytest.approx(2)
    assert np.isnan(mutual_information(image(one), other, image(np.zeros(one.shape))))


def test_masks_are_compared():
    one, other = np.zeros((10, 10, 10)), np.zeros((10, 10, 10))
    one[:4], other[2:5] = 1, 1
    dice, difference = compare_masks(image(one, (2, 1, 1)), image(other, (2, 1, 1)))
    assert (dice, difference) == (pytest.approx(4 / 7), pytest.approx(100 * 2 / 1000))
    empty = image(np.zeros((10, 10, 10)))
    assert compare_masks(empty, empty) == (1.0, 0.0)
    assert compare_masks(image(one), empty) == (0.0, pytest.approx(0.4))


def test_flags_are_the_numbers_out_of_range_only():
    assert flags({"cnr_t1w": 2.0, "brain_volume_ml": 1400.0}) == []
    assert flags({"cnr_t1w": 0.1, "brain_volume_ml": 2500.0, "snr_t1w_wm": float("nan")}) == [
        "cnr_t1w",
        "brain_volume_ml",
    ]


def test_every_number_is_described_and_what_can_be_bad_says_what_to_look_at():
    judged = [number for number in QUALITY.values() if number.worse or number.has_usual_range]
    assert all(number.advice != LOOK for number in judged)
    assert {number.light for number in judged} >= {SCAN, REGISTRATION, BRAIN_MASK}
    assert all(str(column["Description"]).endswith((".", ").")) for column in QUALITY_COLUMNS.values())

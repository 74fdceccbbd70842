"""Limits of detectors that are known, and lesions put into images as thick slices would show them."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from bids_app.image.calibration import (
    CONTRASTS,
    INSERTED_COLUMNS,
    LESION_SETS,
    LIMIT_COLUMNS,
    SIZES,
    SMALLEST_MM3,
    CalibrationScan,
    calibrate,
    false_volume,
)
from bids_app.image.injection import acquired_voxel, brighten, grow_present, place_lesions
from bids_app.image.lesions import drop_small

SHAPE = (110, 110, 110)
WHITE = 100.0


def image(data, kind=np.float32):
    return nib.Nifti1Image(np.asarray(data).astype(kind), np.eye(4))


@pytest.fixture(scope="module")
def scan() -> CalibrationScan:
    """White matter of 80 mm with one lesion in it."""
    noise = np.random.default_rng(0).normal(0, 1, SHAPE)
    white, lesion = np.zeros(SHAPE), np.zeros(SHAPE)
    lesion[50:56, 50:56, 50:56] = 1
    white[15:95, 15:95, 15:95] = 1
    flair = WHITE * white * (1 + 0.6 * lesion) + noise
    return CalibrationScan(
        image(flair), None, image(white * (1 - lesion), np.uint8), image(lesion, np.uint8), (1, 1, 1)
    )


def threshold(level, smallest=0.0, noise=None):
    """A detector: what is brighter than a level of white matter, and large enough."""

    def detect(flair, t1w):
        assert t1w is None
        mask = np.asarray(flair.dataobj) > WHITE * (1 + level)
        if noise is not None:
            mask[noise] = True
        return image(drop_small(mask, 1.0, smallest), np.uint8)

    return detect


def limit(found, name):
    return found.limits.set_index("name")["limit_mm3"][name]


def test_a_detector_that_sees_all_has_the_smallest_limit(scan):
    found = calibrate(scan, threshold(0.1), 1)
    assert list(found.limits.columns) == list(LIMIT_COLUMNS)
    assert list(found.lesions.columns) == list(INSERTED_COLUMNS)
    assert len(found.lesions) == LESION_SETS * SIZES * len(CONTRASTS)
    assert found.lesions["found"].all()
    assert found.limits["limit_mm3"].tolist() == pytest.approx([SMALLEST_MM3] * 4)
    assert limit(found, "all") == SMALLEST_MM3
    assert found.limits["false_mm3"][0] == 0


def test_a_detector_that_sees_nothing_has_no_limit(scan):
    found = calibrate(scan, threshold(5), 1)
    assert not found.lesions["found"].any()
    assert found.limits["limit_mm3"].isna().all()


@pytest.mark.parametrize("smallest", [40, 150])
def test_a_cut_in_size_is_the_limit(scan, smallest):
    found = calibrate(scan, threshold(0.225, smallest), 1)  # half of medium: blurred edges are not in it
    assert smallest / 1.6 < limit(found, "medium") < smallest * 1.6
    assert limit(found, "strong") <= limit(found, "medium") <= limit(found, "faint")


def test_faint_lesions_have_a_higher_limit_than_strong_ones(scan):
    found = calibrate(scan, threshold(0.4), 2)
    assert np.isnan(limit(found, "faint"))  # never as bright
    assert limit(found, "strong") < 30


def test_what_appears_elsewhere_is_false_volume(scan):
    corner = np.zeros(SHAPE, bool)
    corner[2:5, 2:5, 2:5] = True
    found = calibrate(scan, threshold(0.1, noise=corner), 1)
    assert found.limits["false_mm3"][0] == 27
    added = place_lesions(scan.normal, scan.lesions, [(100.0, 0.5)], 1)
    known = np.asarray(scan.lesions.dataobj) > 0
    assert false_volume(known | ndimage.binary_dilation(known), scan.lesions, added) == 0


def test_thick_slices_make_small_lesions_faint(scan):
    added = place_lesions(scan.normal, scan.lesions, [(30.0, 0.5)], 3)
    where = np.asarray(added.labels.dataobj) > 0
    sharp, thick = (
        np.asarray(brighten(scan.flair, added, WHITE, voxel=voxel).dataobj)
        for voxel in ((1, 1, 1), (1, 1, 6))
    )
    before = np.asarray(scan.flair.dataobj)
    assert (thick - before)[where].mean() < 0.6 * (sharp - before)[where].mean()
    assert (thick - before).sum() == pytest.approx((sharp - before).sum(), rel=0.02)


def test_voxels_as_acquired_follow_the_axes_of_another_grid():
    turned = np.array([[0, 0, 5.0, 0], [1, 0, 0, 0], [0, 2.0, 0, 0], [0, 0, 0, 1]])  # slices along x
    scan = nib.Nifti1Image(np.zeros((4, 4, 4), np.uint8), turned)
    assert acquired_voxel(scan, image(np.zeros((4, 4, 4)))) == (5, 1, 2)


def test_present_lesions_grow_by_what_was_asked(scan):
    labels = np.asarray(scan.lesions.dataobj).astype(np.int32) * 7
    relative = image(np.asarray(scan.flair.dataobj) / WHITE)
    grown = grow_present(image(labels, np.int32), scan.normal, relative, [7], 2.0)
    rim = np.asarray(grown.labels.dataobj) == 1
    assert grown.volumes == [216]
    assert rim.sum() == 216
    assert not rim[labels > 0].any()
    assert ndimage.label(rim | (labels > 0))[1] == 1
    assert grown.contrasts[0] == pytest.approx(0.6, abs=0.02)

"""Known change put into a visit: it is what was asked for, and what is made of its measurement."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from bids_app.image.calibration import CONTRASTS
from bids_app.image.pair_calibration import (
    CALIBRATED_CHANGE_COLUMNS,
    CALIBRATED_VOLUME_COLUMNS,
    CONTRACTIONS,
    GROWTH,
    NEW_MM3,
    Head,
    Measured,
    calibrate_pair,
    errors,
    follow_up,
    true_percent,
)

SHAPE = (70, 70, 70)
AFFINE = np.diag([1.5, 1.5, 1.5, 1])
SEEDS = 7


def image(data, kind=np.float32):
    return nib.Nifti1Image(np.asarray(data).astype(kind), AFFINE)


@pytest.fixture(scope="module")
def head() -> Head:
    """A ball of white matter with two lesions."""
    at = np.stack(np.meshgrid(*[np.arange(n) - n / 2 for n in SHAPE], indexing="ij"))
    brain, lesions = np.linalg.norm(at, axis=0) < 30, np.zeros(SHAPE, int)
    lesions[30:34, 30:34, 30:34], lesions[45:48, 40:43, 40:43] = 1, 2
    noise = np.random.default_rng(0).normal(0, 2, SHAPE)
    flair = (100 * brain + 60 * (lesions > 0) + noise).clip(0)
    coordinates = nib.Nifti1Image(np.moveaxis(1.5 * at, 0, 3).astype(np.float32), AFFINE)
    normal = image(brain & (lesions == 0), np.uint8)
    return Head(
        image(flair), None, image(brain, np.uint8), normal, image(lesions, np.int32), coordinates, (1, 1, 1)
    )


def measured(later, head, wrong=0.0, labels=None):
    """What a perfect measurement finds, that much too large."""
    truth = true_percent(later.factor, head.brain)
    put = (np.asarray(later.new.dataobj) > 0) | (np.asarray(later.grown.dataobj) > 0)
    label = ndimage.label(put)[0] if labels is None else labels
    numbers = np.arange(1, label.max() + 1)
    table = pd.DataFrame(
        {"index": numbers, "change": "new", "volume_before_mm3": 0.0, "volume_after_mm3": 9.0}
    )
    return Measured({"brain": truth + wrong}, {"brain": head.brain}, table, image(label, np.int32))


def test_a_follow_up_holds_what_was_put_in(head):
    later = follow_up(head, 1.5, SEEDS, lesions=True)
    inside = np.asarray(head.brain.dataobj) > 0
    assert 100 * (later.factor[inside].mean() - 1) == pytest.approx(-1.5, abs=0.3)
    assert np.asarray(later.brain.dataobj).sum() / inside.sum() == pytest.approx(0.985, abs=0.01)
    assert sorted(later.growing) == [1, 2]
    new, rims = later.added
    assert len(new.volumes) == len(NEW_MM3) * len(CONTRASTS)
    lesions = np.asarray(head.lesions.dataobj)
    sizes = [3.375 * (lesions == number).sum() for number in later.growing]
    assert rims.volumes == pytest.approx([(GROWTH - 1) * size for size in sizes], rel=0.02)
    flair = np.asarray(later.flair.dataobj)
    at, normal = np.asarray(later.new.dataobj) > 0, np.median(flair[np.asarray(later.brain.dataobj) > 0])
    assert (flair[at] > 1.1 * normal).mean() > 0.8
    # every voxel's place in the template follows the head
    moved = np.asarray(later.coordinates.dataobj)[np.asarray(later.brain.dataobj) > 0]
    assert np.linalg.norm(moved, axis=1).max() == pytest.approx(45, abs=2)


def test_a_pair_without_change_has_no_lesions_put_in(head):
    later = follow_up(head, 0.0, SEEDS, lesions=False)
    assert later.added == [] and not np.asarray(later.new.dataobj).any()
    assert later.factor == pytest.approx(1)


def test_errors_are_those_of_the_measurement(head):
    found = calibrate_pair(head, lambda later: measured(later, head, 0.1), SEEDS)
    assert list(found.volumes.columns) == list(CALIBRATED_VOLUME_COLUMNS)
    assert found.volumes["pair"].tolist() == list(range(1, len(CONTRACTIONS) + 1))
    assert found.volumes["injected_percent"].tolist() == pytest.approx([-c for c in CONTRACTIONS], abs=0.3)
    assert errors(found.volumes)["brain"] == pytest.approx(2.571 * 0.1, abs=0.002)  # Student's t of 5
    assert list(found.changes.columns) == list(CALIBRATED_CHANGE_COLUMNS)
    assert set(found.changes["name"]) == {"new", "growth"}
    assert found.changes["found"].all()


def test_lesions_that_are_not_called_are_missed_and_others_false(head):
    elsewhere = np.zeros(SHAPE, int)
    elsewhere[:3, :3, :3] = 1
    found = calibrate_pair(head, lambda later: measured(later, head, labels=elsewhere), SEEDS).changes
    counts = found.groupby("name")["found"].sum()
    assert counts["new"] == counts["growth"] == 0
    assert (found["name"] == "false").sum() == len(CONTRACTIONS)


def test_masks_from_elsewhere_get_no_lesions(head):
    found = calibrate_pair(head, lambda later: measured(later, head), SEEDS, lesions=False)
    assert found.changes.empty
    assert errors(found.volumes)["brain"] == pytest.approx(0, abs=0.02)

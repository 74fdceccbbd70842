"""Lesions of two visits with known changes and a known motion between them."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.spatial.transform import Rotation

from bids_app.image.lesion_table import number_lesions
from bids_app.image.longitudinal import (
    CHANGE_COLUMNS,
    VisitImages,
    compare,
    half_way,
    match,
    on_grid,
    rigid_matrix,
    summary,
)
from bids_app.image.register import align_rigid
from bids_app.image.template import load_template

# centre (template mm): radius before, radius after, what it is
LESIONS = {
    (28, -20, 28): (4, 4, "unchanged"),
    (-28, -20, 28): (3, 5, "enlarged"),
    (26, 20, 22): (5, 3, "shrunken"),
    (-26, 20, 22): (0, 4, "new"),
    (30, -45, 20): (4, 0, "resolved"),
}


def motion(angles=(4.0, -3.0, 5.0), shift=(3.0, -4.0, 6.0)) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    matrix[:3, 3] = shift
    return matrix


def head(side: int, move: np.ndarray) -> VisitImages:
    """The template at 2 mm with the lesions of one visit, moved."""
    template = load_template(resolution=2.0)
    shape, affine = template.brain.shape, template.brain.affine
    points = nib.affines.apply_affine(affine, np.stack(np.indices(shape), axis=-1))
    wm, gm = np.asarray(template.wm.dataobj), np.asarray(template.gm.dataobj)
    lesion = np.zeros(shape, np.uint8)
    for centre, radii in LESIONS.items():
        lesion |= np.linalg.norm(points - centre, axis=-1) < radii[side]
    flair = 100 * wm + 140 * gm + 80.0 * lesion
    tissue = np.where(wm > 0.5, 2, np.where(gm > 0.5, 1, 0)).astype(np.uint8)
    numbered = number_lesions(nib.Nifti1Image(lesion, affine))
    images = (nib.Nifti1Image(flair.astype(np.float32), affine), numbered, nib.Nifti1Image(tissue, affine))
    return VisitImages(
        *(nib.Nifti1Image(np.asanyarray(i.dataobj), move @ affine) for i in (*images, template.brain))
    )


@pytest.fixture(scope="module")
def visits():
    return head(0, motion()), head(1, np.eye(4))


def test_known_changes_are_found(visits):
    before, after = visits
    found = compare(before, after, half_way(motion(), np.linalg.inv(motion())))
    table = found.table
    assert list(table.columns) == list(CHANGE_COLUMNS)
    centres = np.array(list(LESIONS))
    nearest = [int(np.linalg.norm(centres - row, axis=1).argmin()) for row in table[list("xyz")].to_numpy()]
    expected = [list(LESIONS.values())[k][2] for k in nearest]
    assert sorted(nearest) == [0, 1, 2, 3, 4]
    assert list(table["change"]) == expected
    distance = np.linalg.norm(table[list("xyz")].to_numpy() - centres[nearest], axis=1)
    assert distance.max() < 1.5
    supported = table.set_index("change")["supported"]
    assert supported[["new", "enlarged", "shrunken", "resolved"]].eq(1).all()
    assert supported.isna()["unchanged"]
    numbers = summary(table)
    assert [numbers[name] for name in ("new", "enlarged", "unchanged", "shrunken", "resolved")] == [1] * 5
    labels = np.asarray(
        on_grid(found.labels, half_way(motion(), np.linalg.inv(motion())), after.flair).dataobj
    )
    row = table.set_index("change").loc["new"]
    new = np.asarray(after.lesions.dataobj) == int(row["lesions_after"])
    assert (labels[new] == row["index"]).mean() > 0.8


def test_the_other_way_round_new_is_resolved(visits):
    before, after = visits
    half = half_way(motion(), np.linalg.inv(motion()))
    there = compare(before, after, half).table
    back = compare(after, before, np.linalg.inv(half)).table
    turned = {"new": "resolved", "resolved": "new", "enlarged": "shrunken", "shrunken": "enlarged"}
    assert sorted(back["change"]) == sorted(turned.get(name, name) for name in there["change"])
    assert sorted(back["volume_after_mm3"]) == sorted(there["volume_before_mm3"])


def test_a_change_of_the_mask_alone_is_no_change(visits):
    before, after = visits
    seen = before._replace(flair=nib.Nifti1Image(np.asarray(after.flair.dataobj), before.flair.affine))
    table = compare(seen, after, half_way(motion(), np.linalg.inv(motion()))).table
    assert set(table["change"]) == {"unchanged"}
    assert sorted(table["mask_change"]) == ["enlarged", "new", "resolved", "shrunken", "unchanged"]
    assert table.set_index("mask_change")["supported"]["new"] == 0


def test_a_new_lesion_that_the_mask_missed_is_found_by_the_flair(visits):
    before, after = visits
    half = half_way(motion(), np.linalg.inv(motion()))
    new = compare(before, after, half).table.set_index("change").loc["new"]
    label = np.asarray(after.lesions.dataobj)
    missed = np.where(label == int(new["lesions_after"]), 0, label)
    seen = after._replace(lesions=nib.Nifti1Image(missed, after.lesions.affine))
    found = compare(before, seen, half)
    (row,) = (row for _, row in found.table.iterrows() if row["change"] == "new")
    assert pd.isna(row["mask_change"])
    assert pd.isna(row["lesions_after"])
    assert np.linalg.norm(row[list("xyz")] - new[list("xyz")]) < 1.5
    assert 1 < row["volume_after_mm3"] / new["volume_after_mm3"] < 2.5  # smoothing widens it by half a voxel
    assert (np.asarray(found.labels.dataobj) == row["index"]).any()


@pytest.mark.parametrize("gain", [0.6, 1.7])
def test_another_gain_and_a_bias_field_change_nothing(visits, gain):
    before, after = visits
    data = np.asarray(after.flair.dataobj)
    ramp = np.linspace(0.85, 1.15, data.shape[1])[None, :, None]
    other = after._replace(flair=nib.Nifti1Image((gain * ramp * data).astype(np.float32), after.flair.affine))
    half = half_way(motion(), np.linalg.inv(motion()))
    tables = [compare(before, visit, half).table for visit in (after, other)]
    assert list(tables[0]["change"]) == list(tables[1]["change"])


def test_registration_finds_the_motion_and_its_half(tmp_path):
    template = load_template(resolution=3.0)
    moved = nib.Nifti1Image(np.asarray(template.t1w.dataobj), motion() @ template.t1w.affine)
    there = rigid_matrix(align_rigid(moved, template.t1w, tmp_path / "a.txt", seed=1))
    back = rigid_matrix(align_rigid(template.t1w, moved, tmp_path / "b.txt", seed=1))
    half = half_way(there, back)
    brain = np.argwhere(np.asarray(template.brain.dataobj) > 0)[::50]
    points = nib.affines.apply_affine(template.brain.affine, brain)
    off = nib.affines.apply_affine(half @ half, points) - nib.affines.apply_affine(motion(), points)
    assert np.linalg.norm(off, axis=1).max() < 0.5
    turn = half[:3, :3]
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-6)


def test_lesions_that_merge_or_split_are_one_group_and_far_ones_are_not():
    before, after = np.zeros((20, 5, 5), int), np.zeros((20, 5, 5), int)
    before[1:4], before[5:8] = 1, 2
    after[1:8] = 1
    before[12:14], after[16:18] = 3, 2
    groups = match(before, after)
    assert sorted(groups) == [([], [2]), ([1, 2], [1]), ([3], [])]
    assert match(before * 0, after * 0) == []


def test_a_touch_is_no_match():
    before, after = np.zeros((20, 10, 10), int), np.zeros((20, 10, 10), int)
    before[:10], after[10:] = 1, 1
    after[9, 0, 0] = 1
    assert sorted(match(before, after)) == [([], [1]), ([1], [])]

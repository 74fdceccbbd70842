"""The store of maps: brain voxels only, read once, wrong files told."""

from __future__ import annotations

import gzip
import re

import nibabel as nib
import numpy as np
import pytest

from bids_app.derivatives import save_image
from bids_app.errors import InputError
from bids_app.learn.diagnosis.views import BeliefView, ClinicalView, LesionView, above
from bids_app.learn.lesion_maps import build_store

AFFINE = np.diag([3.0, 3, 3, 1])


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    mask = nib.Nifti1Image((rng.random((7, 8, 9)) < 0.7).astype(np.uint8), AFFINE)
    beliefs, lesions = {}, {}
    for k in range(12):
        belief = rng.normal(0, 0.3, mask.shape).astype(np.float32)
        beliefs[f"sub-{k}"] = save_image(nib.Nifti1Image(belief, AFFINE), tmp_path / f"{k}_belief.nii.gz")
        lesions[f"sub-{k}"] = save_image(
            nib.Nifti1Image((belief > 0.3).astype(np.uint8), AFFINE), tmp_path / f"{k}_l.nii.gz"
        )
    return beliefs, lesions, mask, tmp_path / "store"


def test_arrays_are_the_brain_voxels_of_the_files(files):
    beliefs, lesions, mask, folder = files
    store = build_store(*files)
    inside = np.asarray(mask.dataobj) > 0
    for k, (visit, path) in enumerate(beliefs.items()):
        values = np.asarray(nib.load(path).dataobj)[inside]
        np.testing.assert_array_equal(store.belief[k], values.astype(np.float32))
        np.testing.assert_array_equal(
            store.lesions()[k], np.asarray(nib.load(lesions[visit]).dataobj)[inside] > 0
        )
        np.testing.assert_allclose(
            store.sums[k], [values.sum(), (values.astype(float) ** 2).sum()], rtol=1e-5
        )
    assert (folder / "packed.npy").stat().st_size < 128 + 12 * (store.n_voxels / 8 + 1)
    image = store.image(np.arange(store.n_voxels, dtype=np.int32))
    np.testing.assert_array_equal(np.asarray(image.dataobj)[inside], np.arange(store.n_voxels))


@pytest.mark.parametrize("name", ["belief", "packed", "sums"])
@pytest.mark.parametrize("damage", [lambda content: content[:-3], lambda content: content[:-3] + b"abc"])
def test_damaged_arrays_are_made_anew(files, name, damage):
    *_, folder = files
    whole = np.array(getattr(build_store(*files), name))
    path = folder / f"{name}.npy"
    path.write_bytes(damage(path.read_bytes()))
    np.testing.assert_array_equal(getattr(build_store(*files), name), whole)


def test_same_files_are_not_read_again_and_changed_ones_are(files):
    beliefs, _, mask, folder = files
    build_store(*files)
    before = (folder / "belief.npy").stat().st_mtime_ns
    build_store(*files)
    assert (folder / "belief.npy").stat().st_mtime_ns == before
    changed = np.asarray(nib.load(beliefs["sub-3"]).dataobj) + np.float32(0.01)
    save_image(nib.Nifti1Image(changed, AFFINE), beliefs["sub-3"])
    inside = np.asarray(mask.dataobj) > 0
    np.testing.assert_array_equal(build_store(*files).belief[3], changed[inside])


@pytest.mark.parametrize(
    ("shape", "affine", "fill", "message"),
    [
        ((7, 8, 10), AFFINE, 1, "another grid"),
        ((7, 8, 9), np.diag([2.0, 2, 2, 1]), 1, "another grid"),
        ((7, 8, 9), AFFINE, np.nan, "NaN or infinite"),
        ((7, 8, 9), AFFINE, 0, "is empty"),
        ((7, 8, 9), AFFINE, 1, "one value everywhere"),
        ((7, 8, 9, 1), AFFINE, 1, "another grid"),
    ],
)
def test_bad_belief_maps_are_named_and_left_out(files, shape, affine, fill, message):
    save_image(nib.Nifti1Image(np.full(shape, fill, np.float32), affine), files[0]["sub-2"])
    assert_left_out(files, "sub-2", "2_belief.nii.gz", message)


def assert_left_out(files, visit, file, message):
    """One visit is left out, for this reason, and the others are what they were; the cache says the same."""
    for _ in range(2):
        store = build_store(*files)
        assert store.visits == tuple(name for name in files[0] if name != visit)
        assert len(store.belief) == len(store.packed) == len(store.sums) == len(store.measures) == 11
        (row,) = store.left_out.to_dict("records")
        assert row["visit"] == visit and row["file"].endswith(file)
        assert re.search(message, row["fault"]) and "\n" not in row["fault"]


def test_lesion_masks_hold_zero_and_one_and_may_be_empty(files):
    save_image(nib.Nifti1Image(np.zeros((7, 8, 9), np.uint8), AFFINE), files[1]["sub-1"])
    assert not build_store(*files).lesions()[1].any()
    save_image(nib.Nifti1Image(np.full((7, 8, 9), 3, np.uint8), AFFINE), files[1]["sub-1"])
    assert_left_out(files, "sub-1", "1_l.nii.gz", "values other than 0 and 1")
    save_image(nib.Nifti1Image(np.ones((7, 8, 9), np.uint8), AFFINE), files[1]["sub-1"])
    assert_left_out(files, "sub-1", "1_l.nii.gz", "more than half of the brain")


def test_missing_and_truncated_files(files):
    path = files[0]["sub-0"]
    path.write_bytes(path.read_bytes()[:200])
    assert_left_out(files, "sub-0", "0_belief.nii.gz", "cannot be read")
    path.write_bytes(gzip.compress(b"no image"))
    assert_left_out(files, "sub-0", "0_belief.nii.gz", "cannot be read")
    path.unlink()
    assert_left_out(files, "sub-0", "0_belief.nii.gz", "run the participant level")


def test_all_bad_maps_are_named_at_once_and_none_left_is_refused(files):
    paths = list(files[0].values())
    for path in paths[:5]:
        path.write_bytes(b"")
    assert build_store(*files).left_out["visit"].tolist() == [f"sub-{k}" for k in range(5)]
    for path in paths:
        path.write_bytes(b"")
    with pytest.raises(InputError, match="no other visit has a map that can be used"):
        build_store(*files)


def test_views_learn_on_training_scans_alone(files):
    store = build_store(*files)
    y = np.arange(12) % 2 == 0
    train, rows = np.arange(8), np.arange(12)
    view = LesionView(store, y)
    belief = np.asarray(store.belief, float)
    assert view.threshold_of(train) == pytest.approx(belief[:8].mean() + 2.54 * belief[:8].std(), rel=1e-5)
    np.testing.assert_array_equal(view.fitted(train).maps, belief > view.threshold_of(train))
    order = view.ranking(train)[1][:5]
    other = LesionView(store, np.where(np.arange(12) < 8, y, ~y))  # held-out classes must not matter
    np.testing.assert_array_equal(other.ranking(train)[1][:5], order)
    distance = next(iter(BeliefView(view)(train, rows, [5])))
    expected = ((belief[:, None, order] - belief[None, :8, order]) ** 2).sum(-1)
    np.testing.assert_allclose(distance, expected, atol=1e-9)


def test_clinical_columns_are_scaled_and_filled_by_training(files):
    values = np.array([[1.0, 5], [3, np.nan], [2, 7], [100, 9]])
    view = ClinicalView(values)
    z = view.standardised(np.arange(3))
    np.testing.assert_allclose(z[:3].mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(z[:3].std(0), 1)
    assert z[1, 1] == pytest.approx((6 - 6) / np.std([5, 6, 7]))
    np.testing.assert_array_equal(
        ClinicalView(np.where(np.arange(4)[:, None] == 3, -50, values)).standardised(np.arange(3))[:3], z[:3]
    )


def test_above_compares_with_the_double():
    values = np.array([0.33, np.nextafter(np.float32(0.33), np.float32(1))], np.float32)
    for threshold in (0.33, float(values[0]), float(values[1]), 0.330000001):
        np.testing.assert_array_equal(above(values, threshold), values.astype(float) > threshold)

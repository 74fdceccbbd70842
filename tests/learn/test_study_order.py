"""Study B's order of processing: belief thresholded on the scan's grid, then brought to 3 mm."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from test_diagnosis import QUICK, make_cohort

from bids_app.derivatives import save_image, write_json
from bids_app.image.belief import parenchyma_moments
from bids_app.image.template import BUILT_IN, belief_grid
from bids_app.image.transforms import apply_averaged, apply_median
from bids_app.learn.diagnosis import run

COARSE = nib.Nifti1Image(np.ones((10, 10, 10), np.uint8), nib.affines.from_matvec(np.eye(3) * 3, (1, 1, 1)))


@pytest.mark.parametrize("threshold", [-0.4, 0.0, 0.33, 0.6])
def test_thresholding_the_median_is_thresholding_first(threshold):
    rng = np.random.default_rng(1)
    data = ndimage.gaussian_filter(rng.normal(size=(32, 32, 32)), 1).astype(np.float32) * 3
    fine = nib.Nifti1Image(data, np.eye(4))
    median = np.asarray(apply_median(fine, COARSE, []).dataobj)
    first = nib.Nifti1Image((data > threshold).astype(np.float32), np.eye(4))
    share = np.asarray(apply_averaged(first, COARSE, []).dataobj)
    sure = np.abs(share - 0.5) > 0.01  # 27 voxels have no tie
    np.testing.assert_array_equal((median > threshold)[sure], (share > 0.5)[sure])
    assert sure.all()


def test_moments_are_of_the_brain_without_fluid():
    data = np.full((4, 4, 4), 9.0)
    data[:2] = np.arange(32).reshape(2, 4, 4)
    brain, csf = np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 4), np.float32)
    brain[:3] = 1
    csf[2] = 0.8
    images = [nib.Nifti1Image(one, np.eye(4)) for one in (data, brain, csf)]
    expected = pytest.approx(np.arange(32).std())
    assert parenchyma_moments(*images) == {"ParenchymaMean": pytest.approx(15.5), "ParenchymaSD": expected}


def with_medians(cohort, low=0.0, wrong=None):
    """Write medians of belief: as the averaged belief, less `low` at lesions of odd voxels."""
    for path in sorted(cohort.derivatives.rglob("*desc-belief_FLAIR.nii.gz")):
        image = nib.load(path)
        data = np.asarray(image.dataobj).copy()
        data[::2] -= np.where(data[::2] > 0.5, low, 0).astype(np.float32)
        target = path.with_name(path.name.replace("belief", "beliefmedian"))
        save_image(nib.Nifti1Image(data, image.affine), target)
        inside = data[np.asarray(belief_grid().dataobj) > 0]
        moments = {"ParenchymaMean": float(inside.mean()), "ParenchymaSD": float(inside.std())}
        write_json(moments, target.with_name(target.name.replace(".nii.gz", ".json")))
    return cohort


@pytest.fixture
def cohort(tmp_path):
    return make_cohort(tmp_path / "derivatives", {"RRMS": 6, "NMOSD": 6})


def auc(result, protocol):
    table = result.tables["performance"].set_index(["protocol", "metric"])
    return table.loc[(protocol, "auc"), "estimate"]


def test_the_published_protocol_alone_learns_from_scans_thresholded_first(cohort):
    with_medians(cohort, low=2.0)  # lesions of every other slab are lost where scans are thresholded first
    published = run(cohort, seed=2, options=QUICK)
    averaged = run(cohort, seed=2, options=QUICK.__class__(**{**vars(QUICK), "order": "averaged"}))
    orders = published.tables["orders"]
    assert len(orders) == 24
    assert (orders["thresholded_first"] < 0.7 * orders["averaged_first"]).all()
    assert orders["dice"].between(0.4, 0.9).all()
    assert "orders" not in averaged.tables
    nested = [result.tables["scans"]["nested_decision"] for result in (published, averaged)]
    np.testing.assert_array_equal(*nested)
    decided = [result.tables["scans"]["paper_decision"].dropna() for result in (published, averaged)]
    assert not np.array_equal(*decided)
    null = published.tables["null"].query("permutation == 0 and protocol == 'paper'")
    assert np.isfinite(null["auc"]).all()


def test_equal_maps_give_equal_answers(cohort):
    plain = run(cohort, seed=2, options=QUICK)
    with_medians(cohort)
    again = run(cohort, seed=2, options=QUICK)
    assert (again.tables["orders"]["dice"] == 1).all()
    assert auc(plain, "paper") == auc(again, "paper")


def test_scans_without_medians_are_counted_and_the_averaged_order_is_used(cohort):
    with_medians(cohort)
    first = next(
        cohort.derivatives.rglob(f"sub-03_ses-1_space-{BUILT_IN}_res-3_desc-beliefmedian_FLAIR.nii.gz")
    )
    first.unlink()
    moments = next(cohort.derivatives.rglob("sub-05_ses-2_*beliefmedian_FLAIR.json"))
    moments.write_text("{}")
    result = run(cohort, seed=2, options=QUICK)
    (note,) = [note for note in result.notes if "median of belief" in note]
    assert "2 of 24 scans" in note and "sub-03_ses-1" in note
    assert "orders" not in result.tables

"""Perturbations of scans and the agreement of features under them."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from bids_app.features.stability import (
    Perturbation,
    draw_perturbations,
    icc,
    noise_level,
    perturb,
    resize,
    stability_table,
)


@pytest.fixture
def scan():
    rng = np.random.default_rng(0)
    data = ndimage.gaussian_filter(rng.normal(size=(24, 25, 26)), 2) * 100 + 50
    labels = np.zeros(data.shape, np.int16)
    labels[4:12, 5:15, 6:16] = 1
    labels[14:20, 5:15, 6:16] = 5
    return nib.Nifti1Image(data.astype(np.float32), np.eye(4)), nib.Nifti1Image(labels, np.eye(4))


@pytest.mark.parametrize("n,k", [(6, 3), (30, 2), (4, 8)])
@pytest.mark.parametrize("bias", [0.0, 1.5])
def test_icc_agrees_with_pingouin(n, k, bias):
    pingouin = pytest.importorskip("pingouin")
    rng = np.random.default_rng(n)
    data = (
        rng.normal(size=(n, 1, 4)) * [0.1, 1, 3, 10]
        + rng.normal(size=(n, k, 4))
        + bias * np.arange(k)[:, None]
    )
    value, low, high = icc(data)
    for feature in range(4):
        table = (
            pd.DataFrame(data[:, :, feature]).melt(ignore_index=False, var_name="repetition").reset_index()
        )
        theirs = pingouin.intraclass_corr(table, "index", "repetition", "value")
        theirs = theirs[theirs["Type"].isin(["ICC2", "ICC(A,1)"])].iloc[0]
        assert value[feature] == pytest.approx(theirs["ICC"], abs=1e-12)
        interval = theirs[next(c for c in theirs.index if c.startswith("CI"))]
        assert [low[feature], high[feature]] == pytest.approx(interval, abs=0.0051)


def test_icc_of_perfect_and_of_constant_features():
    same = np.repeat(np.arange(5.0)[:, None], 3, axis=1)
    value, low, high = icc(np.stack([same, np.ones_like(same)], axis=2))
    assert [value[0], low[0], high[0]] == [1, 1, 1]
    assert np.isnan([value[1], low[1], high[1]]).all()


def test_no_perturbation_changes_nothing(scan):
    image, labels = perturb(*scan, Perturbation())
    assert np.array_equal(image.dataobj, scan[0].dataobj)
    assert np.array_equal(labels.dataobj, scan[1].dataobj)


def test_shift_moves_image_and_labels_together(scan):
    image, labels = perturb(*scan, Perturbation(shift=(1.0, 0.0, -2.0)))
    assert np.allclose(image.get_fdata()[3:-3, 3:-3, 3:-3], scan[0].get_fdata()[2:-4, 3:-3, 5:-1], atol=1e-3)
    assert np.array_equal(labels.get_fdata()[1:, :, :-2], scan[1].get_fdata()[:-1, :, 2:])


def test_rotation_turns_about_the_centre(scan):
    image, _ = perturb(*scan, Perturbation(rotation=(90.0, 0.0, 0.0)))
    before, after = scan[0].get_fdata(), image.get_fdata()
    assert after[5, 12, 10] != pytest.approx(before[5, 12, 10], abs=1e-3)
    # a quarter turn about x takes y to z: 2.5 voxels above the centre in y (12) come from 2.5 in z (12.5)
    turned = ndimage.map_coordinates(before, [[5.0], [12 + (10 - 12.5)], [12.5 - (12 - 12)]], order=3)
    assert after[5, 12, 10] == pytest.approx(turned[0], abs=0.05)


def test_noise_has_the_images_own_strength_and_its_seed():
    rng = np.random.default_rng(3)
    data = (1000 + rng.normal(0, 7, (32, 32, 32))).astype(np.float32)
    inside = np.ones(data.shape, bool)
    assert noise_level(data, inside) == pytest.approx(7, rel=0.03)
    scan = nib.Nifti1Image(data, np.eye(4)), nib.Nifti1Image(inside.astype(np.int16), np.eye(4))
    noisy = [perturb(*scan, Perturbation(noise=1.0, seed=seed))[0].get_fdata() for seed in (1, 1, 2)]
    assert (noisy[0] - data).std() == pytest.approx(7, rel=0.05)
    assert np.array_equal(noisy[0], noisy[1])
    assert not np.array_equal(noisy[0], noisy[2])


@pytest.mark.parametrize("growth", [0.1, -0.1, 0.25])
def test_regions_grow_and_shrink_by_the_part_asked_for(scan, growth):
    codes = np.asarray(scan[1].dataobj)
    resized = resize(codes, growth)
    for label in (1, 5):
        before, after = codes == label, resized == label
        assert after.sum() == round((1 + growth) * before.sum())
        assert (after | before).sum() == max(after.sum(), before.sum())  # one holds the other
        if growth < 0:
            core = ndimage.binary_erosion(before, iterations=2)
            assert after[core].all()


def test_perturbations_start_with_none_and_follow_the_seed():
    assert draw_perturbations(4, 1) == draw_perturbations(4, 1)
    assert draw_perturbations(4, 1) != draw_perturbations(4, 2)
    first, *others = draw_perturbations(4, 1)
    assert first == Perturbation()
    assert len(others) == 3
    assert all(p.noise == 1 and 0 < abs(p.growth) <= 0.1 and max(map(abs, p.rotation)) <= 3 for p in others)


def test_table_finds_the_stable_feature_and_leaves_out_missing_visits():
    rng = np.random.default_rng(5)
    visits = []
    for _ in range(12):
        truth = rng.normal(size=(2, 1))
        visits.append(
            [
                pd.DataFrame(
                    np.hstack([truth + rng.normal(0, 0.05, (2, 1)), rng.normal(size=(2, 1))]),
                    index=["A", "B"],
                    columns=["steady", "noisy"],
                )
                for _ in range(3)
            ]
        )
    visits[0][1].loc["B", "steady"] = np.nan
    table = stability_table(visits).set_index(["region", "feature"])
    assert (table.xs("steady", level="feature")["icc"] > 0.9).all()
    assert (table.xs("noisy", level="feature")["icc"] < 0.5).all()
    assert table.loc[("B", "steady"), "n_visits"] == 11
    assert table.loc[("A", "steady"), "n_visits"] == 12
    kept = [[t.loc["B", "steady"] for t in visit] for visit in visits[1:]]
    assert table.loc[("B", "steady"), "icc"] == pytest.approx(icc(np.array(kept)[:, :, None])[0][0])


def test_tables_that_do_not_match_are_refused():
    a, b = (pd.DataFrame([[1.0, 2.0]], index=[name], columns=["f", "g"]) for name in "AB")
    with pytest.raises(ValueError, match="differ"):
        stability_table([[a, b]])
    with pytest.raises(ValueError, match="repetitions"):
        stability_table([[a], [a]])

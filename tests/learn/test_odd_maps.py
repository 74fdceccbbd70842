"""Maps that are not like the others: found among few, whatever is wrong with them, and no lesion load taken for it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from bids_app.learn.odd_maps import impossible, learn_usual, map_measures, measures_against, robust_limits

SHAPE = (24, 28, 24)


def draw_maps(n=31, seed=0):
    """Draw belief at the voxels of a ball: anatomy that all share, noise of each."""
    rng = np.random.default_rng(seed)
    place = np.indices(SHAPE) - (np.array(SHAPE)[:, None, None, None] - 1) / 2
    inside = np.linalg.norm(place, axis=0) < 11
    anatomy = ndimage.gaussian_filter(rng.standard_normal(SHAPE), 2)
    anatomy *= 0.05 / anatomy.std()
    volumes = [
        (anatomy + 0.03 + 0.1 * ndimage.gaussian_filter(rng.standard_normal(SHAPE), 0.8) / 0.35) * inside
        for _ in range(n)
    ]
    return volumes, inside


def oddities(volumes, inside):
    """Return what is odd of each map, by what it is and by what the others are."""
    rows = np.array([v[inside] for v in volumes], np.float64)
    alone = [impossible(row) for row in rows]
    good = [k for k, why in enumerate(alone) if not why]
    of_map = np.array([map_measures(rows[k]) for k in good])
    usual, measures = learn_usual(rows[good].astype(np.float32), of_map)
    for k, why in zip(good, usual.oddities(measures), strict=True):
        alone[k] = why
    return alone


CHANGES = {
    "x 1000": lambda v, m: v * 1000,
    "x 255": lambda v, m: v * 255,
    "x 0.5": lambda v, m: v * 0.5,
    "x 3": lambda v, m: v * 3,
    "sign": lambda v, m: -v,
    "intensities": lambda v, m: (v + 1) * 300 * m,
    "offset": lambda v, m: v + 0.5 * m,
    "whole numbers": lambda v, m: np.round(v),
    "8 bit": lambda v, m: np.round((v - v.min()) / np.ptp(v) * 255),
    "shifted": lambda v, m: np.roll(v, 3, axis=1),
    "upside down": lambda v, m: v[:, :, ::-1],
    "half": lambda v, m: v * (np.arange(v.shape[2]) < 12),
    "noise": lambda v, m: np.random.default_rng(5).normal(0.03, v[m].std(), v.shape) * m,
    "empty": lambda v, m: v * 0,
    "constant": lambda v, m: m * 0.3,
    "NaN": lambda v, m: np.where(v > v[m].max() * 0.9, np.nan, v),
    "infinite": lambda v, m: np.where(v == v.max(), np.inf, v),
}


@pytest.mark.parametrize("change", CHANGES)
def test_one_odd_map_among_31_is_named_and_no_other(change):
    volumes, inside = draw_maps()
    volumes[7] = CHANGES[change](volumes[7], inside)
    found = oddities(volumes, inside)
    assert found[7] and not any(found[:7] + found[8:])


@pytest.mark.parametrize("n", [4, 7])
def test_few_maps_have_only_what_no_map_can_be(n):
    volumes, inside = draw_maps(n)
    assert not any(oddities(volumes, inside))
    volumes[0] = volumes[0] * 1000
    assert oddities(volumes, inside)[0]


def test_lesion_load_and_scanners_are_no_oddity():
    volumes, inside = draw_maps(60)
    rng = np.random.default_rng(1)
    where = np.argwhere(inside)
    for k in range(0, 60, 4):  # up to a tenth of the brain
        some = where[rng.choice(len(where), int(len(where) * rng.uniform(0, 0.1)), replace=False)]
        volumes[k][tuple(some.T)] = rng.uniform(0.4, 0.9, len(some))
    for k in range(1, 60, 3):  # a scanner with a third more contrast
        volumes[k] = volumes[k] * 1.35
    assert not any(oddities(volumes, inside))


def test_new_maps_are_measured_against_those_of_training():
    volumes, inside = draw_maps()
    rows = np.array([v[inside] for v in volumes], np.float32)
    of_map = np.array([map_measures(row) for row in rows.astype(np.float64)])
    usual, _ = learn_usual(rows[:-2], of_map[:-2])
    new = np.array([rows[-1], -rows[-2]])
    measures = measures_against(usual, new, np.array([map_measures(row) for row in new.astype(np.float64)]))
    fine, flipped = usual.oddities(measures)
    assert not fine and "likeness" in flipped


def test_limits_are_six_robust_standard_deviations():
    values = np.random.default_rng(0).normal(3, 2, 100_000)
    values[:1000] = 1e6
    np.testing.assert_allclose(robust_limits(values, 0.1), (3 - 12, 3 + 12), atol=0.3)
    assert robust_limits(np.ones(9), 0.1) == pytest.approx((0.4, 1.6))

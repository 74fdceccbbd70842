"""Voxels that became brighter or darker, among noise."""

from __future__ import annotations

import numpy as np
import pytest

from bids_app.image.change_map import BRIGHTER, DARKER, change_map

SHAPE = (48, 48, 48)
SIZE = np.ones(3)


def ball(centre: tuple[int, int, int], volume: float) -> np.ndarray:
    points = np.moveaxis(np.indices(SHAPE), 0, -1)
    return np.linalg.norm(points - np.array(centre), axis=-1) <= (3 * volume / (4 * np.pi)) ** (1 / 3)


@pytest.fixture
def made():
    """Differences with two lesions of 50 mm3 in white matter, one outside it; where white matter is."""
    white = np.zeros(SHAPE, bool)
    white[8:40, 8:40, 8:40] = True
    difference = np.random.default_rng(1).normal(0, 0.04, SHAPE).astype(np.float32)
    places = ball((16, 16, 16), 50), ball((30, 30, 30), 50), ball((3, 24, 24), 50)
    for place, change in zip(places, (0.3, -0.3, 0.4), strict=True):
        difference[place] += change
    return difference, white, places


def test_lesions_that_came_and_went_are_found_and_nothing_else(made):
    difference, white, (came, went, outside) = made
    found = change_map(difference, white, np.zeros(SHAPE, bool), SIZE)
    assert (found[came] == BRIGHTER).mean() > 0.7
    assert (found[went] == DARKER).mean() > 0.7
    assert not found[outside].any()
    elsewhere = (found > 0) & ~came & ~went
    assert elsewhere.sum() < 60  # their blurred rims


def test_exchanging_the_visits_exchanges_brighter_and_darker(made):
    difference, white, _ = made
    none = np.zeros(SHAPE, bool)
    found, back = change_map(difference, white, none, SIZE), change_map(-difference, white, none, SIZE)
    assert np.array_equal(found == BRIGHTER, back == DARKER)
    assert np.array_equal(found == DARKER, back == BRIGHTER)


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.08])
def test_noise_alone_is_no_change(noise):
    white = np.ones(SHAPE, bool)
    difference = np.random.default_rng(2).normal(0, noise, SHAPE).astype(np.float32)
    assert not change_map(difference, white, np.zeros(SHAPE, bool), SIZE).any()


def test_small_change_is_none_however_little_noise():
    white = np.ones(SHAPE, bool)
    difference = np.where(ball((24, 24, 24), 200), 0.06, 0).astype(np.float32)
    assert not change_map(difference, white, np.zeros(SHAPE, bool), SIZE).any()


def test_without_white_matter_nothing_is_found():
    none = np.zeros(SHAPE, bool)
    assert not change_map(np.ones(SHAPE, np.float32), none, none, SIZE).any()

"""Slowly expanding lesions: growth that was put in is measured, and rules of the classification."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from bids_app.image.expansion import EXPANSION_COLUMNS, OVER_VISITS, measure, over_visits
from bids_app.image.injection import deformed
from bids_app.image.volume_change import Side, tissue_regions, volume_change

SHAPE, RADIUS = (64, 64, 64), 7
CENTRES = ((24, 32, 32), (44, 32, 32))  # the first one grows


def image(data, kind=np.float32):
    return nib.Nifti1Image(np.asarray(data).astype(kind), np.eye(4))


def distance(centre):
    return np.linalg.norm(np.moveaxis(np.indices(SHAPE), 0, -1) - np.array(centre), axis=-1)


def side(data) -> Side:
    brain = distance((32, 32, 32)) < 28
    lesions = sum(number * (distance(c) < RADIUS) for number, c in enumerate(CENTRES, 1))
    tissue = image(np.where(brain & (lesions == 0), 2, 0), np.uint8)
    lesion = image(lesions, np.int32)
    return Side(image(data), image(brain, np.uint8), tissue, lesion, tissue_regions(tissue, lesion))


@pytest.fixture(scope="module")
def pair() -> tuple[Side, Side]:
    """White matter with two dark lesions, whose first one grows by 30 % at its core."""
    rng = np.random.default_rng(0)
    texture = ndimage.gaussian_filter(rng.standard_normal(SHAPE), 1.5)
    data = 100 * (1 + 0.1 * texture / texture.std()) * (distance((32, 32, 32)) < 28)
    for centre in CENTRES:
        data -= 25 / (1 + np.exp(2 * (distance(centre) - RADIUS)))
    away = np.moveaxis(np.indices(SHAPE), 0, -1) - np.array(CENTRES[0])
    drawn = -0.1 * away * np.exp(-((distance(CENTRES[0]) / RADIUS) ** 2) / 2)[..., None]
    later = deformed(image(data), drawn.astype(np.float32))
    noise = [rng.normal(0, 1, SHAPE) for _ in range(2)]
    return side(data + noise[0]), side(np.asarray(later.dataobj) + noise[1])


def test_a_lesion_that_grew_is_a_candidate_and_one_that_did_not_is_none(pair):
    changed = volume_change(*pair, np.eye(4))
    labels = pair[0].lesions
    table = pd.DataFrame({"index": [1, 2], "volume_before_mm3": [1400.0, 1400.0]})
    found = measure(changed.jacobian, labels, table, 1.0)
    assert list(found.columns) == list(EXPANSION_COLUMNS)
    grown, same = found.iloc[0], found.iloc[1]
    assert 8 < grown["expansion_percent_per_year"] < 25
    assert grown["concentricity"] > 2
    assert grown["expansion_candidate"] == 1
    assert abs(same["expansion_percent_per_year"]) < 3
    assert same["expansion_candidate"] == 0
    slower = measure(changed.jacobian, labels, table, 2.0).iloc[0]
    assert slower["expansion_percent_per_year"] < 0.6 * grown["expansion_percent_per_year"]
    back = measure(volume_change(*pair[::-1], np.eye(4)).jacobian, labels, table, 1.0).iloc[0]
    assert back["expansion_percent_per_year"] < -5
    assert back["expansion_candidate"] == 0


def test_without_dates_or_a_lesion_before_there_is_no_rate():
    labels = image(distance(CENTRES[0]) < 3, np.int32)
    table = pd.DataFrame({"index": [1], "volume_before_mm3": [100.0]})
    still = image(np.ones(SHAPE))
    assert measure(still, labels, table, None).isna().all(axis=None)
    assert measure(still, labels, table.assign(volume_before_mm3=0.0), 1.0).isna().all(axis=None)
    assert measure(still, labels, table, 1.0)["expansion_percent_per_year"][0] == 0


def interval(rate, candidate=1, concentricity=2.0, before="1", after="1"):
    return pd.DataFrame(
        {
            "name": ["change-001"],
            "lesions_before": [before],
            "lesions_after": [after],
            "expansion_percent_per_year": [rate],
            "concentricity": [concentricity],
            "expansion_candidate": [candidate],
        }
    )


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (interval(14), interval(9, candidate=0), 1),
        (interval(14), interval(1), 0),  # not constant
        (interval(5, candidate=0), interval(5, candidate=0), 0),  # no seed
        (interval(14), interval(14, concentricity=-3), 0),  # not concentric
    ],
)
def test_constant_and_concentric_growth_is_slow_expansion(first, second, expected):
    found = over_visits([first, second])
    assert list(found.columns) == list(OVER_VISITS)
    assert found["slowly_expanding"].tolist() == [expected]
    assert found["intervals"].tolist() == [2]


def test_two_visits_and_lesions_that_came_later_are_not_followed():
    assert over_visits([interval(20)]).empty
    assert over_visits([interval(20, after="2"), interval(20, before="1")]).empty
    assert len(over_visits([interval(20, after="2,1"), interval(20, before=1.0)])) == 1

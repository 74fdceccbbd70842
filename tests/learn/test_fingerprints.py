"""The same scan under two names is found through rounding and gaps; two people are never taken for one."""

import numpy as np
import pandas as pd
import pytest

from bids_app.learn.fingerprints import kept_whole, note_on, same_measures


def people(n=60, p=300, seed=0):
    rng = np.random.default_rng(seed)
    head = rng.normal(0, 1, (n, 1))  # bigger people have bigger everything
    values = 1000 * np.exp(0.1 * head + 0.05 * rng.normal(size=(n, p)))
    return pd.DataFrame(values, columns=[f"c{i}" for i in range(p)])


@pytest.mark.parametrize("noise", [0, 1e-7, 1e-4])
@pytest.mark.parametrize("gaps", [0, 0.3])
def test_a_copy_is_found_through_rounding_gaps_and_outliers(noise, gaps):
    values = people()
    rng = np.random.default_rng(1)
    values.loc[41] = values.loc[7] * (1 + noise * rng.normal(size=300))
    values = values.mask(rng.random(values.shape) < gaps)
    values.iloc[3, ::2] = 1e9
    assert same_measures(values) == [(7, 41)]


def test_two_people_are_not_one():
    assert same_measures(people(700, 40)) == []
    assert same_measures(people(700, 3)) == []
    nothing = pd.DataFrame(np.zeros((30, 50)))  # no lesion, so no region is cut off
    assert same_measures(nothing) == []
    assert same_measures(pd.DataFrame(np.full((30, 5), np.nan))) == []
    assert same_measures(pd.DataFrame(index=range(5))) == []


def test_with_few_columns_only_equal_rows_are_paired():
    values = people(50, 6)
    values.loc[4] = values.loc[2]
    values.loc[9] = values.loc[8] * 1.001
    assert same_measures(values) == [(2, 4)]
    assert same_measures(values.iloc[:, :2]) == []


def test_a_chain_of_copies_is_one_group_named_after_the_first():
    groups = ["sub-3", "sub-1", "sub-2", "sub-2", "sub-9"]
    assert kept_whole(groups, [(0, 2), (3, 4)]).tolist() == ["sub-2", "sub-1", "sub-2", "sub-2", "sub-2"]
    assert kept_whole(groups, []).tolist() == groups


def test_the_note_names_the_pairs():
    assert note_on(["a"], [], "radiomics") == []
    (note,) = note_on([f"sub-{i}" for i in range(24)], [(i, i + 12) for i in range(12)], "radiomics")
    assert note.startswith("the same radiomics under two names: sub-0 and sub-12; sub-1 and sub-13")
    assert "and 2 more pairs" in note

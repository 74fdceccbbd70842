"""Calls explained: the voxels named decide, the flips named change the call, neighbours are the nearest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bids_app.learn.diagnosis.explain import _flips, decision_of, flip_effects
from bids_app.learn.diagnosis.model import VoxelMachine


def machine_of(seed, scans=9, k=13, gamma=0.2):
    rng = np.random.default_rng(seed)
    return VoxelMachine(
        voxels=np.arange(k),
        threshold=0.3,
        C=1.0,
        gamma=gamma,
        support=np.packbits(rng.random((scans, k)) < 0.4, axis=1),
        weights=rng.normal(size=scans),
        intercept=float(rng.normal(scale=0.1)),
        low=-0.1,
        high=0.1,
        slope=1.0,
        offset=0.0,
    ), rng.random(k) < 0.4


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_the_decision_is_the_machines_and_effects_are_those_of_flipping(seed):
    machine, row = machine_of(seed)
    assert decision_of(machine, row) == pytest.approx(machine.decide(row[None])[0])
    effects = flip_effects(machine, row)
    for voxel in range(len(row)):
        other = row.copy()
        other[voxel] = ~other[voxel]
        change = machine.decide(other[None])[0] - machine.decide(row[None])[0]
        assert effects[voxel] == pytest.approx(change, abs=1e-9)


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_flips_named_change_the_call_and_no_fewer_of_them_do(seed):
    machine, row = machine_of(seed)
    found = _flips(machine, row)
    if not found:
        return
    for n in range(1, len(found) + 1):
        other = row.copy()
        other[found[:n]] = ~other[found[:n]]
        changed = (decision_of(machine, other) >= 0) != (decision_of(machine, row) >= 0)
        assert changed == (n == len(found))

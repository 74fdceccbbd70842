"""Fingerprints: the same scan is known again however it was saved, and scans of one patient are not the same scan."""

from __future__ import annotations

import numpy as np
import pytest

from bids_app.learn.map_prints import bits_apart, copies, fingerprints, from_text, to_text


def draw(n, individual=0.3, seed=0, v=20_000):
    """Scans of n patients, two each, that share anatomy with all and more with their own patient."""
    rng = np.random.default_rng(seed)
    anatomy = rng.standard_normal(v) * 0.5
    patient = rng.standard_normal((n, v)) * individual
    return np.repeat(anatomy + patient, 2, axis=0) + rng.standard_normal((2 * n, v)) * 0.1


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row,
        lambda row: np.round(row * 1024) / 1024,
        lambda row: row.astype(np.float16).astype(float),
        lambda row: row * 0.5,
        lambda row: row * 3 + 2,
        lambda row: row + np.random.default_rng(1).normal(0, 0.002, row.size),
    ],
)
def test_the_same_scan_is_known_again(change):
    rows = draw(40)
    rows[70] = change(rows[3])
    first = copies(fingerprints(rows.astype(np.float32)))
    assert first[70] == 3
    assert (first == np.where(np.arange(80) == 70, 3, np.arange(80))).all()


def test_scans_of_one_patient_are_not_copies():
    rows = draw(200, individual=0.45)  # scans of a patient correlate at about .98
    assert np.corrcoef(rows[:2])[0, 1] > 0.97
    assert (copies(fingerprints(rows)) == np.arange(400)).all()


def test_share_of_bits_is_the_angle():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 200, 8192))
    apart = bits_apart(fingerprints(a), fingerprints(0.9 * a + np.sqrt(1 - 0.81) * b))
    assert np.diag(apart).mean() / 512 == pytest.approx(np.arccos(0.9) / np.pi, rel=0.03)


def test_text_and_back():
    prints = fingerprints(draw(3))
    np.testing.assert_array_equal(from_text(to_text(prints)), prints)
    assert from_text([]).shape == (0, 64)
    with pytest.raises(ValueError, match="512 bits"):
        from_text(["00"])

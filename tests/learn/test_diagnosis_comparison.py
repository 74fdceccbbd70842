"""Differences between models and net benefit, against what they are by definition."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, roc_auc_score

from bids_app.learn.diagnosis.comparison import auc_differences, decision_curve


def test_differences_are_paired():
    rng = np.random.default_rng(0)
    patient, fold = np.repeat(np.arange(80), 2), np.zeros(160, int)
    y = patient % 3 > 0
    good = y + rng.normal(0, 0.8, 160)
    runs = {
        "a": (good, fold),
        "b": (good + rng.normal(0, 0.05, 160), fold),
        "c": (rng.normal(size=160), fold),
    }
    table = auc_differences(y, runs, "a", patient, 1).set_index("model")
    assert list(table.index) == ["b", "c"]
    expected = roc_auc_score(y, runs["c"][0]) - roc_auc_score(y, good)
    assert table.loc["c", "difference"] == pytest.approx(expected)
    assert table.loc["c", "high"] < 0
    width = table["high"] - table["low"]
    assert width["b"] < 0.2 * width["c"]  # nearly the same decisions: nearly the same on every draw
    assert auc_differences(y, runs, "none", patient, 1).empty


def test_net_benefit_by_its_definition():
    rng = np.random.default_rng(1)
    y, p = rng.random(300) < 0.3, rng.random(300)
    table = decision_curve(y, p).set_index("threshold")
    for threshold in (0.1, 0.5, 0.8):
        _, false, _, true = confusion_matrix(y, p >= threshold).ravel()
        benefit = true / 300 - false / 300 * threshold / (1 - threshold)
        assert table.loc[threshold, "model"] == pytest.approx(benefit)
    assert table.loc[0.3, "all"] == pytest.approx(y.mean() - (1 - y.mean()) * 3 / 7)
    perfect = decision_curve(y, y.astype(float))
    np.testing.assert_allclose(perfect["model"], y.mean())

"""What is no disease (sites, scanners, intensity) is warned of without waiting for a small P; normal scans."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from bids_app.derivatives import write_table
from bids_app.learn.diagnosis.baselines import (
    INTENSITY,
    LOAD,
    SITE,
    categories,
    quality_numbers,
    scanner_fields,
    unevenness,
    warnings,
)
from bids_app.learn.diagnosis.lesion_counts import called_right, lesion_counts, normal_scans
from bids_app.learn.diagnosis.protocols import Design
from bids_app.learn.diagnosis.variants import site_folds


def test_sites_eight_to_four_are_warned_of_though_p_is_above_05():
    site = pd.Series(["a"] * 12 + ["b"] * 12)
    label = np.array(["RRMS"] * 8 + ["NMOSD"] * 4 + ["RRMS"] * 4 + ["NMOSD"] * 8)
    v = unevenness(site, label, np.arange(24))
    assert v == pytest.approx(1 / 3)
    assert "unevenly over sites" in warnings({}, 0.8, v)[0]
    even = unevenness(site, np.array(["RRMS", "NMOSD"] * 12), np.arange(24))
    assert even == 0 and not warnings({SITE: 0.5, INTENSITY: 0.55, LOAD: 0.7}, 0.8, even)
    assert unevenness(pd.Series(["a"] * 24), label, np.arange(24)) == 0


def test_what_is_no_disease_and_tells_is_warned_of():
    warned = warnings({SITE: 0.66, INTENSITY: 0.74, LOAD: 0.86}, 0.85)
    assert len(warned) == 3 and "0.66" in warned[0] and "0.74" in warned[1]
    assert warned[2].startswith(f"{LOAD} does as well as the lesion maps")


def test_scanner_fields_come_from_sidecars_or_columns(tmp_path):
    paths = [tmp_path / f"{k}_belief_FLAIR.nii.gz" for k in range(6)]
    for k, path in enumerate(paths[:5]):
        sidecar = {"Manufacturer": "AB"[k % 2], "MagneticFieldStrength": 3}
        path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps(sidecar))
    table = pd.DataFrame({"EchoTime": [0.1, 0.1, 0.2, 0.2, 0.1, 0.1]})
    assert scanner_fields(paths, table).shape[1] == 3 + 2 + 2  # A, B, unknown; 3, unknown; two echo times
    assert scanner_fields(paths[:2], table[:0].reindex(range(2))).shape[1] == 2
    assert categories(pd.Series(["a", "a"])).shape == (2, 0)


def test_quality_numbers_leave_lesions_out(tmp_path):
    for k in range(3):
        write_table(pd.DataFrame([{"snr": k, "lesion_count": k, "word": "x"}]), tmp_path / f"{k}.tsv")
    found = quality_numbers([*(tmp_path / f"{k}.tsv" for k in range(3)), tmp_path / "none.tsv"])
    np.testing.assert_array_equal(found, [[0], [1], [2], [np.nan]])


def test_each_site_by_machines_of_the_others():
    site = pd.Series(["a", "b", "c"] * 20)
    y, patient = np.arange(60) % 2 == 0, np.arange(60)
    folds = site_folds(site, Design(y, patient, seed=1, cv=5))
    assert len(folds) == 3
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(60))
    for train, test in folds:
        assert not set(site[train]) & set(site[test])
    assert not site_folds(site, Design(y, patient, seed=1, cv=30))
    assert not site_folds(pd.Series(["a"] * 60), Design(y, patient, seed=1, cv=5))


def test_normal_scans_by_table_and_by_column(tmp_path):
    rows = [
        [],
        [{"artefact_prone": "septum", "volume_mm3": 30.0}],
        [{"artefact_prone": None, "volume_mm3": 50.0}],
    ]
    for k, some in enumerate(rows):
        write_table(pd.DataFrame(some, columns=["artefact_prone", "volume_mm3"]), tmp_path / f"{k}.tsv")
    (tmp_path / "3.tsv").write_bytes(b"\x00\x01")
    counts = lesion_counts(tmp_path / f"{k}.tsv" for k in range(4))
    assert counts["lesions"].tolist()[:3] == [0, 1, 1] and counts["lesions"].isna()[3]
    np.testing.assert_array_equal(normal_scans(counts), [1, 1, 0, np.nan])
    judged = pd.Series(["No", None, "yes", "1.0"])
    np.testing.assert_array_equal(normal_scans(counts, judged), [0, 1, 1, 1])
    y = pd.Series([True, False, False, False])
    table = called_right(normal_scans(counts, judged), y, pd.Series([True, False, True, False]), ~y)
    assert table[["n", "called_right"]].to_numpy().tolist() == [[0, 0], [3, 2]]

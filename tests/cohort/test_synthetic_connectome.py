"""Disconnection from a synthetic connectome stays out of models unless asked."""

from __future__ import annotations

import pandas as pd
import pytest

from bids_app.cohort.features import read_features
from bids_app.derivatives import write_json, write_table


@pytest.fixture
def derivatives(tmp_path):
    """Two visits: disconnection of the first from a synthetic connectome, of the second from a real one."""
    for label, synthetic in (("01", True), ("02", False)):
        stem = tmp_path / f"sub-{label}" / "anat" / f"sub-{label}_atlas-AAL_desc-"
        regions = pd.DataFrame({"index": [1], "name": ["A"]})
        write_table(regions.assign(volume_mm3=5.0), stem.with_name(f"{stem.name}volumes_dseg.tsv"))
        write_table(regions.assign(chaco=0.5), stem.with_name(f"{stem.name}chaco_dseg.tsv"))
        write_json({"Connectome": {"Synthetic": synthetic}}, stem.with_name(f"{stem.name}chaco_dseg.json"))
    return tmp_path


def test_left_out_with_a_note_and_taken_when_asked(derivatives):
    visits = pd.DataFrame({"participant_id": ["sub-01", "sub-02"], "session_id": [None, None]})
    found = read_features(derivatives, visits)
    assert found.values["chaco.A"].isna().tolist() == [True, False]
    assert found.values["volume.A"].tolist() == [5, 5]
    assert any("synthetic" in n and "--allow-synthetic-connectome" in n for n in found.notes)
    requested = read_features(derivatives, visits, synthetic=True)
    assert requested.values["chaco.A"].tolist() == [0.5, 0.5]
    assert not any("synthetic" in n for n in requested.notes)
    assert read_features(derivatives, visits).values["chaco.A"].isna().tolist() == [True, False]

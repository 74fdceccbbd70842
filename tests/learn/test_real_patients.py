"""Study A on real patients: consensus lesion masks, real tractography, age, sex, course and EDSS."""

from __future__ import annotations

import runpy
from pathlib import Path

import pandas as pd
import pytest

from bids_app.cli import main

EXAMPLE = Path(__file__).parents[2] / "bench" / "real_patients.py"  # the worked example of the documentation


@pytest.fixture(scope="module")
def derivatives(shared, tmp_path_factory):
    """Tables of lesion volume and disconnection for the twenty patients."""
    out = tmp_path_factory.mktemp("real")
    return runpy.run_path(str(EXAMPLE))["write_derivatives"](shared, out, 20_000), out


def test_twenty_patients_end_to_end(derivatives, capsys):
    data, out = derivatives
    command = [str(data), str(out), "group", "--analysis", "edss", "--folds", "4", "--outer-folds", "4"]
    assert main([*command, "--permutations", "2", "--nprocs", "1", "--repeated-splits", "3"]) == 0
    assert "20 visits of 20 participants" in capsys.readouterr().out
    predicted = pd.read_csv(out / "group" / "edss_predictions.tsv", sep="\t")
    nested = predicted.query("protocol == 'nested' and features == 'all' and model == 'ridge'")
    assert nested["participant_id"].is_unique
    held = set(predicted.query("set == 'internal'")["participant_id"])
    assert held.isdisjoint(nested["participant_id"])
    assert len(held) + len(nested) == len(pd.read_csv(out / "group" / "cohort.tsv", sep="\t"))
    page = (out / "group.html").read_text()
    assert "estimates are rough" in page
    assert "without radiomics columns" in page
    assert "not applied: no column days_to_edss" in page
    needed = pd.read_csv(out / "group" / "edss_sample_size.tsv", sep="\t").query(
        "parameters == 'all candidates'"
    )
    assert not needed["met"].any()  # what twenty people cannot carry

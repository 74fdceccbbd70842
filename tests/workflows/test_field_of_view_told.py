"""What rests on lesions says how much of the brain the FLAIR shows."""

from __future__ import annotations

import json

import pandas as pd
import pytest


@pytest.mark.parametrize(
    "name",
    [
        *("label-L_mask", "label-L_probseg", "atlas-AAL_desc-volumes_dseg", "atlas-AAL_desc-chaco_dseg"),
        *("atlas-AAL_desc-chacopairs_dseg", "space-MNI152NLin2009aSym_desc-disconnection_probseg"),
    ],
)
def test_sidecars_of_a_visit(processed, name):
    sidecar = json.loads((processed.out / f"sub-001/anat/sub-001_{name}.json").read_text())
    assert sidecar["FlairCoverage"] == 1.0 and "OutsideFlair" not in sidecar


def test_the_quality_table_of_a_visit(processed):
    table = pd.read_csv(processed.out / "sub-001/anat/sub-001_desc-demyelin_qc.tsv", sep="\t")
    assert table["flair_coverage"].tolist() == [1.0]

"""The published rule, case by case."""

from __future__ import annotations

import pandas as pd
import pytest

from bids_app.derivatives import write_table
from bids_app.errors import InputError
from bids_app.learn.diagnosis.rule import rule_calls, speaks_for_ms

BODY = {"place": "periventricular", "nearest_region": "Caudate_L", "template_y": -10.0, "template_z": 22.0}
TEMPORAL = {
    "place": "deep_white_matter",
    "nearest_region": "Temporal_Inf_R",
    "template_y": -20.0,
    "template_z": -20.0,
}
CORTICAL = {
    "place": "juxtacortical_cortical",
    "nearest_region": "Precentral_L",
    "template_y": 0.0,
    "template_z": 50.0,
}
HORN = BODY | {"template_y": 30.0}
MEDULLA = {
    "place": "infratentorial",
    "nearest_region": "Cerebelum_9_L",
    "template_y": -40.0,
    "template_z": -50.0,
}


def table(*lesions, flag=None):
    return pd.DataFrame([{"artefact_prone": flag} | lesion for lesion in lesions])


@pytest.mark.parametrize(
    ("lesions", "expected"),
    [
        ((BODY, TEMPORAL), True),
        ((BODY,), False),
        ((TEMPORAL,), False),
        ((HORN, TEMPORAL), False),
        ((CORTICAL,), True),
        ((MEDULLA,), False),
        ((MEDULLA, BODY, TEMPORAL), True),
    ],
)
def test_rule(lesions, expected):
    assert speaks_for_ms(table(*lesions)) is expected


def test_artefact_prone_lesions_do_not_count():
    assert not speaks_for_ms(table(CORTICAL, flag="choroid_plexus"))


def test_tables_from_disk(tmp_path):
    empty = pd.DataFrame(columns=[*BODY, "artefact_prone"])
    paths = [
        write_table(t, tmp_path / f"{k}.tsv") for k, t in enumerate((table(CORTICAL), empty, table(MEDULLA)))
    ]
    assert rule_calls(paths).tolist() == [True, False, False]
    with pytest.raises(InputError, match=r"gone.tsv: lesion table cannot be read"):
        rule_calls([tmp_path / "gone.tsv"])
    with pytest.raises(InputError, match=r"old.tsv: lesion table has no column nearest_region"):
        rule_calls([write_table(table(BODY).drop(columns="nearest_region"), tmp_path / "old.tsv")])

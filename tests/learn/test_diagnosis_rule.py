"""The published rule, case by case."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bids_app.derivatives import write_table
from bids_app.errors import InputError
from bids_app.image.atlas import load_atlas
from bids_app.image.template import BUILT_IN
from bids_app.learn.diagnosis.rule import INFERIOR_TEMPORAL, near_inferior_temporal, rule_calls, speaks_for_ms

BODY = {"place": "periventricular", "template_x": -20.0, "template_y": -10.0, "template_z": 22.0}
TEMPORAL = {
    "place": "deep_white_matter",
    "template_x": 54.0,  # inferior temporal gyrus, 23 mm below the plane of the commissures
    "template_y": -31.0,
    "template_z": -23.0,
}
CORTICAL = {
    "place": "juxtacortical_cortical",
    "template_x": -40.0,
    "template_y": 0.0,
    "template_z": 50.0,
}
HORN = BODY | {"template_y": 30.0}
MEDULLA = {
    "place": "infratentorial",
    "template_x": -10.0,
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
    assert rule_calls(paths, BUILT_IN).tolist() == [True, False, False]
    with pytest.raises(InputError, match=r"gone.tsv: lesion table cannot be read"):
        rule_calls([tmp_path / "gone.tsv"], BUILT_IN)
    with pytest.raises(InputError, match=r"old.tsv: lesion table has no column template_x"):
        rule_calls([write_table(table(BODY).drop(columns="template_x"), tmp_path / "old.tsv")], BUILT_IN)


def test_the_call_does_not_depend_on_the_atlas_a_visit_was_processed_with():
    names = ("Temporal_Inf_R", "7Networks_RH_Default_Temp_3", "17", None)
    assert {speaks_for_ms(table(BODY, TEMPORAL).assign(nearest_region=name)) for name in names} == {True}
    assert {speaks_for_ms(table(BODY, MEDULLA).assign(nearest_region=name)) for name in names} == {False}


def test_places_of_the_inferior_temporal_lobe_are_those_of_aal():
    atlas = load_atlas()
    labels = np.asanyarray(atlas.image.dataobj)
    for row in atlas.regions.to_dict("records"):
        inside = np.argwhere(labels == row["index"])
        points = nib.affines.apply_affine(atlas.image.affine, inside[:: max(len(inside) // 20, 1)])
        near = near_inferior_temporal(pd.DataFrame(points, columns=list("xyz")))
        assert (near == row["name"].startswith(INFERIOR_TEMPORAL)).all(), row["name"]
    assert not near_inferior_temporal(pd.DataFrame({"x": [np.nan], "y": [0.0], "z": [0.0]})).any()


def test_coordinates_of_another_space_are_refused(tmp_path):
    path = write_table(table(CORTICAL), tmp_path / "t.tsv")
    with pytest.raises(InputError, match="MNI152 template, and these are of UNCInfant"):
        rule_calls([path], "UNCInfant")

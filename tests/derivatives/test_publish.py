"""Which files of a visit stay in its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_app.derivatives.names import LEVELS, OUTPUTS
from bids_app.derivatives.publish import remove_others


def name(key: str, template: str = "MNI") -> str:
    return OUTPUTS[key].path("sub-01", template=template, atlas="AAL")


@pytest.fixture
def anat(tmp_path: Path) -> Path:
    """A folder with a visit's files of two runs, another visit's, and one of the user's own."""
    for key in ("lesions", "dseg", "t1w", "volumes", "from_template"):
        (tmp_path / name(key)).touch()
        if not name(key).endswith(".h5"):
            (tmp_path / name(key)).with_name(name(key).split(".")[0] + ".json").touch()
    (tmp_path / name("lesions_template", template="OTHER")).touch()
    (tmp_path / "sub-01_ses-1_label-L_mask.nii.gz").touch()
    (tmp_path / "sub-01_label-L_desc-mine_mask.nii.gz").touch()
    return tmp_path


def test_what_is_not_kept_goes_with_its_sidecar_and_nothing_else(anat):
    remove_others(anat, "sub-01", [anat / name("lesions"), anat / name("volumes")])
    assert sorted(path.name for path in anat.iterdir()) == [
        "sub-01_atlas-AAL_desc-volumes_dseg.json",
        "sub-01_atlas-AAL_desc-volumes_dseg.tsv",
        "sub-01_label-L_desc-mine_mask.nii.gz",
        "sub-01_label-L_mask.json",
        "sub-01_label-L_mask.nii.gz",
        "sub-01_ses-1_label-L_mask.nii.gz",
    ]


def test_a_table_keeps_its_sidecar_when_the_image_beside_it_goes(anat):
    """dseg.nii.gz and dseg.tsv of lesions share one JSON file."""
    for ending in (".nii.gz", ".tsv", ".json"):
        (anat / f"sub-01_seg-lesions_dseg{ending}").touch()
    table = anat / name("lesion_table")
    remove_others(anat, "sub-01", [table, table.with_suffix(".json")])
    assert sorted(path.suffix for path in anat.glob("*seg-lesions*")) == [".json", ".tsv"]


def test_levels_grow():
    kept = [{key for key, output in OUTPUTS.items() if output.kept_at(level)} for level in LEVELS]
    assert kept[0] < kept[1] < kept[2] == set(OUTPUTS)
    assert {"lesion_table", "volumes", "radiomics", "chaco", "belief", "lesions_template_3mm"} <= kept[0]

"""Study A on real patients: consensus lesion masks, real tractography, age, sex, course and EDSS."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bids_app.cli import main
from bids_app.derivatives import write_json, write_table
from bids_app.features.chaco import chaco
from bids_app.features.connectome import Connectome
from bids_app.features.tracking import TrackingSettings, read_field, track
from bids_app.image.atlas import load_atlas


@pytest.fixture(scope="module")
def derivatives(shared, tmp_path_factory):
    """Tables of lesion volume and disconnection for the twenty patients."""
    out = tmp_path_factory.mktemp("real")
    data, atlas = shared / "data" / "openms-mni", load_atlas()
    field = read_field(shared / "data" / "hcp1065" / "ICBM152_adult.fib.gz")
    lines = track(field, TrackingSettings(n_streamlines=20_000))
    connectome = Connectome.from_streamlines(lines, affine=atlas.image.affine, shape=atlas.image.shape)
    for path in sorted(data.glob("sub-*/anat/*consensus_mask.nii.gz")):
        name = path.name.split("_")[0]
        stem = out / name / "anat" / name
        mask = nib.load(path)
        volume = np.count_nonzero(mask.dataobj) * np.prod(nib.affines.voxel_sizes(mask.affine))
        write_table(pd.DataFrame({"index": [1]}), stem.with_name(f"{name}_seg-lesions_dseg.tsv"))
        volumes = pd.DataFrame({"index": [1007], "name": ["TLV"], "volume_mm3": [volume]})
        write_table(volumes, stem.with_name(f"{name}_atlas-AAL_desc-volumes_dseg.tsv"))
        table = chaco(mask, connectome, atlas, end_radius=4.0).regions
        write_table(table, stem.with_name(f"{name}_atlas-AAL_desc-chaco_dseg.tsv"))
    write_json(
        {"Name": "x", "BIDSVersion": "1.10.0", "GeneratedBy": [{"Name": "Demyelin"}]},
        out / "dataset_description.json",
    )
    return data, out


def test_twenty_patients_end_to_end(derivatives, capsys):
    data, out = derivatives
    command = [str(data), str(out), "group", "--analysis", "edss", "--folds", "4", "--outer-folds", "4"]
    assert main([*command, "--permutations", "2", "--nprocs", "1"]) == 0
    assert "20 visits of 20 participants" in capsys.readouterr().out
    told = pd.read_csv(out / "group" / "edss_predictions.tsv", sep="\t")
    nested = told.query("protocol == 'nested' and features == 'all' and model == 'ridge'")
    assert nested["participant_id"].is_unique
    held = set(told.query("set == 'internal'")["participant_id"])
    assert held.isdisjoint(nested["participant_id"])
    assert len(held) + len(nested) == len(pd.read_csv(out / "group" / "cohort.tsv", sep="\t"))
    page = (out / "group.html").read_text()
    assert "estimates are rough" in page
    assert "without radiomics columns" in page

"""Study A on the real patients of the Ljubljana data set: lesion volume, disconnection and clinical columns.

    python bench/real_patients.py SHARED OUT

SHARED holds data/openms-mni and data/hcp1065; OUT takes the derivatives and the report.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from bids_app.cli import main as demyelin
from bids_app.derivatives import write_json, write_table
from bids_app.features.chaco import chaco
from bids_app.features.connectome import Connectome
from bids_app.features.tracking import TrackingSettings, read_field, track
from bids_app.image.atlas import load_atlas

STREAMLINES = 50_000


def write_derivatives(shared: Path, out: Path, n_streamlines: int = STREAMLINES) -> Path:
    """Write lesion volume and disconnection of every patient with a consensus mask; return the dataset."""
    data, atlas = shared / "data" / "openms-mni", load_atlas()
    field = read_field(shared / "data" / "hcp1065" / "ICBM152_adult.fib.gz")
    lines = track(field, TrackingSettings(n_streamlines=n_streamlines))
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
    generated = {
        "Name": "x",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "Demyelin"}],
    }
    write_json(generated, out / "dataset_description.json")
    return data


def main() -> None:
    """Run study A and print what the documentation quotes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    data = write_derivatives(args.shared, args.out)
    command = [str(data), str(args.out), "group", "--analysis", "edss", "--test-size", "0", "--folds", "5"]
    demyelin([*command, "--outer-folds", "6", "--permutations", "19", "--models", "ridge", "--nprocs", "1"])
    group = args.out / "group"
    for name in ("flow", "performance", "added_value", "null_summary", "stability", "sample_size", "columns"):
        path = group / f"edss_{name}.tsv"
        if path.exists():
            print(name, pd.read_csv(path, sep="\t").round(3).to_string(index=False), sep="\n")


if __name__ == "__main__":
    main()

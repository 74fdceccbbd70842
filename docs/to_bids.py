"""Lay out the cross-sectional part of open_ms_data as BIDS: python to_bids.py open_ms_data/cross_sectional ds."""

import csv
import json
import shutil
import sys
from pathlib import Path

IMAGES = {"FLAIR": "FLAIR", "T1W": "T1w"}  # file there -> suffix here
COURSES = {"RR": "RR", "SP": "SP"}  # others are not study A's

source, target = Path(sys.argv[1]), Path(sys.argv[2])
target.mkdir(parents=True, exist_ok=True)
description = {
    "Name": "3D MR image database of multiple sclerosis patients, Ljubljana",
    "BIDSVersion": "1.10.0",
    "DatasetType": "raw",
    "License": "CC-BY",
    "Authors": ["Ziga Lesjak", "Alfiia Galimzianova", "Ales Koren", "Matej Lukin", "Franjo Pernus"],
    "ReferencesAndLinks": ["https://doi.org/10.1007/s12021-017-9348-7"],
}
(target / "dataset_description.json").write_text(json.dumps(description, indent=2) + "\n")
(target / "README").write_text(
    "Scans of Lesjak et al. 2018, laid out as BIDS by to_bids.py; voxels unchanged.\n" * 3
)

for folder in sorted((source / "raw").glob("patient*")):
    name = f"sub-{folder.name.removeprefix('patient')}"
    anat = target / name / "anat"
    anat.mkdir(parents=True, exist_ok=True)
    for image, suffix in IMAGES.items():
        if (folder / f"{image}.nii.gz").exists():
            shutil.copyfile(folder / f"{image}.nii.gz", anat / f"{name}_{suffix}.nii.gz")

with (source / "patient_info.csv").open(newline="") as stream:
    people = list(csv.DictReader(stream))
with (target / "participants.tsv").open("w") as stream:
    print("participant_id\tage\tsex\tdisease_course\tdiagnosis\tedss", file=stream)
    for one in people:
        course = COURSES.get(one["ms_type"], "n/a")
        edss = "n/a" if one["edss"] == "N/A" else one["edss"]
        name = f"sub-{int(one['patient_id']):02d}"
        print(name, one["age"], one["sex"], course, "MS", edss, sep="\t", file=stream)

"""pyradiomics' own baselines: the `data` folder of its source distribution, named by PYRADIOMICS_DATA."""

from __future__ import annotations

import ast
import csv
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK

from bids_app.features.radiomics import RadiomicsSettings, extract
from bids_app.features.radiomics.catalogue import CLASSES

SCANS = ["brain1", "brain2", "breast1", "lung1", "lung2"]


@pytest.fixture(scope="module")
def data() -> Path:
    folder = Path(os.environ.get("PYRADIOMICS_DATA", "absent"))
    if not (folder / "baseline").is_dir():
        pytest.skip("set PYRADIOMICS_DATA to the data folder of pyradiomics' source distribution")
    return folder


def baseline(folder: Path, case: str) -> dict[str, str]:
    """Every line of one case in the baseline tables."""
    lines = {}
    for family in CLASSES:
        with (folder / "baseline" / f"baseline_{family}.csv").open() as file:
            rows = list(csv.reader(file))
        if case in rows[0]:  # not every class has a baseline of every case
            column = rows[0].index(case)
            lines |= {row[0]: row[column] for row in rows[1:]}
    return lines


@pytest.mark.filterwarnings("ignore::bids_app.features.radiomics.RadiomicsWarning")
@pytest.mark.parametrize("scan", SCANS)
@pytest.mark.parametrize("variant", ["", "_FBN", "_normalization"], ids=["plain", "bin count", "normalised"])
def test_baseline(data, scan, variant):
    lines = baseline(data, scan + variant)
    settings = RadiomicsSettings(
        {"Original": {}},
        {family: tuple(names) for family, names in CLASSES.items()},
        ast.literal_eval(lines["diagnostics_Configuration_Settings"]),
    )
    assert settings.uncovered() == []
    images = []
    for what in ("image", "label"):
        read = SimpleITK.ReadImage(str(data / f"{scan}_{what}.nrrd"))
        images.append(nib.Nifti1Image(SimpleITK.GetArrayFromImage(read).T, np.diag([*read.GetSpacing(), 1])))
    table = extract(*images, label_names={settings.setting.get("label", 1): "tumour"}, settings=settings)
    compared = [name for name in table if name in lines]
    assert len(compared) >= 70
    for name in compared:
        # NIfTI keeps voxel sizes in single precision, NRRD in double
        rel = 1e-6 if name.endswith("TotalEnergy") else 1e-8
        assert table.loc["tumour", name] == pytest.approx(float(lines[name]), rel=rel, abs=1e-9), name

"""Volumes against counts made by hand."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bids_app.features.volumes import GLOBAL, VOLUME_COLUMNS, volumes_table


def image(data):
    return nib.Nifti1Image(np.asarray(data), np.diag([2.0, 2.0, 2.0, 1.0]))


@pytest.fixture
def table():
    shape = (10, 10, 10)
    gm, wm, csf = (np.zeros(shape, np.float32) for _ in range(3))
    gm[:4], wm[4:8], csf[8:] = 0.75, 1, 1
    wm[:4] = 0.25
    brain = np.ones(shape, np.uint8)
    brain[:, :, 0] = 0
    parcels = np.zeros(shape, np.int32)
    parcels[0], parcels[1] = 1, 4
    nawm, lesions = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    nawm[5], lesions[6, 0, :3] = 1, 1
    regions = pd.DataFrame({"index": [1, 4, 9], "name": ["A", "B", "gone"]})
    images = {
        "gm": gm,
        "wm": wm,
        "csf": csf,
        "brain": brain,
        "nawm": nawm,
        "lesions": lesions,
        "parcels": parcels,
    }
    structures = pd.DataFrame({"index": [10], "name": ["Left-Thalamus"], "volume_mm3": [7000.0]})
    return volumes_table(
        **{name: image(data) for name, data in images.items()},
        regions=regions,
        structures=structures,
        tiv_mm3=1.5e6,
    )


def test_values(table):
    volume = table.set_index("name")["volume_mm3"]
    expected = {
        "GM": 270 * 8,
        "WM": 450 * 8,
        "CSF": 180 * 8,
        "TIV": 1.5e6,
        "WBV": 720 * 8,  # a lesion counts as brain
        "Left-Thalamus": 7000,
        "NAWM": 800,
        "TLV": 24,
    }
    assert {name: volume[name] for name in expected} == pytest.approx(expected)
    assert volume["A"] == volume["B"] == pytest.approx(90 * 0.75 * 8)
    assert volume["gone"] == 0


def test_layout(table):
    assert list(table.columns) == list(VOLUME_COLUMNS)
    assert list(table["name"][:7]) == list(GLOBAL) == ["TIV", "WBV", "GM", "WM", "CSF", "NAWM", "TLV"]
    assert list(table["index"][:7]) == list(range(1001, 1008))
    assert list(table["index"][7:]) == [1110, 1, 4, 9]

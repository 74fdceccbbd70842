"""Radiomic features against pyradiomics, region by region."""

from __future__ import annotations

import json
import logging
import warnings

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from bids_app.errors import InputError
from bids_app.features.radiomics import (
    PAPER_SETTINGS,
    RadiomicsSettings,
    RadiomicsWarning,
    extract,
    feature_names,
)

ZOOMS = (0.9, 1.0, 1.2)


def picture(shape, dtype=np.float32, seed=0):
    """Smooth noise around 400, so that every texture matrix has something to count."""
    noise = np.random.default_rng(seed).normal(size=shape)
    return (ndimage.gaussian_filter(noise, 1.2) * 300 + 400).astype(dtype)


def blocks(shape):
    """Regions of many kinds: a cube, a ragged one, one at the image's edge, a flat one."""
    labels = np.zeros(shape, np.int16)
    labels[3:12, 4:12, 5:14] = 1
    labels[14:22, 5:17, 6:16] = 2
    ragged = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=shape), 1) > 0.12
    labels[ragged & (labels == 2)] = 0
    labels[0:5, 0:9, 17:21] = 7
    labels[5:9, 16:20, 3:4] = 9
    return labels


def nifti(data, zooms=ZOOMS):
    return nib.Nifti1Image(data, np.diag([*zooms, 1]))


def oracle(image, labels, settings, folder):
    """What pyradiomics computes from the files, one region at a time."""
    sitk = pytest.importorskip("SimpleITK")
    module = pytest.importorskip("radiomics.featureextractor")
    logging.getLogger("radiomics").setLevel(logging.CRITICAL)
    nib.save(image, folder / "image.nii.gz")
    nib.save(labels, folder / "labels.nii.gz")
    extractor = module.RadiomicsFeatureExtractor()
    extractor.loadJSONParams(settings.for_pyradiomics())
    scan = sitk.ReadImage(str(folder / "image.nii.gz"))
    mask = sitk.ReadImage(str(folder / "labels.nii.gz"))
    found = sorted(set(np.unique(labels.dataobj)) - {0})
    rows = {int(label): extractor.execute(scan, mask, label=int(label)) for label in found}
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table[[name for name in table if not name.startswith("diagnostics")]].astype(float)


def assert_equal(ours, theirs):
    assert list(ours.columns) == list(theirs.columns)
    assert list(ours.index) == list(theirs.index)
    a, b = ours.to_numpy(), theirs.to_numpy()
    assert np.array_equal(np.isnan(a), np.isnan(b))
    gap = np.nan_to_num(np.abs(a - b))
    bad = ~((gap <= 1e-9) | (gap <= 1e-8 * np.nan_to_num(np.abs(b))))
    assert not bad.any(), [(ours.columns[j], a[i, j], b[i, j]) for i, j in np.argwhere(bad)[:5]]


def changed(**setting):
    """The paper's settings, with others over them; None takes one away."""
    content = PAPER_SETTINGS.to_dict()
    content["setting"] |= setting
    content["setting"] = {name: value for name, value in content["setting"].items() if value is not None}
    return RadiomicsSettings.from_dict(content)


@pytest.mark.filterwarnings("ignore::bids_app.features.radiomics.RadiomicsWarning")
@pytest.mark.parametrize("shape", [(24, 22, 22), (23, 21, 21)], ids=["even", "odd"])
def test_equals_pyradiomics(shape, tmp_path):
    image, labels = nifti(picture(shape)), nifti(blocks(shape))
    table = extract(image, labels)
    assert table.shape == (4, 1092)
    assert list(table.columns) == feature_names()
    assert_equal(table, oracle(image, labels, PAPER_SETTINGS, tmp_path))

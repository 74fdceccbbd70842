"""Radiomic features against pyradiomics, region by region."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

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
    if image.get_filename() is None:
        nib.save(image, folder / "image.nii.gz")
    nib.save(labels, folder / "labels.nii.gz")
    extractor = module.RadiomicsFeatureExtractor()
    extractor.loadJSONParams(settings.for_pyradiomics())
    scan = sitk.ReadImage(str(image.get_filename()))
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


@pytest.mark.filterwarnings("ignore::bids_app.features.radiomics.RadiomicsWarning")
@pytest.mark.parametrize(
    ("dtype", "settings"),
    [
        (np.int16, changed(normalize=None, binWidth=20)),
        (np.float32, changed(normalize=None, binWidth=7.5, gldm_a=2)),
        (np.float64, changed(binWidth=None, binCount=16, removeOutliers=2.0, voxelArrayShift=None)),
        (
            np.uint8,
            RadiomicsSettings.from_dict(
                {
                    "imageType": {"LoG": {"sigma": [2.0], "binWidth": 3}, "Wavelet": {"wavelet": "haar"}},
                    "featureClass": {"ngtdm": ["Busyness", "Contrast"], "firstorder": None, "glrlm": []},
                    "setting": {"normalize": True, "normalizeScale": 50},
                }
            ),
        ),
    ],
    ids=["int16", "float32", "bin count", "own settings of image types"],
)
def test_other_settings_and_types_equal_pyradiomics(dtype, settings, tmp_path):
    scale = 0.3 if dtype == np.uint8 else 1
    shape = (21, 20, 22)
    image, labels = nifti((picture(shape, np.float64) * scale).clip(0).astype(dtype)), nifti(blocks(shape))
    assert settings.uncovered() == []
    table = extract(image, labels, settings=settings)
    assert_equal(table, oracle(image, labels, settings, tmp_path))


def test_scaled_integers_are_read_as_itk_reads_them(tmp_path):
    image = nifti(picture((20, 20, 22)).astype(np.int16))
    image.header.set_slope_inter(0.37, 1.5)
    nib.save(image, tmp_path / "scaled.nii")
    scaled = nib.load(tmp_path / "scaled.nii")
    labels = nifti((blocks((20, 20, 22)) == 1).astype(np.uint8))
    assert_equal(extract(scaled, labels), oracle(scaled, labels, PAPER_SETTINGS, tmp_path))


@pytest.mark.filterwarnings("ignore::RuntimeWarning:radiomics")
@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_voxels_that_do_not_touch_have_no_cooccurrence(tmp_path):
    """Runs: directions without two voxels on a line do not count; co-occurrence: NaN."""
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[4:16:4, 5:16:5, 6] = 1  # on lines with each other, but apart
    labels[2, 2, 2] = labels[9, 13, 18] = labels[17, 4, 10] = 2  # on no common line
    image, labels = nifti(picture(labels.shape)), nifti(labels)
    table = extract(image, labels)
    assert table.loc[:, table.columns.str.contains("_glcm_")].isna().all(axis=None)
    runs = table.loc[:, table.columns.str.contains("_glrlm_")]
    assert runs.loc[1].notna().all()
    assert runs.loc[2].isna().all()
    assert_equal(table, oracle(image, labels, PAPER_SETTINGS, tmp_path))


def test_regions_without_features_are_nan_and_named():
    data = picture((24, 20, 20))
    labels = np.zeros(data.shape, np.int16)
    labels[2:8, 2:8, 2:8] = 1
    labels[12, 12, 12] = 2
    labels[10:14, 2:6, 2:6] = 3
    labels[16:20, 2:6, 2:6] = 4
    labels[10:18, 16, 3] = 5
    data[10:14, 2:6, 2:6] = 42
    data[17, 3, 3] = np.nan
    names = {1: "Good", 2: "Speck", 3: "Flat", 4: "Cut", 5: "Line", 6: "Absent"}
    with pytest.warns(RadiomicsWarning) as caught:
        table = extract(nifti(data), nifti(labels), label_names=names)
    assert list(table.index) == list(names.values())
    assert table.loc["Good"].notna().all()
    assert table.drop("Good").isna().all(axis=None)
    said = [str(warning.message) for warning in caught]
    expected = {
        "Speck": "single voxel",
        "Flat": "constant",
        "Cut": "truncated",
        "Line": "1 dimension",
        "Absent": "empty",
    }
    assert len(said) == len(expected)
    for name, reason in expected.items():
        assert any(name in message and reason in message for message in said), (name, said)


def test_a_region_at_the_edge_is_computed_and_mentioned():
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[0:6, 5:12, 5:12] = 3
    with pytest.warns(RadiomicsWarning, match=r"Rim touches the edge"):
        table = extract(nifti(picture(labels.shape)), nifti(labels), label_names={3: "Rim"})
    assert table.notna().all(axis=None)


def test_voxels_without_a_value_elsewhere_count_as_zero():
    data = picture((20, 20, 20))
    labels = np.zeros(data.shape, np.uint8)
    labels[4:10, 4:10, 4:10] = 1
    holed, zeroed = data.copy(), data.copy()
    holed[15:, 15:, 15:] = np.inf
    zeroed[15:, 15:, 15:] = 0
    pd.testing.assert_frame_equal(extract(nifti(holed), nifti(labels)), extract(nifti(zeroed), nifti(labels)))


def test_regions_that_overlap_are_described_as_if_alone():
    shape = (22, 20, 24)
    image, labels = nifti(picture(shape)), blocks(shape)
    over = np.zeros(shape, np.int32)
    over[6:18, 6:15, 8:15] = 40
    alone = [extract(image, nifti(one)) for one in (labels, over)]
    pd.testing.assert_frame_equal(extract(image, [nifti(labels), nifti(over)]), pd.concat(alone))
    with pytest.raises(InputError, match="two label images have the label 1"):
        extract(image, [nifti(labels), nifti(labels)])


@pytest.mark.filterwarnings("ignore::bids_app.features.radiomics.RadiomicsWarning")
def test_threads_change_nothing():
    image, labels = nifti(picture((24, 22, 22))), nifti(blocks((24, 22, 22)))
    pd.testing.assert_frame_equal(extract(image, labels), extract(image, labels, n_jobs=3))
    pd.testing.assert_frame_equal(extract(image, labels), extract(image, labels, n_jobs=-1))


def test_normalisation_inside_a_mask_does_not_see_the_background():
    data = picture((20, 20, 20))
    inside = np.zeros(data.shape, np.uint8)
    inside[3:17, 3:17, 3:17] = 1
    labels = np.zeros(data.shape, np.uint8)
    labels[6:13, 6:13, 6:13] = 1
    padded = [np.pad(array, 6) for array in (data * inside, labels, inside)]
    settings = changed(normalizeInsideMask=True)
    name = "original_firstorder_Mean"
    small = extract(nifti(data * inside), nifti(labels), settings=settings, mask=nifti(inside))[name]
    large = extract(*map(nifti, padded[:2]), settings=settings, mask=nifti(padded[2]))[name]
    assert small[1] == pytest.approx(large[1], rel=1e-9)
    values = data[inside > 0].astype(float)
    assert small[1] == pytest.approx(
        (data[labels > 0].mean() - values.mean()) / values.std(ddof=1) * 100, rel=1e-5
    )
    by_pyradiomics = extract(nifti(data * inside), nifti(labels))[name]
    assert abs(by_pyradiomics[1] - small[1]) > 1
    with pytest.raises(InputError, match="needs a mask"):
        extract(nifti(data), nifti(labels), settings=settings)


def test_grids_that_do_not_match_are_refused():
    image = nifti(picture((20, 20, 20)))
    with pytest.raises(InputError, match="shape"):
        extract(image, nifti(np.ones((20, 20, 21), np.uint8)))
    with pytest.raises(InputError, match="affines"):
        extract(image, nib.Nifti1Image(np.ones((20, 20, 20), np.uint8), np.eye(4)))
    with pytest.raises(InputError, match="whole numbers"):
        extract(image, nifti(np.full((20, 20, 20), 0.5)))
    with pytest.raises(InputError, match="empty"):
        extract(image, nifti(np.zeros((20, 20, 20), np.uint8)))
    with pytest.raises(InputError, match="binWidth"):
        extract(image, nifti(np.pad(np.ones((18, 18, 18), np.uint8), 1)), settings=changed(binWidth=1e-4))


@pytest.mark.filterwarnings("ignore:region Two touches")
def test_settings_left_to_pyradiomics(tmp_path):
    settings = RadiomicsSettings.from_dict(
        {
            "imageType": {"Square": {}},
            "featureClass": {"shape": None, "glcm": None},
            "setting": {"binWidth": 30},
        }
    )
    assert settings.uncovered() == ["image type Square", "feature class shape", "GLCM feature MCC"]
    data = blocks((20, 20, 22))
    data[15, 15, 15] = 4
    image, labels = nifti(picture((20, 20, 22))), nifti(data)
    with pytest.warns(RadiomicsWarning, match="Speck"):
        table = extract(image, labels, label_names={2: "Two", 4: "Speck"}, settings=settings)
    assert list(table.index) == ["Two", "Speck"]
    assert table.loc["Speck"].isna().all()
    only = nifti((data == 2).astype(np.uint8))
    assert_equal(table.loc[["Two"]].set_axis([1]), oracle(image, only, settings, tmp_path))


def test_pyradiomics_is_named_where_it_is_needed_and_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "radiomics", None)
    monkeypatch.setitem(sys.modules, "radiomics.featureextractor", None)
    image, labels = nifti(picture((20, 20, 20))), nifti(np.pad(np.ones((8, 8, 8), np.uint8), 6))
    extract(image, labels)
    with pytest.raises(InputError, match=r"setting preCrop: True.*not installed"):
        extract(image, labels, settings=changed(preCrop=True))


def test_the_engine_does_not_import_pyradiomics():
    code = (
        "import sys; from bids_app.features.radiomics import precompile\n"
        "precompile(); print('radiomics' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_paper_settings_give_1092_names():
    names = feature_names()
    assert len(names) == len(set(names)) == 12 * 91
    assert names[:2] == ["original_firstorder_10Percentile", "original_firstorder_90Percentile"]
    assert names[-1] == "wavelet-LLL_ngtdm_Strength"
    with pytest.raises(InputError, match="after extraction"):
        feature_names(changed(preCrop=True))


@pytest.mark.parametrize("name", ["settings.yaml", "settings.json"])
def test_parameter_files(name, tmp_path):
    (tmp_path / "settings.json").write_text(json.dumps(PAPER_SETTINGS.to_dict()))
    (tmp_path / "settings.yaml").write_text(
        "setting: {normalize: true, normalizeScale: 100, binWidth: 5, voxelArrayShift: 300}\n"
        "imageType: {Original: {}, LoG: {sigma: [1.0, 3.0, 5.0]}, Wavelet: {}}\n"
        "featureClass:\n  firstorder:\n"
        f"  glcm: [{', '.join(PAPER_SETTINGS.feature_classes['glcm'])}]\n"
        "  glrlm:\n  glszm:\n  gldm: []\n  ngtdm:\n"
    )
    assert RadiomicsSettings.from_file(tmp_path / name) == PAPER_SETTINGS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("setting: [", "cannot be read"),
        ("settings: {binWidth: 5}", "not a pyradiomics parameter file"),
        ("setting: 5", "names and values"),
        ("voxelSetting: {kernelRadius: 2}", "feature maps"),
        ("", "not a pyradiomics parameter file"),
        (None, "cannot be read"),
    ],
)
def test_files_that_are_not_parameters(content, message, tmp_path):
    path = tmp_path / "settings.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=message):
        RadiomicsSettings.from_file(path)


def test_parameters_that_pyradiomics_refuses():
    pytest.importorskip("radiomics")
    image, labels = nifti(picture((20, 20, 20))), nifti(np.pad(np.ones((8, 8, 8), np.uint8), 6))
    with pytest.raises(InputError, match="not accepted by pyradiomics"):
        extract(image, labels, settings=changed(binwidth=5))


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"binWidth": -5}, "binWidth: -5; it must be a number above 0"),
        ({"binWidth": "wide"}, "binWidth: 'wide'"),
        ({"binCount": 2.5}, "binCount: 2.5; it must be a whole number above 0"),
        ({"gldm_a": 1.5}, "gldm_a: 1.5"),
        ({"minimumROIDimensions": 4}, "minimumROIDimensions: 4; it must be 1, 2 or 3"),
        ({"sigma": 2.0}, "sigma: 2.0; it must be a list of numbers above 0"),
        ({"normalizeScale": "a"}, "normalizeScale: 'a'"),
    ],
)
def test_impossible_values_are_told_before_anything_is_measured(setting, words, tmp_path):
    with pytest.raises(InputError, match=words):
        changed(**setting)
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({"setting": setting}))
    with pytest.raises(InputError, match=f"settings.json: radiomics setting {words}"):
        RadiomicsSettings.from_file(path)


def test_values_of_an_image_type_are_checked_too():
    with pytest.raises(InputError, match="wavelet: 'nope'; it must be the name of a discrete wavelet"):
        RadiomicsSettings.from_dict({"imageType": {"Wavelet": {"wavelet": "nope"}}})
    changed(binWidth=np.float32(4), binCount=None, gldm_a=np.int16(1))


def test_image_types_that_pyradiomics_leaves_out_are_told():
    pytest.importorskip("radiomics")
    image, labels = nifti(picture((20, 20, 20))), nifti(np.pad(np.ones((8, 8, 8), np.uint8), 6))
    types = {"Original": {}, "LBP3D": {}}  # which needs trimesh
    settings = RadiomicsSettings.from_dict({"imageType": types, "featureClass": {"firstorder": ["Mean"]}})
    with pytest.warns(RadiomicsWarning, match="image type LBP3D has no features"):
        assert list(extract(image, labels, settings=settings)) == ["original_firstorder_Mean"]


@pytest.mark.slow
def test_real_scan_equals_pyradiomics(shared, tmp_path):
    """A patient's T1w at full size: the smallest and a middling AAL region."""
    from bids_app.image.atlas import load_atlas
    from bids_app.image.volume import resample

    scan = next((shared / "data" / "openms-mni" / "sub-07").rglob("*desc-brain_T1w.nii.gz"))
    image = nib.load(scan)
    codes = np.asanyarray(resample(load_atlas().image, image, order=0).dataobj).astype(np.int16)
    labels = nib.Nifti1Image(np.where(np.isin(codes, [41, 109]), codes, 0), image.affine)
    assert_equal(extract(image, labels), oracle(image, labels, PAPER_SETTINGS, tmp_path))

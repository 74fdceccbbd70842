"""The atlas, its checks, and normal-appearing white matter."""

import nibabel as nib
import numpy as np
import pytest

from bids_app.errors import InputError
from bids_app.image.atlas import (
    load_atlas,
    meet_structures,
    normal_appearing_white_matter,
)
from bids_app.image.structure_priors import LESION
from bids_app.image.template import load_template
from bids_app.image.volume import resample


def image(data, size=1.0):
    return nib.Nifti1Image(np.asarray(data), np.diag([size, size, size, 1.0]))


def test_aal_has_116_named_regions():
    atlas = load_atlas()
    assert list(atlas.regions["index"]) == list(range(1, 117))
    assert atlas.regions["name"].is_unique
    assert set(np.unique(np.asarray(atlas.image.dataobj))) == set(range(117))


def test_aal_left_is_left():
    atlas = load_atlas()
    thalamus = np.argwhere(np.asarray(atlas.image.dataobj) == 77).mean(axis=0)
    assert atlas.regions.set_index("index").loc[77, "name"] == "Thalamus_L"
    assert nib.affines.apply_affine(atlas.image.affine, thalamus)[0] < -5


def test_aal_fits_the_template():
    template = load_template(resolution=2.0)
    labels = np.asarray(resample(load_atlas().image, template.brain, order=0).dataobj) > 0
    gm, brain = np.asarray(template.gm.dataobj), np.asarray(template.brain.dataobj) > 0
    assert labels[gm > 0.5].mean() > 0.85
    assert gm[labels & brain].mean() > 0.55


def test_own_atlas(tmp_path):
    data = np.zeros((5, 5, 5), np.int16)
    data[1] = 3
    data[2] = 7
    nib.save(image(data), tmp_path / "my-parcels.nii.gz")
    table = tmp_path / "my-parcels.tsv"
    table.write_text("index\tname\n3\tA\n7\tB\n")
    atlas = load_atlas(str(tmp_path / "my-parcels.nii.gz"))
    assert atlas.name == "myparcels"
    assert atlas.regions.to_dict("list") == {"index": [3, 7], "name": ["A", "B"]}
    for text, reason in {
        "index\tname\n3\tA\n": "does not name label 7",
        "index\tname\n3\tA\n7\tA\n": "twice",
        "number\tname\n3\tA\n": "must be a table",
    }.items():
        table.write_text(text)
        with pytest.raises(InputError, match=reason):
            load_atlas(str(tmp_path / "my-parcels.nii.gz"))


def test_unusable_atlas_is_told(tmp_path):
    with pytest.raises(InputError, match="not AAL, and not a readable NIfTI"):
        load_atlas(str(tmp_path / "absent.nii.gz"))
    nib.save(image(np.full((3, 3, 3), 1.5, np.float32)), tmp_path / "half.nii.gz")
    with pytest.raises(InputError, match="whole-number labels"):
        load_atlas(str(tmp_path / "half.nii.gz"))


def test_nawm_keeps_away_from_lesions_and_grey_matter():
    wm = np.ones((21, 21, 21), np.float32)
    wm[:4] = 0.5
    lesion = np.zeros(wm.shape, np.uint8)
    lesion[12, 10, 10] = 1
    brain = np.ones(wm.shape, np.uint8)
    brain[:, :, 0] = 0
    nawm = np.asarray(normal_appearing_white_matter(image(wm), image(lesion), image(brain)).dataobj)
    assert not nawm[:4].any()
    assert not nawm[:, :, 0].any()
    assert not nawm[12, 10, 10]
    assert not nawm[14, 10, 10]
    assert nawm[15, 10, 10]
    coarse = [image(x, 2.0) for x in (wm, lesion, brain)]
    assert np.asarray(normal_appearing_white_matter(*coarse).dataobj)[14, 10, 10]


def test_nuclei_are_the_visits_own_and_cortex_stays_the_atlas():
    atlas = load_atlas("AAL")
    index = dict(zip(atlas.regions["name"], atlas.regions["index"], strict=True))
    labels = np.zeros((6, 6, 6), np.int32)
    labels[:3], labels[3:] = index["Putamen_L"], index["Insula_L"]
    segmented = np.zeros(labels.shape, np.uint8)
    segmented[1:4], segmented[0, 0, 0], segmented[5] = 12, LESION, 3
    met = np.asarray(
        meet_structures(
            nib.Nifti1Image(labels, np.eye(4)), atlas, nib.Nifti1Image(segmented, np.eye(4))
        ).dataobj
    )
    assert (met[1:4] == index["Putamen_L"]).all()
    assert met[0, 0, 0] == index["Putamen_L"] and (met[0, 1:] == 0).all()
    assert (met[4:] == index["Insula_L"]).all()

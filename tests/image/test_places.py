"""The places lie where anatomy has them."""

import nibabel as nib
import numpy as np
import pytest

from bids_app.image.places import Place, place_image


@pytest.fixture(scope="module")
def places():
    return place_image()


def at(places: nib.Nifti1Image, x: float, y: float, z: float) -> int:
    voxel = np.rint(np.linalg.inv(places.affine) @ [x, y, z, 1])[:3].astype(int)
    return int(np.asarray(places.dataobj)[tuple(voxel)])


@pytest.mark.parametrize(
    ("point", "place"),
    [
        ((-14, -14, 22), Place.LATERAL_VENTRICLE),
        ((14, -14, 22), Place.LATERAL_VENTRICLE),
        ((0, -46, -32), Place.FOURTH_VENTRICLE),
        ((0, -28, -36), Place.INFRATENTORIAL),
        ((30, -60, -40), Place.INFRATENTORIAL),
        ((-26, -20, 34), 0),
        ((42, -40, 52), Place.CORTEX),
        ((12, -18, 8), 0),
    ],
)
def test_landmarks(places, point, place):
    assert at(places, *point) == place


def test_volumes_are_anatomical(places):
    counts = np.bincount(np.asarray(places.dataobj).ravel(), minlength=7) / 1000
    assert 8 < counts[Place.LATERAL_VENTRICLE] < 40
    assert 0.3 < counts[Place.FOURTH_VENTRICLE] < 5
    assert 0.2 < counts[Place.THIRD_VENTRICLE] < 3
    assert 0.2 < counts[Place.SEPTUM] < 3
    assert 120 < counts[Place.INFRATENTORIAL] < 280  # with the fluid around it


def test_symmetric_template_has_symmetric_ventricles(places):
    data = np.isin(
        np.asarray(places.dataobj), [Place.LATERAL_VENTRICLE, Place.THIRD_VENTRICLE, Place.FOURTH_VENTRICLE]
    )
    middle = np.linalg.inv(places.affine)[0, 3]
    mirrored = [round(2 * middle) - i for i in range(data.shape[0])]
    inside = [i for i, j in enumerate(mirrored) if 0 <= j < data.shape[0]]
    other = data[[mirrored[i] for i in inside]]
    assert (data[inside] & other).sum() > 0.98 * data.sum()

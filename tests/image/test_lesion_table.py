"""Lesions of known place and size, described."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bids_app.image.lesion_table import (
    LESION_COLUMNS,
    PLACES_COLUMNS,
    Surroundings,
    lesion_table,
    number_lesions,
    places_table,
    visit_summary,
)
from bids_app.image.places import Place

SHAPE = (60, 50, 50)


def image(data, dtype=np.float32):
    affine = np.eye(4)
    affine[:3, 3] = (-30, -25, -20)
    return nib.Nifti1Image(np.asarray(data, dtype=dtype), affine)


@pytest.fixture
def shift(tmp_path):
    """An ITK transform that brings template images to the visit: visit points + 5 mm in x are template points."""
    path = tmp_path / "shift.txt"
    path.write_text(
        "#Insight Transform File V1.0\n#Transform 0\nTransform: Euler3DTransform_double_3_3\n"
        "Parameters: 0 0 0 -5 0 0\nFixedParameters: 0 0 0\n"
    )
    return path


@pytest.fixture
def around(shift):
    places, csf, gm, parcels = (np.zeros(SHAPE) for _ in range(4))
    places[26:34, 20:30, 20:30] = Place.LATERAL_VENTRICLE
    csf[25:35, 20:30, 20:30] = 1
    places[:, :, :8] = Place.INFRATENTORIAL
    places[28:32, 10:14, 3:6] = Place.FOURTH_VENTRICLE
    places[29:31, 31:36, 22:28] = Place.SEPTUM
    gm[:4] = 1
    places[:4, :, 8:] = Place.CORTEX
    parcels[:4], parcels[56:] = 1, 2
    nawm = np.zeros(SHAPE)
    nawm[45:50, 40:45, 40:45] = 1
    return Surroundings(
        flair=image(np.where(nawm > 0, 100, 150)),
        probability=image(np.full(SHAPE, 0.75)),
        gm=image(gm),
        csf=image(csf),
        nawm=image(nawm),
        parcels=image(parcels, np.int32),
        regions=pd.DataFrame({"index": [1, 2], "name": ["Precentral_L", "Precentral_R"]}),
        places=image(places, np.uint8),
        from_template=[shift],
    )


@pytest.fixture
def table(around):
    mask = np.zeros(SHAPE, np.uint8)
    mask[35:40, 22:27, 22:27] = 1  # 125: touches the ventricle
    mask[4:8, 40:44, 40:44] = 1  # 64: touches cortex
    mask[45:48, 10:13, 40:43] = 1  # 27: deep
    mask[45:48, 40:43, 2:4] = 1  # 18: below the tentorium
    mask[29:31, 11:13, 4:6] = 1  # 8: in the fourth ventricle
    mask[29:31, 24:25, 24:26] = 1  # 4: inside the lateral ventricle
    mask[29:30, 33:34, 24:27] = 1  # 3: on the septum
    return lesion_table(number_lesions(image(mask, np.uint8)), around)


def test_sizes_places_and_flags(table):
    assert list(table.columns) == list(LESION_COLUMNS)
    assert list(table["volume_mm3"]) == [125, 64, 27, 18, 8, 4, 3]
    assert list(table["place"][:5]) == [
        "periventricular",
        "juxtacortical_cortical",
        "deep_white_matter",
        "infratentorial",
        "infratentorial",
    ]
    assert list(table["artefact_prone"]) == [*[None] * 4, "fourth_ventricle", "choroid_plexus", "septum"]


def test_positions_and_intensities(table):
    first = table.iloc[0]
    assert (first["x"], first["y"], first["z"]) == (7, -1, 4)
    assert (first["template_x"], first["template_y"], first["template_z"]) == pytest.approx((12, -1, 4))
    assert first["contrast"] == pytest.approx(0.5)
    assert first["mean_probability"] == first["max_probability"] == 0.75
    assert list(table["nearest_region"][:3]) == ["Precentral_R", "Precentral_L", "Precentral_R"]


def test_summary(table):
    summary = visit_summary(table)
    assert summary["lesion_count"] == 7
    assert summary["lesion_volume_mm3"] == 249
    assert summary["infratentorial_volume_mm3"] == 26
    assert (summary["dissemination_areas"], summary["dissemination_in_space"]) == (3, 1)
    assert (
        summary["septum_count"] == summary["choroid_plexus_count"] == summary["fourth_ventricle_count"] == 1
    )
    one = visit_summary(table[table["place"] == "deep_white_matter"])
    assert (one["dissemination_areas"], one["dissemination_in_space"]) == (0, 0)


def test_places_table(table):
    places = places_table(table).set_index("name")
    assert list(places.reset_index()) == list(PLACES_COLUMNS)[1:2] + ["index", *list(PLACES_COLUMNS)[2:]]
    assert places["index"].is_unique
    assert places.loc["all", ["lesion_count", "volume_mm3"]].tolist() == [7, 249]
    assert places.loc["infratentorial", ["lesion_count", "volume_mm3"]].tolist() == [2, 26]
    assert places.loc["septum", ["lesion_count", "volume_mm3"]].tolist() == [1, 3]
    classes = places[places["counts_for_dissemination"].notna()]
    assert classes["volume_mm3"].sum() == 249
    assert classes["counts_for_dissemination"].sum() == 3


def test_touching_is_touching_on_a_coarse_grid_too(around):
    """At 2 mm the centres of neighbouring voxels are 2 mm apart."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[35:40, 22:27, 22:27] = 1  # touches the ventricle
    mask[4:8, 40:44, 40:44] = 1  # touches cortex
    mask[45:48, 10:13, 40:43] = 1  # deep

    def coarse(one):
        return nib.Nifti1Image(np.asanyarray(one.dataobj), np.diag([2.0, 2, 2, 1]))

    images = {name: coarse(one) for name, one in vars(around).items() if isinstance(one, nib.Nifti1Image)}
    found = lesion_table(number_lesions(coarse(image(mask, np.uint8))), replace(around, **images))
    assert list(found["place"]) == ["periventricular", "juxtacortical_cortical", "deep_white_matter"]


def test_no_lesions(around):
    table = lesion_table(number_lesions(image(np.zeros(SHAPE), np.uint8)), around)
    assert list(table.columns) == list(LESION_COLUMNS)
    assert table.empty
    assert visit_summary(table)["lesion_count"] == 0
    assert places_table(table)["lesion_count"].eq(0).all()


def test_lesions_are_numbered_from_the_largest_and_touch_by_corners():
    mask = np.zeros((10, 10, 10), np.uint8)
    mask[0, 0, 0] = 1
    mask[5, 5, 5] = mask[6, 6, 6] = 1
    labels = np.asarray(number_lesions(image(mask, np.uint8)).dataobj)
    assert labels[0, 0, 0] == 2
    assert labels[5, 5, 5] == labels[6, 6, 6] == 1


def test_points_go_the_same_way_as_images(shift):
    from bids_app.image.transforms import apply, move_points

    data = np.zeros(SHAPE)
    data[40, 20, 30] = 1
    moved = apply(image(data), image(data), [shift], interpolation="nearestNeighbor")
    at = np.argwhere(np.asarray(moved.dataobj) > 0)[0]
    visit = nib.affines.apply_affine(moved.affine, at)[None]
    template = nib.affines.apply_affine(image(data).affine, [[40, 20, 30]])
    np.testing.assert_allclose(move_points(visit, [shift]), template, atol=1e-6)

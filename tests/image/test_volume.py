"""Reading scans of every kind, good and bad, and resampling them."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from bids_app.errors import VisitError
from bids_app.image.transforms import apply_averaged, apply_median
from bids_app.image.volume import box_mean, conform, read_mask, read_scan, resample

SHAPE = (12, 14, 10)


def noise(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 200, shape).astype(np.int16)


def save(
    folder: Path, data: np.ndarray, affine: np.ndarray | None = None, name: str = "a b é.nii.gz"
) -> Path:
    image = nib.Nifti1Image(data, np.diag([2.0, 2.0, 3.0, 1.0]) if affine is None else affine)
    nib.save(image, folder / name)
    return folder / name


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_every_number_type_is_read_as_the_same_float32(tmp_path, kind):
    data = (noise() % 100).astype(kind)
    scan = read_scan(save(tmp_path, data))
    assert scan.image.get_data_dtype() == np.float32
    np.testing.assert_array_equal(scan.image.get_fdata(), data)
    assert scan.notes == []


def test_scaled_integers_come_out_in_their_unit(tmp_path):
    image = nib.Nifti1Image(noise(), np.eye(4) * 2)
    image.header.set_slope_inter(0.5, 10)
    nib.save(image, tmp_path / "s.nii")
    np.testing.assert_allclose(
        read_scan(tmp_path / "s.nii").image.get_fdata(), nib.load(tmp_path / "s.nii").get_fdata()
    )


def test_one_volume_in_4d_is_read_and_told(tmp_path):
    scan = read_scan(save(tmp_path, noise((*SHAPE, 1))))
    assert scan.image.shape == SHAPE
    assert "4D" in scan.notes[0]


def test_a_few_invalid_voxels_become_zero_and_are_counted(tmp_path):
    data = noise().astype(np.float32)
    data[0, 0, :3] = [np.nan, np.inf, -np.inf]
    scan = read_scan(save(tmp_path, data))
    assert (scan.image.get_fdata()[0, 0, :3] == 0).all()
    assert "3 NaN" in scan.notes[0]


def test_invalid_numbers_around_the_head_are_zero(tmp_path):
    data = noise().astype(np.float32)
    data[:2], data[:, -3:] = np.nan, np.inf
    scan = read_scan(save(tmp_path, data))
    assert (scan.image.get_fdata()[:2] == 0).all()
    assert "NaN or infinite voxels set to 0" in scan.notes[0]
    data[5, 5, 1] = np.nan  # a hole in the head
    with pytest.raises(VisitError, match="export the image again"):
        read_scan(save(tmp_path, data))


def many_invalid() -> np.ndarray:
    data = noise().astype(np.float32)
    data[:6] = np.nan
    return data


def rgb() -> np.ndarray:
    return np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.zeros(SHAPE, np.int16), "empty"),
        (np.full(SHAPE, 7, np.int16), "empty"),
        (many_invalid(), "NaN or infinite"),
        (noise((*SHAPE, 3)), "4 dimensions"),
        (noise((12, 14, 1)), "12 x 14 x 1"),
        (noise((12, 14)), "12 x 14"),
        (rgb(), "grey-scale"),
        (noise().astype(np.complex64), "grey-scale"),
    ],
)
def test_unusable_voxels_are_refused_with_the_path(tmp_path, data, words):
    path = save(tmp_path, data)
    with pytest.raises(VisitError, match=words) as caught:
        read_scan(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("affine", "words"),
    [
        (np.diag([0.0, 2, 2, 1]), "cannot be inverted"),
        (np.array([[2.0, 2, 0, 0], [2, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]]), "cannot be inverted"),
        (np.diag([2.0, 2, 200, 1]), "2 x 2 x 200 mm"),
        (np.diag([0.01, 2, 2, 1]), "correct the header"),
        (np.diag([0.001, 0.001, 0.003, 1]), "seems to be in metres"),
        (np.diag([1000.0, 1000, 3000, 1]), "seems to be in micrometres"),
    ],
)
def test_impossible_geometry_is_refused(tmp_path, affine, words):
    image = nib.Nifti1Image(noise(), np.eye(4))
    image.header.set_sform(affine, code=1)
    image.header.set_qform(None, code=0)
    image.header.structarr["pixdim"][1:4] = 1
    raw = image.header.binaryblock + b"\0\0\0\0" + noise().tobytes(order="F")
    path = tmp_path / "bad.nii"
    path.write_bytes(raw)
    with pytest.raises(VisitError, match=words):
        read_scan(path)


def test_damaged_files_are_refused(tmp_path):
    whole = save(tmp_path, noise((40, 40, 40))).read_bytes()
    cases = {
        "cut.nii.gz": whole[: len(whole) // 2],
        "head.nii.gz": whole[:30],
        "plain.nii.gz": gzip.decompress(whole),
        "text.nii.gz": b"not an image",
        "none.nii.gz": b"",
        "cut.nii": gzip.decompress(whole)[:5000],
    }
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(VisitError, match=name):
            read_scan(tmp_path / name)


def test_sform_wins_over_a_different_qform_and_it_is_told(tmp_path):
    image = nib.Nifti1Image(noise(), np.eye(4))
    sform = np.diag([2.0, 2.0, 2.0, 1.0])
    image.set_sform(sform, code=1)
    image.set_qform(np.diag([-2.0, 2.0, 2.0, 1.0]), code=1)
    nib.save(image, tmp_path / "q.nii")
    scan = read_scan(tmp_path / "q.nii")
    np.testing.assert_array_equal(scan.image.affine, sform)
    assert "disagree" in scan.notes[0]


def test_qform_is_used_where_sform_is_not_set(tmp_path):
    image = nib.Nifti1Image(noise(), np.eye(4))
    image.set_sform(np.eye(4) * 5, code=0)
    image.set_qform(np.diag([3.0, 3.0, 3.0, 1.0]), code=1)
    nib.save(image, tmp_path / "q.nii")
    scan = read_scan(tmp_path / "q.nii")
    np.testing.assert_allclose(scan.image.affine, np.diag([3.0, 3.0, 3.0, 1.0]))
    assert scan.notes == []


def test_an_image_without_orientation_is_told(tmp_path):
    image = nib.Nifti1Image(noise(), np.eye(4))
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)
    nib.save(image, tmp_path / "q.nii")
    assert "left and right" in read_scan(tmp_path / "q.nii").notes[0]


def grids() -> dict[str, nib.Nifti1Image]:
    return {
        "T1w": nib.Nifti1Image(noise(), np.diag([2.0, 2.0, 3.0, 1.0])),
        "FLAIR": nib.Nifti1Image(noise((9, 9, 9)), np.diag([3.0, 3.0, 3.0, 1.0])),
    }


def test_lesion_mask_finds_its_scan(tmp_path):
    data = np.zeros((9, 9, 9), np.float32)
    data[4, 4, 4] = 1
    mask, name, notes = read_mask(save(tmp_path, data, np.diag([3.0, 3, 3, 1])), grids())
    assert (name, notes) == ("FLAIR", [])
    np.testing.assert_array_equal(mask.get_fdata(), data)


def test_lesion_probabilities_are_cut_at_a_half(tmp_path):
    data = np.zeros(SHAPE, np.float32)
    data[3, 3, 3:6] = [0.49, 0.5, 0.9]
    mask, name, notes = read_mask(save(tmp_path, data), grids())
    assert name == "T1w"
    np.testing.assert_array_equal(mask.get_fdata()[3, 3, 3:6], [0, 1, 1])
    assert "probabilities" in notes[0]


def test_lesions_of_a_freesurfer_label_image(tmp_path):
    labels = np.zeros((6, 6, 6), np.int32)
    labels[1], labels[2, 2, 2] = 41, 99
    nib.save(nib.MGHImage(labels, np.eye(4)), tmp_path / "seg.mgz")
    scan = nib.Nifti1Image(np.zeros((6, 6, 6), np.float32), np.eye(4))
    mask, name, _ = read_mask(tmp_path / "seg.mgz", {"T1w": scan}, 99)
    assert name == "T1w"
    assert np.argwhere(np.asarray(mask.dataobj)).tolist() == [[2, 2, 2]]
    with pytest.raises(VisitError, match="0 and 1"):
        read_mask(tmp_path / "seg.mgz", {"T1w": scan})


def test_an_empty_lesion_mask_is_a_patient_without_lesions(tmp_path):
    mask, _, notes = read_mask(save(tmp_path, np.zeros(SHAPE, np.uint8)), grids())
    assert mask.get_fdata().sum() == 0
    assert "no lesion" in notes[0]


@pytest.mark.parametrize(
    ("data", "affine", "words"),
    [
        (np.eye(12, 14)[..., None] * np.arange(10) % 4, None, "a lesion mask has 0 and 1"),
        (-np.ones(SHAPE), None, "a lesion mask has 0 and 1"),
        (np.full(SHAPE, np.nan), None, "a lesion mask has 0 and 1"),
        (np.zeros((5, 5, 5)), None, "match no scan"),
        (np.zeros(SHAPE), np.diag([2.0, 2.0, 2.5, 1.0]), "match no scan"),
        (np.zeros((*SHAPE, 2)), None, "match no scan"),
    ],
)
def test_unusable_lesion_masks_are_refused(tmp_path, data, affine, words):
    with pytest.raises(VisitError, match=words):
        read_mask(save(tmp_path, data.astype(np.float32), affine), grids())


def blob(affine: np.ndarray, shape: tuple[int, int, int], centre: np.ndarray) -> nib.Nifti1Image:
    """Return a Gaussian of 8 mm around a point of the world."""
    voxels = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    away = ((nib.affines.apply_affine(affine, voxels) - centre) ** 2).sum(-1)
    return nib.Nifti1Image((100 * np.exp(-away / (2 * 8**2))).astype(np.float32), affine)


def oblique() -> np.ndarray:
    turn = nib.eulerangles.euler2mat(0.2, 0.3, 0.1)
    return nib.affines.from_matvec(turn @ np.diag([-0.9, 0.9, 3.0]), [30, -40, -35])


@pytest.mark.parametrize(
    "affine", [oblique(), nib.affines.from_matvec(np.diag([-0.9, -0.9, 3.0]), [40, 40, -40])]
)
def test_conform_keeps_every_point_of_thick_and_oblique_slices(affine):
    shape = (80, 80, 26)
    centre = nib.affines.apply_affine(affine, (np.array(shape) - 1) / 2)
    source = blob(affine, shape, centre)
    out = conform(source, 2.0)
    assert nib.aff2axcodes(out.affine) == ("R", "A", "S")
    np.testing.assert_allclose(out.affine[:3, :3], 2 * np.eye(3), atol=1e-6)
    corners = np.array(np.meshgrid(*[(0, side - 1) for side in shape])).reshape(3, -1).T
    place = nib.affines.apply_affine(np.linalg.inv(out.affine) @ affine, corners)
    assert (place > -0.51).all()
    assert (place < np.array(out.shape) - 0.49).all()
    truth = blob(out.affine, out.shape, centre).get_fdata()
    near = truth > 5
    np.testing.assert_allclose(
        out.get_fdata()[near], truth[near], atol=2
    )  # the peak is cut at the sampled maximum


def test_conform_keeps_the_background_of_a_stripped_image_constant():
    data = np.zeros((60, 60, 20), np.float32)
    data[15:45, 15:45, 5:15] = 100 + np.random.default_rng(0).normal(0, 5, (30, 30, 10))
    out = conform(nib.Nifti1Image(data, np.diag([1.0, 1.0, 3.0, 1.0])), 1.0).get_fdata()
    assert out.min() == 0
    assert (out != 0).sum() == pytest.approx(30 * 30 * 30, rel=0.05)


def test_conform_cuts_a_long_field_of_view_below():
    data = np.random.default_rng(0).normal(50, 5, (20, 20, 100)).astype(np.float32)
    source = nib.Nifti1Image(data, np.diag([4.0, 4.0, 4.0, 1.0]))
    out = conform(source, 4.0)
    assert out.shape == (20, 20, 80)
    np.testing.assert_allclose(out.get_fdata(), data[:, :, 20:], atol=1e-3)
    assert out.affine[2, 3] == 80


def test_resample_keeps_labels_and_type():
    labels = nib.Nifti1Image(noise((8, 8, 8)), np.diag([4.0, 4.0, 4.0, 1.0]))
    like = nib.Nifti1Image(np.zeros((16, 16, 16), np.float32), np.diag([2.0, 2.0, 2.0, 1.0]))
    out = resample(labels, like, order=0)
    assert out.get_data_dtype() == np.int16
    assert set(np.unique(np.asarray(out.dataobj))) <= {0, *np.unique(np.asarray(labels.dataobj))}
    back = resample(out, labels, order=0)
    np.testing.assert_array_equal(np.asarray(back.dataobj), np.asarray(labels.dataobj))


@pytest.mark.parametrize("width", [1.0, 1.2, 1.5, 2.0, 2.7, 3.0, 4.0, 5.0])
def test_a_box_of_any_width_lies_around_its_voxel(width):
    data = np.zeros((15, 17, 13), np.float32)
    data[7, 9, 6] = 1
    found = box_mean(data, (width, width, 1.0))
    assert found.sum() == pytest.approx(1, abs=1e-6)
    assert ndimage.center_of_mass(found) == pytest.approx((7, 9, 6), abs=1e-6)
    assert found.max() == pytest.approx(1 / width**2, rel=1e-6)
    if width % 2 == 1:
        expected = ndimage.uniform_filter(data, (int(width), int(width), 1), mode="constant")
        np.testing.assert_allclose(found, expected, atol=1e-7)


@pytest.mark.parametrize("bring", [apply_averaged, apply_median])
@pytest.mark.parametrize("ratio", [1.0, 1.5, 2.0, 2.5, 3.0, 4.0])
def test_a_coarser_grid_does_not_move_an_image(bring, ratio):
    places = np.indices((41, 41, 41)) - 20.0
    blob = np.exp(-0.5 * (places**2).sum(axis=0) / 6.0**2).astype(np.float32)
    fine = nib.Nifti1Image(blob, nib.affines.from_matvec(np.eye(3), [-20.0] * 3))
    edge = 2 * int(20 / ratio) + 1
    middle = ratio * (edge // 2)
    like = nib.Nifti1Image(
        np.zeros((edge,) * 3, np.uint8), nib.affines.from_matvec(np.eye(3) * ratio, [-middle] * 3)
    )
    found = np.asarray(bring(fine, like, []).dataobj)
    centre = np.array(ndimage.center_of_mass(found)) * ratio - middle
    # the median is of nearest voxels; of two as near always the same one is taken
    assert np.abs(centre).max() < (0.02 if bring is apply_averaged else 0.26)

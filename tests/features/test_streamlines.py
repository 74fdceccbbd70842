"""Tractogram files: the same points from every format; whatever is damaged is refused by name."""

from __future__ import annotations

import gzip
import io
import json
import zipfile

import nibabel as nib
import numpy as np
import pytest
from scipy.io import savemat

from bids_app.errors import InputError
from bids_app.features.streamlines import from_list, read_streamlines
from bids_app.image.template import load_template

ENDINGS = [".tck", ".trk", ".trx", ".tt.gz"]
SHIFT = np.array([-20.0, 3.0, 7.0])


def some_lines():
    rng = np.random.default_rng(0)
    steps = [rng.integers(-60, 60, (k, 3)) for k in (5, 7, 9, 3)]
    return [(np.cumsum(s, axis=0) / 32 + SHIFT).astype(np.float32) for s in steps]


def write(lines, path):
    """Write streamlines in RAS mm by the format's own description."""
    if path.name.endswith(".trx"):
        whole = from_list(lines)
        with zipfile.ZipFile(path, "w") as archive:
            head = {"NB_STREAMLINES": len(lines), "NB_VERTICES": len(whole.points)}
            archive.writestr("header.json", json.dumps(head))
            archive.writestr("positions.3.float32", whole.points.tobytes())
            archive.writestr("offsets.uint64", whole.offsets[:-1].astype(np.uint64).tobytes())
    elif path.name.endswith(".tt.gz"):
        records = b""
        for line in lines:
            units = np.rint((line - SHIFT) * 32).astype(np.int32)
            steps = np.diff(units, axis=0).astype(np.int8)
            records += np.uint32(units.size).tobytes() + units[0].tobytes() + steps.tobytes()
        matrix = np.eye(4)
        matrix[:3, 3] = SHIFT
        content = io.BytesIO()
        track = np.frombuffer(records, np.uint8)[None]
        savemat(content, {"track": track, "trans_to_mni": matrix.reshape(1, 16)}, format="4")
        path.write_bytes(gzip.compress(content.getvalue()))
    else:
        affine = np.diag([-2.0, 2, 2, 1])  # .trk keeps voxel millimetres of its own grid
        affine[:3, 3] = [90, -126, -72]
        header = {"voxel_to_rasmm": affine, "voxel_sizes": [2, 2, 2], "dimensions": [91, 109, 91]}
        header["voxel_order"] = "LAS"
        made = nib.streamlines.Tractogram(lines, affine_to_rasmm=np.eye(4))
        nib.streamlines.save(made, path, header=header if path.suffix == ".trk" else None)
    return path


@pytest.mark.parametrize("ending", ENDINGS)
def test_formats_hold_the_same_points(tmp_path, ending):
    expected = from_list(some_lines())
    found = read_streamlines(write(some_lines(), tmp_path / f"a{ending}"))
    np.testing.assert_allclose(found.points, expected.points, atol=1e-4)
    np.testing.assert_array_equal(found.offsets, expected.offsets)


@pytest.mark.parametrize("ending", ENDINGS)
def test_truncated_anywhere_is_refused(tmp_path, ending):
    raw = write(some_lines(), tmp_path / f"a{ending}").read_bytes()
    cut = tmp_path / f"cut{ending}"
    for size in sorted({0, 1, 30, 67, *range(len(raw) // 2, len(raw), 4), len(raw) - 1}):
        cut.write_bytes(raw[:size])
        with pytest.raises(InputError, match="cut"):
            read_streamlines(cut)


@pytest.mark.parametrize("ending", [".tck", ".trk", ".trx"])
@pytest.mark.parametrize("where", [0, 3, 4])
def test_points_that_are_no_number_are_refused(tmp_path, ending, where):
    lines = some_lines()
    lines[0][where, 1] = np.nan
    with pytest.raises(InputError, match="finite number"):
        read_streamlines(write(lines, tmp_path / f"a{ending}"))


def test_a_point_that_is_no_number_at_all_splits_a_tck_and_is_refused(tmp_path):
    lines = some_lines()
    lines[2][4] = np.nan
    with pytest.raises(InputError, match="finite number"):
        read_streamlines(write(lines, tmp_path / "a.tck"))


@pytest.mark.parametrize("ending", ENDINGS)
def test_empty_is_refused(tmp_path, ending):
    with pytest.raises(InputError, match=r"a\."):
        read_streamlines(write([], tmp_path / f"a{ending}"))


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.vtk").write_bytes(b"x")
    with pytest.raises(InputError, match="unknown format"):
        read_streamlines(tmp_path / "a.vtk")
    with pytest.raises(InputError, match="not readable"):
        read_streamlines(tmp_path / "none.tck")
    (tmp_path / "a.tt.gz").write_bytes(gzip.compress(b"nothing"))
    with pytest.raises(InputError, match="damaged or truncated"):
        read_streamlines(tmp_path / "a.tt.gz")


def test_tractography_atlas_lies_in_white_matter_with_named_bundles(shared):
    lines = read_streamlines(shared / "data" / "hcp1065" / "ICBM152_adult.tt.gz")
    assert len(lines.offsets) - 1 == len(lines.bundle) == 10_403
    assert len(np.unique(lines.bundle)) == 106
    assert lines.bundle.max() < len(lines.bundles)
    assert np.median(np.linalg.norm(np.diff(lines.points[:200], axis=0), axis=1)) < 3
    white = load_template(resolution=2).wm
    voxels = np.rint(nib.affines.apply_affine(np.linalg.inv(white.affine), lines.points)).astype(int)
    assert (np.asarray(white.dataobj)[tuple(voxels.T)] > 0.5).mean() > 0.7
    first = lines.points[lines.offsets[:-1], 0]
    for side, sign in (("L", -1), ("R", 1)):  # the left hemisphere is at negative x
        arcuate = lines.bundle == lines.bundles.index(f"Association_ArcuateFasciculus{side}")
        assert np.count_nonzero(arcuate) > 20
        assert (first[arcuate] * sign > 0).all()

"""Connectome folders: as saved, quick to open, refused when damaged; tractograms of other spaces refused."""

from __future__ import annotations

import json
import time

import nibabel as nib
import numpy as np
import pytest
from tracts import SHAPE, by_name, lesion_at, toy, toy_atlas

from bids_app.errors import InputError
from bids_app.features.chaco import chaco
from bids_app.features.connectome import ARRAYS, CARD, Connectome
from bids_app.features.streamlines import from_list


def test_opens_as_it_was_saved(tmp_path):
    made = toy(subject=["b", "a", "a", "b", "b"], about={"Source": "by hand", "Space": "toy"})
    folder = made.save(tmp_path / "c")
    opened = Connectome.open(folder)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(opened, name), getattr(made, name))
        assert isinstance(getattr(opened, name), np.memmap)
    assert opened.shape == SHAPE
    assert len(opened) == 5
    assert np.allclose(opened.length[:2], [9, 8])
    assert opened.ends[1].tolist() == [[9, 0, 0], [1, 0, 0]]
    described = opened.describe()
    assert (described["Source"], described["Space"], described["Synthetic"], described["NStreamlines"]) == (
        "by hand",
        "toy",
        False,
        5,
    )
    assert opened.card["Subjects"] == ["a", "b"]
    assert opened.subject.tolist() == [1, 0, 0, 1, 1]


def test_subjects_of_any_number(tmp_path):
    some = by_name(chaco(lesion_at((5, 0, 0)), toy(subject=[100206, 9, 9, 100206, 9]), toy_atlas()))
    few = by_name(chaco(lesion_at((5, 0, 0)), toy(subject=[0, 1, 1, 0, 1]), toy_atlas()))
    assert some.equals(few)
    with pytest.raises(ValueError, match="subject has shape"):
        toy(subject=[1, 2])


def test_opens_in_milliseconds(tmp_path):
    rng = np.random.default_rng(0)
    lines = list(rng.uniform(0, 90, (2000, 20, 3)))
    folder = Connectome.from_streamlines(lines, affine=np.eye(4), shape=(91, 91, 91)).save(tmp_path / "c")
    Connectome.open(folder)
    start = time.perf_counter()
    Connectome.open(folder)
    assert time.perf_counter() - start < 0.05


@pytest.mark.parametrize("name", [*(f"{array}.npy" for array in ARRAYS), CARD])
def test_truncated_files_are_told(tmp_path, name):
    folder = toy().save(tmp_path / "c")
    whole = (folder / name).read_bytes()
    for size in (0, 30, len(whole) - 1):
        (folder / name).write_bytes(whole[:size])
        if name == CARD and size == len(whole) - 1:
            continue  # the newline at its end
        with pytest.raises(InputError, match="damaged connectome"):
            Connectome.open(folder)


def test_missing_or_foreign_folders_are_told(tmp_path):
    with pytest.raises(InputError, match="no connectome here"):
        Connectome.open(tmp_path)
    folder = toy().save(tmp_path / "c")
    card = json.loads((folder / CARD).read_text())
    for change in ({"Format": 99}, {"Affine": [1]}, {"Shape": [3, 3, 3]}):
        (folder / CARD).write_text(json.dumps(card | change))
        with pytest.raises(InputError, match=r"c: "):
            Connectome.open(folder)
    (folder / CARD).write_text("[]")
    with pytest.raises(InputError, match="damaged"):
        Connectome.open(folder)


def test_objects_are_never_unpickled(tmp_path):
    folder = toy().save(tmp_path / "c")
    np.save(folder / "length.npy", np.array([{}] * 5, dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="damaged"):
        Connectome.open(folder)


def test_numbers_beyond_the_arrays_are_told_when_used(tmp_path):
    folder = toy().save(tmp_path / "c")
    members = np.load(folder / "streamlines.npy")
    np.save(folder / "streamlines.npy", members + 1000)
    with pytest.raises(InputError, match="damaged"):
        chaco(lesion_at((5, 0, 0)), Connectome.open(folder), toy_atlas())


def test_unusable_streamlines_are_refused():
    with pytest.raises(InputError, match="no streamlines"):
        toy([])
    with pytest.raises(InputError, match="without points"):
        toy([[[0, 0, 0]], np.empty((0, 3))])
    with pytest.raises(InputError, match="streamline 1 has a point"):
        toy([[[0, 0, 0]], [[np.nan, 0, 0]]])
    with pytest.raises(ValueError, match="voxelization"):
        toy(voxelization="other")


def test_other_spaces_are_refused_by_extent():
    with pytest.raises(InputError, match="outside the template's grid"):
        toy([[[100, 100, 100], [200, 100, 100]]])
    with pytest.raises(InputError, match="outside the template's grid"):
        toy([[[0, 0, 0]] * 20 + [[1e30, 0, 0]]])  # a single wild point
    toy([[[0, 0, 0]] * 20 + [[12, 0, 0]]])  # a few points beyond the edge are no reason


def test_other_spaces_are_refused_by_white_matter(shared):
    from bids_app.features.tracking import TrackingSettings, read_field, track
    from bids_app.image.atlas import load_atlas
    from bids_app.image.template import load_template

    field = read_field(shared / "data" / "hcp1065" / "ICBM152_adult.fib.gz")
    lines, grid = track(field, TrackingSettings(n_streamlines=500)), load_atlas().image
    white = load_template(resolution=2).wm

    def make(points):
        moved = lines._replace(points=points.astype(np.float32))
        return Connectome.from_streamlines(
            moved, affine=grid.affine, shape=grid.shape, white_matter=white, about={"Source": "test"}
        )

    make(lines.points)
    for change in (np.diag([1, -1, 1]), np.diag([-1, -1, 1]), np.diag([1, 1, -1]), np.diag([0.5, 0.5, 0.5])):
        with pytest.raises(InputError, match="white matter"):
            make(lines.points @ change)
    with pytest.raises(InputError, match="white matter"):
        make(lines.points + [0, 20, 0])
    with pytest.raises(InputError, match="outside the template's grid"):
        make(nib.affines.apply_affine(np.linalg.inv(grid.affine), lines.points))  # voxels taken for mm


def test_lists_and_tractograms_are_the_same():
    lines = [[[0, 0, 0], [3, 1, 0]], [[1, 1, 0], [2, 2, 0], [9, 2, 0]]]
    one, two = toy(lines), toy(from_list(lines))
    np.testing.assert_array_equal(one.streamlines, two.streamlines)

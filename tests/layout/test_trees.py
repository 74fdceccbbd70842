"""Random trees of folders and names: nobody's image becomes another's, and every file is accounted for."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bids_app.errors import InputError
from bids_app.layout import plan_visits
from bids_app.layout.files import APART, is_image

LABELS = ["01", "02", "1", "MS", "MS_01", "MS_02", "01 (copy)", "é", "A-1", ""]
TOPS = [
    *(f"sub-{label}" for label in LABELS),
    "Sub-01",
    "sub01",
    "processed",
    "rawdata/sub-01",
    "derivatives/x/sub-01",
]
SESSIONS = ["", "ses-1", "ses-2", "ses-01", "ses-a_b", "Ses-1", "session1"]
PLACES = ["anat", "", "perf", "anat/old", "func", "ANAT"]
ENTITIES = [
    "acq-a",
    "ce-gd",
    "run-1",
    "run-02",
    "space-MNI",
    "part-phase",
    "echo-1",
    "acq-postcontrast",
    "label-L",
    "old",
]
SUFFIXES = [
    "T1w",
    "FLAIR",
    "flair",
    "UNIT1",
    "T2FLAIR",
    "T2w",
    "mask",
    "lesion",
    "defacemask",
    "T1w-2",
    "bold",
]
ENDINGS = [".nii.gz", ".nii", ".NII.GZ", ".mgz", ".nii.gz.bak"]

labels = st.sampled_from([f"sub-{label}" for label in LABELS])
names = st.builds(
    lambda sub, ses, some, suffix, ending: (
        "_".join([part for part in (sub, ses, *some, suffix) if part]) + ending
    ),
    st.one_of(labels, st.just("")),
    st.sampled_from(["", "ses-1", "ses-2", "ses-01"]),
    st.lists(st.sampled_from(ENTITIES), max_size=2),
    st.sampled_from(SUFFIXES),
    st.sampled_from(ENDINGS),
)
right = st.builds(
    lambda sub, ses, some, suffix, ending: "/".join(
        [
            *(part for part in (sub, ses) if part),
            "anat",
            "_".join([p for p in (sub, ses, *some, suffix) if p]) + ending,
        ]
    ),
    st.sampled_from(["sub-01", "sub-02", "sub-MS_01"]),
    st.sampled_from(["", "ses-1", "ses-2"]),
    st.lists(st.sampled_from(ENTITIES), max_size=2, unique=True),
    st.sampled_from(["T1w", "FLAIR", "mask"]),
    st.sampled_from([".nii.gz", ".nii"]),
)
wild = st.builds(
    lambda top, ses, place, name: "/".join(part for part in (top, ses, place, name) if part),
    st.sampled_from(TOPS),
    st.sampled_from(SESSIONS),
    st.sampled_from(PLACES),
    names,
)
trees = st.lists(st.one_of(right, wild), min_size=1, max_size=12, unique=True)
links = st.lists(st.tuples(right, right), max_size=2)


def make(root: Path, files: list[str], linked: list[tuple[str, str]]) -> None:
    (root / "dataset_description.json").write_text(json.dumps({"Name": "x", "BIDSVersion": "1.10.0"}))
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for file, target in linked:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(path):
            path.symlink_to(os.path.relpath(root / target, path.parent))


def images(root: Path) -> tuple[set[str], set[str]]:
    """Return what is an image by its name, and what of it must be told: in folders kept apart, scans."""
    found = {
        path.relative_to(root)
        for path in root.rglob("*")
        if not os.path.isdir(path) and is_image(path.name)  # noqa: PTH112 - a circle
    }
    scans = {path for path in found if path.name.partition(".")[0].endswith(("_T1w", "_FLAIR"))}
    mentioned = {path for path in found if path.parts[0] not in APART} | scans
    return {path.as_posix() for path in found}, {path.as_posix() for path in mentioned}


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(trees, links)
@example(["sub-MS_01/anat/sub-MS_01_T1w.nii.gz", "sub-MS_02/anat/sub-MS_02_FLAIR.nii.gz"], [])
@example(["sub-01/anat/sub-02_T1w.nii.gz", "sub-01/anat/sub-01_FLAIR.nii.gz"], [])
@example(["sub-01/ses-1/anat/sub-01_ses-2_FLAIR.nii.gz", "sub-01/ses-2/anat/sub-01_ses-2_T1w.nii.gz"], [])
@example(["sub-02/anat/sub-02_FLAIR.nii"], [("sub-01/anat/sub-01_FLAIR.nii", "sub-02/anat/sub-02_FLAIR.nii")])
def test_images_are_of_exactly_their_visit_and_every_file_is_accounted_for(files, linked):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make(root, files, linked)
        try:
            plan = plan_visits(root)
        except InputError as error:
            assert str(root) in str(error) and "\n" not in str(error)
            return
        rows = {row.image: row for row in plan.rows}
        assert len(rows) == len(plan.rows)
        every, mentioned = images(root)
        assert mentioned <= set(rows) <= every
        assert all(row.reason for row in plan.rows)
        used = set()
        for visit in plan.visits:
            assert (visit.flair is None) == bool(visit.left_out)
            for path in visit.images:
                relative = path.relative_to(root)
                assert relative.parent == visit.folder / "anat"
                assert path.name.startswith(f"{visit.name}_")
                assert not path.name.removeprefix(f"{visit.name}_").startswith("ses-")
                real = Path(os.path.realpath(path)).relative_to(root.resolve())
                assert real.parts[0] == relative.parts[0]
                used |= set() if visit.left_out else {relative.as_posix()}
        assert used == {row.image for row in plan.table if row.used}
        assert len({visit.name for visit in plan.visits}) == len(plan.visits)


def test_links_in_a_circle_end(bids, add_scan):
    add_scan("sub-01_FLAIR.nii.gz")
    (bids / "sub-01" / "again").symlink_to(bids)
    (bids / "sub-01" / "anat" / "up").symlink_to("..")
    (bids / "all").symlink_to(bids)
    plan = plan_visits(bids)
    assert [visit.name for visit in plan.visits] == ["sub-01"]
    assert sum(row.used for row in plan.table) == 1

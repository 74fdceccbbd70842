"""What holds for any names: the order of choice, masks given, images of other sessions, and advice that helps."""

from __future__ import annotations

import json
import random
import re
import tempfile
from datetime import date, timedelta
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bids_app import cli
from bids_app.errors import InputError
from bids_app.image.coverage import WHOLE, remarks, share_seen
from bids_app.layout import plan_visits
from bids_app.layout.files import Found
from bids_app.layout.names import T1W, judge
from bids_app.layout.order import compare, examine

quick = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
NATIVE = ["", "run-1_", "acq-mprage_", "acq-pre_", "acq-highcontrast_", "acq-noGd_", "ce-none_", "rec-norm_"]
AGENT = [
    "ce-gd_",
    "acq-POST_",
    "acq-mprageKM_",
    "acq-gadovist_",
    "rec-enhanced_",
    "acq-T1c_",
    "acq-withcontrast_",
]
PARTS = ["echo-1_", "inv-2_", "acq-localizer_", "acq-spine_", "chunk-1_"]


def dataset(folder: str, files: list[str]) -> Path:
    """Make a dataset of empty files."""
    root = Path(folder) / "bids"
    root.mkdir()
    (root / "dataset_description.json").write_text(json.dumps({"Name": "x", "BIDSVersion": "1.10.0"}))
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


@quick
@given(
    st.lists(st.sampled_from(NATIVE), max_size=3, unique=True),
    st.lists(st.sampled_from(AGENT), max_size=3, unique=True),
    st.lists(st.sampled_from(PARTS), max_size=2, unique=True),
    st.randoms(use_true_random=False),
)
def test_native_before_agent_whole_before_part_whatever_the_names(native, agent, parts, shuffle):
    names = [*native, *agent, *parts]
    assume(names)
    found = [
        examine(
            Found(
                Path(f"sub-01_{name}T1w.nii.gz"),
                f"sub-01/anat/sub-01_{name}T1w.nii.gz",
                "01",
                None,
                ("anat",),
            ),
            {},
        )
        for name in names
    ]
    ranked = sorted(found, key=lambda one: one.rank)
    shuffle.shuffle(found)
    assert (
        sorted(found, key=lambda one: one.rank) == ranked
    )  # the order in which files are listed does not matter
    used = ranked[0]
    assert bool(used.contrast) == (not native and not parts)
    if native:
        assert not used.series
    for other in ranked[1:]:
        assert compare(other, used)


@quick
@given(
    st.sets(st.sampled_from(["sub-01", "sub-02_ses-1", "sub-02_ses-2", "sub-003"]), min_size=1),
    st.lists(
        st.builds(
            lambda who, what, end: f"{who}_{what}{end}",
            st.sampled_from(
                [
                    "sub-01",
                    "SUB-01",
                    "sub-1",
                    "sub-02",
                    "sub-02_ses-1",
                    "sub-02_ses-01",
                    "sub-3",
                    "sub-003",
                    "p1",
                ]
            ),
            st.sampled_from(
                ["label-L_mask", "space-MNI_label-L_mask", "lesions", "brain_mask", "FLAIR", "label-T_mask"]
            ),
            st.sampled_from([".nii.gz", ".nii", ".NII.GZ", ".mgz"]),
        ),
        min_size=1,
        max_size=8,
        unique=True,
    ),
)
def test_each_mask_given_is_used_for_its_own_visit_or_told_why_not(visits, masks):
    with tempfile.TemporaryDirectory() as folder:
        root = dataset(folder, [f"{name.replace('_', '/')}/anat/{name}_FLAIR.nii.gz" for name in visits])
        folder_of_masks = Path(folder) / "masks"
        folder_of_masks.mkdir()
        for name in masks:
            (folder_of_masks / name).touch()
        try:
            plan = plan_visits(root, lesions_dir=folder_of_masks)
        except InputError as error:
            assert "is the mask of a visit" in str(error)
            return
        rows = {row.image: row for row in plan.rows if row.role == "lesions"}
        assert set(rows) == set(masks) and all(row.reason for row in rows.values())
        for visit in plan.visits:
            if visit.supplied:
                name = visit.supplied.path.name
                assert rows[name].used and rows[name].visit == visit.name
                assert re.match(rf"{visit.name}[_.]", name) and "_ses-" not in name.removeprefix(visit.name)
        assert sum(row.used for row in rows.values()) == plan.masks.matched
        silent = set(masks) - {name for name, row in rows.items() if row.visit} - set(plan.masks.unmatched)
        assert not silent


@quick
@given(st.integers(2, 5), st.data())
def test_a_t1w_image_of_another_session_is_the_nearest_and_taken_only_where_asked_for(number, data):
    days = data.draw(st.lists(st.integers(0, 2000), min_size=number, max_size=number, unique=True))
    with tempfile.TemporaryDirectory() as folder:
        files = ["sub-01/ses-0/anat/sub-01_ses-0_FLAIR.nii.gz"]
        files += [f"sub-01/ses-{n}/anat/sub-01_ses-{n}_T1w.nii.gz" for n in range(1, number)]
        root = dataset(folder, files)
        when = {n: date(2015, 1, 1) + timedelta(days=day) for n, day in enumerate(days)}
        order = list(when)
        random.Random(0).shuffle(order)
        rows = [f"{n}\t{when[n]:%d.%m.%Y}" for n in order]
        (root / "sub-01/sub-01_sessions.tsv").write_text("\n".join(["session_id\tacq_time", *rows]) + "\n")
        assert plan_visits(root).visits[0].t1w is None
        visit = plan_visits(root, t1w_from="nearest").visits[0]
        gap = min(abs((when[n] - when[0]).days) for n in range(1, number))
        taken = int(re.search(r"_ses-(\d)_", visit.t1w.name)[1])
        assert abs((when[taken] - when[0]).days) == gap
        assert f"{gap} days" in visit.notes[-1]


WRONG = [
    lambda name: name.replace("T1w", "t1w"),
    lambda name: name.replace("T1w", "T1"),
    lambda name: name.replace("T1w", "T1w (1)"),
    lambda name: name.replace("T1w", "T1w_brain"),
    lambda name: name.replace("T1w", "MPRAGE"),
    lambda name: name.replace(".nii", ".NII"),
    lambda name: name.replace("sub-01", "sub-02"),
    lambda name: name.replace("sub-01", "SUB-01"),
    lambda name: name.replace("sub-01_", "", 1),
    lambda name: "r" + name,
    lambda name: name.replace("sub-01_", "sub-01_old_"),
    lambda name: name.replace("sub-01_", "sub-01_Acq-x_"),
    lambda name: name.replace("sub-01_", "sub-01__"),
    lambda name: name.replace("sub-01_", "sub-01_sub-03_"),
    lambda name: name.replace("sub-01_", "sub-01_acq-a_acq-b_"),
]


@quick
@given(
    st.sampled_from(["", "run-1_", "acq-mprage_", "run-2_rec-norm_"]),
    st.lists(st.sampled_from(WRONG), max_size=3),
)
def test_whoever_follows_the_advice_on_names_gets_the_image_read(entities, wrong):
    name = f"sub-01_{entities}T1w.nii.gz"
    for change in wrong:
        name = change(name)
    for _ in range(5):
        judged = judge(Found(Path(name), f"sub-01/anat/{name}", "01", None, ("anat",)))
        if not judged.trouble:
            break
        assert judged.role == T1W and judged.near, (name, judged)
        advice = re.search(r"rename it to (\S+)", judged.trouble)
        assert advice, judged.trouble
        name = advice[1]
    assert judged.role == T1W and not judged.trouble, (name, judged)


MESS = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=12)
TABLE = st.lists(
    st.lists(st.one_of(MESS, st.just("participant_id"), st.just("sub-01"), st.just("7,5")), max_size=4),
    max_size=5,
)


def dry(root: Path) -> int:
    """Return the exit code of a dry run of the participant level."""
    out = root.parent / "out"
    return cli.main([str(root), str(out), "participant", "--dry-run", "--skip-bids-validation"])


@settings(quick, max_examples=25)
@given(TABLE, st.sampled_from(["\t", ",", ";"]), st.sampled_from(["utf-8", "utf-16", "latin-1"]))
def test_no_table_of_people_stops_the_level_that_does_not_read_it(rows, separator, encoding):
    with tempfile.TemporaryDirectory() as folder:
        root = dataset(folder, ["sub-01/anat/sub-01_T1w.nii.gz", "sub-01/anat/sub-01_FLAIR.nii.gz"])
        text = "\n".join(separator.join(row) for row in rows)
        (root / "participants.tsv").write_bytes(text.encode(encoding, errors="replace"))
        assert dry(root) == 0


@settings(quick, max_examples=25)
@given(st.lists(st.booleans(), min_size=1, max_size=6), st.lists(st.booleans(), min_size=6, max_size=6))
def test_a_visit_without_flair_is_left_out_and_never_a_failure(flair, t1w):
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number, (has, also) in enumerate(zip(flair, t1w, strict=False), start=1):
            files += [f"sub-{number:02d}/anat/sub-{number:02d}_FLAIR.nii.gz"] * has
            files += [f"sub-{number:02d}/anat/sub-{number:02d}_T1w.nii.gz"] * (also or not has)
        root = dataset(folder, files)
        assert dry(root) == 0
        visits = plan_visits(root).visits
        assert len(visits) == len(flair)
        assert [bool(visit.left_out) for visit in visits] == [not has for has in flair]


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 2))
def test_the_share_of_the_brain_that_is_seen_is_the_share_inside_the_field_of_view(first, last, axis):
    brain, seen = np.zeros((20, 20, 20), np.uint8), np.zeros((20, 20, 20), np.uint8)
    brain[4:16, 4:16, 4:16] = 1
    inside = [slice(None)] * 3
    inside[axis] = slice(first, last)
    seen[tuple(inside)] = 1
    share = share_seen(nib.Nifti1Image(seen, np.eye(4)), nib.Nifti1Image(brain, np.eye(4)))
    assert share == pytest.approx(max(0, min(last, 16) - max(first, 4)) / 12)
    notes = [words for words in remarks("FLAIR", share, 0.0) if "field of view" in words]
    assert bool(notes) == (share < WHOLE)

"""Which image is taken, which is named and left out: one small made dataset a situation."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from bids_app.errors import InputError
from bids_app.layout import find_visits, plan_visits
from bids_app.layout.headers import absence
from bids_app.layout.names import judge
from bids_app.layout.tell import summary

HEAD, SPINE, SLAB, LOCALIZER = (
    ((24, 32, 24), 8.0),
    ((6, 32, 32), 8.0),
    ((24, 8, 24), 8.0),
    ((64, 64, 3), (4.0, 4.0, 50.0)),
)


@pytest.fixture
def put(bids):
    """Return a function that adds an image (path in the dataset) of a shape and voxel size, with a sidecar."""

    def add(path, shape=HEAD[0], zooms=HEAD[1], **said):
        file = bids / path
        file.parent.mkdir(parents=True, exist_ok=True)
        zooms = zooms if isinstance(zooms, tuple) else (zooms,) * 3
        data = np.random.default_rng(0).integers(1, 100, shape).astype(np.int16)
        nib.save(nib.Nifti1Image(data, np.diag([*zooms, 1.0])), file)
        if said:
            (file.parent / (file.name.split(".")[0] + ".json")).write_text(json.dumps(said))
        return file

    return add


def reasons(root, **more):
    """Return the reason for each image by its name, and the images used."""
    plan = plan_visits(root, **more)
    by_name = {row.image.rpartition("/")[2]: row.reason for row in plan.rows}
    return by_name, {row.image.rpartition("/")[2] for row in plan.rows if row.used}


@pytest.mark.parametrize(
    ("better", "worse", "why"),
    [
        ("run-2", "acq-gd", "after contrast agent"),
        ("run-2", "acq-postcontrast", "after contrast agent"),
        ("run-2", "acq-MPRAGEpostGd", "after contrast agent"),
        ("run-2", "ce-gadolinium", "after contrast agent"),
        ("acq-pregd", "acq-gd", "after contrast agent"),
        ("acq-space", "acq-ce", "after contrast agent"),
        ("run-1", "echo-1", "one echo"),
        ("run-1", "inv-1", "one inversion"),
        *(
            ("run-2", f"acq-{agent}", "after contrast agent")
            for agent in ("POST", "axPost", "KM", "dotarem", "postinj", "T1ce", "precisionPost", "3DT1plusC")
        ),
        ("acq-ohneKM", "acq-mitKM", "after contrast agent"),
        ("acq-wocontrast", "acq-contrast", "after contrast agent"),
        ("run-1", "acq-scout", "a part or a scout by its name"),
        ("run-1", "acq-cspine", "a part or a scout by its name"),
        ("run-1", "proc-mc", "proc- is no BIDS entity of raw images"),
        ("acq-nomotion", "acq-bad", "a poor image, by its name"),
        ("run-2", "run-10", "chosen by name"),
        ("acq-zmocorr", "acq-a", "not corrected for motion"),
        ("acq-standard", "acq-headmotion1", "the head moved"),
        ("run-1", "run-2", "chosen by name; choose with --bids-filter-file"),
    ],
)
def test_of_two_alike_in_size_the_name_tells_the_better(put, bids, better, worse, why):
    put("sub-01/anat/sub-01_FLAIR.nii.gz")
    for entity in (worse, better):
        put(f"sub-01/anat/sub-01_{entity}_T1w.nii.gz")
    reasons_of, used = reasons(bids)
    assert used == {"sub-01_FLAIR.nii.gz", f"sub-01_{better}_T1w.nii.gz"}
    assert why in reasons_of[f"sub-01_{worse}_T1w.nii.gz"]


@pytest.mark.parametrize(
    ("small", "why"),
    [(SPINE, "covers 48 x 256 x 256 mm"), (SLAB, "covers 192 x 64 x 192 mm"), (LOCALIZER, "3 slices")],
)
def test_a_whole_head_is_better_than_a_part_however_thin(put, bids, small, why):
    put("sub-01/anat/sub-01_FLAIR.nii.gz")
    put("sub-01/anat/sub-01_acq-a_T1w.nii.gz", *small)
    put("sub-01/anat/sub-01_acq-b_T1w.nii.gz", *HEAD)
    reasons_of, used = reasons(bids)
    assert "sub-01_acq-b_T1w.nii.gz" in used
    assert why in reasons_of["sub-01_acq-a_T1w.nii.gz"]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"ContrastBolusAgent": "Gadovist"}, "ContrastBolusAgent Gadovist"),
        ({"ContrastBolusVolume": 7.5}, "ContrastBolusVolume 7.5"),
        ({"SeriesDescription": "t1_mprage_sag_KM"}, "SeriesDescription t1_mprage_sag_KM"),
        ({"ProtocolName": "AX T1 POST"}, "ProtocolName AX T1 POST"),
        (
            {
                "ContrastBolusAgent": "none",
                "ContrastBolusVolume": 0.0,
                "SeriesDescription": "T1 w/o contrast",
            },
            "",
        ),
        ({"SeriesDescription": "t1_high_contrast_postop"}, ""),
    ],
)
def test_contrast_agent_in_a_sidecar_however_said(put, bids, said, message):
    put("sub-01/anat/sub-01_FLAIR.nii.gz")
    put("sub-01/anat/sub-01_acq-a_T1w.nii.gz", **said)
    put("sub-01/anat/sub-01_acq-b_T1w.nii.gz")
    why, used = reasons(bids)
    assert ("sub-01_acq-b_T1w.nii.gz" in used) == bool(message)
    assert message in why["sub-01_acq-a_T1w.nii.gz"]


@pytest.mark.parametrize(
    "place", ["T1w.json", "sub-01/sub-01_acq-a_T1w.json", "sub-01/anat/sub-01_acq-a_T1w.json"]
)
def test_contrast_agent_in_a_sidecar_at_any_level(put, bids, place):
    put("sub-01/anat/sub-01_FLAIR.nii.gz")
    put("sub-01/anat/sub-01_acq-a_T1w.nii.gz")
    put("sub-01/anat/sub-01_acq-b_T1w.nii.gz", ContrastBolusIngredient="none")
    (bids / place).write_text(json.dumps({"ContrastBolusIngredient": "GADOLINIUM"}))
    why, used = reasons(bids)
    assert "sub-01_acq-b_T1w.nii.gz" in used
    assert "ContrastBolusIngredient GADOLINIUM" in why["sub-01_acq-a_T1w.nii.gz"]


def test_contrast_alone_is_used_and_told(put, bids):
    put("sub-01/anat/sub-01_FLAIR.nii.gz")
    put("sub-01/anat/sub-01_ce-gd_T1w.nii.gz")
    put("sub-02/anat/sub-02_FLAIR.nii.gz", *SPINE)
    plan = plan_visits(bids)
    assert "after contrast agent (ce-gd): no native image is there" in plan.visits[0].notes[0]
    assert "smaller than a head" in plan.visits[1].notes[0]
    assert any("used with a drawback: 2 images" in line for line in summary(plan))


@pytest.mark.parametrize(
    "said",
    [
        {"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]},
        {"ImageType": ["ORIGINAL", "PRIMARY", "PHASE MAP", "P", "FFE"]},
        {"ImageType": "ORIGINAL\\PRIMARY\\PHASE"},
        {"ComplexImageComponent": "PHASE"},
    ],
)
def test_a_phase_image_is_never_used(put, bids, said):
    put("sub-01/anat/sub-01_FLAIR.nii.gz")
    put("sub-01/anat/sub-01_T1w.nii.gz", **said)
    put("sub-01/anat/sub-01_part-real_T1w.nii.gz")
    put("sub-01/anat/sub-01_part-Imag_T1w.nii.gz")
    why, used = reasons(bids)
    assert used == {"sub-01_FLAIR.nii.gz"}
    assert "phase image" in why["sub-01_T1w.nii.gz"]
    assert "only magnitude" in why["sub-01_part-real_T1w.nii.gz"]


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("sub-01/anat/sub-01_UNIT1.nii.gz", "suffix UNIT1: not read as T1w"),
        ("sub-01/anat/sub-01_T2FLAIR.nii.gz", "rename it to sub-01_FLAIR.nii.gz"),
        ("sub-01/anat/sub-01_flair.nii.gz", "rename it to sub-01_FLAIR.nii.gz"),
        ("sub-01/anat/sub-01_acq-FLAIR_T2w.nii.gz", "rename it to sub-01_acq-FLAIR_FLAIR.nii.gz"),
        ("sub-01/anat/sub-01_T1w.NII.GZ", "rename it to sub-01_T1w.nii.gz"),
        ("sub-01/anat/sub-01_T1w.mgz", "convert it"),
        ("sub-01/anat/sub-01_old_T1w.nii.gz", "rename it to sub-01_T1w.nii.gz"),
        (
            "sub-01/anat/sub-02_T1w.nii.gz",
            "is named for sub-02 but lies in sub-01: rename it to sub-01_T1w.nii.gz",
        ),
        ("sub-01/anat/T1w.nii.gz", "rename it to sub-01_T1w.nii.gz"),
        ("sub-01/anat/sub-01_ses-1_T1w.nii.gz", "is named for sub-01_ses-1 but lies in sub-01"),
        ("sub-01/anat/old/sub-01_T1w.nii.gz", "lies in anat/old: move it to anat"),
        ("sub-01/perf/sub-01_FLAIR.nii.gz", "lies in perf: move it to anat"),
        ("sub-01/sub-01_FLAIR.nii.gz", "lies in sub-01: move it to anat"),
        ("sub-01/anat/sub-01_FLAIR", None),
        ("sub-01/anat/sub-01_sub-02_T1w.nii.gz", "is named for sub-01 and for sub-02"),
        ("sub-01/anat/SUB-01_T1w.nii.gz", "rename it to sub-01_T1w.nii.gz"),
        ("sub-01/anat/rsub-01_T1w.nii", "begins with 'r' before sub-, as SPM names what it made"),
        ("sub-01/anat/sub-01_T1w_brain.nii.gz", "something follows T1w in its name"),
        ("sub-01/anat/sub-01_T1w (1).nii.gz", "rename it to sub-01_T1w.nii.gz"),
        ("sub-01/anat/sub-01_acq-a_acq-b_T1w.nii.gz", "acq- is twice in its name"),
        ("sub-01/anat/sub-01_Acq-a_T1w.nii.gz", "Acq- in its name is acq- in BIDS"),
        ("sub-01/anat/sub-01_Desc-brain_T1w.nii.gz", "a processed image (Desc-brain)"),
        ("sub-01/anat/sub-01_FLAIR.nii.gz.part", "its ending is .nii.gz.part"),
        ("sub-01/anat/sub-01_FLAIR.gz", "its ending is .gz"),
        ("sub-01/anat/sub-01_UNI.nii.gz", "suffix UNI: not read as T1w"),
        ("derivatives/x/sub-01/anat/sub-01_T1w.nii.gz", "lies in derivatives: only folders sub-<label>"),
        ("SUB-01/anat/SUB-01_T1w.nii.gz", "lies in SUB-01: only folders sub-<label>"),
        ("sub-01/anat/sub-01_space-MNI_T1w.nii.gz", "a processed image (space-MNI)"),
        ("sub-01/anat/sub-01_desc-preproc_T1w.nii.gz", "a processed image (desc-preproc)"),
        ("sub-01/anat/sub-01_res-1_T1w.nii.gz", "a processed image (res-1)"),
        ("sub-01/anat/sub-01_defacemask.nii.gz", "for defacing"),
        ("sub-01/anat/._sub-01_T1w.nii.gz", "hidden"),
        ("processed/sub-01_T1w.nii.gz", "only folders sub-<label>"),
        ("rawdata/sub-01/anat/sub-01_T1w.nii.gz", "only folders sub-<label>"),
        ("sub-MS_01/anat/sub-MS_01_T1w.nii.gz", "rename the folder and its files to sub-MS01"),
    ],
)
def test_what_is_not_read_is_named_with_what_to_do(put, bids, name, what):
    put("sub-01/ses-9/anat/sub-01_ses-9_FLAIR.nii.gz")
    file = bids / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    plan = plan_visits(bids)
    rows = {row.image: row for row in plan.rows}
    assert sum(row.used for row in plan.rows) == 1
    if what is None:
        assert name not in rows  # no image by its ending
    else:
        assert what in rows[name].reason and not rows[name].used


def test_the_near_miss_is_why_a_visit_is_left_out(put, bids):
    put("sub-01/anat/sub-01_T1w.nii.gz")
    put("sub-01/anat/sub-01_T2FLAIR.nii.gz")
    put("sub-02/anat/sub-02_FLAIR.nii.gz")
    first, second = find_visits(bids)
    assert first.left_out.startswith("no FLAIR image: sub-01/anat/sub-01_T2FLAIR.nii.gz suffix T2FLAIR")
    assert second.left_out == ""
    line = summary(plan_visits(bids))[0]
    assert line == (
        "2 visits of 2 participants: 0 with T1w and FLAIR, 1 with FLAIR alone, 1 left out (1 no FLAIR image)"
    )


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("sub-01/**", True),
        ("*_acq-bad_*", True),
        ("sub-01/anat/*_T1w.nii.gz", True),
        ("/sub-01/", True),
        ("anat/", True),
        ("# sub-01/", False),
        ("sub-0/", False),
        ("sub-01/*.nii.gz", False),
    ],
)
def test_bidsignore(put, bids, line, left):
    put("sub-01/anat/sub-01_acq-bad_T1w.nii.gz")
    put("sub-02/anat/sub-02_FLAIR.nii.gz")
    (bids / ".bidsignore").write_text(f"{line}\n!sub-02/**\n")
    why, _ = reasons(bids)
    assert why["sub-01_acq-bad_T1w.nii.gz"].startswith("listed in .bidsignore") == left


def test_a_derivative_dataset_is_refused(put, bids):
    put("sub-01/anat/sub-01_FLAIR.nii.gz")
    for mark in ({"DatasetType": "derivative"}, {"PipelineDescription": {"Name": "fMRIPrep"}}):
        about = {"Name": "x", "BIDSVersion": "1.10.0", **mark}
        (bids / "dataset_description.json").write_text(json.dumps(about))
        with pytest.raises(InputError, match="give the raw dataset"):
            find_visits(bids)


def test_images_beside_sessions_are_a_visit_of_their_own(put, bids):
    for name in ("T1w", "FLAIR"):
        put(f"sub-01/anat/sub-01_{name}.nii.gz")
        put(f"sub-01/ses-1/anat/sub-01_ses-1_{name}.nii.gz")
    assert [visit.name for visit in find_visits(bids)] == ["sub-01", "sub-01_ses-1"]


def test_a_link_to_somebody_elses_image_is_refused_one_to_another_session_told(put, bids):
    put("sub-02/anat/sub-02_FLAIR.nii.gz")
    put("sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz")
    put("sub-01/ses-2/anat/sub-01_ses-2_FLAIR.nii.gz")
    other = bids / "sub-01/ses-1/anat/sub-01_ses-1_FLAIR.nii.gz"
    other.symlink_to("../../../sub-02/anat/sub-02_FLAIR.nii.gz")
    (bids / "sub-01/ses-2/anat/sub-01_ses-2_T1w.nii.gz").symlink_to(
        "../../ses-1/anat/sub-01_ses-1_T1w.nii.gz"
    )
    first, second, _ = find_visits(bids)
    assert first.flair is None and "a link to an image of sub-02" in first.left_out
    assert second.t1w and any("a link to an image of sub-01_ses-1" in note for note in second.notes)


def test_what_was_not_fetched_is_told_with_the_command(tmp_path):
    link = tmp_path / "sub-01_T1w.nii.gz"
    link.symlink_to("../../.git/annex/objects/aa/bb/MD5E-s1--0.nii.gz/MD5E-s1--0.nii.gz")
    assert absence(link) == f"not fetched: datalad get {link}"
    pointer = tmp_path / "sub-02_T1w.nii.gz"
    pointer.write_text("/annex/objects/MD5E-s1--0.nii.gz\n")
    assert absence(pointer) == f"not fetched: datalad get {pointer}"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    assert "git lfs pull" in absence(pointer)
    pointer.write_bytes(b"\0" * 348)
    assert absence(pointer) == ""
    pointer.write_bytes(b"")
    assert absence(pointer) == "not a readable NIfTI file (0 bytes): get it again"
    circle = tmp_path / "sub-03_T1w.nii.gz"
    circle.symlink_to(circle.name)
    assert absence(circle) == "a link to itself"


def test_masks_are_counted_and_those_of_no_visit_named(put, bids, tmp_path):
    put("sub-01/ses-1/anat/sub-01_ses-1_FLAIR.nii.gz")
    put("sub-02/ses-1/anat/sub-02_ses-1_FLAIR.nii.gz")
    put("sub-02/ses-1/anat/sub-02_ses-1_label-L_mask.nii.gz")
    masks = tmp_path / "masks"
    masks.mkdir()
    for name in ("sub-01_ses-1_label-L_mask", "sub-02_label-L_mask", "sub-2_ses-1_lesion", "lesions"):
        (masks / f"{name}.nii.gz").touch()
    plan = plan_visits(bids, lesions_dir=masks)
    line = next(line for line in summary(plan) if line.startswith("masks"))
    assert line.startswith("masks: 1 of 2 visits; 3 files match no visit, such as ")
    rows = {row.image: row for row in plan.rows}
    assert rows["sub-01_ses-1_label-L_mask.nii.gz"].used
    assert "the session is left out" in rows["sub-02_label-L_mask.nii.gz"].reason
    assert "there is no sub-2; is it sub-02_ses-1" in rows["sub-2_ses-1_lesion.nii.gz"].reason
    assert "not one participant" in rows["lesions.nii.gz"].reason
    assert "a folder of masks was given" in rows["sub-02/ses-1/anat/sub-02_ses-1_label-L_mask.nii.gz"].reason
    (masks / "sub-01_ses-1_label-L_mask.nii.gz").unlink()
    with pytest.raises(InputError, match="none of its 3 images is the mask of a visit"):
        plan_visits(bids, lesions_dir=masks)
    assert plan_visits(bids, lesions_dir=masks, participant_labels=["01"]).masks.matched == 0


def test_a_filter_is_counted_and_one_that_leaves_nothing_refused(put, bids, tmp_path):
    put("sub-01/anat/sub-01_FLAIR.nii.gz")
    put("sub-01/anat/sub-01_acq-a_run-01_T1w.nii.gz")
    put("sub-02/anat/sub-02_FLAIR.nii.gz")
    put("sub-02/anat/sub-02_acq-b_T1w.nii.gz")
    file = tmp_path / "filter.json"

    def plan(content):
        file.write_text(json.dumps(content))
        return plan_visits(bids, filter_file=file)

    made = plan({"t1w": {"acquisition": "a", "run": 1}})
    assert [visit.t1w is not None for visit in made.visits] == [True, False]
    assert "1 T1w image left out by --bids-filter-file" in made.visits[1].notes
    assert "filter: 1 T1w image left out, 1 used" in summary(made)
    with pytest.raises(InputError, match="t1w leaves none of 2 images; they have acquisition a, b"):
        plan({"t1w": {"acquisition": "c"}})
    with pytest.raises(InputError, match="flair leaves none of 2 images; they have session none"):
        plan({"flair": {"session": "1"}})
    with pytest.raises(InputError, match="unknown entity 'acqq'"):
        plan({"t1w": {"acqq": "a"}})
    assert (
        plan({"t1w": {"acq": "a"}}).visits[0].t1w.name
        == plan({"t1w": {"acquisition": "a"}}).visits[0].t1w.name
    )
    assert plan({"t1w": {"run": None}}).visits[0].t1w is None


def test_a_filter_may_ask_for_another_suffix(put, bids, tmp_path):
    put("sub-01/anat/sub-01_FLAIR.nii.gz")
    put("sub-01/anat/sub-01_UNIT1.nii.gz")
    file = tmp_path / "filter.json"
    file.write_text(json.dumps({"t1w": {"suffix": "UNIT1"}}))
    (visit,) = find_visits(bids, filter_file=file)
    assert visit.t1w.name == "sub-01_UNIT1.nii.gz"


def test_judging_knows_what_is_for_somebody_else(bids, put):
    from bids_app.layout.files import list_participant

    put("sub-01/func/sub-01_task-rest_bold.nii.gz")
    put("sub-01/anat/sub-01_T2w.nii.gz")
    faults = [judge(found).trouble for found in list_participant(bids, "01")]
    assert faults == ["suffix T2w: not read", "in func: not read"]


def test_a_t1w_of_another_session_only_where_asked_for_and_with_the_days_between(put, bids):
    put("sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz")
    put("sub-01/ses-2/anat/sub-01_ses-2_FLAIR.nii.gz")
    put("sub-01/ses-3/anat/sub-01_ses-3_T1w.nii.gz")
    assert find_visits(bids)[1].t1w is None
    unknown = plan_visits(bids, t1w_from="nearest").visits[1]
    assert unknown.t1w is None and "of unknown dates" in unknown.notes[-1]
    named = plan_visits(bids, t1w_from="ses-1", session_labels=["2"])
    assert [visit.t1w.name for visit in named.visits] == ["sub-01_ses-1_T1w.nii.gz"]
    assert "an unknown number of days" in named.visits[0].notes[-1]
    (bids / "sub-01/sub-01_sessions.tsv").write_text(
        "session_id\tacq_time\nses-1\t2020-01-01\n2\t2020-03-01T10:00:00\nses-3\t2020-03-31\n"
    )
    plan = plan_visits(bids, t1w_from="nearest")
    assert plan.visits[1].notes[-1] == "T1w image of sub-01_ses-3, 30 days after the FLAIR image (--t1w-from)"
    assert [row.reason for row in plan.table if row.visit == "sub-01_ses-2" and row.role == "t1w"] == [
        "of sub-01_ses-3, 30 days after the FLAIR image (--t1w-from)"
    ]


def test_a_t1w_beside_the_sessions_may_be_borrowed(put, bids):
    put("sub-01/anat/sub-01_T1w.nii.gz")
    put("sub-01/ses-2/anat/sub-01_ses-2_FLAIR.nii.gz")
    first, second = plan_visits(bids, t1w_from="nearest").visits
    assert first.left_out and second.t1w == bids / "sub-01/anat/sub-01_T1w.nii.gz"

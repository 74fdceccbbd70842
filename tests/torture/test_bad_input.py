"""Unusable input through the command line: one line each, the right exit code, the other visits go on."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hostile import as_stranger, demyelin, on_small_disk, reasons

from bids_app import steps
from bids_app.derivatives.dataset import start_dataset
from bids_app.errors import VisitError

SHAPE = (24, 26, 20)
DESCRIPTION = json.dumps({"Name": "test", "BIDSVersion": "1.10.0", "DatasetType": "raw", "License": "CC0"})


def noise(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 200, shape).astype(np.int16)


def nifti(data: np.ndarray, affine: np.ndarray | None = None) -> bytes:
    """Return the bytes of an uncompressed NIfTI file, whatever its affine is."""
    header = nib.Nifti1Image(data, np.eye(4)).header
    header["vox_offset"] = 352
    header.set_sform(np.diag([4.0, 4.0, 4.0, 1.0]) if affine is None else affine, code=1)
    header.set_qform(None, code=0)
    return header.binaryblock + b"\0\0\0\0" + data.tobytes(order="F")


def with_zooms(*zooms: float) -> bytes:
    """Return an image whose only orientation is its voxel sizes."""
    header = nib.Nifti1Image(noise(), np.eye(4)).header
    header["vox_offset"] = 352
    header.set_sform(None, code=0)
    header.set_qform(None, code=0)
    header.structarr["pixdim"][1:4] = zooms
    return header.binaryblock + b"\0\0\0\0" + noise().tobytes(order="F")


def half_nan() -> np.ndarray:
    data = noise().astype(np.float32)
    data[:12] = np.nan
    data[12:14] = np.inf
    return data


def rgb() -> np.ndarray:
    return np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])


SINGULAR = np.array([[2.0, 2, 0, 0], [2, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]])
# label of the participant: content of its only FLAIR image, and what the user must be told
BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "truncated": (lambda: gzip.compress(nifti(noise()))[:9000], "truncated or damaged"),
    "headless": (lambda: gzip.compress(nifti(noise()))[:40], "not a readable NIfTI"),
    "plain": (lambda: nifti(noise()), "not a readable NIfTI"),
    "text": (lambda: b"<html>404 not found</html>", "not a readable NIfTI"),
    "nothing": (lambda: b"", "not a readable NIfTI"),
    "zeros": (lambda: gzip.compress(nifti(np.zeros(SHAPE, np.int16))), "the image is empty"),
    "nan": (lambda: gzip.compress(nifti(half_nan())), "NaN or infinite"),
    "time": (lambda: gzip.compress(nifti(noise((*SHAPE, 4)))), "give one 3D volume"),
    "slice": (lambda: gzip.compress(nifti(noise((24, 26, 1)))), "24 x 26 x 1 voxels"),
    "rgb": (lambda: gzip.compress(nifti(rgb())), "give a grey-scale image"),
    "zoomless": (lambda: gzip.compress(with_zooms(0, 0, 0)), "correct the header"),
    "micro": (lambda: gzip.compress(with_zooms(0.001, 1, 1)), "0.001 x 1 x 1 mm"),
    "giant": (lambda: gzip.compress(with_zooms(1, 1, 500)), "1 x 1 x 500 mm"),
    "singular": (lambda: gzip.compress(nifti(noise(), SINGULAR)), "cannot be inverted"),
}


def put(root: Path, name: str, content: bytes) -> Path:
    """Add a file of a participant to a dataset, which is made where it is missing."""
    path = root / name.split("_", maxsplit=1)[0] / "anat" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (root / "dataset_description.json").write_text(DESCRIPTION)
    (root / "README").write_text("A dataset made by a test.\n" * 10)
    path.write_bytes(content)
    return path


@pytest.fixture(scope="module")
def every_bad_visit(tmp_path_factory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """One run of a read-only dataset with every kind of unusable image, its path with spaces and other
    letters, by a user without name, home and network."""
    root = tmp_path_factory.mktemp("bad") / "Käyttäjän aineisto"
    for label, (content, _) in BAD.items():
        put(root, f"sub-{label}_FLAIR.nii.gz", content())
    put(root, "sub-noflair_T1w.nii.gz", gzip.compress(nifti(noise())))
    out = root.parent / "tulokset ä"
    with read_only(root):
        return demyelin(root, out, "participant", "--fast", wrap=as_stranger()), out


@contextmanager
def read_only(root: Path) -> Iterator[None]:
    """Take the right to write in a folder and all below, and check that nothing was changed."""
    folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    for folder in folders:
        folder.chmod(0o555)
    try:
        yield
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert before == {path: path.stat().st_mtime_ns for path in root.rglob("*")}


@pytest.mark.parametrize("label", BAD)
def test_unusable_image_is_a_failed_visit_told_in_a_line_with_its_path(every_bad_visit, label):
    done, _ = every_bad_visit
    reason = reasons(done)[label]
    assert BAD[label][1] in reason
    assert f"sub-{label}_FLAIR.nii.gz" in reason


def test_no_flair_is_left_out_not_failed(every_bad_visit):
    done, _ = every_bad_visit
    assert "noflair" not in reasons(done)
    assert "left out  sub-noflair: no FLAIR image" in done.stdout


def test_failed_visits_are_exit_1_each_once_and_without_traceback(every_bad_visit):
    done, out = every_bad_visit
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert len(reasons(done)) == len(BAD)
    assert any(f"{len(BAD)} failed, 1 left out" in line for line in done.stdout.splitlines()[-3:])
    assert "Traceback" in (out / "logs" / "sub-zeros_crash.txt").read_text(encoding="utf-8")


def test_failed_visits_leave_no_images_and_no_done_record(every_bad_visit):
    _, out = every_bad_visit
    assert not list(out.rglob("*.nii*"))
    assert not list(out.rglob("logs/done/*"))


@pytest.mark.slow
def test_debug_shows_the_traceback(tmp_path):
    put(tmp_path / "bids", "sub-01_FLAIR.nii.gz", BAD["zeros"][0]())
    done = demyelin(
        tmp_path / "bids", tmp_path / "out", "participant", "--fast", "--skip-bids-validation", "--debug"
    )
    assert done.returncode == 1
    assert "VisitError" in done.stderr
    assert "Traceback" in done.stderr


@pytest.mark.parametrize(
    ("data", "affine", "words"),
    [
        (np.zeros((5, 6, 7), np.uint8), None, "match no scan"),
        (np.zeros(SHAPE, np.uint8), np.diag([4.0, 4, 3, 1]), "match no scan"),
        (noise() % 4, None, "a lesion mask has 0 and 1"),
    ],
)
def test_lesion_mask_of_another_shape_affine_or_with_labels(tmp_path, monkeypatch, data, affine, words):
    monkeypatch.chdir(tmp_path)
    scan = put(tmp_path, "sub-01_FLAIR.nii.gz", gzip.compress(nifti(noise())))
    mask = put(tmp_path, "sub-01_label-L_mask.nii.gz", gzip.compress(nifti(data, affine)))
    with pytest.raises(VisitError, match=words):
        steps.check_lesions(mask, scan)


def test_wrong_lesion_mask_is_told_before_anything_else_is_done(tmp_path):
    put(tmp_path / "bids", "sub-01_FLAIR.nii.gz", gzip.compress(nifti(noise())))
    put(tmp_path / "bids", "sub-01_label-L_mask.nii.gz", gzip.compress(nifti(noise() % 4)))
    args = ("--fast", "--skip-bids-validation", "-v", "-w", tmp_path / "work")
    done = demyelin(tmp_path / "bids", tmp_path / "out", "participant", *args)
    assert done.returncode == 1
    assert "a lesion mask has 0 and 1" in reasons(done)["01"]
    assert re.search(r"sub-01: check lesions failed: .*sub-01_label-L_mask", done.stdout)
    assert "prepare head" not in done.stdout


def test_no_lesion_mask_where_only_masks_count(one_bad, tmp_path):
    done = demyelin(one_bad, tmp_path / "out", "participant", "--lesions", "derivatives")
    assert done.returncode == 1
    assert "left out  sub-01: no lesion mask was supplied" in done.stdout


@pytest.fixture
def one_bad(tmp_path: Path) -> Path:
    """A dataset whose only image is empty: a run comes as far as the first step."""
    put(tmp_path / "bids", "sub-01_FLAIR.nii.gz", BAD["zeros"][0]())
    return tmp_path / "bids"


def test_output_folder_that_cannot_be_written_is_exit_2(one_bad, tmp_path):
    out, wrap = tmp_path / "out", as_stranger()
    start_dataset(out, one_bad)
    (out / "logs").chmod(0o555)
    done = demyelin(one_bad, out, "participant", "--fast", wrap=wrap)
    (out / "logs").chmod(0o755)
    assert done.returncode == 2
    assert re.fullmatch(r"demyelin: .*logs: cannot be written \(Permission denied\).*\n", done.stderr)


def test_full_disk_at_the_start_is_exit_2(one_bad, tmp_path):
    wrap = on_small_disk(tmp_path / "out", "4k")
    done = demyelin(one_bad, tmp_path / "out", "participant", "--fast", wrap=wrap)
    assert done.returncode == 2
    assert re.fullmatch(r"demyelin: .*No space left on device.*\n", done.stderr)


@pytest.mark.slow
def test_full_work_folder_is_told_as_such(one_bad, tmp_path):
    wrap = on_small_disk(tmp_path / "work", "8k")
    args = ("--fast", "--skip-bids-validation", "-w", tmp_path / "work")
    done = demyelin(one_bad, tmp_path / "out", "participant", *args, wrap=wrap)
    assert done.returncode == 1
    assert "no space left" in (done.stdout + done.stderr).lower()
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
def test_unreadable_image_is_that_visits_trouble(one_bad, tmp_path):
    (one_bad / "sub-01" / "anat" / "sub-01_FLAIR.nii.gz").chmod(0)
    done = demyelin(one_bad, tmp_path / "out", "participant", "--skip-bids-validation", wrap=as_stranger())
    assert done.returncode == 1
    assert "cannot be read" in reasons(done)["01"]


@pytest.mark.slow
def test_unreadable_description_is_exit_2(one_bad, tmp_path):
    (one_bad / "dataset_description.json").chmod(0)
    done = demyelin(one_bad, tmp_path / "out", "participant", wrap=as_stranger())
    assert done.returncode == 2
    assert re.fullmatch(r"demyelin: .*dataset_description\.json: cannot be read.*\n", done.stderr)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can give a folder away")
def test_work_folder_of_another_user_is_exit_2(one_bad, tmp_path):
    work = tmp_path / "work"
    work.mkdir(mode=0o700)
    os.chown(work, 4321, 4321)
    done = demyelin(one_bad, tmp_path / "out", "participant", "--fast", "-w", work, wrap=as_stranger())
    assert done.returncode == 2
    assert re.fullmatch(r"demyelin: --work-dir .*\n", done.stderr)

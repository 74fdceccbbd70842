"""The brain mask against deepbet's own and the truth."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from heads import synthetic_head

from bids_app.errors import VisitError
from bids_app.image.brain import Brain, brain_mask
from bids_app.image.volume import conform, read_scan


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * float((one & other).sum()) / float(one.sum() + other.sum())


@pytest.fixture(scope="module")
def head() -> tuple[nib.Nifti1Image, np.ndarray]:
    return synthetic_head()


@pytest.fixture(scope="module")
def found(head) -> Brain:
    return brain_mask(head[0])


def test_shipped_networks_are_the_ones_the_notice_names():
    folder = files("bids_app") / "data" / "deepbet"
    notice = (folder / "NOTICE.md").read_text(encoding="utf-8")
    for name in ("bbox.onnx", "brain.onnx"):
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() in notice


def test_mask_is_deepbets_own(found):
    stored = np.load(Path(__file__).with_name("deepbet_reference.npz"))
    reference = np.unpackbits(stored["bits"], count=int(np.prod(stored["shape"]))).reshape(stored["shape"])
    differing = (np.asarray(found.mask.dataobj) != reference).sum()
    assert differing <= 100  # 2 where measured; of 242,900: sums in another order tip voxels at the threshold


def test_mask_is_the_true_brain(head, found):
    assert dice(np.asarray(found.mask.dataobj) > 0, head[1]) >= 0.97
    assert not found.stripped


def test_mask_is_on_the_images_own_grid(head, found):
    turned = nib.as_closest_canonical(head[0]).slicer[::-1, :, :]
    turned = turned.as_reoriented([[2, 1], [0, 1], [1, -1]])
    mask = brain_mask(turned).mask
    assert mask.shape == turned.shape
    np.testing.assert_array_equal(mask.affine, turned.affine)
    back = nib.as_closest_canonical(mask)
    np.testing.assert_array_equal(np.asarray(back.dataobj), np.asarray(found.mask.dataobj))


def test_a_stripped_image_is_seen_after_resampling(head):
    image, inside = head
    stripped = nib.Nifti1Image(np.asarray(image.dataobj) * inside, image.affine)
    answer = brain_mask(conform(stripped, 3.0))
    assert answer.stripped
    millilitre = np.asarray(answer.mask.dataobj).sum() * 27 / 1000
    assert millilitre == pytest.approx(inside.sum() * 8 / 1000, rel=0.02)


def test_a_phantom_of_another_size_is_refused(head):
    image = nib.Nifti1Image(np.asarray(head[0].dataobj), np.diag([0.9, 0.9, 0.9, 1.0]))
    with pytest.raises(VisitError, match="not a brain's size"):
        brain_mask(image)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["T1w", "FLAIR"])
def test_real_heads_t1w_and_flair_give_the_same_brain_volume(shared, suffix):
    folder = shared / "data" / "openms-raw"
    volumes = []
    for path in sorted(folder.glob(f"sub-12/ses-*/anat/*_{suffix}.nii.gz")):
        mask = brain_mask(conform(read_scan(path).image, 2.0)).mask
        volumes.append(np.asarray(mask.dataobj).sum() * 8 / 1000)
    assert len(volumes) == 2
    assert volumes[0] == pytest.approx(volumes[1], rel=0.02)
    assert volumes[0] == pytest.approx(1500, rel=0.05)

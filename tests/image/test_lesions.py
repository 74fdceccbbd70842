"""The ladder of lesion methods, on a synthetic brain and on real patients."""

import hashlib
from dataclasses import replace
from functools import partial
from importlib.resources import files
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from bids_app.errors import InputError
from bids_app.image.inference import session
from bids_app.image.lesion_classifier import EXPERT_FEATURES, expert_rows, view, working_grid
from bids_app.image.lesion_network import network_channels, network_probability
from bids_app.image.lesions import (
    METHODS,
    LesionInputs,
    drop_small,
    ensemble_probability,
    hysteresis_threshold,
    segment_lesions,
    weighted_belief,
    without_blur,
)
from bids_app.image.quality import flags
from bids_app.image.quality_measures import contrast, scan_noise, slice_outlier
from bids_app.image.white_matter import relative_to_white
from bids_app.phantom.lesion_inputs import phantom_inputs


def image(data, size=1.0):
    return nib.Nifti1Image(np.asarray(data, dtype=np.float32), np.diag([size, size, size, 1.0]))


def brain_with(lesions: bool, seed: int = 5, scale: float = 1.0, size: float = 1.0):
    """A ball of white matter in a shell of grey; lesions are bright in FLAIR, grey in their middle on T1w."""
    rng = np.random.default_rng(seed)
    x, y, z = np.indices((56, 56, 56)) - 28
    radius = np.sqrt(x**2 + y**2 + z**2)
    brain, white = radius < 26, radius < 20
    flair = np.where(white, 80.0, 100.0)
    truth = np.zeros(brain.shape, bool)
    if lesions:
        for centre, extent in (((8, 0, 0), 4.0), ((-6, 6, 4), 3.0)):
            truth |= sum((a - c) ** 2 for a, c in zip((x, y, z), centre, strict=True)) < extent**2
    flair[truth] = 145
    core = ndimage.binary_erosion(truth)
    grey = (brain & ~white) | core
    flair = ndimage.gaussian_filter(flair, 0.6) + rng.normal(0, 3, flair.shape)
    prior = ndimage.gaussian_filter(white.astype(float), 1)
    inputs = LesionInputs(
        flair=image(flair * brain * scale, size),
        brain=image(brain, size),
        gm=image(grey, size),
        wm=image(white & ~core, size),
        csf=image(np.zeros(brain.shape), size),
        wm_prior=image(prior, size),
    )
    return inputs, truth


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


@pytest.mark.parametrize("method", METHODS)
def test_finds_lesions(method):
    inputs, truth = brain_with(lesions=True)
    found = segment_lesions(inputs, method)
    mask, probability = np.asarray(found.mask.dataobj) > 0, np.asarray(found.probability.dataobj)
    least = 0.65 if method == "belief-threshold" else 0.8  # a fixed cut loses the rims
    assert dice(mask, truth) > least
    assert probability.min() >= 0
    assert probability.max() <= 1
    assert probability[truth].mean() > 0.5
    assert (
        probability[
            (np.asarray(inputs.brain.dataobj) > 0) & ~ndimage.binary_dilation(truth, iterations=3)
        ].mean()
        < 0.1
    )


@pytest.mark.parametrize("method", METHODS)
def test_no_lesions_nothing_found(method):
    inputs, _ = brain_with(lesions=False)
    assert not np.asarray(segment_lesions(inputs, method).mask.dataobj).any()


@pytest.mark.parametrize("method", METHODS)
def test_unit_of_the_flair_does_not_matter(method):
    plain = segment_lesions(brain_with(lesions=True)[0], method)
    tenfold = segment_lesions(brain_with(lesions=True, scale=10)[0], method)
    assert dice(np.asarray(plain.mask.dataobj) > 0, np.asarray(tenfold.mask.dataobj) > 0) > 0.99


def test_same_images_same_bytes():
    one, two = (segment_lesions(brain_with(lesions=True)[0]) for _ in range(2))
    assert np.asarray(one.probability.dataobj).tobytes() == np.asarray(two.probability.dataobj).tobytes()


def test_threshold_is_the_least_probability_of_the_mask():
    inputs, _ = brain_with(lesions=True)
    masks = [segment_lesions(inputs, "weighted-belief", threshold=t).mask for t in (0.2, 0.5, 0.8)]
    low, middle, high = (np.asarray(mask.dataobj) > 0 for mask in masks)
    assert low.sum() > middle.sum() > high.sum() > 0
    probability = np.asarray(segment_lesions(inputs, "weighted-belief").probability.dataobj)
    assert probability[high].min() >= 0.8


def test_a_lesion_has_a_peak():
    probability = np.zeros((12, 5, 5), np.float32)
    probability[1:4, 2, 2], probability[7:10, 2, 2] = 0.4, 0.4
    probability[2, 2, 2], probability[8, 2, 2] = 0.9, 0.6
    assert np.argwhere(hysteresis_threshold(probability, 0.3, 0.8))[:, 0].tolist() == [1, 2, 3]
    assert hysteresis_threshold(probability, 0.3, 0.3).sum() == 6
    assert hysteresis_threshold(probability, 0.95, 0.8).sum() == 0


def with_images(inputs, **images):
    return LesionInputs(**{**vars(inputs), **images})


def mask_of(inputs, **options):
    return np.asarray(segment_lesions(inputs, **options).mask.dataobj) > 0


@pytest.mark.parametrize("axes", ["LPS", "PSR"])
def test_orientation_of_the_voxels_does_not_matter(axes):
    inputs, _ = brain_with(lesions=True)
    plain = mask_of(inputs)
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(inputs.flair.affine), nib.orientations.axcodes2ornt(axes)
    )
    images = {
        name: one.as_reoriented(turn)
        for name, one in vars(inputs).items()
        if isinstance(one, nib.Nifti1Image)
    }
    found = segment_lesions(LesionInputs(**images)).mask
    assert nib.aff2axcodes(found.affine) == tuple(axes)
    back = np.asarray(nib.as_closest_canonical(found).dataobj) > 0
    assert dice(back, plain) > 0.99


def test_noise_and_missing_slices_cost_little():
    inputs, truth = brain_with(lesions=True)
    flair = np.asarray(inputs.flair.dataobj).copy()
    noisy = flair + np.random.default_rng(0).normal(0, 8, flair.shape) * (flair > 0)
    assert dice(mask_of(with_images(inputs, flair=image(noisy))), truth) > 0.7
    holed = flair.copy()
    holed[:, :, 40:42] = 0
    holed[:, :, 15] = 0
    assert dice(mask_of(with_images(inputs, flair=image(holed))), truth) > 0.7


@pytest.mark.slow
def test_phantom_with_and_without_lesions():
    inputs, truth = phantom_inputs(25)
    assert dice(mask_of(inputs), truth) >= 0.78
    assert dice(mask_of(with_images(inputs, t1w=None)), truth) >= 0.6
    nothing, _ = phantom_inputs(0)
    for images in (nothing, with_images(nothing, t1w=None)):
        assert mask_of(images).sum() * 8 < 200


@pytest.fixture(scope="module")
def phantom():
    inputs, truth = phantom_inputs(25)
    return inputs, truth, dice(mask_of(inputs), truth)


def missing_slices(flair):
    flair[30::20] = 0
    return flair


def stripes(flair):
    """Motion while a few slices were taken: brighter and darker ones in turn."""
    flair[40:52:2] *= 0.6
    flair[41:52:2] *= 1.15
    return flair


def flagged(inputs, scan, lesions):
    """Which numbers of the FLAIR's quality are out of range."""
    labels = np.argmax([np.asarray(one.dataobj) for one in (inputs.gm, inputs.wm, inputs.csf)], axis=0) + 1
    labels = nib.Nifti1Image(labels * np.asarray(inputs.brain.dataobj), scan.affine)
    snr = contrast(scan, labels, nib.Nifti1Image(lesions.astype(np.uint8), scan.affine))[0]
    numbers = {
        "snr_flair_wm": snr,
        "flair_noise": scan_noise(scan),
        "flair_slice_outlier": slice_outlier(scan),
    }
    return flags(numbers)


@pytest.mark.slow
@pytest.mark.parametrize(("damage", "cost"), [(missing_slices, 0.15), (stripes, 0.2)])
def test_damaged_slices_cost_little_and_are_flagged(phantom, damage, cost):
    inputs, truth, undamaged = phantom
    flair = damage(np.asarray(inputs.flair.dataobj).copy())
    scan = nib.Nifti1Image(flair, inputs.flair.affine)
    mask = mask_of(with_images(inputs, flair=scan))
    assert flagged(inputs, scan, mask) == ["flair_slice_outlier"]
    assert dice(mask, truth) > undamaged - cost


@pytest.mark.slow
def test_noise_costs_little_and_is_flagged(phantom):
    inputs, truth, undamaged = phantom
    flair = np.asarray(inputs.flair.dataobj)
    white = np.median(flair[np.asarray(inputs.wm.dataobj) > 0.9])
    noise = np.random.default_rng(0).normal(0, white, flair.shape)
    some, much = (
        nib.Nifti1Image((flair + share * noise).astype(np.float32), inputs.flair.affine)
        for share in (0.15, 0.3)
    )
    less = mask_of(with_images(inputs, flair=some))
    assert dice(less, truth) > undamaged - 0.15
    assert flagged(inputs, some, less) == ["flair_noise"]
    found = mask_of(with_images(inputs, flair=much))
    assert dice(found, truth) > 0.4
    assert found.sum() < 2 * truth.sum()
    assert flagged(inputs, much, found) == ["snr_flair_wm", "flair_noise"]


def channels_of(flair, t1w, brain, prior, gm):
    """What the network gets of the images."""
    relative = [
        one if one is None else relative_to_white(one, brain, prior, gm, "image") for one in (flair, t1w)
    ]
    return network_channels(*relative, brain, prior)


def test_network_answers_the_same_wherever_the_brain_lies_in_the_image():
    inputs, _ = brain_with(lesions=True)
    images = [np.asarray(one.dataobj) for one in (inputs.flair, inputs.brain, inputs.wm_prior, inputs.gm)]
    answers = []
    for room in ((0, 0), (5, 11)):
        flair, brain, prior, gm = (np.pad(one, [room] * 3) for one in images)
        channels = channels_of(flair, None, brain > 0, prior, gm)
        answer = network_probability(channels, session("lesions/network.onnx"))
        answers.append(answer[tuple(slice(room[0], room[0] + 56) for _ in range(3))])
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-5)
    assert answers[0].max() > 0.5


def test_network_sees_no_unit_and_has_an_empty_channel_for_a_missing_t1w():
    inputs, _ = brain_with(lesions=True)
    flair, brain, prior, gm = (
        np.asarray(one.dataobj) for one in (inputs.flair, inputs.brain, inputs.wm_prior, inputs.gm)
    )
    one = channels_of(flair, flair, brain > 0, prior, gm)
    np.testing.assert_allclose(one, channels_of(10 * flair, 3 * flair, brain > 0, prior, gm), atol=1e-4)
    white = (brain > 0) & (prior > 0.95)
    assert np.median(one[0][white]) == pytest.approx(0, abs=1e-3)
    assert np.median(one[1][(brain > 0) & (gm > 0.9)]) == pytest.approx(0, abs=1e-3)
    assert not channels_of(flair, None, brain > 0, prior, gm)[2].any()
    assert abs(one[2]).max() > 0.9
    assert not one[:, brain == 0].any()


def rows_of(inputs):
    """What the trees fitted to experts get of each candidate voxel."""
    belief = nib.Nifti1Image(weighted_belief(inputs), inputs.flair.affine)
    images = (inputs.flair, inputs.t1w, inputs.brain, inputs.wm_prior, inputs.gm, belief)
    return expert_rows(view(*images, working_grid(inputs.brain)))[1]


def test_trees_see_the_same_wherever_the_brain_lies_in_the_image():
    inputs, _ = brain_with(lesions=True)
    wider = {
        name: image(np.pad(np.asarray(one.dataobj), [(14, 21)] * 3))
        for name, one in vars(inputs).items()
        if isinstance(one, nib.Nifti1Image)
    }
    near, far = rows_of(inputs), rows_of(LesionInputs(**wider))
    assert near.shape == far.shape == (len(near), len(EXPERT_FEATURES))
    np.testing.assert_allclose(near[:, 1:], far[:, 1:], atol=0.01)


def test_trees_know_where_a_t1w_is_missing():
    inputs, _ = brain_with(lesions=True)
    missing = np.isnan(rows_of(inputs)).all(axis=0)
    assert [name for name, gone in zip(EXPERT_FEATURES, missing, strict=True) if gone] == [
        name for name in EXPERT_FEATURES if name.startswith("t1w")
    ]
    assert not np.isnan(rows_of(with_images(inputs, t1w=inputs.flair))).any()


def test_thick_slices_have_trees_of_their_own_and_the_sidecar_says_so():
    inputs, truth = brain_with(lesions=True)
    method = METHODS["demyelin"]
    assert method.suited(3.0) is method
    thick = method.suited(7.0)
    assert thick.about != method.about
    assert METHODS["lesion-growth"].suited(7.0) is METHODS["lesion-growth"]
    found = mask_of(with_images(inputs, slice_mm=7.0))
    assert dice(found, truth) > 0.5
    assert (found != mask_of(inputs)).any()


def test_weights_are_those_of_the_notice():
    folder = files("bids_app") / "data" / "lesions"
    for name in ("trees.onnx", "network.onnx", "experts.onnx"):
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        assert f"`{name}`" in (folder / "NOTICE.md").read_text()
        assert digest in (folder / "NOTICE.md").read_text()


def test_edge_of_the_brain_is_no_lesion():
    inputs, _ = brain_with(lesions=False)
    flair = np.asarray(inputs.flair.dataobj).copy()
    flair[28, 28, 50:54] = 400
    bright = with_images(inputs, flair=image(flair))
    assert not np.asarray(segment_lesions(bright, min_volume=1).mask.dataobj).any()
    assert np.asarray(segment_lesions(bright, "belief-threshold", min_volume=1).mask.dataobj).any()


def test_smallest_lesion_is_in_cubic_millimetres():
    mask = np.zeros((10, 10, 10), bool)
    mask[0, 0, :2] = mask[5:7, 5:7, 5:7] = True
    assert drop_small(mask, voxel_volume=8, min_volume=16).sum() == 10
    assert drop_small(mask, voxel_volume=8, min_volume=17).sum() == 8
    assert drop_small(mask, voxel_volume=1, min_volume=10).sum() == 0


def test_unknown_method_is_told():
    with pytest.raises(InputError, match=r"magic: not one of belief-threshold, .*, demyelin"):
        segment_lesions(brain_with(lesions=False)[0], "magic")


@pytest.fixture(scope="module")
def patients(shared, tmp_path_factory):
    """Real patients in MNI space with a consensus of raters, segmented with the template's priors."""
    from bids_app.image.register import align_template
    from bids_app.image.structure_priors import priors_at, template_coordinates
    from bids_app.image.structures import segment_structures
    from bids_app.image.template import load_template
    from bids_app.image.transforms import apply

    template, cases = load_template(resolution=2.0), {}
    for sub in ("sub-07", "sub-26"):
        stem = shared / "data" / "openms-mni" / sub / "anat" / f"{sub}_space-MNI152NLin6Asym_res-1_"
        t1w, flair, truth = (
            nib.load(f"{stem}{name}.nii.gz")
            for name in ("desc-brain_T1w", "desc-brain_FLAIR", "label-lesion_desc-consensus_mask")
        )
        head = np.asarray(t1w.dataobj)
        brain = nib.Nifti1Image((head > head.min()).astype(np.uint8), t1w.affine)
        back = tmp_path_factory.mktemp(sub) / "back.h5"
        align_template(t1w, template.t1w, back.with_name("forth.h5"), back, seed=1)
        where = template_coordinates(t1w, [back])[:, np.asarray(brain.dataobj) > 0]
        tissues = segment_structures(t1w, brain, priors_at(where))
        inputs = LesionInputs(
            flair=flair,
            t1w=t1w,
            brain=brain,
            gm=tissues.gm,
            wm=tissues.wm,
            csf=tissues.csf,
            wm_prior=apply(template.wm, t1w, [back]),
        )
        cases[sub] = inputs, np.asarray(truth.dataobj) > 0
    return cases


@pytest.mark.slow
@pytest.mark.parametrize(("sub", "least"), [("sub-07", 0.45), ("sub-26", 0.68)])
def test_real_patients(patients, sub, least):
    inputs, truth = patients[sub]
    unseen = Path(__file__).parents[2] / "training" / "held_out" / sub
    demyelin = replace(METHODS["demyelin"], probability=partial(ensemble_probability, weights=unseen))
    scores = {
        method.name: dice(mask_of(inputs, method=method), truth) for method in [*METHODS.values(), demyelin]
    }
    assert scores["demyelin"] >= least
    assert scores["demyelin"] > scores["belief-threshold"]


@pytest.mark.parametrize("excess", [20, 200])
def test_a_lesion_ends_where_its_blur_begins_however_bright_it_is(excess):
    inputs, _ = brain_with(lesions=False)
    ball = sum((axis - 28) ** 2 for axis in np.indices((56, 56, 56))) < 6**2
    flair = np.where(np.asarray(inputs.brain.dataobj) > 0, 80, 0) + excess * ndimage.gaussian_filter(
        1.0 * ball, 2
    )
    wide = flair > 82
    found = without_blur(wide, with_images(inputs, flair=image(flair)), 0.4)
    assert dice(wide, ball) < 0.85
    assert dice(found, ball) > 0.9
    assert not without_blur(np.zeros_like(ball), inputs, 0.4).any()


def test_what_is_hardly_brighter_than_grey_matter_is_no_lesion():
    inputs, _ = brain_with(lesions=False)  # grey matter is 20 brighter than white matter
    balls = [sum((axis - place) ** 2 for axis in np.indices((56, 56, 56))) < 5**2 for place in (22, 34)]
    flair = np.asarray(inputs.flair.dataobj) + 40 * balls[0] + 80 * balls[1]
    found = without_blur(balls[0] | balls[1], with_images(inputs, flair=image(flair)), 0.4, 3.0)
    assert not (found & balls[0]).any()
    assert dice(found, balls[1]) > 0.9

"""The ladder of lesion methods, on a synthetic brain and on real patients."""

import hashlib
from importlib.resources import files

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from bids_app.errors import InputError
from bids_app.image.lesion_network import network_channels, network_probability
from bids_app.image.lesions import (
    METHODS,
    LesionInputs,
    drop_small,
    hysteresis_threshold,
    segment_lesions,
)
from bids_app.image.quality import flags
from bids_app.image.quality_measures import contrast, scan_noise, slice_outlier
from bids_app.phantom.lesion_inputs import phantom_inputs


def image(data, size=1.0):
    return nib.Nifti1Image(np.asarray(data, dtype=np.float32), np.diag([size, size, size, 1.0]))


def brain_with(lesions: bool, seed: int = 5, scale: float = 1.0, size: float = 1.0, as_grey: bool = True):
    """A ball of white matter in a shell of grey; bright lesions, whose middle is taken for grey matter, or is not."""
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
    core = ndimage.binary_erosion(truth) & as_grey
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


@pytest.mark.parametrize("as_grey", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_finds_lesions(method, as_grey):
    inputs, truth = brain_with(lesions=True, as_grey=as_grey)
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
    assert dice(mask_of(inputs), truth) >= 0.74
    assert dice(mask_of(with_images(inputs, t1w=None)), truth) >= 0.72
    nothing, _ = phantom_inputs(0)
    for images in (nothing, with_images(nothing, t1w=None)):
        assert mask_of(images).sum() * 8 < 200


def test_phantom_by_its_true_tissues():
    """No lesion is grey matter there, as in a segmentation that knows lesions for what they are."""
    (inputs, truth), (nothing, _) = phantom_inputs(25), phantom_inputs(0)
    for method in (name for name, one in METHODS.items() if one.of_tissues):
        assert dice(mask_of(inputs, method=method), truth) >= 0.65, method
        assert mask_of(nothing, method=method).sum() * 8 < 200, method


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
@pytest.mark.parametrize(("damage", "cost"), [(missing_slices, 0.1), (stripes, 0.15)])
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
    assert dice(less, truth) > undamaged - 0.1
    assert flagged(inputs, some, less) == ["flair_noise"]
    found = mask_of(with_images(inputs, flair=much))
    assert dice(found, truth) > 0.47
    assert found.sum() < 2 * truth.sum()
    assert flagged(inputs, much, found) == ["snr_flair_wm", "flair_noise"]


def test_network_answers_the_same_wherever_the_brain_lies_in_the_image():
    inputs, _ = brain_with(lesions=True)
    images = [np.asarray(one.dataobj) for one in (inputs.flair, inputs.brain)]
    answers = []
    for room in ((9, 9), (14, 20)):
        flair, brain = (image(np.pad(one, [room] * 3)) for one in images)
        answer = network_probability(flair, None, brain)
        answers.append(answer[tuple(slice(room[0], room[0] + 56) for _ in range(3))])
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-5)
    assert answers[0].max() > 0.5


def test_channels_are_voxels_of_cells_and_where_they_lie():
    rng = np.random.default_rng(0)
    inside = np.zeros((20, 18, 16), bool)
    inside[2:18, 1:17, 3:13] = True
    flair, t1w = (rng.normal(size=inside.shape).astype(np.float32) * inside for _ in range(2))
    both, alone = network_channels(flair, t1w, inside), network_channels(flair, None, inside)
    anatomy = network_channels(None, t1w, inside)
    assert both.shape == (22, 16, 16, 8)
    assert both[:8, 4, 3, 2].tolist() == flair[8:10, 6:8, 4:6].ravel().tolist()
    assert both[8:16, 4, 3, 2].tolist() == t1w[8:10, 6:8, 4:6].ravel().tolist()
    assert not alone[8:16].any()
    assert not alone[20].any()
    assert not anatomy[:8].any()
    assert not anatomy[21].any()
    for channels, known in ((both, (20, 21)), (alone, (21,)), (anatomy, (20,))):
        for one in known:
            np.testing.assert_array_equal(channels[one], channels[16])
    np.testing.assert_allclose(both[17:20, 1, 1, 2], [-14 / 15, -0.8, -2 / 3], atol=1e-6)
    assert not both[:, 10:].any()


def test_weights_are_those_of_the_notice():
    folder = files("bids_app") / "data" / "lesions"
    digest = hashlib.sha256((folder / "network.onnx").read_bytes()).hexdigest()
    assert "`network.onnx`" in (folder / "NOTICE.md").read_text()
    assert digest in (folder / "NOTICE.md").read_text()


def test_to_weighted_belief_the_edge_of_the_brain_is_no_lesion():
    inputs, _ = brain_with(lesions=False)
    flair = np.asarray(inputs.flair.dataobj).copy()
    flair[28, 28, 50:54] = 400
    bright = with_images(inputs, flair=image(flair))
    assert not np.asarray(segment_lesions(bright, "weighted-belief", min_volume=1).mask.dataobj).any()
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
    from bids_app.image.bias import correct_bias
    from bids_app.image.brain import brain_mask
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
        brain = brain_mask(t1w).mask
        t1w, flair = (correct_bias(one, brain) for one in (t1w, flair))
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
@pytest.mark.parametrize(("sub", "least"), [("sub-07", 0.45), ("sub-26", 0.7)])
def test_real_patients(patients, sub, least):
    """The network was trained on these two: whether what is served works on real images, not how well on new ones."""
    inputs, truth = patients[sub]
    scores = {name: dice(mask_of(inputs, method=method), truth) for name, method in METHODS.items()}
    assert scores["demyelin"] >= least
    assert scores["demyelin"] == max(scores.values())

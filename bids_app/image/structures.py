"""Structures of the brain by a mixture: one Gaussian an intensity, the template's knowledge of where each structure is.

It needs no contrast to be named: means start from where the priors are sure, so T1w and FLAIR are the same to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage

from bids_app.errors import VisitError
from bids_app.image.box import box_around
from bids_app.image.structure_priors import LESION, STRUCTURES, Priors

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

INTENSITIES = tuple(dict.fromkeys(structure.intensity for structure in STRUCTURES))
INTENSITY_OF = np.array([INTENSITIES.index(structure.intensity) for structure in STRUCTURES])
# what shares a voxel: the folds of both cortices, the surface of the ventricles, the caudate's thin tail
MIXED = (
    ("cortex", "fluid"),
    ("cortex", "white"),
    ("cerebellar cortex", "fluid"),
    ("cerebellar cortex", "cerebellar white"),
    ("white", "fluid"),
    ("white", "ventricle"),
    ("caudate", "ventricle"),
    ("caudate", "white"),
)
ONE = np.array([INTENSITIES.index(first) for first, _ in MIXED])
OTHER = np.array([INTENSITIES.index(second) for _, second in MIXED])
SHARE_OF_MIXED = 0.3  # weight of the shared classes against the pure ones; chosen by hand, not tuned
ROOT_2_PI, ROOT_12 = (
    float(np.sqrt(2 * np.pi)),
    float(np.sqrt(12)),
)  # a NumPy number would make float64 of float32
EM_ROUNDS = 20  # chosen by hand; it is not tested whether fewer would do
NEIGHBOURS = 4.0  # weight of the 26 neighbours' mean probability; chosen by hand, not tuned
SETTLING = 4  # rounds of it; chosen by hand, not tuned
# a template is never all of an anatomy; white matter with 0.01 takes a little more of thalamus and putamen
FLOOR = {"cortex": 1e-2, "wm": 3e-3, "csf": 1e-2, "ventricle": 3e-3}
SMALL_FLOOR = 1e-3  # for structures without an entry above; chosen by hand, as those
OUTLIERS = 0.02  # of white matter: lesions, vessels; chosen by hand, not tuned
# of the distance from fluid to white matter: no Gaussian may fall onto one value; chosen by hand
LEAST_SPREAD = 0.04
TISSUES = {"GM": 1, "WM": 2, "CSF": 3}
MIN_CLASS_VOXELS = 100  # of a tissue, below which the visit is refused; chosen by hand
STRUCTURE_COLUMNS: dict[str, dict[str, object]] = {
    "index": {"Description": "Value in the label image: FreeSurfer's number of the structure."},
    "name": {"Description": "Structure."},
    "volume_mm3": {"Description": "Number of voxels times the volume of a voxel.", "Units": "mm^3"},
}


@dataclass(frozen=True)
class Mixture:
    """Mean and standard deviation of each of `INTENSITIES`, and the range of the image they lie in."""

    mean: Array
    spread: Array
    span: float


@dataclass(frozen=True)
class Structures:
    """A segmentation, all images on the grid of the visit.

    Attributes
    ----------
    labels : Nifti1Image, uint8
        FreeSurfer's numbers, left and right; 99 is lesion.
    tissues : Nifti1Image, uint8
        1 GM, 2 WM, 3 CSF; 0 in lesions.
    gm, wm, csf : Nifti1Image, float32
        Probabilities; they add up to 1 in the brain outside lesions, and are 0 in lesions.
    mixture : Mixture
        What was fitted.
    """

    labels: nib.Nifti1Image
    tissues: nib.Nifti1Image
    gm: nib.Nifti1Image
    wm: nib.Nifti1Image
    csf: nib.Nifti1Image
    mixture: Mixture


def segment_structures(
    image: nib.Nifti1Image, brain: nib.Nifti1Image, priors: Priors, lesions: nib.Nifti1Image | None = None
) -> Structures:
    """Segment the structures of a brain.

    A Gaussian mixture with spatial priors (Ashburner and Friston 2005, doi:10.1016/j.neuroimage.2005.02.018) in which
    each structure, not each tissue, has its prior. Classes of two intensities lie between their means (partial volume,
    Santago and Gage 1993, doi:10.1109/42.241880); white matter has a few outliers, so that a lesion that is
    not known is no grey matter; neighbours of one intensity support each other (mean field of a Markov random field).

    Parameters
    ----------
    image : Nifti1Image, (x, y, z)
        T1w, or FLAIR, corrected for non-uniformity, any unit.
    brain : Nifti1Image, (x, y, z)
        Brain mask; every voxel in it outside lesions gets a structure.
    priors : Priors
        In the voxels of `brain`.
    lesions : Nifti1Image, (x, y, z), optional
        Mask of known lesions, which are neither grey nor white matter. To their neighbours they are what the priors say
        of their place: their own intensity would make them grey matter on T1w.

    Returns
    -------
    Structures

    Raises
    ------
    VisitError
        If the brain has almost none of a tissue, or no contrast.
    """
    mask = np.asanyarray(brain.dataobj) > 0
    values = np.asarray(image.dataobj, dtype=np.float32)[mask]
    low, high = (float(one) for one in np.percentile(values, [0.1, 99.9]))
    if not high > low:
        raise VisitError("structures: the brain has no contrast; look at the brain mask and the image")
    values = np.clip(values, low, high)
    lesion = np.asanyarray(lesions.dataobj)[mask] > 0 if lesions is not None else np.zeros(values.shape, bool)
    shares = _floored(priors.structures)
    by_intensity = _summed(shares, INTENSITY_OF, len(INTENSITIES))
    some = _every_other(mask) & ~lesion
    mixture = fit(values[some], by_intensity[:, some], high - low)
    probability = _settled(values, by_intensity, mixture, mask, lesion)
    for place, intensity in enumerate(INTENSITY_OF):
        shares[place] *= probability[intensity] / by_intensity[intensity]
    return _images(shares, priors.right, lesion, mask, image.affine, mixture)


def _floored(structures: Array) -> Array:
    """Return the priors with every structure possible everywhere, adding up to 1."""
    least = np.array([FLOOR.get(one.name, SMALL_FLOOR) for one in STRUCTURES], dtype=np.float32)
    shares = np.maximum(structures, least[:, None])
    return shares / shares.sum(axis=0)


def _summed(maps: Array, groups: npt.NDArray[np.int64], count: int) -> Array:
    return np.stack([maps[groups == group].sum(axis=0) for group in range(count)])


def _every_other(mask: Mask) -> Mask:
    """Return which voxels of a mask lie on every second plane of each axis: enough to fit a few Gaussians."""
    sparse = np.zeros(mask.shape, dtype=bool)
    sparse[::2, ::2, ::2] = True
    return sparse[mask]


def fit(values: Array, priors: Array, span: float) -> Mixture:
    """Fit the Gaussians by expectation and maximisation.

    Voxels count by their prior as well as by their posterior probability: the inside of a structure tells its
    intensity, not a border that the registration missed.

    Parameters
    ----------
    values : ndarray, (n,)
        Intensities.
    priors : ndarray, (k, n)
        Probability of each of `INTENSITIES`.
    span : float
        Range of the image's intensities.

    Returns
    -------
    Mixture
    """
    mixture = Mixture(*_moments(values, priors**2), span)
    weights = _with_mixed(priors)
    for _ in range(EM_ROUNDS):
        posterior = weights * _likelihood(values, mixture)
        posterior /= posterior.sum(axis=0) + 1e-30
        mean, spread = _moments(values, posterior[: len(priors)] * priors)
        mixture = Mixture(_ordered(mean), spread, span)
    return mixture


def _moments(values: Array, weights: Array) -> tuple[Array, Array]:
    total = weights.sum(axis=1)
    if total.min() <= 0:
        raise VisitError(
            "structures: the brain mask misses a part of the brain; look at mask and registration"
        )
    mean = weights @ values / total
    variance = np.array([w @ (values - m) ** 2 for w, m in zip(weights, mean, strict=True)]) / total
    white, fluid = INTENSITIES.index("white"), INTENSITIES.index("fluid")
    least = LEAST_SPREAD * max(abs(float(mean[white] - mean[fluid])), 1e-6)
    return mean, np.maximum(np.sqrt(variance), least)


def _ordered(mean: Array) -> Array:
    """Keep the pallidum's mean between putamen and white matter where white matter is bright (T1w).

    It is small and next to white matter, so it would become either. On FLAIR iron makes it darker than both.
    """
    cortex, white, putamen, pallidum = (
        INTENSITIES.index(name) for name in ("cortex", "white", "putamen", "pallidum")
    )
    if mean[white] > mean[putamen] > mean[cortex]:
        mean[pallidum] = np.clip(mean[pallidum], (mean[putamen] + mean[white]) / 2, mean[white])
    return mean


def _gaussian(values: Array, mean: Array | float, spread: Array | float) -> Array:
    return np.exp(-0.5 * ((values - mean) / spread) ** 2) / (ROOT_2_PI * spread)


def _with_mixed(priors: Array) -> Array:
    """Return the priors of pure classes and, after them, of the mixed ones."""
    return np.concatenate([priors, SHARE_OF_MIXED * np.sqrt(priors[ONE] * priors[OTHER])])


def _likelihood(values: Array, mixture: Mixture) -> Array:
    """Return the density of the values in each class, pure and mixed."""
    pure = _gaussian(values, mixture.mean[:, None], mixture.spread[:, None])
    white = INTENSITIES.index("white")
    pure[white] = (1 - OUTLIERS) * pure[white] + OUTLIERS / mixture.span
    mean, gap = (mixture.mean[ONE] + mixture.mean[OTHER]) / 2, mixture.mean[ONE] - mixture.mean[OTHER]
    narrow = np.minimum(mixture.spread[ONE], mixture.spread[OTHER])
    spread = np.hypot(narrow, gap / ROOT_12)  # any share of the two is as likely as another
    return np.concatenate([pure, _gaussian(values, mean[:, None], spread[:, None])])


def _parts(values: Array, mixture: Mixture) -> Array:
    """Return the share of the first of two intensities in a voxel that they share, for each of `MIXED`."""
    gap = mixture.mean[ONE] - mixture.mean[OTHER]
    gap = np.where(np.abs(gap) > 1e-6, gap, 1e-6)[:, None]
    return np.clip((values - mixture.mean[OTHER][:, None]) / gap, 0, 1)


def _settled(values: Array, priors: Array, mixture: Mixture, mask: Mask, lesion: Mask) -> Array:
    """Return the probability of each of `INTENSITIES`, a mixed voxel counting to each by its part."""
    base = np.log(_with_mixed(priors) * np.where(lesion, 1, _likelihood(values, mixture)) + 1e-20)
    parts = _parts(values, mixture)
    found = _resolved(base, parts)
    inside = mask[box_around(mask, np.eye(4))]
    for _ in range(SETTLING):
        near = _near(found, inside)
        both = np.minimum(near[ONE] + near[OTHER], 1)
        found = _resolved(base + NEIGHBOURS * np.concatenate([near, both]), parts)
    return found


def _resolved(logs: Array, parts: Array) -> Array:
    """Return probabilities of pure classes from the logs of pure and mixed ones."""
    every = np.exp(logs - logs.max(axis=0))
    every /= every.sum(axis=0)
    count = len(logs) - len(parts)
    found = every[:count].copy()
    for a, b, part, mixed in zip(ONE, OTHER, parts, every[count:], strict=True):
        found[a] += mixed * part
        found[b] += mixed * (1 - part)
    return found


def _near(maps: Array, inside: Mask) -> Array:
    """Return each map's mean over the 27 voxels around every voxel of a mask, given in its own box."""
    field = np.zeros(inside.shape, dtype=np.float32)
    out = np.empty_like(maps)
    for place, one in enumerate(maps):
        field[inside] = one
        out[place] = ndimage.uniform_filter(field, 3, mode="constant")[inside]
    return out


def _images(
    shares: Array, right: Mask, lesion: Mask, mask: Mask, affine: npt.NDArray[np.float64], mixture: Mixture
) -> Structures:
    """Return the images of a segmentation."""
    numbers = np.array([[one.labels[0], one.labels[-1]] for one in STRUCTURES], dtype=np.uint8)
    label = numbers[np.argmax(shares, axis=0), right.astype(int)]
    label[lesion] = LESION
    of = np.array([list(TISSUES).index(structure.tissue) for structure in STRUCTURES])
    maps = _summed(shares, of, len(TISSUES)) * ~lesion
    tissue = (np.argmax(maps, axis=0) + 1).astype(np.uint8) * ~lesion
    for name, value in TISSUES.items():
        if (tissue == value).sum() < MIN_CLASS_VOXELS:
            raise VisitError(f"structures: almost no {name} found; look at the brain mask and the contrast")

    def image(values: npt.NDArray[np.generic]) -> nib.Nifti1Image:
        out = np.zeros(mask.shape, dtype=values.dtype)
        out[mask] = values
        return nib.Nifti1Image(out, affine)

    gm, wm, csf = (image(one.astype(np.float32)) for one in maps)
    return Structures(image(label), image(tissue), gm, wm, csf, mixture)


def structure_table(labels: nib.Nifti1Image) -> pd.DataFrame:
    """Return number, name and volume of each structure, left and right, and of lesions.

    Parameters
    ----------
    labels : Nifti1Image, (x, y, z), uint8
        FreeSurfer's numbers.

    Returns
    -------
    DataFrame
        Columns `index`, `name` (such as `Left-Thalamus`) and `volume_mm3`: voxels times their volume.
    """
    voxel = float(abs(np.linalg.det(labels.affine[:3, :3])))
    counts = np.bincount(np.asarray(labels.dataobj).ravel(), minlength=256) * voxel
    rows = [
        (number, f"{side}-{name}" if side else name, round(float(counts[number]), 3))
        for structure in STRUCTURES
        for number, side, name in structure.parts()
    ]
    return pd.DataFrame(
        [*rows, (LESION, "Lesion", round(float(counts[LESION]), 3))], columns=list(STRUCTURE_COLUMNS)
    )

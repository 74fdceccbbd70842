"""How stable radiomic features are when the pipeline is perturbed a little.

The perturbations are those of Zwanenburg et al. 2019 (Sci Rep 9:614, doi:10.1038/s41598-018-36938-4): rotation,
translation by a part of a voxel, noise of the image's own strength, growth and shrinkage of the regions. Here they are
drawn once for all visits, so that repetition k means the same everywhere and the agreement between repetitions is
ICC(A,1) (McGraw and Wong 1996, Psychol Methods 1:30, doi:10.1037/1082-989X.1.1.30).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage

from bids_app.agreement import icc
from bids_app.features.radiomics import extract
from bids_app.features.radiomics.wavelet import stationary_wavelet
from bids_app.image.noise import MAD_OF_NORMAL

Array = npt.NDArray[np.float64]

MAX_ROTATION_DEG = 3.0  # chosen by hand, for two positions of one head after registration
MAX_SHIFT_VOXELS = 0.5  # the largest that resampling can be off
MAX_GROWTH = 0.1  # of volume; chosen by hand, for what two segmentations differ by
STABILITY_COLUMNS: dict[str, dict[str, object]] = {
    "region": {"Description": "Region."},
    "feature": {"Description": "Radiomic feature, as in the visits' radiomics tables."},
    "icc": {
        "Description": "ICC(A,1): two-way random effects, absolute agreement, single measurement (McGraw and Wong "
        "1996), over visits and perturbed repetitions; n/a where nothing varies or fewer than two visits have it."
    },
    "ci_low": {"Description": "Lower end of the 95 % confidence interval of icc."},
    "ci_high": {"Description": "Upper end of the 95 % confidence interval of icc."},
    "n_visits": {"Description": "Visits with a value in every repetition."},
}


@dataclass(frozen=True)
class Perturbation:
    """One small change of a scan and its regions.

    Attributes
    ----------
    rotation : tuple of float
        Degrees about the image's x, y and z axes.
    shift : tuple of float
        Voxels along x, y and z.
    noise : float
        Standard deviation of added noise, as a multiple of the noise estimated in the image.
    growth : float
        Relative change of each region's volume.
    seed : int
        Of the noise.
    """

    rotation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    noise: float = 0.0
    growth: float = 0.0
    seed: int = 0


def draw_perturbations(n: int, seed: int) -> list[Perturbation]:
    """Return the unperturbed state and n - 1 random perturbations.

    Parameters
    ----------
    n : int
        Repetitions, at least 2.
    seed : int

    Returns
    -------
    list of Perturbation
        Rotations up to 3 degrees and shifts up to half a voxel along each axis, noise as strong as the image's
        own, growth or shrinkage up to 10 % of the volume.
    """
    rng = np.random.default_rng(seed)
    drawn = [Perturbation()]
    for _ in range(n - 1):
        rx, ry, rz = rng.uniform(-MAX_ROTATION_DEG, MAX_ROTATION_DEG, 3).tolist()
        sx, sy, sz = rng.uniform(-MAX_SHIFT_VOXELS, MAX_SHIFT_VOXELS, 3).tolist()
        growth = float(rng.uniform(-MAX_GROWTH, MAX_GROWTH))
        drawn.append(Perturbation((rx, ry, rz), (sx, sy, sz), 1.0, growth, int(rng.integers(2**31))))
    return drawn


def describe_perturbations(perturbations: Sequence[Perturbation]) -> list[dict[str, object]]:
    """Return the perturbations as plain values, for a sidecar."""
    return [asdict(perturbation) for perturbation in perturbations]


def perturb(
    image: nib.Nifti1Image, labels: nib.Nifti1Image, perturbation: Perturbation
) -> tuple[nib.Nifti1Image, nib.Nifti1Image]:
    """Return a perturbed copy of a scan and its regions, on the same grid.

    Parameters
    ----------
    image : Nifti1Image, (x, y, z)
    labels : Nifti1Image, (x, y, z), int
        0 is no region.
    perturbation : Perturbation

    Returns
    -------
    image : Nifti1Image, (x, y, z), float32
        Noise added, then moved (cubic splines).
    labels : Nifti1Image, (x, y, z), int
        Moved (nearest neighbour), then grown or shrunk.
    """
    data = np.asarray(image.dataobj, dtype=np.float32)
    codes = np.asanyarray(labels.dataobj)
    if perturbation.noise:
        sd = perturbation.noise * noise_level(data, codes != 0)
        noise = np.random.default_rng(perturbation.seed).normal(0, sd, data.shape)
        data = np.where(data != 0, data + noise.astype(np.float32), data)  # the background stays background
    if any(perturbation.rotation) or any(perturbation.shift):
        matrix, offset = _motion(perturbation, data.shape, image.header.get_zooms()[:3])
        data = ndimage.affine_transform(data, matrix, offset, order=3, mode="nearest")
        codes = ndimage.affine_transform(codes, matrix, offset, order=0, mode="constant")
    codes = resize(codes, perturbation.growth)
    return nib.Nifti1Image(data, image.affine, image.header), nib.Nifti1Image(
        codes, labels.affine, labels.header
    )


def repeated_features(
    image: nib.Nifti1Image, labels: nib.Nifti1Image, perturbations: Sequence[Perturbation], **options: Any
) -> list[pd.DataFrame]:
    """Return a visit's radiomic features under each perturbation.

    Parameters
    ----------
    image, labels : Nifti1Image, (x, y, z)
    perturbations : sequence of Perturbation
        The same for all visits (`draw_perturbations`).
    **options
        Of `radiomics.extract`: `label_names`, so that every table has the same rows, `settings`, `n_jobs`.
    """
    return [extract(*perturb(image, labels, perturbation), **options) for perturbation in perturbations]


def noise_level(data: npt.NDArray[np.floating], inside: npt.NDArray[np.bool_]) -> float:
    """Estimate the standard deviation of an image's noise.

    From the median absolute value of the finest diagonal wavelet subband (Donoho and Johnstone 1994), as Zwanenburg et
    al. do.

    Parameters
    ----------
    data : ndarray, (x, y, z)
    inside : ndarray, (x, y, z), bool
        Voxels to estimate from.
    """
    whole = (slice(0, data.shape[0]), slice(0, data.shape[1]), slice(0, data.shape[2]))
    finest = stationary_wavelet(data, whole)["HHH"][inside]
    return float(np.median(np.abs(finest)) / MAD_OF_NORMAL) if finest.size else 0.0


def _motion(perturbation: Perturbation, shape: Sequence[int], zooms: Sequence[float]) -> tuple[Array, Array]:
    """Return matrix and offset that lead from voxels of the moved image to voxels of the original."""
    from scipy.spatial.transform import Rotation

    size = np.diag(np.asarray(zooms, dtype=np.float64))
    turn = Rotation.from_euler("xyz", perturbation.rotation, degrees=True).as_matrix()
    matrix = np.linalg.inv(size) @ turn.T @ size
    centre = (np.asarray(shape) - 1) / 2
    return matrix, centre - matrix @ (centre + np.asarray(perturbation.shift))


def resize(codes: npt.NDArray[np.integer], growth: float) -> npt.NDArray[np.integer]:
    """Grow regions into their unlabelled surroundings, or take their outermost voxels away.

    Parameters
    ----------
    codes : ndarray, (x, y, z), int
    growth : float
        Relative change of volume: each region gains (where there is room) or loses this part of its voxels.

    Returns
    -------
    ndarray, (x, y, z), int
    """
    resized = codes.copy()
    if growth > 0:
        distance, nearest = ndimage.distance_transform_edt(codes == 0, return_indices=True)
        candidates = np.flatnonzero((distance > 0) & (distance <= 2))
        owners = codes[tuple(nearest)].ravel()[candidates]
        chosen = _nearest_first(owners, distance.ravel()[candidates], codes, growth)
        resized.ravel()[candidates[chosen]] = owners[chosen]
    elif growth < 0:
        depth = ndimage.distance_transform_edt(~_borders(codes))
        candidates = np.flatnonzero(codes)
        chosen = _nearest_first(codes.ravel()[candidates], depth.ravel()[candidates], codes, -growth)
        resized.ravel()[candidates[chosen]] = 0
    return resized


def _borders(codes: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    """Return the labelled voxels that have a neighbour (by face) of another label."""
    border = np.zeros(codes.shape, bool)
    padded = np.pad(codes, 1)
    inner = (slice(1, -1),) * 3
    for axis in range(3):
        for step in (-1, 1):
            border |= np.roll(padded, step, axis)[inner] != codes
    return border & (codes != 0)


def _nearest_first(
    owners: npt.NDArray[np.integer], distance: Array, codes: npt.NDArray[np.integer], part: float
) -> npt.NDArray[np.intp]:
    """Return, for each region, the nearest candidates until they make up a part of its volume."""
    order = np.lexsort((distance, owners))
    ranked = owners[order]
    first = np.searchsorted(ranked, ranked)
    wanted = np.rint(part * np.bincount(codes.ravel().astype(np.int64))).astype(np.int64)
    return order[np.arange(order.size) - first < wanted[ranked]]


def stability_table(visits: Sequence[Sequence[pd.DataFrame]]) -> pd.DataFrame:
    """Return the stability of every feature of every region.

    Parameters
    ----------
    visits : sequence of sequences of DataFrame, (regions, features)
        For each visit the features under each perturbation, in the same order and with the same rows and columns.

    Returns
    -------
    DataFrame
        Columns `region`, `feature`, `icc`, `ci_low`, `ci_high`, `n_visits`: a row per region and feature. A visit
        with a missing value is left out of the feature concerned.

    Raises
    ------
    ValueError
        If there are fewer than two repetitions, or the tables differ in rows or columns.
    """
    first = visits[0][0]
    repetitions = len(visits[0])
    if repetitions < 2 or any(len(visit) != repetitions for visit in visits):
        raise ValueError("every visit needs the same number of repetitions, two or more")
    if not all(
        t.index.equals(first.index) and t.columns.equals(first.columns) for visit in visits for t in visit
    ):
        raise ValueError("the tables of features differ in regions or features")
    blocks = []
    for row, region in enumerate(first.index):
        values = np.array(
            [[table.iloc[row].to_numpy(dtype=np.float64) for table in visit] for visit in visits]
        )
        block = _stability_of_region(values)
        block.insert(0, "region", region)
        block.insert(1, "feature", first.columns)
        blocks.append(block)
    return pd.concat(blocks, ignore_index=True)


def _stability_of_region(values: Array) -> pd.DataFrame:
    """Return icc, interval and number of visits per feature; values: (visits, repetitions, features)."""
    complete = np.isfinite(values).all(axis=1)
    result = np.full((values.shape[2], 3), np.nan)
    patterns, which = np.unique(complete, axis=1, return_inverse=True)
    for p, pattern in enumerate(patterns.T):
        features = which.ravel() == p
        if pattern.sum() >= 2:
            result[features] = np.stack(icc(values[pattern][:, :, features]), axis=1)
    table = pd.DataFrame(result, columns=["icc", "ci_low", "ci_high"])
    table["n_visits"] = complete.sum(axis=0)
    return table

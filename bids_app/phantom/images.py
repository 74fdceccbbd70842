"""From an anatomy with lesions to the T1w and FLAIR that a scanner would give."""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bids_app.phantom.anatomy import PhantomAnatomy

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Contrast:
    """Mean intensities of tissues, lesions and the shells of the head; weight of the template's texture."""

    gm: float
    wm: float
    csf: float
    lesion: float
    shells: tuple[float, ...]
    texture: float


T1W = Contrast(gm=0.62, wm=0.88, csf=0.25, lesion=0.58, shells=(0.0, 0.05, 1.0, 0.4), texture=0.3)
FLAIR = Contrast(gm=0.66, wm=0.54, csf=0.10, lesion=0.95, shells=(0.0, 0.05, 0.6, 0.35), texture=-0.1)
SCALE = 600.0  # brightness of white matter, arbitrary as in real MR
SLICE_MM = 3.0  # of a usual 2D FLAIR


def scan(
    anatomy: PhantomAnatomy,
    lesions: Array,
    contrast: Contrast,
    *,
    site: int,
    noise: float,
    rng: np.random.Generator,
) -> nib.Nifti1Image:
    """Make one image: tissue contrast, site scaling, non-uniformity, Rician noise.

    Parameters
    ----------
    anatomy : PhantomAnatomy
        The person.
    lesions : ndarray, (x, y, z)
        Share of lesion in each voxel.
    contrast : Contrast
        What the sequence shows.
    site : int
        Number of the scanner; each has its own gain and contrast.
    noise : float
        Standard deviation of the noise as a share of white matter's intensity.
    rng : Generator
        Draws contrast, field and noise.

    Returns
    -------
    Nifti1Image, int16
    """
    gm, wm, csf = anatomy.tissues
    jitter = np.random.default_rng(1000 + site).normal(1, 0.04, 4) * rng.normal(1, 0.01, 4)
    levels = np.array([contrast.gm, contrast.wm, contrast.csf, contrast.lesion]) * jitter
    clean = levels[0] * gm + levels[1] * wm + levels[2] * csf
    expected = 0.65 * gm + 0.87 * wm + 0.28 * csf  # the template's own mean intensities
    clean = clean + contrast.texture * (anatomy.t1w - expected) * (csf < 0.3) * anatomy.brain
    clean = clean * (1 - lesions) + levels[3] * lesions
    clean = np.where(anatomy.brain, clean, np.array(contrast.shells)[anatomy.shells])
    biased = clean * np.exp(0.08 * _smooth_field(clean.shape, rng))
    sd = noise * levels[1]
    noisy = np.hypot(biased + rng.normal(0, sd, clean.shape), rng.normal(0, sd, clean.shape))
    gain = SCALE * np.random.default_rng(2000 + site).uniform(0.7, 1.4)
    return nib.Nifti1Image(np.rint(np.clip(noisy * gain, 0, 32000)).astype(np.int16), anatomy.affine)


def _smooth_field(shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return a smooth random field with mean 0 and SD 1: a coil's sensitivity."""
    knots = rng.normal(0, 1, (4, 4, 4))
    steps = np.indices(shape) * 3 / (np.array(shape) - 1)[:, None, None, None]
    field = ndimage.map_coordinates(knots, steps, order=3, mode="nearest")
    return (field - field.mean()) / field.std()


def thick_slices(image: nib.Nifti1Image, thickness: float = SLICE_MM) -> nib.Nifti1Image:
    """Average neighbouring slices into thick axial ones, as a 2D FLAIR has them."""
    edge = float(image.affine[2, 2])
    step = max(1, round(thickness / edge))
    data = np.asarray(image.dataobj, dtype=np.float32)
    data = data[:, :, : data.shape[2] // step * step]
    mean = data.reshape(*data.shape[:2], -1, step).mean(axis=3)
    affine = image.affine.copy()
    affine[2, 2] = edge * step
    affine[2, 3] += edge * (step - 1) / 2
    return nib.Nifti1Image(np.rint(mean).astype(np.int16), affine)

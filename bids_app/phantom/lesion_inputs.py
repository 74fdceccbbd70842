"""A phantom as the lesion methods get it, with its true tissues in place of a segmentation: quick to make."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import numpy.typing as npt

from bids_app.image.bias import correct_bias
from bids_app.image.lesions import LesionInputs
from bids_app.image.volume import resample
from bids_app.phantom.anatomy import PhantomAnatomy, make_anatomy
from bids_app.phantom.images import FLAIR, T1W, scan, thick_slices
from bids_app.phantom.lesions import draw_lesions

Array = npt.NDArray[np.float32]


def phantom_inputs(
    lesions: int, *, noise: float = 0.03, thickness: float = 4.0, resolution: float = 2.0, seed: int = 7
) -> tuple[LesionInputs, npt.NDArray[np.bool_]]:
    """Make a phantom of MS and bring its images to one grid.

    Parameters
    ----------
    lesions : int
        How many to draw; some overlap.
    noise : float
        As a share of white matter's intensity.
    thickness : float
        Of the FLAIR's slices, in mm.
    resolution : float
        Edge of the T1w's voxels, in mm.
    seed : int
        Seed of the person and the images.

    Returns
    -------
    inputs : LesionInputs
        Images corrected for non-uniformity, on the grid of the T1w; the tissues are those of the anatomy.
    truth : ndarray of bool, (x, y, z)
        Lesions.
    """
    rng = np.random.default_rng([seed, 1])
    anatomy = make_anatomy(resolution, 0.1, rng)
    drawn = draw_lesions(anatomy, "MS", lesions, rng)
    return scanned_inputs(anatomy, drawn, noise=noise, thickness=thickness, rng=rng), drawn >= 0.5


def scanned_inputs(
    anatomy: PhantomAnatomy, drawn: Array, *, noise: float, thickness: float, rng: np.random.Generator
) -> LesionInputs:
    """Scan an anatomy with lesions, T1w and FLAIR, and bring its images to one grid.

    Parameters
    ----------
    anatomy : PhantomAnatomy
        The person; its tissues are those of the inputs.
    drawn : ndarray, (x, y, z)
        Share of lesion in each voxel.
    noise, thickness : float
        As in `phantom_inputs`.
    rng : Generator
        Draws contrast, field and noise.
    """
    t1w, flair = (scan(anatomy, drawn, contrast, site=1, noise=noise, rng=rng) for contrast in (T1W, FLAIR))

    def image(data: npt.ArrayLike) -> nib.Nifti1Image:
        return nib.Nifti1Image(np.asarray(data, dtype=np.float32), anatomy.affine)

    brain = image(anatomy.brain)
    gm, wm, csf = (image(tissue) for tissue in anatomy.tissues)
    bright = resample(thick_slices(flair, thickness), flair)
    return LesionInputs(
        flair=correct_bias(image(bright.dataobj), brain),
        t1w=correct_bias(image(t1w.dataobj), brain),
        brain=brain,
        gm=gm,
        wm=wm,
        csf=csf,
        wm_prior=wm,
    )

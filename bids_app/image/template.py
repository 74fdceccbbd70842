"""The template: its T1w, brain mask and tissue maps, on grids of 1, 2 and 3 mm."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import nibabel as nib
import numpy as np
import numpy.typing as npt

from bids_app.errors import InputError, one_line
from bids_app.image.volume import resample

BUILT_IN = "MNI152NLin2009aSym"
BELIEF_MM = 3.0  # edge of the voxels of study B's maps


@dataclass(frozen=True)
class Template:
    """A template on one grid.

    Attributes
    ----------
    name : str
        BIDS name of its space.
    t1w : Nifti1Image
        Brain without skull.
    brain : Nifti1Image, uint8
        Brain mask.
    gm, wm, csf : Nifti1Image, float32
        Probability of each tissue, 0 to 1; they add up to 1 inside the brain.
    """

    name: str
    t1w: nib.Nifti1Image
    brain: nib.Nifti1Image
    gm: nib.Nifti1Image
    wm: nib.Nifti1Image
    csf: nib.Nifti1Image


@lru_cache(maxsize=4)
def load_template(name: str = BUILT_IN, resolution: float = 1.0) -> Template:
    """Load a template at a voxel size.

    Parameters
    ----------
    name : str
        `MNI152NLin2009aSym` (nilearn's bundled copy of ICBM 2009a nonlinear symmetric, Fonov et al. 2011) or
        a template that TemplateFlow has with a T1w, a brain mask and tissue probabilities.
    resolution : float
        Edge of the voxels in mm.

    Returns
    -------
    Template

    Raises
    ------
    InputError
        If TemplateFlow does not have it, or cannot be reached and has no copy on this machine.

    Examples
    --------
    >>> from demyelin import load_template
    >>> template = load_template(resolution=4)
    >>> template.wm.shape
    (50, 59, 48)
    """
    maps = _built_in(resolution) if name == BUILT_IN else _from_templateflow(name, resolution)
    t1w, brain, gm, wm = maps
    inside = np.asarray(brain.dataobj) > 0
    tissue = [np.clip(np.asarray(image.dataobj, dtype=np.float32), 0, 1) * inside for image in (gm, wm)]
    total = np.maximum(tissue[0] + tissue[1], 1)
    grey, white = tissue[0] / total, tissue[1] / total
    fluid = (inside - grey - white).astype(np.float32)

    def image(data: npt.NDArray[np.generic]) -> nib.Nifti1Image:
        return nib.Nifti1Image(data, brain.affine)

    masked = np.asarray(t1w.dataobj, dtype=np.float32) * inside
    return Template(
        name,
        image(masked),
        image(inside.astype(np.uint8)),
        image(grey),
        image(white),
        image(np.maximum(fluid, 0)),
    )


def belief_grid(name: str = BUILT_IN) -> nib.Nifti1Image:
    """Return the brain mask on the 3 mm grid of belief and lesion maps (study B).

    The built-in template has 69,765 brain voxels at 3 mm; study B had 48,193 of another mask.
    """
    return load_template(name, BELIEF_MM).brain


def _built_in(resolution: float) -> tuple[nib.Nifti1Image, ...]:
    """Return T1w, brain, GM and WM of nilearn's bundled template."""
    from nilearn.datasets import (
        load_mni152_brain_mask,
        load_mni152_gm_template,
        load_mni152_template,
        load_mni152_wm_template,
    )

    size = int(resolution)
    return (
        load_mni152_template(resolution=size),
        load_mni152_brain_mask(resolution=size),
        load_mni152_gm_template(resolution=size),
        load_mni152_wm_template(resolution=size),
    )


def _from_templateflow(name: str, resolution: float) -> tuple[nib.Nifti1Image, ...]:
    """Return T1w, brain, GM and WM of a TemplateFlow template."""
    from templateflow import api

    def one(suffix: str, **entities: str | None) -> nib.Nifti1Image:
        query = {"suffix": suffix, "extension": ".nii.gz", "resolution": 1, "cohort": None, "atlas": None}
        try:
            found = api.get(name, **(query | entities))
        except Exception as error:
            raise InputError(
                f"--template {name}: TemplateFlow cannot provide it ({one_line(error)}); go online once, set "
                f"TEMPLATEFLOW_HOME to a folder that has it, or use {BUILT_IN}"
            ) from error
        paths = found if isinstance(found, list) else [found]
        if not paths:
            what = " ".join(filter(None, [*entities.values(), suffix]))
            raise InputError(f"--template {name}: TemplateFlow has no 1 mm {what} of it; use {BUILT_IN}")
        return nib.load(paths[0])  # type: ignore[return-value]

    t1w = one("T1w", desc=None)
    maps = [t1w, one("mask", desc="brain"), one("probseg", label="GM"), one("probseg", label="WM")]
    shape, affine = nib.spaces.vox2out_vox(t1w, voxel_sizes=(resolution,) * 3)
    grid = nib.Nifti1Image(np.zeros(shape, dtype=np.uint8), affine)
    return tuple(resample(image, grid, order=0 if index == 1 else 1) for index, image in enumerate(maps))

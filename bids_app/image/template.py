"""The template: its T1w, brain mask and tissue maps, on grids of 1, 2 and 3 mm."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import nibabel as nib
import numpy as np

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
    return Template(
        name, *(template_image(key, name, resolution) for key in ("t1w", "brain", "gm", "wm", "csf"))
    )


@lru_cache(maxsize=12)
def template_image(key: str, name: str = BUILT_IN, resolution: float = 1.0) -> nib.Nifti1Image:
    """Load one image of a template, without resampling the others.

    Parameters
    ----------
    key : {"t1w", "brain", "gm", "wm", "csf"}
        Which.
    name : str
        As in `load_template`.
    resolution : float
        Edge of the voxels in mm.

    Raises
    ------
    InputError
        As in `load_template`.
    """
    brain = _brain(name, resolution)
    if key == "brain":
        return brain
    if key == "t1w":
        masked = np.asarray(_read(key, name, resolution).dataobj, dtype=np.float32) * np.asarray(
            brain.dataobj
        )
        return nib.Nifti1Image(masked, brain.affine)
    return _tissues(name, resolution)[key]


@lru_cache(maxsize=4)
def _brain(name: str, resolution: float) -> nib.Nifti1Image:
    mask = _read("brain", name, resolution)
    return nib.Nifti1Image((np.asarray(mask.dataobj) > 0).astype(np.uint8), mask.affine)


@lru_cache(maxsize=4)
def _tissues(name: str, resolution: float) -> dict[str, nib.Nifti1Image]:
    """Return the probabilities of the tissues, which add up to 1 inside the brain."""
    brain = _brain(name, resolution)
    inside = np.asarray(brain.dataobj) > 0
    found = (_read(key, name, resolution) for key in ("gm", "wm"))
    tissue = [np.clip(np.asarray(image.dataobj, dtype=np.float32), 0, 1) * inside for image in found]
    total = np.maximum(tissue[0] + tissue[1], 1)
    grey, white = tissue[0] / total, tissue[1] / total
    fluid = np.maximum((inside - grey - white).astype(np.float32), 0)
    return {
        key: nib.Nifti1Image(data, brain.affine)
        for key, data in (("gm", grey), ("wm", white), ("csf", fluid))
    }


def _read(key: str, name: str, resolution: float) -> nib.Nifti1Image:
    """Read an image of a template at a voxel size, as it is distributed."""
    return _built_in(key, resolution) if name == BUILT_IN else _from_templateflow(key, name, resolution)


def belief_grid(name: str = BUILT_IN) -> nib.Nifti1Image:
    """Return the brain mask on the 3 mm grid of belief and lesion maps (study B).

    The built-in template has 69,765 brain voxels at 3 mm; study B had 48,193 of another mask.
    """
    return template_image("brain", name, BELIEF_MM)


def _built_in(key: str, resolution: float) -> nib.Nifti1Image:
    """Return an image of nilearn's bundled template."""
    from nilearn import datasets

    load = {
        "t1w": datasets.load_mni152_template,
        "brain": datasets.load_mni152_brain_mask,
        "gm": datasets.load_mni152_gm_template,
        "wm": datasets.load_mni152_wm_template,
    }
    return load[key](resolution=int(resolution))


# what TemplateFlow calls them
ENTITIES: dict[str, dict[str, str | None]] = {
    "t1w": {"suffix": "T1w", "desc": None},
    "brain": {"suffix": "mask", "desc": "brain"},
    "gm": {"suffix": "probseg", "label": "GM"},
    "wm": {"suffix": "probseg", "label": "WM"},
}


def _from_templateflow(key: str, name: str, resolution: float) -> nib.Nifti1Image:
    """Return an image of a TemplateFlow template, on its T1w's field of view."""
    image = _downloaded(key, name)
    shape, affine = nib.spaces.vox2out_vox(_downloaded("t1w", name), voxel_sizes=(resolution,) * 3)
    grid = nib.Nifti1Image(np.zeros(shape, dtype=np.uint8), affine)
    return resample(image, grid, order=0 if key == "brain" else 1)


def _downloaded(key: str, name: str) -> nib.Nifti1Image:
    """Return TemplateFlow's image of 1 mm."""
    from templateflow import api

    wanted = ENTITIES[key]
    query = {"extension": ".nii.gz", "resolution": 1, "cohort": None, "atlas": None}
    try:
        found = api.get(name, **(query | wanted))
    except Exception as error:
        raise InputError(
            f"--template {name}: TemplateFlow cannot provide it ({one_line(error)}); go online once, set "
            f"TEMPLATEFLOW_HOME to a folder that has it, or use {BUILT_IN}"
        ) from error
    paths = found if isinstance(found, list) else [found]
    if not paths:
        what = " ".join(str(value) for value in reversed(wanted.values()) if value)
        raise InputError(f"--template {name}: TemplateFlow has no 1 mm {what} of it; use {BUILT_IN}")
    return nib.load(paths[0])  # type: ignore[return-value]

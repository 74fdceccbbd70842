"""Steps from scans to anatomy: heads, alignment, template, tissues, parcels."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from bids_app.derivatives import load_image as load
from bids_app.interfaces.files import keep, keep_table, masked


class Head(NamedTuple):
    """A head image on the working grid, its brain mask and what was noticed."""

    image: Path
    brain: Path
    stripped: bool
    notes: list[str]


def prepare_head(scan: Path, voxel_size: float, after: Path | None = None) -> Head:
    """Read a scan, bring it to isotropic voxels, find the brain, correct non-uniformity.

    `after` is a result of a step that must have ended well before.
    """
    from bids_app.image.bias import correct_bias
    from bids_app.image.brain import brain_mask
    from bids_app.image.volume import conform, read_scan

    image, notes = read_scan(scan)
    grid = conform(image, voxel_size)
    brain = brain_mask(grid)
    if brain.stripped:
        notes.append(f"{scan.name}: came without a skull; its foreground is the brain mask")
    meta = {"SkullStripped": brain.stripped}
    return Head(
        keep(correct_bias(grid, brain.mask), "image", meta), keep(brain.mask, "brain"), brain.stripped, notes
    )


class Aligned(NamedTuple):
    """A FLAIR image on the grid of the T1w, the transform that brought it there, what was noticed."""

    image: Path
    to_t1w: Path
    notes: list[str]


def align_flair(scan: Path, t1w: Path, brain: Path, seed: int) -> Aligned:
    """Read a FLAIR scan, align it with the T1w and correct non-uniformity."""
    import nibabel as nib
    import numpy as np

    from bids_app.image.bias import correct_bias
    from bids_app.image.register import align_rigid, apply
    from bids_app.image.volume import conform, read_scan

    flair, notes = read_scan(scan)
    fixed = load(t1w)
    size = float(nib.affines.voxel_sizes(fixed.affine).min())
    target = align_rigid(conform(flair, size), fixed, Path("to_t1w.txt").absolute(), seed=seed)
    moved = apply(flair, fixed, [target], interpolation="bSpline")
    acquired = np.asarray(flair.dataobj)
    data = np.clip(np.asarray(moved.dataobj), acquired.min(), acquired.max())  # splines overshoot at edges
    corrected = correct_bias(nib.Nifti1Image(data, fixed.affine), load(brain))
    return Aligned(keep(corrected, "flair"), target, notes)


class Registered(NamedTuple):
    """Transforms for images to and from the template, and how alike they became."""

    forward: Path
    inverse: Path
    correlation: float


def align_to_template(image: Path, brain: Path, template: str, resolution: float, seed: int) -> Registered:
    """Register a brain to the template at a resolution in mm."""
    from bids_app.image.register import align_template
    from bids_app.image.template import load_template

    forward, inverse = Path("forward.h5").absolute(), Path("inverse.h5").absolute()
    target = load_template(template, resolution).t1w
    alike = align_template(masked(load(image), load(brain)), target, forward, inverse, seed=seed)
    return Registered(forward, inverse, alike)


def align_coarsely(image: Path, brain: Path, template: str, seed: int) -> Registered:
    """Register a brain to the template at 2 mm, for the priors that find the lesions."""
    return align_to_template(image, brain, template, 2.0, seed)


class Segmented(NamedTuple):
    """Tissue labels and probabilities, and the prior of white matter."""

    labels: Path
    gm: Path
    wm: Path
    csf: Path
    wm_prior: Path


def segment(image: Path, brain: Path, inverse: Path, template: str, resolution: float) -> Segmented:
    """Segment three tissues with the template's priors brought to the image."""
    from bids_app.image.register import apply
    from bids_app.image.template import load_template
    from bids_app.image.tissue import segment_tissues

    head, atlas = load(image), load_template(template, resolution)
    priors = [apply(prior, head, [inverse]) for prior in (atlas.gm, atlas.wm, atlas.csf)]
    found = segment_tissues(head, load(brain), *priors)
    return Segmented(
        keep(found.labels, "labels"),
        keep(found.gm, "gm"),
        keep(found.wm, "wm"),
        keep(found.csf, "csf"),
        keep(priors[1], "wm_prior"),
    )


def segment_unfilled(image: Path, brain: Path, inverse: Path, template: str, resolution: float) -> Segmented:
    """Segment three tissues with the lesions still in the image, to find them."""
    return segment(image, brain, inverse, template, resolution)


class Parcelled(NamedTuple):
    """Atlas labels, their names, and normal-appearing white matter, in the visit's space."""

    parcels: Path
    regions: Path
    nawm: Path


def parcellate(inverse: Path, wm: Path, lesions: Path, brain: Path, atlas: str) -> Parcelled:
    """Bring the atlas to the visit and find the normal-appearing white matter."""
    from bids_app.image.atlas import load_atlas, normal_appearing_white_matter, parcels

    source, grid = load_atlas(atlas), load(wm)
    meta = {"Atlas": source.name, "AtlasSpace": source.space}
    columns = {"index": {"Description": "Value in the label image."}, "name": {"Description": "Region."}}
    return Parcelled(
        keep(parcels(source, grid, [inverse]), "parcels", meta),
        keep_table(source.regions, "regions", meta | columns),
        keep(normal_appearing_white_matter(grid, load(lesions), load(brain)), "nawm"),
    )

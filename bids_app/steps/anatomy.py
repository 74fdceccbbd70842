"""Steps from scans to anatomy: heads, alignment, template, tissues, parcels."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np

from bids_app.steps.files import Image, Table, WithMeta, masked
from bids_app.steps.record import stage, step


class HeadImages(NamedTuple):
    """A head image on the working grid, its brain mask and what was noticed."""

    image: WithMeta[Image]
    brain: Image
    stripped: bool
    notes: list[str]


@step("preparing the first image: resampling, intensity non-uniformity, brain mask", seconds=12.0, mem_gb=2.0)
def prepare_head(scan: Path, voxel_size: float, after: Path | None = None) -> HeadImages:
    """Read a scan, bring it to isotropic voxels, find the brain, correct non-uniformity.

    `after` is a result of a step that must have ended well before.

    Parameters
    ----------
    scan : Path
        T1w or FLAIR as acquired.
    voxel_size : float
        Edge of the isotropic voxels in mm.
    after : Path, optional
        A result of a step that must have ended well before.
    """
    from bids_app.image.background import background_noise, check_background
    from bids_app.image.bias import correct_bias
    from bids_app.image.brain import brain_mask
    from bids_app.image.volume import conform, read_scan

    stage("1 of 3, resampling")
    image, notes = read_scan(scan)
    grid = conform(image, voxel_size)
    stage("2 of 3, brain mask")
    brain = brain_mask(grid)
    inside = np.asarray(grid.dataobj)[np.asanyarray(brain.mask.dataobj) > 0]
    check_background(scan.name, background_noise(image, float(np.median(inside)) if inside.size else 0.0))
    if brain.stripped:
        notes.append(f"{scan.name}: is already skull-stripped; its foreground is used as the brain mask")
    stage("3 of 3, intensity non-uniformity")
    corrected = WithMeta(correct_bias(grid, brain.mask), {"SkullStripped": brain.stripped})
    return HeadImages(corrected, brain.mask, brain.stripped, notes)


class Aligned(NamedTuple):
    """A FLAIR image on the grid of the T1w, the transform to there, the share of the brain that it shows."""

    flair: Image
    to_t1w: Path
    coverage: float
    notes: list[str]


@step("aligning the FLAIR with the T1w image", seconds=7.0, mem_gb=1.5)
def align_flair(scan: Path, t1w: Image, brain: Image, seed: int) -> Aligned:
    """Read a FLAIR scan, align it with the T1w and correct non-uniformity.

    Parameters
    ----------
    scan : Path
        FLAIR as acquired.
    t1w, brain : Nifti1Image, (x, y, z)
        T1w and its brain mask, on the grid that the FLAIR comes to.
    seed : int
        Of the registration.
    """
    from bids_app.image import coverage
    from bids_app.image.bias import correct_bias
    from bids_app.image.register import align_rigid
    from bids_app.image.transforms import apply
    from bids_app.image.volume import read_scan

    flair, notes = read_scan(scan)
    target = align_rigid(flair, t1w, Path("to_t1w.txt").absolute(), seed=seed)
    moved = apply(flair, t1w, [target], interpolation="bSpline")
    acquired = np.asarray(flair.dataobj)
    data = np.clip(np.asarray(moved.dataobj), acquired.min(), acquired.max())  # splines overshoot at edges
    ones = nib.Nifti1Image(np.ones(flair.shape, np.float32), flair.affine)
    seen = apply(ones, t1w, [target], interpolation="nearestNeighbor")
    share = coverage.share_seen(seen, brain)
    aligned = nib.Nifti1Image(data, t1w.affine)
    coverage.check_share(scan.name, share)
    corrected = correct_bias(aligned, brain)
    where = nib.Nifti1Image(np.asanyarray(brain.dataobj) * (np.asanyarray(seen.dataobj) > 0.5), brain.affine)
    notes += coverage.check_contrast(scan.name, corrected, t1w, where)
    coverage.check_shared(scan.name, coverage.shared_information(corrected, t1w, where, seed))
    notes += coverage.remarks(scan.name, share, coverage.distance(flair, t1w))
    return Aligned(corrected, target, share, notes)


class Registered(NamedTuple):
    """Transforms for images to and from the template, and how alike they became."""

    forward: Path
    inverse: Path
    correlation: float


@step("registration to the template", seconds=9.0, mem_gb=1.5)
def align_to_template(image: Image, brain: Image, template: str, resolution: float, seed: int) -> Registered:
    """Register a brain to the template at a resolution in mm.

    Parameters
    ----------
    image, brain : Nifti1Image, (x, y, z)
        The visit's image and brain mask.
    template : str
        Name of the template.
    resolution : float
        Voxel edge of the template in mm.
    seed : int
        Of the registration.
    """
    from bids_app.image.register import FINEST_MM, align_template
    from bids_app.image.template import template_image

    forward, inverse = Path("forward.h5").absolute(), Path("inverse.h5").absolute()
    target = template_image("t1w", template, max(resolution, FINEST_MM))
    alike = align_template(masked(image, brain), target, forward, inverse, seed=seed)
    return Registered(forward, inverse, alike)


class Placed(NamedTuple):
    """Where the visit's voxels lie in the template, and what follows from it."""

    coordinates: Image
    brain: Image
    wm_prior: Image
    tiv_mm3: float
    tiv_by_scaling_mm3: float
    foreign_ml: float
    notes: list[str]


@step("finding the image's place in the template", seconds=4.0, mem_gb=2.0)
def place_in_template(brain: Image, forward: Path, inverse: Path, template: str, resolution: float) -> Placed:
    """Find every voxel's place in the template, the intracranial volume, and what the mask holds beyond it.

    Parameters
    ----------
    brain : Nifti1Image, (x, y, z)
        Brain mask in the visit's space.
    forward, inverse : Path
        Transforms to the template and from it.
    template : str
        Name of the template.
    resolution : float
        Voxel edge of the template in mm.
    """
    from bids_app.image.intracranial import (
        cut_foreign,
        intracranial_probability,
        intracranial_volume,
        volume_by_scaling,
    )

    coordinates, prior = in_template(brain, inverse, template, resolution)
    probability = intracranial_probability(np.moveaxis(np.asarray(coordinates.dataobj), 3, 0))
    kept, foreign = cut_foreign(brain, probability)
    notes = [f"brain mask: {foreign:.1f} mL outside the skull cut (eyes, neck, muscle)"] if foreign else []
    return Placed(
        coordinates,
        kept,
        prior,
        intracranial_volume(probability, brain.affine),
        volume_by_scaling(forward),
        foreign,
        notes,
    )


def in_template(brain: Image, inverse: Path, template: str, resolution: float) -> tuple[Image, Image]:
    """Return every voxel's place in the template, (x, y, z, 3) in mm, and the prior of white matter there.

    Parameters
    ----------
    brain : Nifti1Image, (x, y, z)
        Brain mask in the visit's space.
    inverse : Path
        Transform from the template.
    template : str
        Name of the template.
    resolution : float
        Voxel edge of the template in mm.
    """
    from bids_app.image.structure_priors import sample, template_coordinates
    from bids_app.image.template import template_image

    where = template_coordinates(brain, [inverse])
    white = sample(template_image("wm", template, resolution), where.reshape(3, -1)).reshape(brain.shape)
    return nib.Nifti1Image(np.moveaxis(where, 0, 3), brain.affine), nib.Nifti1Image(white, brain.affine)


class Segmented(NamedTuple):
    """Structures and their table, tissue labels and probabilities."""

    structures: Image
    table: WithMeta[Table]
    labels: Image
    gm: Image
    wm: Image
    csf: Image


@step("segmentation of structures", seconds=4.0, mem_gb=2.0)
def segment(image: Image, brain: Image, coordinates: Image, lesions: Image | None = None) -> Segmented:
    """Segment structures and tissues by the priors of each voxel's place; lesions are neither grey nor white.

    Parameters
    ----------
    image, brain : Nifti1Image, (x, y, z)
        The visit's image and brain mask.
    coordinates : Nifti1Image, (x, y, z, 3)
        Each voxel's place in the template, mm.
    lesions : Nifti1Image, (x, y, z), optional
        Lesion mask.
    """
    from bids_app.image.structure_priors import priors_at
    from bids_app.image.structures import STRUCTURE_COLUMNS, segment_structures, structure_table

    where = np.moveaxis(np.asarray(coordinates.dataobj), 3, 0)[:, np.asarray(brain.dataobj) > 0]
    found = segment_structures(image, brain, priors_at(where), lesions)
    table = WithMeta(structure_table(found.labels), STRUCTURE_COLUMNS)
    return Segmented(found.labels, table, found.tissues, found.gm, found.wm, found.csf)


class Parcelled(NamedTuple):
    """Atlas labels, their names, and normal-appearing white matter, in the visit's space."""

    parcels: WithMeta[Image]
    regions: WithMeta[Table]
    nawm: Image


@step("bringing the atlas to the image", mem_gb=2.0)
def parcellate(
    inverse: Path, wm: Image, lesions: Image, brain: Image, structures: Image, atlas: str
) -> Parcelled:
    """Bring the atlas to the visit, its nuclei to the visit's own; find the normal-appearing white matter.

    Parameters
    ----------
    inverse : Path
        Transform from the template.
    wm, lesions, brain, structures : Nifti1Image, (x, y, z)
        White matter's probability, masks and structures' labels in the visit's space.
    atlas : str
        Name or file of the atlas.
    """
    from bids_app.image.atlas import load_atlas, meet_structures, normal_appearing_white_matter, parcels

    source = load_atlas(atlas)
    meta = {"Atlas": source.name, "AtlasSpace": source.space}
    columns = {"index": {"Description": "Value in the label image."}, "name": {"Description": "Region."}}
    return Parcelled(
        WithMeta(meet_structures(parcels(source, wm, [inverse]), source, structures), meta),
        WithMeta(source.regions, meta | columns),
        normal_appearing_white_matter(wm, lesions, brain),
    )

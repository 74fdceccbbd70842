"""Steps that bring a visit's maps to other grids."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np

from bids_app.steps.files import Image, WithMeta
from bids_app.steps.record import step


class Spread(NamedTuple):
    """A visit's maps in template space."""

    t1w_template: Image | None
    probability_template: Image
    lesions_template: Image
    lesions_template_3mm: Image


@step("bringing maps to the template", mem_gb=2.0)
def to_other_spaces(
    lesions: Image,
    probability: Image,
    forward: Path,
    template: str,
    resolution: float,
    t1w: Image | None = None,
) -> Spread:
    """Bring maps to template space, at the working resolution and lesions at 3 mm too.

    Parameters
    ----------
    lesions, probability : Nifti1Image, (x, y, z)
        Lesions of the visit on the working grid.
    forward : Path
        Transform to the template.
    template : str
        Name of the template.
    resolution : float
        Its voxel edge in mm.
    t1w : Nifti1Image, (x, y, z), optional
        Corrected T1w.
    """
    from bids_app.image.template import belief_grid, template_image
    from bids_app.image.transforms import apply, apply_averaged

    grid, coarse = template_image("brain", template, resolution), belief_grid(template)
    return Spread(
        apply(t1w, grid, [forward]) if t1w else None,
        apply(probability, grid, [forward]),
        apply(lesions, grid, [forward], interpolation="nearestNeighbor"),
        _half(apply_averaged(lesions, coarse, [forward])),
    )


def _half(share: Image) -> Image:
    """Return where at least half of a voxel is covered."""
    return nib.Nifti1Image((np.asarray(share.dataobj) >= 0.5).astype(np.uint8), share.affine)


class OfFlair(NamedTuple):
    """What is made from the FLAIR's intensities or lies on its own grid."""

    belief: WithMeta[Image]
    belief_median: WithMeta[Image]
    lesions_flair: Image


@step("belief in the template, lesions on the FLAIR", mem_gb=2.0)
def map_belief(
    flair: Image,
    gm: Image,
    csf: Image,
    brain: Image,
    lesions: Image,
    forward: Path,
    flair_scan: Path,
    template: str,
    to_t1w: Path | None = None,
) -> OfFlair:
    """Bring grey-matter belief to the template at 3 mm, and lesions to the FLAIR as acquired.

    Parameters
    ----------
    flair, gm, csf, brain, lesions : Nifti1Image, (x, y, z)
        Images of the visit on the working grid.
    forward : Path
        Transform to the template.
    flair_scan : Path
        FLAIR as acquired, whose grid the lesions are brought to.
    template : str
        Name of the template.
    to_t1w : Path, optional
        Transform from the FLAIR to the T1w.
    """
    from bids_app.image.belief import belief_map, grey_matter_mean, parenchyma_moments
    from bids_app.image.template import belief_grid
    from bids_app.image.transforms import apply, apply_averaged, apply_median
    from bids_app.image.volume import read_scan, resample

    coarse = belief_grid(template)
    images = (flair, gm, brain, lesions)
    scan = read_scan(flair_scan).image
    if to_t1w is None:
        acquired = resample(lesions, scan, order=0)
    else:
        acquired = apply(lesions, scan, [to_t1w], interpolation="nearestNeighbor", inverse=[True])
    belief = belief_map(*images)
    return OfFlair(
        WithMeta(apply_averaged(belief, coarse, [forward]), {"GreyMatterMean": grey_matter_mean(*images)}),
        WithMeta(apply_median(belief, coarse, [forward]), parenchyma_moments(belief, brain, csf)),
        acquired,
    )

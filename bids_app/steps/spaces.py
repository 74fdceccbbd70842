"""Steps that bring a visit's maps to other grids."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np

from bids_app.steps.files import Image, WithMeta
from bids_app.steps.record import step


class Spread(NamedTuple):
    """A visit's maps on other grids."""

    t1w_template: Image | None
    probability_template: Image
    lesions_template: Image
    belief: WithMeta[Image]
    belief_median: WithMeta[Image]
    lesions_template_3mm: Image
    lesions_flair: Image


@step("bringing maps to the template", mem_gb=2.0)
def to_other_spaces(
    flair: Image,
    gm: Image,
    csf: Image,
    brain: Image,
    lesions: Image,
    probability: Image,
    forward: Path,
    flair_scan: Path,
    template: str,
    resolution: float,
    t1w: Image | None = None,
    to_t1w: Path | None = None,
) -> Spread:
    """Bring maps to template space (working resolution and 3 mm) and lesions to the FLAIR as acquired.

    Parameters
    ----------
    flair, gm, csf, brain, lesions, probability : Nifti1Image, (x, y, z)
        Images of the visit on the working grid.
    forward : Path
        Transform to the template.
    flair_scan : Path
        FLAIR as acquired, whose grid the lesions are brought to.
    template : str
        Name of the template.
    resolution : float
        Its voxel edge in mm.
    t1w : Nifti1Image, (x, y, z), optional
        Corrected T1w.
    to_t1w : Path, optional
        Transform from the FLAIR to the T1w.
    """
    from bids_app.image.belief import belief_map, grey_matter_mean, parenchyma_moments
    from bids_app.image.template import belief_grid, template_image
    from bids_app.image.transforms import apply, apply_averaged, apply_median
    from bids_app.image.volume import read_scan, resample

    grid, coarse = template_image("brain", template, resolution), belief_grid(template)
    images = (flair, gm, brain, lesions)
    scan = read_scan(flair_scan).image
    if to_t1w is None:
        acquired = resample(lesions, scan, order=0)
    else:
        acquired = apply(lesions, scan, [to_t1w], interpolation="nearestNeighbor", inverse=[True])
    belief = belief_map(*images)
    return Spread(
        apply(t1w, grid, [forward]) if t1w else None,
        apply(probability, grid, [forward]),
        apply(lesions, grid, [forward], interpolation="nearestNeighbor"),
        WithMeta(apply_averaged(belief, coarse, [forward]), {"GreyMatterMean": grey_matter_mean(*images)}),
        WithMeta(apply_median(belief, coarse, [forward]), parenchyma_moments(belief, brain, csf)),
        _half(apply_averaged(lesions, coarse, [forward])),
        acquired,
    )


def _half(share: Image) -> Image:
    """Return where at least half of a voxel is covered."""
    return nib.Nifti1Image((np.asarray(share.dataobj) >= 0.5).astype(np.uint8), share.affine)

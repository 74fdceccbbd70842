"""Steps that bring a visit's maps to other grids."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bids_app.derivatives import load_image as load
from bids_app.interfaces.files import keep

if TYPE_CHECKING:
    import nibabel as nib


class Spread(NamedTuple):
    """A visit's maps on other grids."""

    t1w_template: Path | None
    probability_template: Path
    lesions_template: Path
    belief: Path
    lesions_template_3mm: Path
    lesions_flair: Path


def to_other_spaces(
    flair: Path,
    gm: Path,
    brain: Path,
    lesions: Path,
    probability: Path,
    forward: Path,
    flair_scan: Path,
    template: str,
    resolution: float,
    t1w: Path | None = None,
    to_t1w: Path | None = None,
) -> Spread:
    """Bring maps to template space (working resolution and 3 mm) and lesions to the FLAIR as acquired."""
    from bids_app.image.belief import belief_map, grey_matter_mean
    from bids_app.image.register import apply, apply_averaged
    from bids_app.image.template import belief_grid, load_template
    from bids_app.image.volume import read_scan, resample

    grid, coarse = load_template(template, resolution).brain, belief_grid(template)
    mask, chance = load(lesions), load(probability)
    images = (load(flair), load(gm), load(brain), mask)
    mean = grey_matter_mean(*images)
    scan = read_scan(flair_scan).image
    if to_t1w is None:
        own = resample(mask, scan, order=0)
    else:
        own = apply(mask, scan, [to_t1w], interpolation="nearestNeighbor", inverse=[True])
    return Spread(
        keep(apply(load(t1w), grid, [forward]), "t1w_template") if t1w else None,
        keep(apply(chance, grid, [forward]), "probability_template"),
        keep(apply(mask, grid, [forward], interpolation="nearestNeighbor"), "lesions_template"),
        keep(apply_averaged(belief_map(*images), coarse, [forward]), "belief", {"GreyMatterMean": mean}),
        keep(_half(apply_averaged(mask, coarse, [forward])), "lesions_template_3mm"),
        keep(own, "lesions_flair"),
    )


def _half(share: nib.Nifti1Image) -> nib.Nifti1Image:
    """Return where at least half of a voxel is covered."""
    import nibabel as nib
    import numpy as np

    return nib.Nifti1Image((np.asarray(share.dataobj) >= 0.5).astype(np.uint8), share.affine)

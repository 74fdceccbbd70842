"""Steps that put known lesions into a visit, or known change into a pair of visits, and measure them again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import nibabel as nib
import numpy as np

from bids_app.steps.files import Image, Table, WithMeta
from bids_app.steps.record import step

if TYPE_CHECKING:
    from bids_app.image.pair_calibration import FollowUp, Measured


WHITE = 2  # in `dseg`


class Limits(NamedTuple):
    """Detection limits by contrast, and each lesion put in."""

    limits: WithMeta[Table]
    lesions: WithMeta[Table]


@step("finding lesions of known size and contrast that were put in", seconds=15.0, mem_gb=3.0)
def calibrate_lesions(
    flair: Image,
    brain: Image,
    coordinates: Image,
    wm_prior: Image,
    wm: Image,
    lesions: Image,
    method: str,
    threshold: float,
    min_volume: float,
    flair_scan: Path,
    seed: int,
    t1w: Image | None = None,
) -> Limits:
    """Put lesions into a visit's normal-appearing white matter; segment lesions again.

    Parameters
    ----------
    flair, brain : Nifti1Image, (x, y, z)
        Corrected FLAIR and brain mask on the working grid.
    coordinates : Nifti1Image, (x, y, z, 3)
        Each voxel's place in the template, mm.
    wm_prior, wm : Nifti1Image, (x, y, z)
        White matter's probability by the template, and of this brain.
    lesions : Nifti1Image, (x, y, z)
        Mask of the scan as it is.
    method : str
        Name in `METHODS`.
    threshold : float
        Least probability in the mask; 0 for the method's own.
    min_volume : float
        Smallest lesion in mm3.
    flair_scan : Path
        FLAIR as acquired: its voxels.
    seed : int
        Of the places and shapes.
    t1w : Nifti1Image, (x, y, z), optional
        Corrected T1w.
    """
    from bids_app.image import calibration
    from bids_app.image.atlas import normal_appearing_white_matter
    from bids_app.image.injection import acquired_voxel
    from bids_app.image.volume import read_scan
    from bids_app.steps.lesions import find_lesions

    chosen: dict[str, Any] = {"method": method, "threshold": threshold, "min_volume": min_volume}

    def detect(bright: nib.Nifti1Image, dark: nib.Nifti1Image | None) -> nib.Nifti1Image:
        return find_lesions(brain, coordinates, wm_prior, flair=bright, t1w=dark, **chosen).mask.data

    scan = calibration.CalibrationScan(
        flair=flair,
        t1w=t1w,
        normal=normal_appearing_white_matter(wm, lesions, brain),
        lesions=lesions,
        voxel=acquired_voxel(read_scan(flair_scan).image, flair),
    )
    found = calibration.calibrate(scan, detect, seed)
    return Limits(
        WithMeta(found.limits, calibration.LIMIT_COLUMNS),
        WithMeta(found.lesions, calibration.INSERTED_COLUMNS),
    )


class PairErrors(NamedTuple):
    """Change put into a pair and measured: of volumes, and of lesions where Demyelin segments them."""

    volumes: WithMeta[Table]
    lesions: WithMeta[Table] | None


@step("measuring known change that was put into the visit before", seconds=300.0, mem_gb=4.0)
def calibrate_pair(
    before: dict[str, Image],
    with_t1w: bool,
    inverse: Path,
    flair_scan: Path,
    template: str,
    resolution: float,
    seed: int,
    lesions: dict[str, Any] | None = None,
) -> PairErrors:
    """Put known change into the earlier visit of a pair, segment and compare again.

    `lesions` is how Demyelin segments them; None where masks came with the data, which follow the head then.

    Parameters
    ----------
    before : dict of str to Nifti1Image, (x, y, z)
        Images of the earlier visit.
    with_t1w : bool
        Whether both visits have a T1w.
    inverse : Path
        Transform from the template to the earlier visit.
    flair_scan : Path
        FLAIR as acquired: its voxels.
    template : str
        Name of the template.
    resolution : float
        Voxel edge of the template in mm.
    seed : int
        Of the change that is put in.
    lesions : dict, optional
        How Demyelin segments them.
    """
    from bids_app.image import pair_calibration as known
    from bids_app.image.injection import acquired_voxel
    from bids_app.image.volume import read_scan
    from bids_app.steps.anatomy import in_template

    coordinates, prior = in_template(before["brain"], inverse, template, resolution)
    white, lesion = np.asarray(before["dseg"].dataobj) == WHITE, np.asarray(before["lesion_labels"].dataobj)
    head = known.Head(
        flair=before["flair"],
        t1w=before["t1w"] if with_t1w else None,
        brain=before["brain"],
        normal=nib.Nifti1Image((white & (lesion == 0)).astype(np.uint8), before["dseg"].affine),
        lesions=before["lesion_labels"],
        coordinates=coordinates,
        voxel=acquired_voxel(read_scan(flair_scan).image, before["flair"]),
    )

    def measure(later: known.FollowUp) -> known.Measured:
        after = _follow_up_images(later, head.lesions, prior, lesions)
        return _measured(before, after, with_t1w, seed)

    found = known.calibrate_pair(head, measure, seed, lesions=lesions is not None)
    changes = WithMeta(found.changes, known.CALIBRATED_CHANGE_COLUMNS) if lesions is not None else None
    return PairErrors(WithMeta(found.volumes, known.CALIBRATED_VOLUME_COLUMNS), changes)


def _follow_up_images(
    later: FollowUp, before: Image, prior: Image, chosen: dict[str, Any] | None
) -> dict[str, Image]:
    """Process a simulated visit as a real one from its lesions on; return its images by their keys."""
    from bids_app.image.lesion_table import number_lesions
    from bids_app.steps.anatomy import segment
    from bids_app.steps.lesions import find_lesions

    head = later.flair if later.t1w is None else later.t1w
    if chosen is None:
        mask = nib.Nifti1Image((np.asarray(later.moved(before, 0).dataobj) > 0).astype(np.uint8), head.affine)
    else:
        white = later.moved(prior, 1)
        found = find_lesions(
            later.brain, later.coordinates, white, flair=later.flair, t1w=later.t1w, **chosen
        )
        mask = found.mask.data
    tissues = segment(head, later.brain, later.coordinates, mask)
    images = {
        "flair": later.flair,
        "brain": later.brain,
        "dseg": tissues.labels,
        "structures": tissues.structures,
        "lesion_labels": number_lesions(mask),
    }
    return images if later.t1w is None else images | {"t1w": later.t1w}


def _measured(before: dict[str, Image], after: dict[str, Image], with_t1w: bool, seed: int) -> Measured:
    """Compare a visit with a simulated one by the code that compares real ones."""
    from bids_app.image.longitudinal import compare, on_grid
    from bids_app.image.pair_calibration import Measured
    from bids_app.image.volume_change import volume_change
    from bids_app.steps.longitudinal import half_way_of, side_of, visit_of

    guide = "t1w" if with_t1w else "flair"
    half = half_way_of(before, after, guide, seed)
    found = compare(visit_of(before), visit_of(after), half)
    sides = side_of(before, guide), side_of(after, guide)
    changed = volume_change(*sides, half)
    labels = on_grid(found.labels, half, after["lesion_labels"])
    return Measured(changed.percent, sides[0].regions, found.table, labels)

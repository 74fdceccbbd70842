"""The step that puts known lesions into a visit and finds lesions again."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import nibabel as nib

from bids_app.steps.files import Image, Table, WithMeta
from bids_app.steps.record import step


class Limits(NamedTuple):
    """Detection limits by contrast, and each lesion put in."""

    limits: WithMeta[Table]
    lesions: WithMeta[Table]


@step("finding lesions of known size and contrast that were put in", seconds=60.0, mem_gb=3.0)
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
    """Put lesions into a visit's normal-appearing white matter; segment tissues and lesions again."""
    from bids_app.image import calibration
    from bids_app.image.atlas import normal_appearing_white_matter
    from bids_app.image.injection import acquired_voxel
    from bids_app.image.volume import read_scan
    from bids_app.steps.anatomy import segment_unfilled
    from bids_app.steps.lesions import find_lesions

    def detect(bright: nib.Nifti1Image, dark: nib.Nifti1Image | None) -> nib.Nifti1Image:
        tissues = segment_unfilled(bright if dark is None else dark, brain, coordinates)
        found = find_lesions(
            flair=bright,
            t1w=dark,
            brain=brain,
            gm=tissues.gm,
            wm=tissues.wm,
            csf=tissues.csf,
            wm_prior=wm_prior,
            method=method,
            threshold=threshold,
            min_volume=min_volume,
            flair_scan=flair_scan,
        )
        return found.mask.data

    scan = calibration.Scan(
        flair=flair,
        t1w=t1w,
        normal=normal_appearing_white_matter(wm, lesions, brain),
        lesions=lesions,
        voxel=acquired_voxel(read_scan(flair_scan).image, flair),
    )
    found = calibration.calibrate(scan, detect, seed)
    return Limits(
        WithMeta(found.limits, calibration.LIMIT_COLUMNS),
        WithMeta(found.lesions, calibration.LESION_COLUMNS),
    )

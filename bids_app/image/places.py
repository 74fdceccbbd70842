"""Places that decide a lesion's class, drawn on the template by stated rules."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache

import cc3d
import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bids_app.image.atlas import load_atlas
from bids_app.image.box import box_around
from bids_app.image.template import Template, load_template
from bids_app.image.volume import resample

Mask = npt.NDArray[np.bool_]

LIKELY_FLUID = 0.5  # more likely fluid than not
# fluid deeper in the template than this is ventricle, not sulcus; chosen by hand on the template
DEPTH_MM = 15.0
MIN_VENTRICLE_MM3 = 100.0  # smaller pieces are sulci or partial volume; chosen by hand on the template
SEPTUM_REACH_MM = 5.0  # white matter this near to both ventricles is septum; chosen by hand on the template
# AAL: 71 to 78 are basal ganglia and thalamus, 91 to 116 cerebellum and vermis
DEEP_GREY = range(71, 79)
FIRST_CEREBELLAR = 91  # of AAL's labels: 91 to 116 are cerebellum and vermis
# boxes in template mm: (x half width, y from, y to, z from, z to)
THIRD = (4, -30, 5, -12, 8)
SEPTUM = (4, -15, 22, 0, 22)  # template mm: most |x|, then from and to of y and z
BRAINSTEM = (
    (14, -42, -10, -25, -6),
    (22, -50, -8, -90, -25),
)  # two boxes, as above: midbrain and pons, medulla


TOUCH_MM = 1.5  # from a border: one voxel and its diagonal at 1 mm
NEAR = f"{TOUCH_MM} mm ({TOUCH_MM} voxels where they are larger than 1 mm) from centre to centre"
VENTRICLE_REACH_MM = 8.0  # how far from the template's ventricles the fluid of this brain counts as theirs
FLAG_REACH_MM = 2.0  # allowance for the registration; chosen by hand
LIKELY_GM = 0.5  # more likely grey matter than not


@dataclass(frozen=True)
class LesionPlace:
    """A class of place of the 2017 McDonald criteria, or a site where FLAIR artefacts look like lesions.

    Attributes
    ----------
    name : str
        Its value in tables.
    words : str
        What reports call it.
    rule : str
        When a lesion is there.
    rank : int
        Classes: the first rule that holds decides, in this order.
    counts : bool
        Whether lesions there count for dissemination in space.
    """

    name: str
    words: str
    rule: str
    rank: int = 0
    counts: bool = False


CLASSES: dict[str, LesionPlace] = {
    place.name: place
    for place in (
        LesionPlace(
            "periventricular",
            "periventricular",
            f"Within {NEAR} of a lateral ventricle: this brain's fluid within {VENTRICLE_REACH_MM:g} mm of the "
            "template's ventricle.",
            rank=2,
            counts=True,
        ),
        LesionPlace(
            "juxtacortical_cortical",
            "juxtacortical or cortical",
            f"Within {NEAR} of cortical grey matter: probability of grey matter above {LIKELY_GM} in the "
            "atlas' cortex.",
            rank=3,
            counts=True,
        ),
        LesionPlace(
            "infratentorial",
            "infratentorial",
            "At least half of it in the brainstem or cerebellum, as drawn on the template.",
            rank=1,
            counts=True,
        ),
        LesionPlace("deep_white_matter", "deep white matter", "None of these.", rank=4),
    )
}
RANKED = tuple(sorted(CLASSES.values(), key=lambda place: place.rank))  # the last one is where no rule holds
ARTEFACT_SITES: dict[str, LesionPlace] = {
    site.name: site
    for site in (
        LesionPlace("septum", "septum", "On the septum pellucidum."),
        LesionPlace(
            "fourth_ventricle",
            "fourth ventricle",
            f"In, or within {FLAG_REACH_MM} mm of, the fourth ventricle.",
        ),
        LesionPlace(
            "choroid_plexus",
            "choroid plexus",
            "Inside a lateral or the third ventricle, where the choroid plexus is.",
        ),
    )
}


class Place(IntEnum):
    """Labels of the place image."""

    LATERAL_VENTRICLE = 1
    THIRD_VENTRICLE = 2
    FOURTH_VENTRICLE = 3
    SEPTUM = 4
    INFRATENTORIAL = 5
    CORTEX = 6


@lru_cache(maxsize=1)
def place_image() -> nib.Nifti1Image:
    """Draw the places on the built-in template at 1 mm; they serve every template in MNI152 coordinates.

    - Lateral ventricle: fluid (probability above 0.5) deeper than 15 mm in the brain, in face-connected
      pieces of at least 100 mm3 whose centre is 10 to 36 mm from the midline, -60 < y < 10 and z > -30.
    - Fourth ventricle: such a piece on the midline (|x| < 5) with y < -30, z < -20.
    - Third ventricle: fluid with |x| <= 4, -30 <= y <= 5, -12 <= z <= 8.
    - Septum: not fluid, |x| <= 4, -15 <= y <= 22, 0 <= z <= 22, within 5 mm of a lateral ventricle.
    - Infratentorial: voxels whose nearest AAL region is cerebellar, and the brainstem: |x| <= 14, -42 <= y <= -10,
      -25 <= z <= -6, and |x| <= 22, -50 <= y <= -8 below that.
    - Cortex: AAL regions 1 to 90 but the basal ganglia and thalamus (its grey matter comes from the visit).

    Returns
    -------
    Nifti1Image, (x, y, z), uint8
        Values of `Place`, 0 elsewhere.
    """
    whole = load_template()
    box, template, labels = _cropped(whole)
    brain = np.asarray(template.brain.dataobj) > 0
    size = nib.affines.voxel_sizes(template.brain.affine)
    fluid = np.asarray(template.csf.dataobj) > LIKELY_FLUID
    lateral, fourth = _ventricles(template, brain, fluid, size)
    near = ndimage.distance_transform_edt(~lateral, sampling=size) <= SEPTUM_REACH_MM
    places = np.zeros(brain.shape, np.uint8)
    places[(labels > 0) & (labels < FIRST_CEREBELLAR) & ~np.isin(labels, DEEP_GREY)] = Place.CORTEX
    places[brain & _infratentorial(template, labels)] = Place.INFRATENTORIAL
    places[brain & ~fluid & near & _box(template, SEPTUM)] = Place.SEPTUM
    places[fluid & _box(template, THIRD)] = Place.THIRD_VENTRICLE
    places[lateral] = Place.LATERAL_VENTRICLE
    places[fourth] = Place.FOURTH_VENTRICLE
    out = np.zeros(whole.brain.shape, np.uint8)
    out[box] = places
    return nib.Nifti1Image(out, whole.brain.affine)


def _cropped(template: Template) -> tuple[tuple[slice, ...], Template, npt.NDArray[np.int32]]:
    """Return the box of brain and atlas, a voxel wider, and both in it: distances take half the time there."""
    labels = np.asarray(resample(load_atlas().image, template.brain, order=0).dataobj)
    seen = (labels > 0) | (np.asarray(template.brain.dataobj) > 0)
    box = box_around(seen, template.brain.affine, margin_mm=1.0)
    images = {name: getattr(template, name).slicer[box] for name in ("t1w", "brain", "gm", "wm", "csf")}
    return box, replace(template, **images), labels[box]


def _coordinates(template: Template) -> list[npt.NDArray[np.float64]]:
    """Return the template's millimetre coordinates, an axis each: its grid is not turned."""
    scale, shift = np.diag(template.brain.affine), template.brain.affine[:, 3]
    axes = np.ogrid[tuple(slice(length) for length in template.brain.shape)]
    return [axis * scale[number] + shift[number] for number, axis in enumerate(axes)]


def _box(template: Template, box: tuple[float, ...]) -> Mask:
    x, y, z = _coordinates(template)
    half, back, front, low, high = box
    return (np.abs(x) <= half) & (y >= back) & (y <= front) & (z >= low) & (z <= high)


def _ventricles(
    template: Template, brain: Mask, fluid: Mask, size: npt.NDArray[np.float64]
) -> tuple[Mask, Mask]:
    """Return the lateral and the fourth ventricles."""
    depth = ndimage.distance_transform_edt(brain, sampling=size)
    pieces = cc3d.connected_components(fluid & (depth > DEPTH_MM), connectivity=6, binary_image=True)
    statistics = cc3d.statistics(pieces)
    x, y, z = nib.affines.apply_affine(template.brain.affine, statistics["centroids"]).T
    big = statistics["voxel_counts"] * np.prod(size) >= MIN_VENTRICLE_MM3
    big[0] = False
    lateral = big & (np.abs(x) > 10) & (np.abs(x) < 36) & (y > -60) & (y < 10) & (z > -30)
    fourth = big & (np.abs(x) < 5) & (y < -30) & (z < -20)
    return lateral[pieces], fourth[pieces]


def _infratentorial(template: Template, labels: npt.NDArray[np.int32]) -> Mask:
    nearest = ndimage.distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
    cerebellar = labels[tuple(nearest)] >= FIRST_CEREBELLAR
    return cerebellar | _box(template, BRAINSTEM[0]) | _box(template, BRAINSTEM[1])

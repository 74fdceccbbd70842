"""The 3 mm template grid of a study-shaped phantom: where lesions and artefacts lie, and what a lesion table says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage

from bids_app.image.atlas import load_atlas
from bids_app.image.lesion_table import LESION_COLUMNS
from bids_app.image.places import ARTEFACT_SITES, FLAG_REACH_MM, RANKED, TOUCH_MM, Place, place_image
from bids_app.image.template import BELIEF_MM, belief_grid, load_template
from bids_app.image.volume import resample
from bids_app.phantom.lesions import prior

Array = npt.NDArray[np.float64]
PLACES = [place.name for place in RANKED]
ARTEFACT_CENTRES = {  # template mm: where FLAIR's flowing fluid and choroid plexus look like lesions
    "septum": (0, 8, 12),
    "third ventricle": (0, -14, -2),
    "fourth ventricle": (0, -44, -38),
    "splenium beside the ventricles": (0, -34, 16),
    "right cerebellum": (30, -62, -40),
}


@dataclass(frozen=True)
class Sites:
    """Brain voxels of the 3 mm template grid, in C order.

    Attributes
    ----------
    grid : Nifti1Image
        Brain mask.
    points : ndarray, (v, 3)
        Template mm.
    tissues : ndarray, (3, v)
        Probability of GM, WM, CSF.
    place : ndarray of int, (v,)
        Index into `PLACES`.
    region : ndarray of int, (v,)
        Nearest AAL region, index into `names`.
    names : list of str
        AAL regions.
    artefact : ndarray of bool, (len(ARTEFACT_SITES), v)
        Sites where artefacts look like lesions.
    chance : dict of str to ndarray, (v,)
        How likely a lesion's centre is in each voxel, by diagnosis (`lesions.prior`); each adds up to 1.
    """

    grid: nib.Nifti1Image
    points: Array
    tissues: Array
    place: npt.NDArray[np.int64]
    region: npt.NDArray[np.int64]
    names: list[str]
    artefact: npt.NDArray[np.bool_]
    chance: dict[str, Array]

    def image(self, values: npt.NDArray[np.generic]) -> nib.Nifti1Image:
        """Return values of the brain voxels as an image, 0 elsewhere."""
        volume = np.zeros(self.grid.shape, values.dtype)
        volume[np.asarray(self.grid.dataobj) > 0] = values
        return nib.Nifti1Image(volume, self.grid.affine)

    def near(self, centre: npt.ArrayLike, radii: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Return the voxels inside an ellipsoid (mm); at least the one nearest to its centre."""
        away = (((self.points - np.asarray(centre)) / np.asarray(radii)) ** 2).sum(axis=1)
        inside = away <= 1
        inside[away.argmin()] = True
        return inside


def lay_out(diagnoses: Sequence[str]) -> Sites:
    """Lay out the grid. A voxel's place follows `lesion_table`'s rules, reach measured from its edge."""
    grid = belief_grid()
    inside = np.asarray(grid.dataobj) > 0
    fine, atlas = place_image(), load_atlas()
    places = np.asarray(fine.dataobj)
    labels = np.asarray(resample(atlas.image, fine, order=0).dataobj)
    gm = np.asarray(load_template().gm.dataobj)
    edge = TOUCH_MM + BELIEF_MM / 2

    def within(mask: npt.NDArray[np.bool_], reach: float) -> npt.NDArray[np.bool_]:
        near = ndimage.distance_transform_edt(~mask) <= reach if reach else mask
        image = nib.Nifti1Image(near.astype(np.uint8), fine.affine)
        return np.asarray(resample(image, grid, order=0).dataobj)[inside] > 0

    below = np.isin(places, [Place.INFRATENTORIAL, Place.FOURTH_VENTRICLE])
    lateral, cortex = places == Place.LATERAL_VENTRICLE, (places == Place.CORTEX) & (gm > 0.5)
    rules = [within(below, 0), within(lateral, edge), within(cortex, edge)]
    plexus = np.isin(places, [Place.LATERAL_VENTRICLE, Place.THIRD_VENTRICLE])
    flags = {
        "septum": within(places == Place.SEPTUM, 0),
        "fourth_ventricle": within(places == Place.FOURTH_VENTRICLE, FLAG_REACH_MM),
        "choroid_plexus": within(plexus, 0),
    }
    template = load_template(resolution=BELIEF_MM)
    tissues = [np.asarray(image.dataobj)[inside] for image in (template.gm, template.wm, template.csf)]
    return Sites(
        grid,
        nib.affines.apply_affine(grid.affine, np.argwhere(inside)),
        np.stack(tissues).astype(np.float64),
        np.select(rules, [0, 1, 2], default=3),
        _nearest(nib.Nifti1Image(labels, fine.affine), grid)[inside] - 1,
        list(atlas.regions["name"]),
        np.stack([flags[name] for name in ARTEFACT_SITES]),
        {diagnosis: _chance(diagnosis, grid) for diagnosis in diagnoses},
    )


def _nearest(labels: nib.Nifti1Image, grid: nib.Nifti1Image) -> npt.NDArray[np.int64]:
    """Return the label nearest to each voxel of the grid."""
    coarse = np.asarray(resample(labels, grid, order=0).dataobj).astype(np.int64)
    nearest = ndimage.distance_transform_edt(coarse == 0, return_distances=False, return_indices=True)
    return coarse[tuple(nearest)]


def _chance(diagnosis: str, grid: nib.Nifti1Image) -> Array:
    """Add up the chance of a lesion's centre over the 1 mm voxels of each brain voxel."""
    chance = prior(diagnosis)
    points = nib.affines.apply_affine(load_template().brain.affine, np.argwhere(chance > 0))
    voxels = np.rint(nib.affines.apply_affine(np.linalg.inv(grid.affine), points)).astype(int)
    volume = np.zeros(grid.shape)
    inside = (voxels >= 0).all(axis=1) & (voxels < volume.shape).all(axis=1)
    np.add.at(volume, tuple(voxels[inside].T), chance[chance > 0][inside])
    found = volume[np.asarray(grid.dataobj) > 0]
    return found / found.sum()


def lesion_rows(at: Sites, labels: npt.NDArray[np.int64], volumes: Array, probability: Array) -> pd.DataFrame:
    """Describe lesions as the participant level does; native coordinates are the template's.

    Parameters
    ----------
    at : Sites
    labels : ndarray of int, (v,)
        Number of the lesion at each brain voxel, 1 to n; 0 is none.
    volumes : ndarray, (n,)
        Volume of each lesion in mm3.
    probability : ndarray, (n,)
        Lesion probability of each lesion.
    """
    if not volumes.size:
        return pd.DataFrame(columns=list(LESION_COLUMNS))
    voxels = np.flatnonzero(labels)
    lesion, index = labels[voxels], np.arange(1, volumes.size + 1)

    def share(of: npt.NDArray[np.bool_]) -> Array:
        return np.asarray(ndimage.mean(of[voxels], lesion, index))

    centre = np.stack([ndimage.mean(at.points[voxels, axis], lesion, index) for axis in range(3)], axis=1)
    middle = [int(np.argmin(((at.points - point) ** 2).sum(axis=1))) for point in centre]
    touches = [share(at.place == 0) >= 0.5, *(share(at.place == number) > 0 for number in (1, 2))]
    flagged = [share(of) >= 0.5 for of in at.artefact]
    flags = [
        ",".join(n for n, on in zip(ARTEFACT_SITES, row, strict=True) if on)
        for row in zip(*flagged, strict=True)
    ]
    table = pd.DataFrame(
        {
            "index": index,
            "name": [f"lesion-{number:03d}" for number in index],
            "volume_mm3": volumes,
            **dict(zip("xyz", centre.T, strict=True)),
            **{f"template_{axis}": centre[:, k] for k, axis in enumerate("xyz")},
            "mean_probability": probability,
            "max_probability": np.minimum(1, probability * 1.1),
            "contrast": 0.2 + 0.5 * probability,
            "nearest_region": [at.names[k] for k in at.region[middle]],
            "place": np.select(touches, PLACES[:-1], default=PLACES[-1]),
            "artefact_prone": [flag or None for flag in flags],
        }
    )
    return table[list(LESION_COLUMNS)].round(4)

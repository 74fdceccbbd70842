"""Parcels: the atlas, its way into a visit's space, and normal-appearing white matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from scipy import ndimage

from bids_app.errors import InputError
from bids_app.image.structure_priors import LESION
from bids_app.image.transforms import apply
from bids_app.tables import read_table
from bids_app.tables.text import plain

AAL = "AAL"
AAL_SPACE = "MNI152NLin6Asym"
# AAL's own list calls both the middle and the medial orbital gyrus `Frontal_Mid_Orb`; names must differ here
AAL_NAMES = {25: "Frontal_Med_Orb_L", 26: "Frontal_Med_Orb_R"}
# least probability of white matter; chosen by hand, to leave out voxels shared with other tissues
NAWM_PROBABILITY = 0.8
LESION_MARGIN_MM = 2.0  # chosen by hand: the rim of a lesion looks normal and is not
# regions of AAL that are structures of their own, and FreeSurfer's numbers of these
NUCLEI = {
    "Thalamus_L": 10, "Caudate_L": 11, "Putamen_L": 12, "Pallidum_L": 13, "Hippocampus_L": 17, "Amygdala_L": 18,
    "Thalamus_R": 49, "Caudate_R": 50, "Putamen_R": 51, "Pallidum_R": 52, "Hippocampus_R": 53, "Amygdala_R": 54,
}  # fmt: skip


@dataclass(frozen=True)
class Atlas:
    """A label image in template space and the names of its regions.

    Attributes
    ----------
    name : str
        `AAL`, or the file's stem without what BIDS names cannot hold.
    image : Nifti1Image, (x, y, z), int
        Labels; 0 is no region.
    regions : DataFrame
        Columns `index` (int) and `name`, one row per region.
    space : str
        Space of the labels; `template` where the user's file is taken to be in the template's space.
    """

    name: str
    image: nib.Nifti1Image
    regions: pd.DataFrame
    space: str


def load_atlas(atlas: str = AAL) -> Atlas:
    """Load the built-in atlas, a label image with a table beside it, or a TemplateFlow atlas.

    Parameters
    ----------
    atlas : str
        `AAL` (Tzourio-Mazoyer et al. 2002, first version, 116 regions, in MNI152NLin6Asym space); a NIfTI file in
        the space of the template, with a table of the same stem (`.tsv`: columns `index` and `name`); or
        `TEMPLATE:ATLAS[:DESC]`, e.g. `MNI152NLin2009cAsym:Schaefer2018:100Parcels7Networks`, from TemplateFlow.

    Returns
    -------
    Atlas

    Raises
    ------
    InputError
        If a file is missing or unreadable, or the table does not name the labels.

    Examples
    --------
    >>> from demyelin import load_atlas
    >>> atlas = load_atlas()
    >>> atlas.regions["name"].head(3).tolist()
    ['Precentral_L', 'Precentral_R', 'Frontal_Sup_L']
    """
    if atlas == AAL:
        return _built_in()
    if atlas.count(":") in {1, 2} and not Path(atlas).exists():
        return _from_templateflow(atlas)
    path = Path(atlas)
    stem = path.name.removesuffix(".gz").removesuffix(".nii")
    name = "".join(letter for letter in stem if letter.isalnum()) or "custom"
    return _read(path, path.with_name(f"{stem}.tsv"), name, "template")


def label_atlas(image: nib.Nifti1Image) -> Atlas:
    """Return a label image as an atlas whose regions are named by their labels.

    Raises
    ------
    InputError
        If the image is not 3D or its values are not whole numbers.
    """
    index = np.unique(_whole_labels(image, "atlas image"))
    regions = pd.DataFrame({"index": index[index > 0]}).assign(name=lambda table: table["index"].astype(str))
    return Atlas("custom", image, regions, "template")


def _whole_labels(image: nib.Nifti1Image, what: str) -> np.ndarray:
    data = np.asanyarray(image.dataobj)
    if data.ndim != 3 or not np.array_equal(data, np.rint(data)):
        raise InputError(f"{what}: must be a 3D image of whole-number labels")
    return data.astype(np.int32)


@lru_cache(maxsize=1)
def _built_in() -> Atlas:
    folder = files("bids_app") / "data" / "aal"
    image = Path(str(folder / f"space-{AAL_SPACE}_res-1_atlas-AAL_dseg.nii.gz"))
    return _read(image, Path(str(folder / "atlas-AAL_dseg.tsv")), AAL, AAL_SPACE, AAL_NAMES)


def _read(image: Path, table: Path, name: str, space: str, renamed: dict[int, str] | None = None) -> Atlas:
    try:
        labels = nib.load(image)
        data = _whole_labels(labels, f"--atlas {image}")  # type: ignore[arg-type]
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"--atlas {image}: not AAL, and not a readable NIfTI file ({type(error).__name__})"
        ) from error
    clean = nib.Nifti1Image(data, labels.affine)  # type: ignore[attr-defined]
    return Atlas(name, clean, _read_regions(table, data, renamed or {}), space)


def _read_regions(path: Path, labels: np.ndarray, renamed: dict[int, str]) -> pd.DataFrame:
    try:
        cells = read_table(path).cells
        known = {plain(str(header)): header for header in reversed(cells.columns)}
        table = pd.DataFrame({"index": cells[known["index"]].astype(float), "name": cells[known["name"]]})
        if (table["index"] % 1 != 0).any():
            raise ValueError
        table = table.astype({"index": "int64"})
    except (InputError, KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"--atlas: {path} must be a table (tabs) with whole-number `index` and `name`"
        ) from error
    table = table[table["index"] > 0].reset_index(drop=True)
    table["name"] = table["index"].map(renamed).fillna(table["name"])
    if table["index"].duplicated().any() or table["name"].duplicated().any() or table["name"].isna().any():
        raise InputError(f"--atlas: {path} has an index or name twice, or a region without a name")
    unnamed = np.setdiff1d(np.unique(labels), [0, *table["index"]])
    if unnamed.size:
        raise InputError(f"--atlas: {path} does not name label {unnamed[0]} of the image")
    return table


def _from_templateflow(atlas: str) -> Atlas:
    from templateflow import api

    template, name, *more = atlas.split(":")
    query = {"atlas": name, "desc": more[0] if more else None, "suffix": "dseg"}
    try:
        found = [
            api.get(template, **query, resolution=1, extension=".nii.gz"),
            api.get(template, **query, extension=".tsv"),
        ]
    except Exception as error:
        raise InputError(
            f"--atlas {atlas}: TemplateFlow cannot provide it ({type(error).__name__})"
        ) from error
    if not all(isinstance(path, Path) for path in found):
        raise InputError(
            f"--atlas {atlas}: TemplateFlow has none, or several; add the description: {atlas}:DESC"
        )
    return _read(found[0], found[1], name + "".join(more), template)


def parcels(atlas: Atlas, like: nib.Nifti1Image, from_template: Sequence[Path]) -> nib.Nifti1Image:
    """Bring an atlas to a visit's space, each voxel taking the nearest label.

    AAL is drawn in MNI152NLin6Asym, the built-in template is MNI152NLin2009aSym. Both are variants of
    the MNI152 average in the same coordinates, and no transform between them is applied: millimetres are
    taken as they are: more than 85 % of the template's grey matter then has a label (a test holds that).

    Parameters
    ----------
    atlas : Atlas
        Labels in template coordinates.
    like : Nifti1Image, (x, y, z)
        Grid of the visit.
    from_template : sequence of Path
        Transforms that bring images from the template to the visit.

    Returns
    -------
    Nifti1Image, (x, y, z), int32
    """
    return apply(atlas.image, like, from_template, interpolation="nearestNeighbor")


def meet_structures(labels: nib.Nifti1Image, atlas: Atlas, structures: nib.Nifti1Image) -> nib.Nifti1Image:
    """Bring an atlas' deep nuclei, hippocampus and amygdala to the visit's own.

    Their borders are seen on the visit's image, and an atlas of one brain misses them by millimetres. A voxel of such a
    structure takes the region of its name (`NUCLEI`); a voxel of such a region outside the structure has no region,
    unless it is a lesion. Other regions, those of the cortex among them, stay the atlas'.

    Parameters
    ----------
    labels : Nifti1Image, (x, y, z), int
        From `parcels`.
    atlas : Atlas
        Whose regions they are; without one of the names nothing changes.
    structures : Nifti1Image, (x, y, z)
        Structures of the visit, FreeSurfer's numbers.

    Returns
    -------
    Nifti1Image, (x, y, z), int32
    """
    data, segmented = np.array(labels.dataobj), np.asanyarray(structures.dataobj)
    index = dict(zip(atlas.regions["name"], atlas.regions["index"], strict=True))
    known = {index[name]: number for name, number in NUCLEI.items() if name in index}
    data[np.isin(data, list(known)) & (segmented != LESION)] = 0
    for region, number in known.items():
        data[segmented == number] = region
    return nib.Nifti1Image(data, labels.affine)


def normal_appearing_white_matter(
    wm: nib.Nifti1Image, lesions: nib.Nifti1Image, brain: nib.Nifti1Image
) -> nib.Nifti1Image:
    """Return the mask of normal-appearing white matter (NAWM).

    Rule: inside the brain, probability of white matter at least 0.8 (which leaves out voxels shared with
    other tissues, in place of an erosion that would lose thin gyri), more than 2 mm from any lesion
    (whose surround is not normal either).

    Parameters
    ----------
    wm : Nifti1Image, (x, y, z)
        Probability of white matter.
    lesions, brain : Nifti1Image, (x, y, z)
        Masks on the same grid.

    Returns
    -------
    Nifti1Image, (x, y, z), uint8
    """
    lesion = np.asanyarray(lesions.dataobj) > 0
    mask = (np.asanyarray(wm.dataobj) >= NAWM_PROBABILITY) & (np.asanyarray(brain.dataobj) > 0) & ~lesion
    if lesion.any():
        size = nib.affines.voxel_sizes(wm.affine)
        mask &= ndimage.distance_transform_edt(~lesion, sampling=size) > LESION_MARGIN_MM
    return nib.Nifti1Image(mask.astype(np.uint8), wm.affine)

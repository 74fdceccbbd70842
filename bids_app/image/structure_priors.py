"""Structures of the brain: their names, numbers and tissues, and where they are in people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bids_app.image import itk
from bids_app.image.transforms import combined

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

STEM = "tpl-MNI152NLin2009aSym_res-1_desc-structures_probseg"


@dataclass(frozen=True)
class Structure:
    """One structure, both sides together.

    Attributes
    ----------
    name : str
        As in the priors, which have the same order.
    labels : tuple of int
        FreeSurfer's numbers of its left and right (or its only) part.
    tissue : {"GM", "WM", "CSF"}
        What it counts as among three tissues.
    intensity : str
        Structures of the same name here share one Gaussian.
    title : str
        Name in tables, after the side.
    """

    name: str
    labels: tuple[int, ...]
    tissue: str
    intensity: str
    title: str

    def parts(self) -> list[tuple[int, str, str]]:
        """Return number, side (empty where there is one part) and name of each part."""
        sides = ("Left", "Right") if len(self.labels) == 2 else ("",)
        return [(number, side, self.title) for number, side in zip(self.labels, sides, strict=True)]


STRUCTURES = (
    Structure("cortex", (3, 42), "GM", "cortex", "Cerebral-Cortex"),
    Structure("wm", (2, 41), "WM", "white", "Cerebral-White-Matter"),
    Structure("ventricle", (4, 43), "CSF", "ventricle", "Ventricles"),
    Structure("csf", (24,), "CSF", "fluid", "Outer-Fluid"),
    Structure("cbl_gm", (8, 47), "GM", "cerebellar cortex", "Cerebellum-Cortex"),
    Structure("cbl_wm", (7, 46), "WM", "cerebellar white", "Cerebellum-White-Matter"),
    Structure("brainstem", (16,), "WM", "brain stem", "Brain-Stem"),
    Structure("thalamus", (10, 49), "GM", "thalamus", "Thalamus"),
    Structure("caudate", (11, 50), "GM", "caudate", "Caudate"),
    Structure("putamen", (12, 51), "GM", "putamen", "Putamen"),
    Structure("pallidum", (13, 52), "GM", "pallidum", "Pallidum"),
    Structure("hippocampus", (17, 53), "GM", "cortex", "Hippocampus"),
    Structure("amygdala", (18, 54), "GM", "cortex", "Amygdala"),
    Structure("accumbens", (26, 58), "GM", "caudate", "Accumbens"),
    Structure("ventraldc", (28, 60), "WM", "brain stem", "Ventral-Diencephalon"),
    Structure("claustrum", (138, 139), "GM", "cortex", "Claustrum"),
)
NUMBER = {structure.name: place for place, structure in enumerate(STRUCTURES)}
LESION = 99  # FreeSurfer's number


@dataclass(frozen=True)
class Priors:
    """What the template knows of a visit's voxels.

    Attributes
    ----------
    structures : ndarray, (16, n), float32
        Probability of each of `STRUCTURES` in the n voxels of a mask, 0 to 1; they add up to the probability of
        the intracranial space.
    right : ndarray of bool, (n,)
        Voxels of the right half of the brain.
    """

    structures: Array
    right: Mask


@lru_cache(maxsize=1)
def load_priors() -> nib.Nifti1Image:
    """Load the priors that come with Demyelin.

    Returns
    -------
    Nifti1Image, (x, y, z, 16), uint8
        Probability of each of `STRUCTURES` times 255, on the 1 mm grid of MNI152NLin2009aSym.
    """
    image = nib.load(Path(str(files("bids_app") / "data" / "structures" / f"{STEM}.nii.gz")))
    return nib.Nifti1Image(np.asarray(image.dataobj), image.affine)  # type: ignore[attr-defined]


def template_coordinates(like: nib.Nifti1Image, from_template: Sequence[Path]) -> Array:
    """Return where each voxel of a visit lies in the template.

    Parameters
    ----------
    like : Nifti1Image, (x, y, z)
        Grid of the visit.
    from_template : sequence of Path
        Transforms that bring images from the template to the visit.

    Returns
    -------
    ndarray, (3, x, y, z), float32
        Millimetres to the right, front and top.
    """
    import SimpleITK

    field = SimpleITK.TransformToDisplacementField(
        combined(from_template),
        SimpleITK.sitkVectorFloat32,
        [int(edge) for edge in like.shape[:3]],
        *itk.place(like.affine),
    )
    moved = SimpleITK.GetArrayViewFromImage(field).transpose(3, 2, 1, 0)
    axes = np.ogrid[tuple(slice(edge) for edge in like.shape[:3])]
    out = np.empty((3, *like.shape[:3]), np.float32)
    for axis, sign in enumerate(np.diag(itk.LPS)):
        points = sum(like.affine[axis, other] * axes[other] for other in range(3)) + like.affine[axis, 3]
        out[axis] = points + sign * moved[axis]
    return out


def priors_at(coordinates: Array) -> Priors:
    """Return the priors at points of the template.

    Parameters
    ----------
    coordinates : ndarray, (3, n), float32
        Millimetres in MNI152 space.

    Returns
    -------
    Priors
    """
    image = load_priors()
    data = np.asarray(image.dataobj)
    found = np.empty((len(STRUCTURES), coordinates.shape[1]), dtype=np.float32)
    for place in range(len(STRUCTURES)):
        found[place] = sample(nib.Nifti1Image(data[..., place], image.affine), coordinates)
    return Priors(found, coordinates[0] > 0)


def sample(image: nib.Nifti1Image, coordinates: Array) -> Array:
    """Return a template image's values at points, between voxels linearly.

    Parameters
    ----------
    image : Nifti1Image, (x, y, z)
        In MNI152 space; uint8 stands for 0 to 1.
    coordinates : ndarray, (3, n), float32
        Millimetres.

    Returns
    -------
    ndarray, (n,), float32
        0 beyond the image.
    """
    data = np.asarray(image.dataobj)
    inverse = np.linalg.inv(image.affine).astype(np.float32)
    voxels = inverse[:3, :3] @ coordinates + inverse[:3, 3:]
    found = ndimage.map_coordinates(data.astype(np.float32), voxels, order=1, mode="constant")
    return found / np.float32(255) if data.dtype == np.uint8 else found

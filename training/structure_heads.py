"""Heads whose structures are known: label maps of real people, and the images that a scanner would give of them."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from bids_app.image.structure_priors import NUMBER, STRUCTURES

# the label maps' numbers beside those of STRUCTURES: lesions, vessels, chiasm and what else is small
MORE = {
    "wm": (77, 85, 30, 62, 25, 57, 251, 252, 253, 254, 255),
    "ventricle": (5, 44, 14, 15, 72),
    "claustrum": (136, 137, 163, 164),
}
# percent of white matter; T1w: medians of FreeSurfer's structures in one person, FLAIR: of real scans, roundly
LEVELS = {
    "cortex": (64, 128), "wm": (100, 100), "ventricle": (20, 25), "csf": (20, 28), "cbl_gm": (63, 115),
    "cbl_wm": (94, 97), "brainstem": (88, 105), "thalamus": (86, 112), "caudate": (70, 122), "putamen": (82, 116),
    "pallidum": (97, 98), "hippocampus": (65, 133), "amygdala": (66, 133), "accumbens": (71, 124),
    "ventraldc": (95, 105), "claustrum": (72, 122),
}  # fmt: skip
MARGIN = 6
OUTSIDE = 255
DIFFERENCE = 3.0  # SD of a structure's level between people
TEXTURE, NOISE = 3.0, 3.0
SURFACE_MM = 2.0  # outer fluid that a stripped image keeps


def load_heads(shared: Path) -> dict[str, nib.Nifti1Image]:
    """Return the structures of each label map: place in STRUCTURES, 255 outside the skull."""
    found = {}
    for path in sorted((shared / "data/label-maps").glob("map-??_dseg.nii.gz")):
        image = nib.as_closest_canonical(nib.load(path))
        found[path.name.split("_")[0]] = numbered(np.asarray(image.dataobj), image.affine)
    return found


def numbered(labels: np.ndarray, affine: np.ndarray) -> nib.Nifti1Image:
    """Return FreeSurfer's labels as places in STRUCTURES (255: none), cropped to them."""
    out = np.full(labels.shape, OUTSIDE, dtype=np.uint8)
    for structure in STRUCTURES:
        every = (*structure.labels, *MORE.get(structure.name, ()))
        out[np.isin(np.rint(labels).astype(int), every)] = NUMBER[structure.name]
    inside = np.argwhere(out != OUTSIDE)
    low, high = np.maximum(inside.min(0) - MARGIN, 0), inside.max(0) + MARGIN + 1
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    moved = affine.copy()
    moved[:3, 3] = (affine @ np.append(low, 1))[:3]
    return nib.Nifti1Image(out[box], moved)


def synthetic_scan(
    structures: nib.Nifti1Image, contrast: str, seed: int, blur: float | None = None
) -> nib.Nifti1Image:
    """Return a stripped T1w or FLAIR of 1 mm of a head.

    Parameters
    ----------
    structures : Nifti1Image, (x, y, z)
        From `load_heads`.
    contrast : {"T1w", "FLAIR"}
        What the sequence shows.
    seed : int
        Draws levels, texture, blur and noise.
    blur : float, optional
        SD in voxels; drawn where it is not given.
    """
    rng = np.random.default_rng([seed, contrast == "FLAIR"])
    places = np.asarray(structures.dataobj)
    levels = np.zeros(256)
    for name, pair in LEVELS.items():
        levels[NUMBER[name]] = pair[contrast == "FLAIR"] + rng.normal(0, DIFFERENCE)
    clean = levels[places].astype(np.float32)
    clean += TEXTURE * _smooth(rng.standard_normal(places.shape), 3.0) * (places != OUTSIDE)
    drawn = rng.uniform(0.5, 0.8)
    shared = ndimage.gaussian_filter(clean, drawn if blur is None else blur)
    noisy = shared + rng.normal(0, NOISE, places.shape)
    solid = ~np.isin(places, [OUTSIDE, NUMBER["csf"]])
    kept = (ndimage.distance_transform_edt(~ndimage.binary_closing(solid, iterations=3)) <= SURFACE_MM) & (
        places != OUTSIDE
    )
    return nib.Nifti1Image(np.where(kept, np.maximum(noisy, 1), 0).astype(np.float32), structures.affine)


def _smooth(noise: np.ndarray, sigma: float) -> np.ndarray:
    smooth = ndimage.gaussian_filter(noise, sigma)
    return smooth / smooth.std()

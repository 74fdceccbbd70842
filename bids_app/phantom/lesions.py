"""Where lesions lie in each disease, and how large they are."""

from __future__ import annotations

from functools import lru_cache

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bids_app.image.places import Place, place_image
from bids_app.phantom.anatomy import HEAD, PhantomAnatomy, axes_mm, sources

Mask = npt.NDArray[np.bool_]
DIAGNOSES = ("MS", "NMOSD")
# template mm, from study B's chi-square map: half-widths and centres, mirrored where x is not 0
NMOSD_SITES = {
    "dorsal medulla": ((0, -42, -52), (6, 4, 8)),
    "cerebral peduncle": ((13, -18, -14), (5, 6, 7)),
    "internal capsule": ((20, -8, 8), (5, 10, 10)),
    "corpus callosum": ((0, -28, 20), (9, 12, 6)),
}
NMOSD_LESION_FREE = 0.25  # share; a normal brain scan is common in NMOSD
RADIUS_MM = {"MS": (2.4, 0.4), "NMOSD": (2.6, 0.45)}  # median, SD of the logarithm


@lru_cache(maxsize=4)
def prior(diagnosis: str) -> npt.NDArray[np.float64]:
    """Return how likely a lesion's centre is at each voxel of the template at 1 mm; the sum is 1.

    MS: white matter beside the lateral ventricles (half), near the cortex (a quarter), in the inferior
    temporal lobe (an eighth), and elsewhere. NMOSD: dorsal medulla, cerebral peduncle and internal
    capsule, corpus callosum, a little elsewhere (study B's sites).
    """
    source = sources()
    white = source.tissues[1] > 0.7
    x, y, z = axes_mm(source.affine, white.shape)
    if diagnosis == "NMOSD":
        parts = [(0.22, _boxes(name, x, y, z) & (source.tissues[1] > 0.4)) for name in NMOSD_SITES]
        parts.append((0.12, white))
    else:
        lateral = np.asarray(place_image().dataobj) == Place.LATERAL_VENTRICLE
        near = ndimage.distance_transform_edt(~lateral) <= 8
        cortex = ndimage.distance_transform_edt(source.tissues[0] < 0.5) <= 4
        temporal = (np.abs(x) > 30) & (z < -5) & (y > -60) & (y < 10)
        parts = [(0.5, near & white), (0.25, cortex & white), (0.125, temporal & white), (0.125, white)]
    total = sum(weight * mask / max(int(mask.sum()), 1) for weight, mask in parts)
    return total / total.sum()


def _boxes(name: str, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> Mask:
    (cx, cy, cz), (hx, hy, hz) = NMOSD_SITES[name]
    return (np.abs(np.abs(x) - cx) <= hx) & (np.abs(y - cy) <= hy) & (np.abs(z - cz) <= hz)


def draw_lesions(
    anatomy: PhantomAnatomy, diagnosis: str, count: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Draw ellipsoid lesions into a person's white matter.

    The first lesions are the same for any larger count, so that later sessions keep earlier lesions.

    Parameters
    ----------
    anatomy : PhantomAnatomy
        The person.
    diagnosis : {"MS", "NMOSD"}
        Whose sites.
    count : int
        How many lesions to draw.
    rng : Generator
        Draws centres, sizes and shapes.

    Returns
    -------
    ndarray, (x, y, z)
        Share of lesion in each voxel, 0 to 1.
    """
    chance = prior(diagnosis).ravel()
    median, spread = RADIUS_MM[diagnosis]
    out = np.zeros(anatomy.brain.shape, np.float32)
    shape, affine = sources().tissues.shape[1:], sources().affine
    for _ in range(count):
        voxel = np.unravel_index(rng.choice(chance.size, p=chance), shape)
        centre = nib.affines.apply_affine(affine, np.array(voxel))
        radii = median * np.exp(rng.normal(0, spread)) * rng.uniform(0.75, 1.35, 3)
        distance = np.zeros(anatomy.brain.shape, np.float32)
        for axis in range(3):  # points are in template mm, radii in the person's
            away = HEAD * (anatomy.points[axis] - np.float32(centre[axis]))
            distance += (away / np.float32(radii[axis])) ** 2
        edge = anatomy.affine[0, 0] / radii.mean()
        out = np.maximum(out, np.clip((1 - np.sqrt(distance)) / edge + 0.5, 0, 1))
    return out * np.clip(1.6 * anatomy.tissues[1] + 0.2, 0, 1) * (anatomy.tissues[2] < 0.5) * anatomy.brain

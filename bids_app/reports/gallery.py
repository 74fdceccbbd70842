"""A strip of pictures for each lesion: the whole slice, then the lesion from three sides, on FLAIR and T1w."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from bids_app.derivatives.reader import VisitFiles
from bids_app.errors import InputError
from bids_app.reports.figures import INK, Crop, Mark, canonical, cut, encode
from bids_app.reports.page import data_uri

if TYPE_CHECKING:
    import nibabel as nib

    Array = npt.NDArray[np.float32]
    Bytes = npt.NDArray[np.uint8]

LESION_TILE, TILE_GAP = 150, 2  # pixels; chosen by eye
TILE_REACH_MM = 28.0  # to each side of a lesion, so that its surroundings are seen; chosen by eye
OTHER = "#ffb000"


class Scene(NamedTuple):
    """What strips are cut from: voxels with axes to the right, front and top."""

    images: list[Array]
    windows: list[tuple[float, float]]
    labels: Array
    zooms: npt.NDArray[np.float64]
    scale: float


def strip_marks(with_t1w: bool) -> list[Mark]:
    """Return what is written on the tiles of a strip."""
    sides = [("L", "R"), ("L", "R"), ("L", "R"), ("P", "A"), *([("L", "R")] if with_t1w else [])]
    return [Mark(place * (LESION_TILE + TILE_GAP), 0, LESION_TILE, *pair) for place, pair in enumerate(sides)]


def strip_width(with_t1w: bool) -> int:
    """Return the width of a strip in pixels."""
    tiles = 5 if with_t1w else 4
    return LESION_TILE * tiles + TILE_GAP * (tiles - 1)


def lesion_strips(visit: VisitFiles, numbers: list[int]) -> dict[int, str]:
    """Return a picture for each lesion as a `data:` address, by the lesion's number.

    Parameters
    ----------
    visit : VisitFiles
        The visit.
    numbers : list of int
        Values in the image of numbered lesions.

    Notes
    -----
    Tiles: the FLAIR's axial slice through the lesion's middle with a frame; axial, coronal and sagittal close-ups
    of the FLAIR; an axial close-up of the T1w where there is one. Without a FLAIR all are of the T1w. This lesion's
    outline is red, others' orange.
    """
    shown = [key for key in ("flair", "flair_native", "t1w") if visit.has(key)]
    if not shown or not visit.has("lesion_labels"):
        return {}
    try:
        images = [visit.image(key) for key in shown]
        scene = _scene(images, visit.image("lesion_labels"))
    except InputError:  # told among the visit's problems
        return {}
    found = _middles(scene.labels, numbers)
    return {number: data_uri(_strip(scene, number, middle), ".webp") for number, middle in found.items()}


def _scene(images: list[nib.Nifti1Image], labels: nib.Nifti1Image) -> Scene:
    from nibabel.affines import voxel_sizes
    from nibabel.funcs import as_closest_canonical

    data = [canonical(image) for image in images]
    windows = []
    for one in data:
        bright = one[one > 0.1 * np.percentile(one, 99)]
        low, high = np.percentile(bright, [1, 99.7]) if bright.size else (0.0, 1.0)
        windows.append((float(low), float(max(high, low + 1e-6))))
    zooms = voxel_sizes(as_closest_canonical(images[0]).affine)
    widest = max(size * zoom for size, zoom in zip(data[0].shape, zooms, strict=True))
    return Scene(data, windows, canonical(labels), zooms, LESION_TILE / float(widest))


def _middles(labels: Array, numbers: list[int]) -> dict[int, tuple[int, int, int]]:
    """Return, for each lesion, its voxel nearest to its centre of mass."""
    from scipy import ndimage

    boxes = ndimage.find_objects(labels.astype(np.int32))
    middles = {}
    for number in numbers:
        if not 0 < number <= len(boxes) or boxes[number - 1] is None:
            continue
        box = boxes[number - 1]
        voxels = np.argwhere(labels[box] == number) + [side.start for side in box]
        nearest = voxels[np.argmin(((voxels - voxels.mean(axis=0)) ** 2).sum(axis=1))]
        middles[number] = (int(nearest[0]), int(nearest[1]), int(nearest[2]))
    return middles


def _strip(scene: Scene, number: int, middle: tuple[int, int, int]) -> bytes:
    """Draw one lesion's tiles side by side."""
    from PIL.Image import fromarray

    close = [_crop(scene, middle, plane) for plane in (2, 1, 0)]
    views = [(0, crop) for crop in close] + [(1, close[0])] * (len(scene.images) - 1)
    tiles = [_overview(scene, middle), *(_close_up(scene, number, which, crop) for which, crop in views)]
    strip = np.zeros((LESION_TILE, strip_width(len(tiles) > 4), 3), np.uint8)
    for place, tile in enumerate(tiles):
        left = place * (LESION_TILE + TILE_GAP)
        strip[:, left : left + LESION_TILE] = tile
    return encode(fromarray(strip), ".webp", quality=76)


def _crop(scene: Scene, middle: tuple[int, int, int], plane: int) -> Crop:
    """Return the box around a lesion in one plane, moved to stay inside the image."""
    sides = []
    for axis in (axis for axis in range(3) if axis != plane):
        half = int(np.ceil(TILE_REACH_MM / scene.zooms[axis]))
        size = scene.labels.shape[axis]
        start = min(max(middle[axis] - half, 0), max(size - 2 * half, 0))
        sides.append(slice(start, min(start + 2 * half, size)))
    return Crop(plane, middle[plane], (sides[0], sides[1]))


def _grey(scene: Scene, which: int, crop: Crop, scale: float) -> Bytes:
    low, high = scene.windows[which]
    tile = cut(scene.images[which], crop, scene.zooms, scale, "bicubic")
    return (np.clip((tile - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def _close_up(scene: Scene, number: int, which: int, crop: Crop) -> Bytes:
    """Draw a close-up with the outlines of the lesions."""
    from PIL import ImageColor
    from scipy import ndimage

    scale = LESION_TILE / (2 * TILE_REACH_MM)
    tile = np.repeat(_grey(scene, which, crop, scale)[..., None], 3, axis=2)
    slab = np.moveaxis(np.moveaxis(scene.labels, crop.plane, 0)[crop.at : crop.at + 1], 0, crop.plane)
    for ink, mask in ((OTHER, (slab > 0) & (slab != number)), (INK["lesion"], slab == number)):
        flat = crop._replace(at=0)
        inside = cut(mask.astype(np.float32), flat, scene.zooms, scale, "bilinear") > 0.5
        tile[inside & ~ndimage.binary_erosion(inside)] = ImageColor.getrgb(ink)
    return _centred(tile)


def _overview(scene: Scene, middle: tuple[int, int, int]) -> Bytes:
    """Draw the whole axial slice with a frame around the close-up."""
    sides = (slice(0, scene.labels.shape[0]), slice(0, scene.labels.shape[1]))
    tile = np.repeat(_grey(scene, 0, Crop(2, middle[2], sides), scene.scale)[..., None], 3, axis=2)
    across, up = _crop(scene, middle, 2).box
    height, width = tile.shape[:2]
    step = scene.zooms[:2] * scene.scale
    left, right = (min(int(edge * step[0]), width - 1) for edge in (across.start, across.stop))
    bottom, top = (min(max(height - 1 - int(edge * step[1]), 0), height - 1) for edge in (up.start, up.stop))
    frame = (255, 255, 255)
    tile[[top, bottom], left : right + 1] = frame
    tile[top : bottom + 1, [left, right]] = frame
    return _centred(tile)


def _centred(tile: Bytes) -> Bytes:
    """Put a tile on a black square, cut where it is larger."""
    square = np.zeros((LESION_TILE, LESION_TILE, 3), np.uint8)
    tile = tile[:LESION_TILE, :LESION_TILE]
    top, left = (LESION_TILE - tile.shape[0]) // 2, (LESION_TILE - tile.shape[1]) // 2
    square[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return square

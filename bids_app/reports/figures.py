"""Slices of a visit's images as sheets of tiles: grey backgrounds, and layers to lay over them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import nibabel as nib
    from PIL.Image import Image

    Array = npt.NDArray[np.float32]

TILES_ACROSS = 7  # of a sheet
PLANES = (2, 2, 1, 0)  # two rows of axial slices, one coronal, one sagittal
SHEET_TILE = 176  # pixels
SLICE_MARGIN_MM = 4.0  # round the brain in the pictures; chosen by eye
INK = {"brain": "#ff5d5d", "lesion": "#ff3b3b", "WM": "#39c2ff", "GM": "#ffd166", "CSF": "#7bd88f"}
RAMPS = {"heat": "inferno", "warm": "autumn", "cut": "viridis", "signed": "RdBu_r", "share": "YlOrRd"}
AXES = "xyz"


class Crop(NamedTuple):
    """One tile: a slice across `plane` and the box of it that is shown."""

    plane: int
    at: int
    box: tuple[slice, slice]


class Mark(NamedTuple):
    """What is written on a tile: its corner and edge in pixels, the letters at its sides, its place in mm."""

    x: int
    y: int
    edge: int
    left: str
    right: str
    place: str = ""

    @property
    def turns(self) -> bool:
        """Whether the tile is mirrored in the radiological view: it shows both sides of the head."""
        return self.left == "L"


class Sheet:
    """Slices of one grid; every image on that grid is drawn on the same tiles.

    The person's left is on the left of axial and coronal tiles (neurological view), the front on the right of sagittal
    ones.

    Parameters
    ----------
    like : Nifti1Image, (x, y, z)
        Background: its head fills the tiles.
    focus : Nifti1Image, optional
        Mask on the same grid: slices are chosen where it has most voxels, else evenly through the head.
    """

    def __init__(self, like: nib.Nifti1Image, focus: nib.Nifti1Image | None = None) -> None:
        import nibabel as nib

        grey = canonical(like)
        self.affine = nib.as_closest_canonical(like).affine
        self.zooms = nib.affines.voxel_sizes(self.affine)
        where = canonical(focus) > 0 if focus is not None else grey > _foreground(grey)
        box = _head_box(grey, self.zooms)
        self.crops = [
            [Crop(plane, index, _sides(box, plane)) for index in row]
            for plane, row in zip(PLANES, _places(where, box, focus is not None), strict=True)
        ]
        widest = max((side.stop - side.start) * zoom for side, zoom in zip(box, self.zooms, strict=True))
        self.scale = SHEET_TILE / float(widest)  # pixels per millimetre

    @cached_property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return SHEET_TILE * len(self.crops), SHEET_TILE * TILES_ACROSS

    def grey(self, image: nib.Nifti1Image, window: tuple[float, float] | None = None) -> Image:
        """Draw a background, black to white over `window`, else from the 1st to the 99.5th percentile of the head."""
        from PIL.Image import fromarray

        data = canonical(image)
        bright = data[data > _foreground(data)]
        low, high = window or (np.percentile(bright, [1, 99.5]) if bright.size else (0.0, 1.0))
        if high <= low:
            high = low + 1
        return fromarray(_bytes(self._tiles(data, "bicubic"), low, high))

    def outline(self, image: nib.Nifti1Image, level: float, colour: str) -> Image:
        """Draw the outline of image > level, transparent elsewhere.

        Parameters
        ----------
        image : Nifti1Image, (x, y, z)
            Mask or map.
        level : float
            Value whose outline is drawn.
        colour : str
            As `#rrggbb`.
        """
        from PIL import ImageColor
        from PIL.Image import fromarray
        from scipy import ndimage

        inside = self._tiles((canonical(image) > level).astype(np.float32), "bilinear") > 0.5
        edge = inside & ~ndimage.binary_erosion(inside, iterations=1)
        alpha = np.clip(ndimage.gaussian_filter(edge.astype(np.float32), 0.6) * 2.6, 0, 1)
        drawn = np.zeros((*edge.shape, 4), np.uint8)
        drawn[..., :3] = ImageColor.getrgb(colour)[:3]
        drawn[..., 3] = alpha * 255
        return fromarray(drawn)

    def labels(self, image: nib.Nifti1Image) -> Image:
        """Fill each label with a colour of its own, transparent elsewhere."""
        from matplotlib import colormaps
        from PIL.Image import fromarray

        values = self._tiles(canonical(image), "nearest").astype(np.int64)
        table = (np.asarray(colormaps["tab20"].colors) * 255).astype(np.uint8)  # type: ignore[attr-defined]
        drawn = np.zeros((*values.shape, 4), np.uint8)
        drawn[..., :3] = table[(values * 7) % len(table)]
        drawn[..., 3] = np.where(values > 0, 255, 0)
        return fromarray(drawn)

    def values(self, image: nib.Nifti1Image, low: float, high: float) -> Image:
        """Draw values from `low` to `high` as the bytes 0 to 255: what the page's threshold works on.

        Parameters
        ----------
        image : Nifti1Image, (x, y, z)
            A map.
        low, high : float
            Values of the bytes 0 and 255.
        """
        from PIL.Image import fromarray

        return fromarray(_bytes(self._tiles(canonical(image), "bilinear"), low, high))

    def _tiles(self, data: Array, how: str) -> Array:
        """Return the tiles of an image as one array, (height, width)."""
        sheet = np.zeros(self.size, np.float32)
        for row, crops in enumerate(self.crops):
            for column, crop in enumerate(crops):
                tile = cut(data, crop, self.zooms, self.scale, how)
                top, left = (
                    (SHEET_TILE - tile.shape[0]) // 2 + row * SHEET_TILE,
                    (SHEET_TILE - tile.shape[1]) // 2 + column * SHEET_TILE,
                )
                sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
        return sheet

    @cached_property
    def marks(self) -> list[Mark]:
        """What is written on each tile."""
        found = []
        for row, crops in enumerate(self.crops):
            for column, crop in enumerate(crops):
                centre = [0, 0, 0]
                centre[crop.plane] = crop.at
                place = (self.affine @ [*centre, 1])[crop.plane]
                sides = ("L", "R") if crop.plane else ("P", "A")
                words = f"{AXES[crop.plane]} {place:.0f} mm"
                found.append(Mark(column * SHEET_TILE, row * SHEET_TILE, SHEET_TILE, *sides, words))
        return found

    def marked(self, sheet: Image) -> Image:
        """Return a drawing with the marks written into it, for a file of its own."""
        from PIL import ImageDraw, ImageFont

        written = sheet.copy()
        pen, font = ImageDraw.Draw(written), ImageFont.load_default(11)
        for mark in self.marks:
            pen.text((mark.x + 4, mark.y + SHEET_TILE - 16), mark.place, fill="#bebebe", font=font)
            pen.text((mark.x + 4, mark.y + 3), mark.left, fill="#e6e6e6", font=font)
            pen.text((mark.x + SHEET_TILE - 12, mark.y + 3), mark.right, fill="#e6e6e6", font=font)
        return written


def cut(data: Array, crop: Crop, zooms: npt.NDArray[np.float64], scale: float, how: str) -> Array:
    """Return one slice as a picture: rows from the top, `scale` pixels per millimetre.

    Parameters
    ----------
    data : ndarray, (x, y, z)
        Axes to the right, front and top.
    crop : Crop
        Plane, place along it, and box.
    zooms : ndarray, (3,)
        Voxel edges in mm.
    scale : float
        Pixels per mm.
    how : str
        Name of one of `PIL.Image.Resampling`.
    """
    from PIL.Image import Resampling, fromarray

    across, up = (axis for axis in range(3) if axis != crop.plane)
    where: list[Any] = list(crop.box)
    where.insert(crop.plane, crop.at)
    flat = data[tuple(where)].T[::-1]
    size = (
        max(1, round(flat.shape[1] * float(zooms[across]) * scale)),
        max(1, round(flat.shape[0] * float(zooms[up]) * scale)),
    )
    picture = fromarray(np.ascontiguousarray(flat, dtype=np.float32))
    return np.asarray(picture.resize(size, getattr(Resampling, how.upper())))


def colour(values: Image, ramp: str, low: float, high: float, level: float) -> Image:
    """Colour what `Sheet.values` drew, transparent below `level`: the picture before any threshold is moved.

    Parameters
    ----------
    values : Image
        Bytes of `Sheet.values`.
    ramp : str
        Name of a colour scale in `RAMPS`.
    low, high : float
        Values of the bytes 0 and 255.
    level : float
        Value below which nothing is drawn.
    """
    from matplotlib import colormaps
    from PIL.Image import fromarray

    raw = np.asarray(values)
    drawn = (colormaps[RAMPS[ramp]](np.arange(256)) * 255).astype(np.uint8)[raw]
    drawn[..., 3] = np.where(raw / 255 * (high - low) + low >= level, 255, 0)
    return fromarray(drawn)


def ramp_stops(ramp: str, number: int = 9) -> str:
    """Return a colour scale as hexadecimal colours, for the page."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return " ".join(to_hex(colormaps[RAMPS[ramp]](place)) for place in np.linspace(0, 1, number))


def composite(background: Image, layers: Sequence[tuple[Image, float]]) -> Image:
    """Lay layers with their opacities (0 to 1) over a background."""
    from PIL.Image import alpha_composite

    flat = background.convert("RGBA")
    for layer, opacity in layers:
        faint = layer.copy()
        faint.putalpha(layer.getchannel("A").point(lambda alpha, by=opacity: round(alpha * by)))
        flat = alpha_composite(flat, faint)
    return flat.convert("RGB")


def encode(picture: Image, kind: str = ".webp", **more: Any) -> bytes:
    """Return a picture as a file's bytes; WebP of quality 82, or lossless PNG."""
    stream = io.BytesIO()
    options: dict[str, Any] = {"quality": 82, "method": 2} if kind == ".webp" else {"compress_level": 4}
    picture.save(stream, format=kind[1:], **(options | more))
    return stream.getvalue()


def canonical(image: nib.Nifti1Image) -> Array:
    """Return the voxels with axes to the right, front and top; what is no number is 0."""
    import nibabel as nib

    data = np.asarray(nib.as_closest_canonical(image).dataobj, dtype=np.float32)
    return np.nan_to_num(data, nan=0.0, posinf=0.0, neginf=0.0)


def _bytes(values: Array, low: float, high: float) -> npt.NDArray[np.uint8]:
    return (np.clip((values - low) / (high - low), 0, 1) * 255).round().astype(np.uint8)


def _foreground(grey: Array) -> float:
    return float(0.1 * np.percentile(grey[::2, ::2, ::2], 99))  # every eighth voxel tells enough


def _head_box(grey: Array, zooms: npt.NDArray[np.float64]) -> tuple[slice, ...]:
    """Return the box of the head, so that the slices fill their tiles."""
    inside = grey > _foreground(grey)
    if not inside.any():
        return tuple(slice(0, size) for size in grey.shape)
    sides = []
    for axis in range(3):
        found = np.flatnonzero(inside.any(axis=tuple(other for other in range(3) if other != axis)))
        margin = int(np.ceil(SLICE_MARGIN_MM / zooms[axis]))
        sides.append(
            slice(max(int(found[0]) - margin, 0), min(int(found[-1]) + margin + 1, grey.shape[axis]))
        )
    return tuple(sides)


def _sides(box: tuple[slice, ...], plane: int) -> tuple[slice, slice]:
    across, up = (box[axis] for axis in range(3) if axis != plane)
    return across, up


def _places(where: npt.NDArray[np.bool_], box: tuple[slice, ...], dense: bool) -> list[list[int]]:
    """Return slice numbers for each row: evenly through the mask, or where it is largest."""
    rows = []
    for row, plane in enumerate(PLANES):
        sums = where.sum(axis=tuple(axis for axis in range(3) if axis != plane))
        if dense and sums.any():
            away = np.abs(np.arange(sums.size)[:, None] - np.flatnonzero(sums)).min(axis=1)
            best = np.lexsort((away, -sums))  # the fullest slices, then those next to them
            chosen = (
                np.sort(best[: 2 * TILES_ACROSS])[row % 2 :: 2]
                if plane == 2
                else np.sort(best[:TILES_ACROSS])
            )
        else:
            inside = np.arange(box[plane].start, box[plane].stop)
            shift = 0.5 * (row % 2) / TILES_ACROSS if plane == 2 else 0.25 / TILES_ACROSS
            steps = 0.08 + 0.86 * ((np.arange(TILES_ACROSS) + 0.25) / TILES_ACROSS + shift)
            chosen = inside[np.clip((steps * len(inside)).astype(int), 0, len(inside) - 1)]
        rows.append([int(index) for index in chosen[:TILES_ACROSS]])
    return rows

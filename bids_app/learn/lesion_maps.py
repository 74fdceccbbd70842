"""Belief and lesion maps of many visits as two arrays on disk: brain voxels only, lesions one bit each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from bids_app.derivatives import atomic, write_json
from bids_app.derivatives.records import sha256
from bids_app.errors import InputError

INDEX = "maps.json"
ARRAYS = ("belief", "packed", "sums")


@dataclass(frozen=True)
class MapStore:
    """Maps of n visits at the v brain voxels of a template grid.

    Attributes
    ----------
    mask : ndarray of bool, shape of the grid
        Brain voxels; column k of the arrays is the k-th true voxel in C order.
    affine : ndarray, shape (4, 4)
        Voxel to template mm.
    belief : ndarray of float32, shape (n, v)
        Grey-matter belief, memory-mapped.
    packed : ndarray of uint8, shape (n, ceil(v / 8))
        Lesion maps as segmented, one bit per voxel, memory-mapped.
    sums : ndarray, shape (n, 2)
        Sum and sum of squares of each visit's belief over brain voxels.
    """

    mask: npt.NDArray[np.bool_]
    affine: npt.NDArray[np.float64]
    belief: npt.NDArray[np.float32]
    packed: npt.NDArray[np.uint8]
    sums: npt.NDArray[np.float64]

    @property
    def n_voxels(self) -> int:
        """Number of brain voxels."""
        return self.belief.shape[1]

    def lesions(self) -> npt.NDArray[np.bool_]:
        """Return the lesion maps as segmented, shape (n, v)."""
        return np.unpackbits(self.packed, axis=1, count=self.n_voxels).astype(bool)

    def image(self, values: npt.NDArray[Any]) -> nib.Nifti1Image:
        """Return values of the brain voxels as an image in template space, 0 elsewhere."""
        volume = np.zeros(self.mask.shape, np.uint8 if values.dtype == bool else values.dtype)
        volume[self.mask] = values
        return nib.Nifti1Image(volume, self.affine)


def build_store(
    beliefs: Mapping[str, Path], lesions: Mapping[str, Path], mask: nib.Nifti1Image, folder: Path
) -> MapStore:
    """Read the maps of all visits into arrays in `folder`, or open them where the same files were read before.

    Parameters
    ----------
    beliefs, lesions : mapping of visit name to path
        Belief map and lesion mask of each visit, template space; the same visits in both, in the order wanted. Without
        lesion masks the store has none.
    mask : Nifti1Image
        Brain mask that gives the grid.
    folder : Path
        Where the arrays are kept.

    Raises
    ------
    InputError
        If a file cannot be read, lies on another grid, or holds what cannot be a map.
    """
    key = {
        "mask": [list(mask.shape), mask.affine.tolist(), int(np.count_nonzero(np.asanyarray(mask.dataobj)))],
        "files": [_stamp(path) for path in (*beliefs.values(), *lesions.values())],
    }
    if _index_of(folder) != key | {"sha256": _digests(folder)}:
        (folder / INDEX).unlink(missing_ok=True)
        _read_all(list(beliefs.items()), list(lesions.items()), mask, folder)
        write_json(key | {"sha256": _digests(folder)}, folder / INDEX)
    load = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ARRAYS}
    return MapStore(np.asanyarray(mask.dataobj) > 0, np.asarray(mask.affine, float), **load)


def _stamp(path: Path) -> list[Any]:
    try:
        stat = path.stat()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; run the participant level for this visit") from error
    return [str(path), stat.st_size, stat.st_mtime_ns]


def _digests(folder: Path) -> list[str]:
    """Return the sha256 of the arrays, so that damaged ones are made anew; empty texts where there are none."""
    paths = [folder / f"{name}.npy" for name in ARRAYS]
    return [sha256(path) if path.is_file() else "" for path in paths]


def _index_of(folder: Path) -> Any:
    try:
        return json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _read_all(
    beliefs: Sequence[tuple[str, Path]],
    lesions: Sequence[tuple[str, Path]],
    mask: nib.Nifti1Image,
    folder: Path,
) -> None:
    inside = np.asanyarray(mask.dataobj) > 0
    n, v = len(beliefs), int(inside.sum())
    sums = np.empty((n, 2))
    with atomic(folder / "belief.npy") as aside, aside.open("wb") as stream:
        header = {"descr": "<f4", "fortran_order": False, "shape": (n, v)}
        np.lib.format.write_array_header_1_0(stream, header)
        for k, (visit, path) in enumerate(beliefs):
            belief = _belief(path, visit, mask)[inside]
            sums[k] = belief.sum(), np.square(belief).sum()
            stream.write(belief.astype("<f4").tobytes())
    packed = np.empty((len(lesions), -(-v // 8)), np.uint8)
    for k, (visit, path) in enumerate(lesions):
        packed[k] = np.packbits(_lesions(path, visit, mask)[inside])
    for name, array in (("packed", packed), ("sums", sums)):
        with atomic(folder / f"{name}.npy") as aside, aside.open("wb") as stream:
            np.save(stream, array)


def _belief(path: Path, visit: str, mask: nib.Nifti1Image) -> npt.NDArray[np.float64]:
    data = read_on_grid(path, visit, mask)
    inside = data[np.asanyarray(mask.dataobj) > 0]
    if not np.isfinite(inside).all():
        raise InputError(f"{path}: belief map of {visit} holds NaN or infinite values; process it again")
    if not inside.any():
        raise InputError(f"{path}: belief map of {visit} is empty; process it again or leave the visit out")
    return data


def _lesions(path: Path, visit: str, mask: nib.Nifti1Image) -> npt.NDArray[np.bool_]:
    data = read_on_grid(path, visit, mask)
    if not np.isin(data, (0, 1)).all():
        raise InputError(f"{path}: lesion mask of {visit} holds values other than 0 and 1; process it again")
    return data > 0


def read_on_grid(path: Path, visit: str, mask: nib.Nifti1Image) -> npt.NDArray[np.float64]:
    """Read an image that must lie on the grid of `mask`.

    Parameters
    ----------
    path : Path
    visit : str
        Whose map it is, for messages.
    mask : Nifti1Image, (x, y, z)
        Its shape and affine are the ones demanded.

    Returns
    -------
    ndarray, (x, y, z)

    Raises
    ------
    InputError
        If it cannot be read or lies on another grid.
    """
    try:
        image: Any = nib.load(path)
        data = np.asarray(image.dataobj, dtype=np.float64)
    except Exception as error:  # nibabel, gzip and zlib each have their own
        raise InputError(f"{path}: map of {visit} cannot be read ({error}); process it again") from error
    if data.shape != mask.shape or not np.allclose(image.affine, mask.affine, atol=1e-3):
        raise InputError(
            f"{path}: map of {visit} is on another grid (shape {data.shape}, the brain mask's is {mask.shape}, "
            "or another affine); process all visits with one template"
        )
    return data

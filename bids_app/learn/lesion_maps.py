"""Belief and lesion maps of many visits as two arrays on disk: brain voxels only, lesions one bit each."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.derivatives import atomic, write_json
from bids_app.derivatives.records import sha256
from bids_app.errors import InputError
from bids_app.learn.odd_maps import Usual, impossible, learn_usual, map_measures, measures_against, scaled

INDEX = "maps.json"
ARRAYS = ("belief", "packed", "sums", "measures", "reference")
MOST_LESION = 0.5  # of the brain; no lesion load comes near


class Fault(NamedTuple):
    """A visit that is left out: the file, and what is wrong with it."""

    visit: str
    file: str
    fault: str


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
    measures : ndarray, shape (n, 4)
        `bids_app.learn.odd_maps.MEASURES` of each visit's belief.
    reference : ndarray of float32, shape (v,)
        Mean of the belief maps, each scaled to mean 0 and SD 1.
    visits : tuple of str
        Names of the n visits.
    left_out : DataFrame
        Visits whose maps cannot be used: visit, file, fault.
    """

    mask: npt.NDArray[np.bool_]
    affine: npt.NDArray[np.float64]
    belief: npt.NDArray[np.float32]
    packed: npt.NDArray[np.uint8]
    sums: npt.NDArray[np.float64]
    measures: npt.NDArray[np.float64]
    reference: npt.NDArray[np.float32]
    visits: tuple[str, ...] = ()
    left_out: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=Fault._fields))

    @property
    def n_voxels(self) -> int:
        """Number of brain voxels."""
        return self.belief.shape[1]

    def lesions(self) -> npt.NDArray[np.bool_]:
        """Return the lesion maps as segmented, shape (n, v)."""
        return np.unpackbits(self.packed, axis=1, count=self.n_voxels).astype(bool)

    def take(self, rows: npt.NDArray[np.intp]) -> MapStore:
        """Return the maps of some visits, in memory."""
        chosen = {name: getattr(self, name)[rows] for name in ("belief", "sums", "measures")}
        packed = self.packed[rows] if len(self.packed) else self.packed
        return replace(self, **chosen, packed=packed, visits=tuple(self.visits[k] for k in rows))

    def image(self, values: npt.NDArray[Any]) -> nib.Nifti1Image:
        """Return values of the brain voxels as an image in template space, 0 elsewhere."""
        volume = np.zeros(self.mask.shape, np.uint8 if values.dtype == bool else values.dtype)
        volume[self.mask] = values
        return nib.Nifti1Image(volume, self.affine)


def build_store(
    beliefs: Mapping[str, Path],
    lesions: Mapping[str, Path],
    mask: nib.Nifti1Image,
    folder: Path,
    usual: Usual | None = None,
) -> MapStore:
    """Read the maps of all visits into arrays in `folder`, or open them where the same files were read before.

    A visit whose map cannot be read, lies on another grid, cannot be a map or is not like the others is left out; the
    store names it.

    Parameters
    ----------
    beliefs, lesions : mapping of visit name to path
        Belief map and lesion mask of each visit, template space; the same visits in both, in the order wanted. Without
        lesion masks the store has none.
    mask : Nifti1Image
        Brain mask that gives the grid.
    folder : Path
        Where the arrays are kept.
    usual : Usual, optional
        What maps must be like; learned from these maps where it is not given.

    Raises
    ------
    InputError
        If no visit is left.
    """
    key = {
        "mask": [list(mask.shape), mask.affine.tolist(), int(np.count_nonzero(np.asanyarray(mask.dataobj)))],
        "files": [_stamp(path) for path in (*beliefs.values(), *lesions.values())],
        "limits": None
        if usual is None
        else [usual.to_card(), hashlib.sha256(usual.reference.tobytes()).hexdigest()],
    }
    index = _index_of(folder)
    if index is None or index["key"] != json.loads(json.dumps(key)) or index["sha256"] != _digests(folder):
        (folder / INDEX).unlink(missing_ok=True)
        kept, faults = _read_all(beliefs, lesions, mask, folder, usual)
        index = {
            "key": key,
            "sha256": _digests(folder),
            "visits": kept,
            "faults": [f._asdict() for f in faults],
        }
        write_json(index, folder / INDEX)
    load = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ARRAYS}
    return MapStore(
        np.asanyarray(mask.dataobj) > 0,
        np.asarray(mask.affine, float),
        **load,
        visits=tuple(index["visits"]),
        left_out=pd.DataFrame(index["faults"], columns=Fault._fields),
    )


def _stamp(path: Path) -> list[Any]:
    try:
        stat = path.stat()
    except OSError:
        return [str(path), None, None]
    return [str(path), stat.st_size, stat.st_mtime_ns]


def _digests(folder: Path) -> list[str]:
    """Return the sha256 of the arrays, so that damaged ones are made anew; empty texts where there are none."""
    paths = [folder / f"{name}.npy" for name in ARRAYS]
    return [sha256(path) if path.is_file() else "" for path in paths]


def _index_of(folder: Path) -> Any:
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        return index if {"key", "sha256", "visits", "faults"} <= set(index) else None
    except (OSError, ValueError, TypeError):
        return None


def _read_all(
    beliefs: Mapping[str, Path],
    lesions: Mapping[str, Path],
    mask: nib.Nifti1Image,
    folder: Path,
    usual: Usual | None,
) -> tuple[list[str], list[Fault]]:
    """Write the arrays of the visits that can be used; return these and what is wrong with the others."""
    inside = np.asanyarray(mask.dataobj) > 0
    read, faults, of_maps, packed = [], [], [], []
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as rows:
        for visit, path in beliefs.items():
            try:
                values = belief_in_brain(path, visit, mask)
                lesion = _lesions(lesions[visit], visit, mask)[inside] if lesions else np.empty(0, bool)
            except BadMapError as error:
                faults.append(Fault(visit, str(error.path), error.why))
                continue
            rows.write(values.astype("<f4").tobytes())
            read.append(visit)
            of_maps.append(map_measures(values))
            packed.append(np.packbits(lesion))
        if not read:
            raise InputError(
                f"{faults[0].file}: {faults[0].fault}; no other visit has a map that can be used either"
            )
        rows.flush()
        belief = np.memmap(rows, "<f4", "r", shape=(len(read), int(inside.sum())))
        measures = np.array(of_maps)
        if usual is None:
            usual, measures = learn_usual(belief, measures)
        else:
            measures = measures_against(usual, belief, measures)
        odd = usual.oddities(measures)
        faults += [
            Fault(visit, str(beliefs[visit]), f"not like the others: {why}")
            for visit, why in zip(read, odd, strict=True)
            if why
        ]
        keep = np.flatnonzero([not why for why in odd])
        if not len(keep):
            raise InputError(f"{faults[0].file}: {faults[0].fault}; no visit has a map that can be used")
        _write_arrays(belief, keep, np.array(packed)[keep if lesions else []], measures[keep], folder)
    return [read[k] for k in keep], faults


def begin_rows(stream: BinaryIO, shape: tuple[int, int]) -> None:
    """Begin an array (n, v) of float32 in NumPy's format, whose rows are written after it one by one."""
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)


def _write_arrays(
    belief: npt.NDArray[np.float32],
    keep: npt.NDArray[np.intp],
    packed: npt.NDArray[np.uint8],
    measures: npt.NDArray[np.float64],
    folder: Path,
) -> None:
    """Write the arrays of the visits kept, one map in memory at a time."""
    sums, total = np.empty((len(keep), 2)), np.zeros(belief.shape[1])
    with atomic(folder / "belief.npy") as aside, aside.open("wb") as stream:
        begin_rows(stream, (len(keep), belief.shape[1]))
        for k, row in enumerate(keep):
            values = belief[row].astype(np.float64)
            sums[k] = values.sum(), np.square(values).sum()
            total += scaled(values)
            stream.write(belief[row].tobytes())
    reference = (total / len(keep)).astype(np.float32)
    for name, array in (("packed", packed), ("sums", sums), ("measures", measures), ("reference", reference)):
        with atomic(folder / f"{name}.npy") as aside, aside.open("wb") as stream:
            np.save(stream, array)


class BadMapError(InputError):
    """A map that cannot be used; `path` is its file, `why` what is wrong with it."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path, self.why = path, why


def belief_in_brain(path: Path, visit: str, mask: nib.Nifti1Image) -> npt.NDArray[np.float64]:
    """Read the brain voxels of a belief map, shape (v,).

    Parameters
    ----------
    path : Path
    visit : str
        Whose map it is, for messages.
    mask : Nifti1Image, (x, y, z)
        Brain mask on the grid demanded.

    Raises
    ------
    BadMapError
        If it cannot be read, lies on another grid or cannot be belief.
    """
    values = read_on_grid(path, visit, mask)[np.asanyarray(mask.dataobj) > 0]
    if why := impossible(values):
        raise BadMapError(path, f"belief map of {visit} {why}; process it again")
    return values


def _lesions(path: Path, visit: str, mask: nib.Nifti1Image) -> npt.NDArray[np.bool_]:
    data = read_on_grid(path, visit, mask)
    if not np.isin(data, (0, 1)).all():
        raise BadMapError(path, f"lesion mask of {visit} holds values other than 0 and 1; process it again")
    if (data[np.asanyarray(mask.dataobj) > 0] > 0).mean() > MOST_LESION:
        raise BadMapError(
            path, f"lesion mask of {visit} takes more than half of the brain for lesion; process it again"
        )
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
    BadMapError
        If it cannot be read or lies on another grid.
    """
    if not path.exists():
        raise BadMapError(path, "No such file; run the participant level for this visit")
    try:
        image: Any = nib.load(path)
        data = np.asarray(image.dataobj, dtype=np.float64)
    except Exception as error:  # nibabel, gzip and zlib each have their own
        raise BadMapError(
            path, f"map of {visit} cannot be read ({one_line(error)}); process it again"
        ) from error
    if data.shape != mask.shape or not np.allclose(image.affine, mask.affine, atol=1e-3):
        raise BadMapError(
            path,
            f"map of {visit} is on another grid (shape {data.shape}, the brain mask's is {mask.shape}, or another "
            "affine); process all visits with one template",
        )
    return data


def one_line(error: Exception) -> str:
    """Return an error's message as one line."""
    return " ".join(str(error).split()) or type(error).__name__

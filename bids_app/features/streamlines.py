"""Tractograms from files: .tck, .trk, .trx and DSI Studio's .tt.gz, as points in mm."""

from __future__ import annotations

import gzip
import io
import json
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from bids_app.errors import InputError

TINY_UNITS = 32.0  # TinyTrack's units in a voxel
TRK_HEADER = 1000  # bytes


class Tractogram(NamedTuple):
    """Streamlines.

    Attributes
    ----------
    points : ndarray, (p, 3), float32
        RAS mm.
    offsets : ndarray, (n + 1,), int64
        First point of each streamline, and p.
    bundle : ndarray, (n,), int16, or None
        Number of each streamline's bundle.
    bundles : list of str
        Names of the bundles.
    """

    points: npt.NDArray[np.float32]
    offsets: npt.NDArray[np.int64]
    bundle: npt.NDArray[np.int16] | None = None
    bundles: Sequence[str] = ()


def read_streamlines(path: Path) -> Tractogram:
    """Read a tractogram by its ending.

    Parameters
    ----------
    path : Path
        `.tck`, `.trk`, `.trx` or `.tt.gz`; names of bundles of the last in a `.txt` file beside it.

    Raises
    ------
    InputError
        If the format is unknown, the file truncated or otherwise unreadable, empty, or a point is not finite.
    """
    readers = {".tck": _read_nibabel, ".trk": _read_nibabel, ".trx": _read_trx, ".tt.gz": _read_tiny}
    ending = next((e for e in readers if path.name.endswith(e)), None)
    if ending is None:
        raise InputError(f"{path}: unknown format of streamlines; give .tck, .trk, .trx or .tt.gz")
    try:
        found = readers[ending](path)
    except OSError as error:
        raise InputError(f"{path}: not readable ({error.strerror or error}); is the file whole?") from error
    except InputError:
        raise
    except Exception as error:  # readers of foreign formats raise whatever damage leads to
        raise InputError(f"{path}: damaged or truncated ({type(error).__name__}); fetch it again") from error
    return checked(found, str(path))


def checked(tractogram: Tractogram, name: str) -> Tractogram:
    """Return the tractogram if it can be used.

    Raises
    ------
    InputError
        If it is empty, has a streamline without points, or a point that is not finite.
    """
    if len(tractogram.offsets) < 2 or len(tractogram.points) == 0:
        raise InputError(f"{name}: holds no streamlines; check how it was made")
    if tractogram.offsets[0] != 0 or (np.diff(tractogram.offsets) < 1).any():
        raise InputError(f"{name}: holds streamlines without points; remove them")
    if not np.isfinite(tractogram.points).all():
        bad = int(np.flatnonzero(~np.isfinite(tractogram.points).all(axis=1))[0])
        line = int(np.searchsorted(tractogram.offsets, bad, side="right")) - 1
        raise InputError(f"{name}: streamline {line} has a point that is not a finite number; remove it")
    return tractogram


def from_list(streamlines: Any) -> Tractogram:
    """Return a sequence of (k, 3) arrays in RAS mm as one tractogram.

    Raises
    ------
    InputError
        If one has another shape.
    """
    lines = [np.asarray(line, dtype=np.float32) for line in streamlines]
    for number, line in enumerate(lines):
        if line.size and (line.ndim != 2 or line.shape[1] != 3):
            raise InputError(f"streamlines: streamline {number} has shape {line.shape}; points need x, y, z")
    lines = [line.reshape(-1, 3) for line in lines]
    offsets = np.concatenate([[0], np.cumsum([len(line) for line in lines])]).astype(np.int64)
    return Tractogram(np.concatenate(lines) if lines else np.empty((0, 3), np.float32), offsets)


def _read_nibabel(path: Path) -> Tractogram:
    import nibabel as nib

    lines = nib.streamlines.load(path, lazy_load=False).streamlines
    said = _said_count(path)
    if path.name.endswith(".trk") and len(lines) < said:
        raise InputError(f"{path}: holds {len(lines)} of {said} streamlines, it is truncated; fetch it again")
    if path.name.endswith(".tck") and len(lines) > said > 0:
        raise InputError(f"{path}: a point that is not a finite number splits a streamline; remove it")
    whole = np.asarray(lines.get_data(), dtype=np.float32)  # in order and without gaps, as the file is
    offsets = np.concatenate([[0], np.cumsum([len(line) for line in lines])]).astype(np.int64)
    return Tractogram(whole, offsets)


def _said_count(path: Path) -> int:
    """Return the number of streamlines that a file's header promises; 0 where it says nothing."""
    with path.open("rb") as stream:
        head = stream.read(TRK_HEADER)
    if path.name.endswith(".trk"):
        order: Literal["little", "big"] = (
            "little" if head[996:] == TRK_HEADER.to_bytes(4, "little") else "big"
        )
        return int.from_bytes(head[988:992], order, signed=True)
    found = re.search(rb"^count:\s*(\d+)\s*$", head.split(b"\nEND")[0], re.MULTILINE)
    return int(found[1]) if found else 0


def _read_trx(path: Path) -> Tractogram:
    """Read a TRX archive: header.json, positions.3.<type>, offsets.<type>."""
    with zipfile.ZipFile(path) as archive:
        header = json.loads(archive.read("header.json"))
        names = {name.split(".")[0]: name for name in archive.namelist() if "/" not in name}
        positions = np.frombuffer(archive.read(names["positions"]), names["positions"].rsplit(".", 1)[1])
        offsets = np.frombuffer(archive.read(names["offsets"]), names["offsets"].rsplit(".", 1)[1])
    n = int(header["NB_STREAMLINES"])
    points = positions.reshape(-1, 3).astype(np.float32)
    if len(points) != int(header["NB_VERTICES"]) or len(offsets) < n:
        raise InputError(f"{path}: holds fewer points than its header says; fetch it again")
    return Tractogram(points, np.append(offsets[:n].astype(np.int64), len(points)))


def _read_tiny(path: Path) -> Tractogram:
    """Read TinyTrack: gzipped MATLAB 4; counts, starts and steps in 32nds of a voxel."""
    from scipy.io import loadmat

    content = loadmat(io.BytesIO(gzip.decompress(path.read_bytes())))
    track = np.ascontiguousarray(content["track"]).view(np.uint8).ravel()
    lines, at = [], 0
    while at < len(track):
        count = int(track[at : at + 4].view(np.uint32)[0])
        end = at + 16 + (count - 3)
        if count < 3 or end > len(track):
            raise InputError(f"{path}: a streamline is cut short; fetch it again")
        start = track[at + 4 : at + 16].view(np.int32)
        steps = track[at + 16 : end].view(np.int8).reshape(-1, 3)
        lines.append(np.cumsum(np.vstack([start, steps]).astype(np.int64), axis=0) / TINY_UNITS)
        at = end
    voxels = from_list(lines)
    to_mni = content["trans_to_mni"].reshape(4, 4)
    points = voxels.points @ to_mni[:3, :3].T + to_mni[:3, 3]
    text = path.with_name(path.name + ".txt")
    bundle = content["cluster"].ravel().astype(np.int16) if "cluster" in content else None
    if bundle is not None and len(bundle) != len(lines):
        raise InputError(f"{path}: {len(lines)} streamlines, bundles of {len(bundle)}; fetch it again")
    names = text.read_text(encoding="utf-8").splitlines() if text.exists() else []
    return Tractogram(points.astype(np.float32), voxels.offsets, bundle, names)

"""What an image's header alone tells: whether the file is there, and how much of a head it can hold."""

from __future__ import annotations

import gzip
import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

# a field of view in mm (right to left, front to back, bottom to top) that holds most of an adult's cerebrum: the brain
# of the ICBM 2009a template measures 143 x 181 x 152 mm, and an axial FLAIR often ends above its lowest 40 mm
SMALLEST_HEAD_MM = (120.0, 150.0, 105.0)
ANNEX = re.compile(r"(?:^|/)annex/objects/")
METRES = 1.0  # mm: the longest side of a head in metres, taken as millimetres, is 0.3
POINTER_BYTES = 32_768  # git-annex' own bound on what it takes for a pointer


class Header(NamedTuple):
    """Size and field of view of an image.

    Attributes
    ----------
    slices : int
        Voxels along the axis of the thickest ones.
    thickness : float
        Largest edge of a voxel in mm.
    extent : tuple of float
        Field of view in mm: right to left, front to back, bottom to top.
    trouble : str
        Why the image is no single volume of a head, whatever is in it; empty otherwise.
    """

    slices: int
    thickness: float
    extent: tuple[float, float, float]
    trouble: str = ""

    @property
    def head(self) -> float:
        """Share of a head that fits into the field of view, 0 to 1."""
        return float(
            np.prod([min(1.0, have / need) for have, need in zip(self.extent, SMALLEST_HEAD_MM, strict=True)])
        )

    @property
    def size(self) -> str:
        """The field of view in words."""
        return " x ".join(f"{side:.0f}" for side in self.extent) + " mm"


def read_header(path: Path) -> Header | None:
    """Return what an image's header says, None where it cannot be read or makes no sense (the visit then tells)."""
    import nibabel as nib

    try:
        opened = gzip.open if path.name.endswith(".gz") else open
        with opened(path, "rb") as stream:
            first = stream.read(540)
        kind = nib.Nifti2Header if first[:4] in (b"\x1c\x02\0\0", b"\0\0\x02\x1c") else nib.Nifti1Header
        header = kind(first[: kind.sizeof_hdr], check=False)
        affine, whole = header.get_best_affine(), header.get_data_shape()
        shape = (*whole, 1, 1)[:3]
        edges = nib.affines.voxel_sizes(affine)
        extent = np.abs(affine[:3, :3]) @ np.asarray(shape, float)
    except Exception:  # of any kind: damaged headers are told when the visit is processed
        return None
    if not np.isfinite(extent).all() or min(shape) < 1:
        return None
    axis = int(np.argmax(np.round(edges, 3)))
    slices = min(shape) if np.ptp(edges) < 0.01 * edges.max() else shape[axis]
    return Header(
        int(slices),
        float(edges.max()),
        tuple(float(side) for side in extent),  # type: ignore[arg-type]
        _trouble(whole, float(extent.max())),
    )


def _trouble(shape: tuple[int, ...], longest: float) -> str:
    """Tell what a header says that no image of a head can have."""
    volumes = int(np.prod(shape[3:], dtype=int))
    if volumes > 1:
        return f"holds {volumes} volumes: give one 3D volume"
    if sum(side > 1 for side in shape) < 3:
        return "holds one slice, not a volume"
    if not longest:
        return "voxels of 0 mm by its header: correct the header"
    if longest < METRES:
        return "a head of less than a millimetre by its header, which may be in metres: correct the header"
    return ""


def absence(path: Path) -> str:
    """Tell why a file's content is not there, and what fetches it; empty where it is there.

    Known are links and pointers of git-annex (as DataLad makes them) and of Git LFS, and links to nothing.
    """
    start = b""
    try:
        if path.is_symlink() and not os.path.exists(path):  # noqa: PTH110 - Path.exists raises on a circle of links
            target = path.readlink().as_posix()
            start = target.encode() if ANNEX.search(target) else b"nowhere"
        elif not path.stat().st_size:
            return "not a readable NIfTI file (0 bytes): get it again"
        elif path.stat().st_size <= POINTER_BYTES:
            with path.open("rb") as stream:
                start = stream.read(64)
    except OSError as error:
        return f"cannot be read ({error.strerror}); check its permissions"
    if ANNEX.search(start.decode("latin-1")):
        return f"not fetched: datalad get {path}"
    if start.startswith(b"version https://git-lfs.github.com/spec/"):
        return f"not fetched: git lfs pull --include {path.name}"
    if start == b"nowhere":
        return "a link to itself" if target == path.name else f"a link to {target}, which does not exist"
    return ""

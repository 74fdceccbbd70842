"""A normative tractogram, stored so that asking which streamlines a lesion cuts is quick.

A folder of memory-mapped arrays: for each voxel the streamlines through it (`indptr`, `streamlines`), for each
streamline its ends in mm, its length, its reference subject and bundle; and `connectome.json`, which says what it is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
import numpy.typing as npt

from bids_app import __version__
from bids_app.derivatives import atomic, write_json
from bids_app.errors import InputError
from bids_app.features.streamlines import Tractogram, checked, from_list
from bids_app.features.traversal import by_voxel, crossed_voxels
from bids_app.spelling import percent

CONNECTOME_FORMAT = 1  # of the folder's layout; raise it when an older version could not read it
ARRAYS = ("indptr", "streamlines", "ends", "length", "subject", "bundle")
CARD = "connectome.json"
OUTSIDE = 0.2  # share of points outside the grid above which a tractogram is in another space
OTHER_SPACE_MM = 1000.0  # a metre: no rounding error, but another space or unit
# tractography in MNI space has 73 to 77 % of its points in the template's white matter; mirrored, shifted by 20 mm
# or in another voxel order 30 to 48 %
IN_WHITE_MATTER = 0.5


@dataclass(frozen=True)
class Connectome:
    """Streamlines of reference subjects on a grid in template space.

    Attributes
    ----------
    indptr : ndarray, (voxels + 1,), int32 (int64 beyond 2^31 entries)
        First entry of each voxel (C order) in `streamlines`.
    streamlines : ndarray, (m,), int32
        Streamlines through each voxel.
    ends : ndarray, (n, 2, 3), float32
        First and last point, RAS mm.
    length : ndarray, (n,), float32
        mm.
    subject, bundle : ndarray, (n,), int32
        Reference subject; bundle, -1 for none.
    card : dict
        Affine, Shape, Voxelization, Source, Licence, Synthetic, GroupAverage, Bundles.
    """

    indptr: npt.NDArray[np.int32] | npt.NDArray[np.int64]
    streamlines: npt.NDArray[np.int32]
    ends: npt.NDArray[np.float32]
    length: npt.NDArray[np.float32]
    subject: npt.NDArray[np.int32]
    bundle: npt.NDArray[np.int32]
    card: dict[str, Any]
    cache: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def affine(self) -> npt.NDArray[np.float64]:
        """Voxels to RAS mm, (4, 4)."""
        return np.array(self.card["Affine"], dtype=np.float64)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels of the grid."""
        x, y, z = self.card["Shape"]
        return x, y, z

    def __len__(self) -> int:
        """Return the number of streamlines."""
        return len(self.ends)

    @classmethod
    def from_streamlines(
        cls,
        streamlines: Any,
        *,
        affine: npt.ArrayLike,
        shape: Sequence[int],
        subject: npt.ArrayLike | None = None,
        voxelization: Literal["exact", "vertex"] = "exact",
        white_matter: nib.Nifti1Image | None = None,
        about: dict[str, Any] | None = None,
    ) -> Connectome:
        """Make a connectome from streamlines.

        Parameters
        ----------
        streamlines : Tractogram or sequence of (k, 3) arrays
            RAS mm in the template's space.
        affine : array-like, (4, 4)
            Grid's voxels to RAS mm.
        shape : sequence of int
            Grid's size.
        subject : array-like, (n,), optional
            Reference subject of each streamline, any labels. Default: a group average, without variation between
            subjects.
        voxelization : {"exact", "vertex"}
            Every voxel that a streamline crosses, or only those with a vertex.
        white_matter : Nifti1Image, (x, y, z), optional
            The template's; streamlines of which less than half lies in it (above 0.5) are in another space.
        about : dict, optional
            Further entries of the card: Space, Source, Licence, Synthetic.

        Raises
        ------
        InputError
            If there are none, a point is not finite, or they are in another space: a fifth of the points outside
            the grid, one of them more than a metre away, or too little of them in white matter.

        Examples
        --------
        >>> import numpy as np
        >>> from demyelin import Connectome
        >>> lines = [np.array([[2.0, y, 5.0], [17.0, y, 5.0]]) for y in (4, 6, 12, 14)]
        >>> connectome = Connectome.from_streamlines(lines, affine=np.eye(4), shape=(20, 20, 10))
        >>> connectome.length.tolist()
        [15.0, 15.0, 15.0, 15.0]
        """
        if voxelization not in ("exact", "vertex"):
            raise ValueError(f"voxelization is 'exact' or 'vertex', not {voxelization!r}")
        lines = checked(
            streamlines if isinstance(streamlines, Tractogram) else from_list(streamlines), "streamlines"
        )
        to_mm = np.asarray(affine, dtype=np.float64)
        grid = _size(shape)
        points = _in_voxels(lines, to_mm, grid)
        if white_matter is not None:
            _require_white_matter(lines, white_matter)
        starts, voxels = crossed_voxels(points, lines.offsets, grid, voxelization == "exact")
        indptr, members = by_voxel(starts, voxels, int(np.prod(grid)))
        n = len(lines.offsets) - 1
        names, numbers = _subjects(subject, n)
        card = {
            "Affine": to_mm.tolist(),
            "Shape": list(grid),
            "Voxelization": voxelization,
            "GroupAverage": subject is None,
            "Synthetic": False,
            "Subjects": names,
            "Bundles": list(lines.bundles),
        }
        return cls(
            indptr.astype(np.int32) if indptr[-1] < 2**31 else indptr,
            members,
            np.stack([lines.points[lines.offsets[:-1]], lines.points[lines.offsets[1:] - 1]], axis=1),
            _lengths(lines),
            numbers,
            np.full(n, -1, np.int32) if lines.bundle is None else lines.bundle.astype(np.int32),
            card | (about or {}),
        )

    def save(self, folder: Path) -> Path:
        """Write the arrays, then the card that vouches for them; return the folder."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CARD).unlink(missing_ok=True)
        for name in ARRAYS:
            with atomic(folder / f"{name}.npy") as aside, aside.open("wb") as stream:
                np.save(stream, getattr(self, name), allow_pickle=False)
        sizes = {name: list(getattr(self, name).shape) for name in ARRAYS}
        write_json(
            self.card | {"Format": CONNECTOME_FORMAT, "DemyelinVersion": __version__, "Sizes": sizes},
            folder / CARD,
        )
        return folder

    @classmethod
    def open(cls, folder: Path) -> Connectome:
        """Open a connectome folder; the arrays stay on disk until they are needed.

        Raises
        ------
        InputError
            If the folder holds no connectome, or a damaged one.
        """
        folder = Path(folder)
        try:
            card = json.loads((folder / CARD).read_text(encoding="utf-8"))
            arrays = {
                name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ARRAYS
            }
            if card["Format"] != CONNECTOME_FORMAT:
                raise InputError(f"{folder}: connectome of another version; build it again")
            _check_whole(arrays, card)
        except FileNotFoundError as error:
            raise InputError(
                f"{folder}: no connectome here; make one with demyelin-connectome build"
            ) from error
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise InputError(f"{folder}: damaged connectome; build it again") from error
        return cls(**arrays, card=card)

    def describe(self) -> dict[str, Any]:
        """Return what a sidecar must say of the connectome."""
        fields = ("Space", "Source", "Licence", "Synthetic", "GroupAverage", "Voxelization")
        return {name: self.card[name] for name in fields if name in self.card} | {"NStreamlines": len(self)}


def _size(shape: Sequence[int]) -> tuple[int, int, int]:
    x, y, z = (int(side) for side in shape)
    return x, y, z


def _in_voxels(
    lines: Tractogram, affine: npt.NDArray[np.float64], grid: tuple[int, int, int]
) -> npt.NDArray[np.float64]:
    """Return the points in the grid's voxels; refuse those of another space by their extent."""
    points = nib.affines.apply_affine(np.linalg.inv(affine), lines.points.astype(np.float64))
    beyond = np.maximum(-0.5 - points, points - (np.array(grid) - 0.5)).max(axis=1)
    outside = float((beyond > 0).mean())
    if outside > OUTSIDE or beyond.max() * nib.affines.voxel_sizes(affine).min() > OTHER_SPACE_MM:
        raise InputError(
            f"streamlines: {percent(outside, 1)} of the points lie outside the template's grid, the farthest at "
            f"{np.abs(lines.points).max():.0f} mm; give them in MNI space, mm"
        )
    return points


def _require_white_matter(lines: Tractogram, white_matter: nib.Nifti1Image) -> None:
    """Refuse streamlines that keep too little to white matter."""
    white = np.asarray(white_matter.dataobj) > 0.5
    at = nib.affines.apply_affine(np.linalg.inv(white_matter.affine), lines.points)
    voxels = np.floor(at + 0.5).astype(np.int64)
    voxels = voxels[((voxels >= 0) & (voxels < white.shape)).all(axis=1)]
    share = np.count_nonzero(white[tuple(voxels.T)]) / len(lines.points)
    if share < IN_WHITE_MATTER:
        raise InputError(
            f"streamlines: only {percent(share)} of the points lie in the template's white matter; "
            "they are mirrored, shifted or in another space: give them in MNI space, RAS mm"
        )


def _lengths(lines: Tractogram) -> npt.NDArray[np.float32]:
    """Return the length of each streamline, (n,), mm."""
    steps = np.linalg.norm(np.diff(lines.points, axis=0, append=lines.points[-1:]), axis=1)
    steps[lines.offsets[1:] - 1] = 0
    return np.add.reduceat(steps, lines.offsets[:-1]).astype(np.float32)


def _subjects(subject: npt.ArrayLike | None, n: int) -> tuple[list[str], npt.NDArray[np.int32]]:
    """Return the reference subjects' labels and, for each streamline, the number of its subject."""
    if subject is None:
        return [], np.zeros(n, np.int32)
    names_of_lines = np.asarray(subject)
    if names_of_lines.shape != (n,):
        raise ValueError(f"subject has shape {names_of_lines.shape}, not ({n},)")
    names, number = np.unique(names_of_lines, return_inverse=True)
    return [str(name) for name in names], number.astype(np.int32)


def _check_whole(arrays: dict[str, npt.NDArray[Any]], card: dict[str, Any]) -> None:
    """Raise ValueError or KeyError where arrays and card do not fit together."""
    indptr, n = arrays["indptr"], len(arrays["ends"])
    expected = {"ends": (n, 2, 3), "length": (n,), "subject": (n,), "bundle": (n,)}
    fits = [
        all(list(arrays[name].shape) == card["Sizes"][name] for name in ARRAYS),
        all(arrays[name].shape == shape for name, shape in expected.items()),
        all(arrays[name].dtype.kind == ("f" if name in ("ends", "length") else "i") for name in ARRAYS),
        indptr.shape == (int(np.prod(card["Shape"])) + 1,),
        n > 0 and indptr[0] == 0 and indptr[-1] == len(arrays["streamlines"]),
        np.shape(card["Affine"]) == (4, 4),
        {"Bundles", "GroupAverage", "Synthetic"} <= card.keys(),
    ]
    if not all(fits):
        raise ValueError("arrays and card do not fit together")

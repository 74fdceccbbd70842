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

import numpy as np
import numpy.typing as npt

from bids_app import __version__
from bids_app.derivatives import atomic, write_json
from bids_app.errors import InputError
from bids_app.features.streamlines import Tractogram, checked, from_list
from bids_app.features.traversal import by_voxel, crossed_voxels

FORMAT = 1
ARRAYS = ("indptr", "streamlines", "ends", "length", "subject", "bundle")
CARD = "connectome.json"
OUTSIDE = 0.2  # share of points outside the grid above which a tractogram is in another space


@dataclass(frozen=True)
class Connectome:
    """Streamlines of reference subjects on a grid in template space.

    Attributes
    ----------
    indptr : ndarray, (voxels + 1,), int64
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

    indptr: npt.NDArray[np.int64]
    streamlines: npt.NDArray[np.int32]
    ends: npt.NDArray[np.float32]
    length: npt.NDArray[np.float32]
    subject: npt.NDArray[np.int32]
    bundle: npt.NDArray[np.int32]
    card: dict[str, Any]
    labels: dict[Any, npt.NDArray[np.int32]] = field(default_factory=dict, repr=False, compare=False)

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
            Reference subject of each streamline. Default: a group average, without variation between subjects.
        voxelization : {"exact", "vertex"}
            Every voxel that a streamline crosses, or only those with a vertex.
        about : dict, optional
            Further entries of the card: Source, Licence, Synthetic.

        Raises
        ------
        InputError
            If there are none, a point is not finite, or a fifth of the points lie outside the grid.
        """
        lines = checked(
            streamlines if isinstance(streamlines, Tractogram) else from_list(streamlines), "streamlines"
        )
        if voxelization not in ("exact", "vertex"):
            raise ValueError(f"voxelization is 'exact' or 'vertex', not {voxelization!r}")
        inverse = np.linalg.inv(np.asarray(affine, dtype=np.float64))
        points = lines.points.astype(np.float64) @ inverse[:3, :3].T + inverse[:3, 3]
        size = np.array([int(n) for n in shape])
        outside = ((points < -0.5) | (points > size - 0.5)).any(axis=1).mean()
        if outside > OUTSIDE:
            raise InputError(
                f"streamlines: {outside:.0%} of the points lie outside the template's grid; give them in MNI space, mm"
            )
        grid = (int(size[0]), int(size[1]), int(size[2]))
        starts, voxels = crossed_voxels(points, lines.offsets, grid, voxelization == "exact")
        indptr, members = by_voxel(starts, voxels, int(size.prod()))
        n = len(lines.offsets) - 1
        own = np.zeros(n, np.int32) if subject is None else np.asarray(subject).astype(np.int32)
        if own.shape != (n,):
            raise ValueError(f"subject has shape {own.shape}, not ({n},)")
        steps = np.linalg.norm(np.diff(lines.points, axis=0, append=lines.points[-1:]), axis=1)
        steps[lines.offsets[1:] - 1] = 0
        card = {
            "Affine": np.asarray(affine, dtype=np.float64).tolist(),
            "Shape": list(grid),
            "Voxelization": voxelization,
            "GroupAverage": subject is None,
            "Synthetic": False,
            "Bundles": list(lines.bundles),
        }
        return cls(
            indptr,
            members,
            np.stack([lines.points[lines.offsets[:-1]], lines.points[lines.offsets[1:] - 1]], axis=1),
            np.add.reduceat(steps, lines.offsets[:-1]).astype(np.float32),
            own,
            np.full(n, -1, np.int32) if lines.bundle is None else lines.bundle.astype(np.int32),
            card | (about or {}),
        )

    def save(self, folder: Path) -> Path:
        """Write the arrays, then the card that vouches for them; return the folder."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name in ARRAYS:
            with atomic(folder / f"{name}.npy") as aside, aside.open("wb") as stream:
                np.save(stream, getattr(self, name), allow_pickle=False)
        sizes = {name: list(getattr(self, name).shape) for name in ARRAYS}
        write_json(
            self.card | {"Format": FORMAT, "DemyelinVersion": __version__, "Sizes": sizes}, folder / CARD
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
            if card["Format"] != FORMAT:
                raise InputError(f"{folder}: connectome of another version; build it again")
            whole = all(list(arrays[name].shape) == card["Sizes"][name] for name in ARRAYS)
            if not whole or len(arrays["indptr"]) != int(np.prod(card["Shape"])) + 1:
                raise ValueError("sizes")
        except FileNotFoundError as error:
            raise InputError(
                f"{folder}: no connectome here; make one with demyelin-connectome build"
            ) from error
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise InputError(f"{folder}: damaged connectome; build it again") from error
        return cls(**arrays, card=card)

    def describe(self) -> dict[str, Any]:
        """Return what a sidecar must say of the connectome."""
        told = ("Source", "Licence", "Synthetic", "GroupAverage", "Voxelization")
        return {name: self.card[name] for name in told if name in self.card} | {"NStreamlines": len(self)}

"""Change in connectivity (ChaCo): the share of a region's connections that pass through lesions.

Kuceyeski et al. 2013 (Brain Connect 3:451), as NeMo 2 defines it: a streamline is hit or not; a region's score is
the share hit of the streamlines that end in it and in another region, per reference subject; then mean and SD over
subjects.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage

from bids_app.errors import InputError
from bids_app.features.connectome import Connectome
from bids_app.features.traversal import share_per_voxel, strongest
from bids_app.image.atlas import Atlas, label_atlas
from bids_app.image.volume import resample

Definition = Literal["nemo2", "nemo1"]
CHACO_COLUMNS: dict[str, dict[str, object]] = {
    "index": {"Description": "Value in the atlas."},
    "name": {"Description": "Region."},
    "chaco": {
        "Description": "Share of the region's streamlines that pass through lesions, mean over reference subjects; "
        "n/a where the region has none."
    },
    "chaco_sd": {
        "Description": "Standard deviation of chaco over reference subjects; n/a for a group-average tractogram."
    },
    "n_streamlines": {"Description": "Streamlines that count for the region, all reference subjects."},
    "frac_defined": {"Description": "Share of reference subjects in whom the region has streamlines."},
}


PAIR_COLUMNS: dict[str, dict[str, object]] = {
    "region_a": {"Description": "Region."},
    "region_b": {"Description": "The other region; the same one where only nemo1 counts it."},
    "chaco": {"Description": "Share of the streamlines between the two that pass through lesions."},
    "n_streamlines": {"Description": "Streamlines between the two."},
}


class Disconnection(NamedTuple):
    """What lesions cut.

    Attributes
    ----------
    regions : DataFrame, (regions, 6)
        Columns as in `CHACO_COLUMNS`; rows are labelled by the regions' values in the atlas.
    pairs : DataFrame
        A row per pair of regions with streamlines between them: region_a, region_b, chaco, n_streamlines.
    damage : ndarray, (n,), float32
        Of each streamline: hit or not (1, 0), or the largest lesion probability on its way.
    notes : tuple of str
        What was done to the lesion image, one sentence each.
    """

    regions: pd.DataFrame
    pairs: pd.DataFrame
    damage: npt.NDArray[np.float32]
    notes: tuple[str, ...] = ()

    @property
    def damaged(self) -> npt.NDArray[np.bool_]:
        """Streamlines hit, (n,)."""
        return self.damage >= 0.5


def chaco(
    lesion: nib.Nifti1Image,
    connectome: Connectome,
    atlas: Atlas | nib.Nifti1Image,
    *,
    definition: Definition = "nemo2",
    end_radius: float = 0.0,
    weighted: bool = False,
) -> Disconnection:
    """Score the disconnection of every region.

    Parameters
    ----------
    lesion : Nifti1Image, (x, y, z)
        Lesion mask, or probability (then lesion where 0.5 or more), in template space; brought to the
        connectome's grid where it differs.
    connectome : Connectome
    atlas : Atlas or Nifti1Image
        Regions in template space; of a plain label image, the regions are named by their labels.
    definition : {"nemo2", "nemo1"}
        `nemo1` also counts streamlines with both ends in the region.
    end_radius : float
        How far from a streamline's end a region is looked for, mm.
    weighted : bool
        Weigh a streamline by the largest lesion probability on its way instead of hit or not.

    Returns
    -------
    Disconnection

    Raises
    ------
    InputError
        If the lesion image is not 3D, no part of the lesions lies in the brain, or the atlas has no region or
        lies elsewhere in space than the streamlines.

    Examples
    --------
    Four straight streamlines between two regions, two of them through the lesion:

    >>> import nibabel as nib
    >>> import numpy as np
    >>> from demyelin import Connectome, chaco
    >>> lines = [np.array([[2.0, y, 5.0], [17.0, y, 5.0]]) for y in (4, 6, 12, 14)]
    >>> connectome = Connectome.from_streamlines(lines, affine=np.eye(4), shape=(20, 20, 10))
    >>> regions = np.zeros((20, 20, 10), np.uint8)
    >>> regions[:4], regions[16:] = 1, 2
    >>> lesion = np.zeros((20, 20, 10), np.uint8)
    >>> lesion[9:11, 3:8, 4:7] = 1
    >>> found = chaco(
    ...     nib.Nifti1Image(lesion, np.eye(4)), connectome, nib.Nifti1Image(regions, np.eye(4))
    ... )
    >>> found.regions["chaco"].tolist()
    [0.5, 0.5]
    """
    if definition not in ("nemo2", "nemo1"):
        raise ValueError(f"definition is 'nemo2' or 'nemo1', not {definition!r}")
    if not isinstance(atlas, Atlas):
        atlas = label_atlas(atlas)
    if atlas.regions.empty:
        raise InputError("atlas image: it is empty, there is no region to describe")
    values, notes = lesion_on_grid(lesion, connectome, weighted=weighted)
    damage = _damage(values, connectome)
    ends = end_labels(connectome, atlas, end_radius)
    subject, n_subjects = connectome.subject, int(connectome.subject.max()) + 1
    index = atlas.regions["index"].to_numpy()
    place = np.zeros(max(int(index.max()), int(ends.max())) + 1, np.int64)
    place[index] = np.arange(1, len(index) + 1)
    a, b = place[ends].T
    counted = (a > 0) & (b > 0) & ((a != b) | (definition == "nemo1"))
    a, b, weight, who = a[counted] - 1, b[counted] - 1, damage[counted], subject[counted]
    other = a != b  # a streamline within a region counts once there

    def per_region(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        size = n_subjects * len(index)
        first = np.bincount(who * len(index) + a, weights, size)
        second = np.bincount((who * len(index) + b)[other], weights[other], size)
        return (first + second).reshape(n_subjects, len(index)).astype(np.float64)

    total, hit = per_region(np.ones(len(a))), per_region(weight.astype(np.float64))
    regions = _summary(total, hit, connectome.card["GroupAverage"])
    pairs = _pairs(np.minimum(a, b), np.maximum(a, b), weight, atlas.regions["name"].to_numpy())
    table = pd.concat([atlas.regions.reset_index(drop=True), regions], axis=1)
    return Disconnection(table.set_axis(pd.Index(index)), pairs, damage, notes)


def streamline_damage(
    lesion: nib.Nifti1Image, connectome: Connectome, *, weighted: bool = False
) -> npt.NDArray[np.float32]:
    """Return for each streamline whether lesions hit it (0, 1), or their largest probability on its way, (n,).

    Parameters
    ----------
    lesion : Nifti1Image, (x, y, z)
        Mask, or probability, in template space; brought to the connectome's grid where it differs.
    connectome : Connectome
    weighted : bool
        Keep probabilities; otherwise a voxel is lesion from 0.5 on.
    """
    return _damage(lesion_on_grid(lesion, connectome, weighted=weighted)[0], connectome)


def _damage(values: npt.NDArray[np.float32], connectome: Connectome) -> npt.NDArray[np.float32]:
    some = (values > 0).T  # as NIfTI lies in memory: five times quicker to search than across it
    at = np.unravel_index(np.flatnonzero(some), some.shape)[::-1]
    voxels = np.ravel_multi_index(at, values.shape)
    try:
        return strongest(connectome.indptr, connectome.streamlines, voxels, values[at], len(connectome))
    except ValueError as error:
        raise InputError("connectome: its arrays are damaged; build it again") from error


def lesion_on_grid(
    lesion: nib.Nifti1Image, connectome: Connectome, *, weighted: bool = False
) -> tuple[npt.NDArray[np.float32], tuple[str, ...]]:
    """Return the lesions on the connectome's grid, 0 and 1 (or probabilities), and notes of what was done.

    Parameters
    ----------
    lesion : Nifti1Image, (x, y, z)
        Mask, or probability, in template space; brought to the connectome's grid where it differs.
    connectome : Connectome
    weighted : bool
        Keep probabilities; otherwise a voxel is lesion from 0.5 on.

    Raises
    ------
    InputError
        If the image is not 3D, is to be a probability and goes beyond 1, or has lesions of which none lies in the
        box around the streamlines, which is the brain's.
    """
    if len(lesion.shape) != 3:
        raise InputError(f"lesion image: {len(lesion.shape)} dimensions; disconnection needs a 3D image")
    data, notes = np.asarray(lesion.dataobj), []
    if data.dtype.kind == "f" and not np.isfinite(data).all():
        notes.append(
            f"lesion image: {np.count_nonzero(~np.isfinite(data))} voxels that are no number set to 0"
        )
        data = np.where(np.isfinite(data), data, 0)
    if weighted and data.max(initial=0) > 1:
        raise InputError(f"lesion image: holds {data.max():g}; weights need probabilities from 0 to 1")
    data = (np.maximum(data, 0) if weighted else data >= 0.5).astype(np.float32)
    same = lesion.shape == connectome.shape and np.allclose(lesion.affine, connectome.affine, atol=1e-3)
    if data.any() and not (data[_brain_box(connectome)].any() if same else _in_box(data, lesion, connectome)):
        raise InputError("lesion image: no lesion lies in the brain; bring it to template space")
    if not same:
        grid = nib.Nifti1Image(np.zeros(connectome.shape, np.uint8), connectome.affine)
        moved = resample(nib.Nifti1Image(data, lesion.affine), grid, order=1 if weighted else 0)
        data = np.asarray(moved.dataobj, dtype=np.float32)
        notes.append(f"lesion image: resampled from {lesion.shape} to the connectome's grid {data.shape}")
    return data, tuple(notes)


def _in_box(data: npt.NDArray[np.float32], lesion: nib.Nifti1Image, connectome: Connectome) -> bool:
    """Return whether any lesion voxel of another grid lies in the brain's box."""
    to_grid = np.linalg.inv(connectome.affine) @ lesion.affine
    at = np.floor(nib.affines.apply_affine(to_grid, np.argwhere(data)) + 0.5)
    box = _brain_box(connectome)
    low, high = [side.start for side in box], [side.stop for side in box]
    return bool(((at >= low) & (at < high)).all(axis=1).any())


def _brain_box(connectome: Connectome) -> tuple[slice, ...]:
    """Return the box around all voxels that streamlines cross."""
    if "box" not in connectome.cache:
        crossed = (np.diff(connectome.indptr) > 0).reshape(connectome.shape)
        connectome.cache["box"] = ndimage.find_objects(crossed.view(np.int8))[0]
    return connectome.cache["box"]


def end_labels(connectome: Connectome, atlas: Atlas, radius: float = 0.0) -> npt.NDArray[np.int32]:
    """Return the atlas' label at both ends of every streamline, (n, 2); 0 where there is none within the radius.

    Parameters
    ----------
    connectome : Connectome
        Its cache keeps the answer.
    atlas : Atlas
        In the connectome's space.
    radius : float
        How far from a streamline's end a region is looked for, mm.
    """
    key = (id(atlas.image), float(radius))
    if key not in connectome.cache:
        labels = np.asanyarray(atlas.image.dataobj)
        if radius > 0:
            spacing = nib.affines.voxel_sizes(atlas.image.affine)
            far, nearest = ndimage.distance_transform_edt(labels == 0, sampling=spacing, return_indices=True)
            labels = np.where(far <= radius, labels[tuple(nearest)], 0)
        to_voxel = np.linalg.inv(atlas.image.affine)
        at = np.floor(nib.affines.apply_affine(to_voxel, connectome.ends.reshape(-1, 3)) + 0.5).astype(int)
        inside = ((at >= 0) & (at < labels.shape)).all(axis=1)
        if not inside.any():
            raise InputError("atlas image: no streamline ends on its grid; bring it to template space")
        found = np.zeros(len(at), np.int32)
        found[inside] = labels[tuple(at[inside].T)]
        connectome.cache[key] = (
            atlas.image,
            found.reshape(-1, 2),
        )  # the image is kept, so that its id stays its own
    return connectome.cache[key][1]


def _summary(
    total: npt.NDArray[np.float64], hit: npt.NDArray[np.float64], group_average: bool
) -> pd.DataFrame:
    """Return mean and SD over reference subjects of the share hit; rows are regions."""
    defined = total > 0
    share = np.divide(hit, total, out=np.full(total.shape, np.nan), where=defined)
    n = defined.sum(axis=0)
    mean = np.divide(np.nansum(share, axis=0), n, out=np.full(len(n), np.nan), where=n > 0)
    squares = np.nansum((share - mean) ** 2, axis=0)
    several = (n > 1) & (not group_average)
    sd = np.sqrt(np.divide(squares, n - 1, out=np.full(len(n), np.nan), where=several))
    return pd.DataFrame(
        {
            "chaco": mean,
            "chaco_sd": sd,
            "n_streamlines": total.sum(axis=0).astype(int),
            "frac_defined": defined.mean(axis=0),
        }
    )


def _pairs(
    low: npt.NDArray[np.int64], high: npt.NDArray[np.int64], weight: npt.NDArray, names: npt.NDArray
) -> pd.DataFrame:
    """Return the share hit of the streamlines between each pair of regions."""
    number = low * len(names) + high
    count = np.bincount(number, minlength=len(names) ** 2)
    hit = np.bincount(number, weight, len(names) ** 2)
    some = np.flatnonzero(count)
    return pd.DataFrame(
        {
            "region_a": names[some // len(names)],
            "region_b": names[some % len(names)],
            "chaco": hit[some] / count[some],
            "n_streamlines": count[some],
        }
    )


def disconnectome_map(connectome: Connectome, damage: npt.NDArray) -> nib.Nifti1Image:
    """Return the share of the streamlines through each voxel that are damaged, on the connectome's grid."""
    share = share_per_voxel(connectome.indptr, connectome.streamlines, damage.astype(np.float32))
    return nib.Nifti1Image(np.nan_to_num(share.reshape(connectome.shape)), connectome.affine)


def bundle_damage(connectome: Connectome, damage: npt.NDArray) -> pd.DataFrame:
    """Return the share damaged of each named bundle: bundle, n_streamlines, chaco; empty without bundles."""
    names = connectome.card["Bundles"]
    bundled = connectome.bundle >= 0
    count = np.bincount(connectome.bundle[bundled], minlength=len(names))
    hit = np.bincount(connectome.bundle[bundled], damage[bundled].astype(np.float64), len(names))
    share = np.divide(hit, count, out=np.full(len(count), np.nan), where=count > 0)
    return pd.DataFrame({"bundle": names, "n_streamlines": count[: len(names)], "chaco": share[: len(names)]})

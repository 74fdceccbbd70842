"""Global volumes and grey-matter volume per region of a visit."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd

GLOBAL = {
    "TIV": "Total intracranial volume, outer fluid with it: where the template, brought to the visit, has it.",
    "WBV": "Whole-brain volume: grey matter, white matter and lesions.",
    "GM": "Grey matter, without lesions.",
    "WM": "White matter, without lesions.",
    "CSF": "Cerebrospinal fluid inside the brain mask.",
    "NAWM": "Normal-appearing white matter mask.",
    "TLV": "Total lesion volume.",
}
FIRST_GLOBAL = 1001  # above the labels of the usual atlases
FIRST_STRUCTURE = 1100  # and FreeSurfer's number
VOLUME_COLUMNS: dict[str, dict[str, object]] = {
    "index": {
        "Description": f"Value of the region in the label image; from {FIRST_GLOBAL} on: global volumes; "
        f"from {FIRST_STRUCTURE} on: structures, {FIRST_STRUCTURE} and FreeSurfer's number."
    },
    "name": {
        "Description": "Region, global volume, or structure (`Left-`, `Right-`). "
        + " ".join(f"{name}: {about}" for name, about in GLOBAL.items())
    },
    "volume_mm3": {
        "Description": "Volume. Tissues and regions: sum of tissue probabilities (regions: of grey matter) "
        "times the volume of a voxel. Masks and structures: number of voxels times the volume of a voxel.",
        "Units": "mm^3",
    },
}


def volumes_table(
    *,
    gm: nib.Nifti1Image,
    wm: nib.Nifti1Image,
    csf: nib.Nifti1Image,
    brain: nib.Nifti1Image,
    nawm: nib.Nifti1Image,
    lesions: nib.Nifti1Image,
    parcels: nib.Nifti1Image,
    regions: pd.DataFrame,
    structures: pd.DataFrame | None = None,
    tiv_mm3: float | None = None,
) -> pd.DataFrame:
    """Return the volumes of one visit: seven global ones, structures, then each region's grey matter.

    Volumes are sums of tissue probabilities, so that a voxel shared by two tissues counts to each by its
    part (as study A's CAT12 does).

    Parameters
    ----------
    gm, wm, csf : Nifti1Image, (x, y, z)
        Tissue probabilities, 0 to 1, all on one grid with the images below.
    brain, nawm, lesions : Nifti1Image, (x, y, z)
        Masks.
    parcels : Nifti1Image, (x, y, z)
        Atlas labels.
    regions : DataFrame
        Label table: columns `index` and `name`.
    structures : DataFrame, optional
        From `structure_table`: columns `index`, `name`, `volume_mm3`.
    tiv_mm3 : float, optional
        Total intracranial volume; the sum of the tissues inside the brain mask where not given.

    Returns
    -------
    DataFrame
        Columns `index` (from 1001 for the global rows, from 1100 for structures), `name`, `volume_mm3`.
        A region without voxels has volume 0.

    Examples
    --------
    The template itself, with no lesion:

    >>> import nibabel as nib
    >>> import numpy as np
    >>> from nibabel.processing import resample_from_to
    >>> from demyelin import load_atlas, load_template, volumes_table
    >>> head, atlas = load_template(resolution=4), load_atlas()
    >>> none = nib.Nifti1Image(np.zeros(head.gm.shape, np.uint8), head.gm.affine)
    >>> table = volumes_table(
    ...     gm=head.gm, wm=head.wm, csf=head.csf, brain=head.brain, nawm=none, lesions=none,
    ...     parcels=resample_from_to(atlas.image, head.gm, order=0), regions=atlas.regions,
    ... )
    >>> len(table)
    123
    >>> bool(1e6 < table.set_index("name").loc["TIV", "volume_mm3"] < 2.2e6)
    True
    """
    voxel = float(abs(np.linalg.det(parcels.affine[:3, :3])))
    inside = np.asanyarray(brain.dataobj) > 0
    tissue = {name: _sum(image, inside) * voxel for name, image in {"GM": gm, "WM": wm, "CSF": csf}.items()}
    totals = {
        "TIV": sum(tissue.values()) if tiv_mm3 is None else tiv_mm3,
        "WBV": _brain(gm, wm, lesions, inside) * voxel,
        **tissue,
        "NAWM": _count(nawm) * voxel,
        "TLV": _count(lesions) * voxel,
    }
    intensities = (
        []
        if structures is None
        else [structures.assign(index=structures["index"] + FIRST_STRUCTURE)[list(VOLUME_COLUMNS)]]
    )
    table = pd.concat(
        [
            pd.DataFrame(
                {
                    "index": FIRST_GLOBAL + np.arange(len(GLOBAL)),
                    "name": list(GLOBAL),
                    "volume_mm3": [totals[name] for name in GLOBAL],
                }
            ),
            *intensities,
            pd.DataFrame(
                {
                    "index": regions["index"].to_numpy(),
                    "name": regions["name"].to_numpy(),
                    "volume_mm3": _regional(gm, parcels, inside, regions["index"].to_numpy()) * voxel,
                }
            ),
        ],
        ignore_index=True,
    )
    return table.astype({"index": "int64"}).round({"volume_mm3": 3})


def _sum(image: nib.Nifti1Image, inside: npt.NDArray[np.bool_]) -> float:
    return float(np.asarray(image.dataobj, dtype=np.float64)[inside].sum())


def _brain(
    gm: nib.Nifti1Image, wm: nib.Nifti1Image, lesions: nib.Nifti1Image, inside: npt.NDArray[np.bool_]
) -> float:
    """Return the sum of grey and white matter, a lesion voxel counting as one."""
    both = np.asarray(gm.dataobj, dtype=np.float64) + np.asarray(wm.dataobj, dtype=np.float64)
    return float(np.where(np.asanyarray(lesions.dataobj) > 0, 1.0, both)[inside].sum())


def _count(mask: nib.Nifti1Image) -> int:
    return int(np.count_nonzero(np.asanyarray(mask.dataobj)))


def _regional(
    gm: nib.Nifti1Image, parcels: nib.Nifti1Image, inside: npt.NDArray[np.bool_], index: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    labels = np.asanyarray(parcels.dataobj)[inside].astype(np.int64)
    weights = np.asarray(gm.dataobj, dtype=np.float64)[inside]
    sums = np.bincount(labels, weights=weights, minlength=int(index.max()) + 1)
    return sums[index].astype(np.float64)

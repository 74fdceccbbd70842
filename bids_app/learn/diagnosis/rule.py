"""A published rule as a baseline: lesions whose places speak for multiple sclerosis (Matthews et al. 2013)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.errors import InputError

NEEDED = ("place", "template_x", "template_y", "template_z", "artefact_prone")  # columns of the lesion table
BODY_Y, BODY_Z = (-40.0, 10.0), (10.0, 40.0)  # body of the lateral ventricle, template mm
INFERIOR_TEMPORAL = ("Temporal_Inf", "Temporal_Pole_Mid", "Fusiform")  # AAL, which this rule brings itself
SPACE = "MNI152"  # templates whose millimetres are those of AAL, within a few


def speaks_for_ms(lesions: pd.DataFrame) -> bool:
    """Apply the rule to one visit's lesion table.

    "At least one lesion adjacent to the body of the lateral ventricle and in the inferior temporal lobe; or a
    subcortical U-fibre lesion; or a Dawson's finger", as near as a table of lesions comes to it: a
    periventricular lesion with -40 <= y <= 10 and 10 <= z <= 40 mm, and one whose centroid is nearest to the
    inferior temporal gyrus, middle temporal pole or fusiform gyrus of AAL; or a juxtacortical lesion. Only places in
    template space count, so the rule says the same whatever atlas a visit was processed with. Lesions flagged
    as prone to artefact do not count. The table does not tell a lesion's shape, so Dawson's fingers go unseen.

    Parameters
    ----------
    lesions : DataFrame
        A `seg-lesions_dseg.tsv`: one row per lesion; coordinates in MNI152 millimetres.

    Raises
    ------
    InputError
        If a column that the rule needs is missing.

    References
    ----------
    Matthews et al., Neurology 2013, 80:1330.
    """
    missing = [name for name in NEEDED if name not in lesions]
    if missing:
        raise InputError(f"lesion table has no column {missing[0]}; run the participant level again")
    sure = lesions[lesions["artefact_prone"].isna()]
    beside = sure[sure["place"] == "periventricular"]
    body = beside["template_y"].between(*BODY_Y) & beside["template_z"].between(*BODY_Z)
    cortical = sure["place"] == "juxtacortical_cortical"
    if cortical.any():
        return True
    return bool(body.any() and near_inferior_temporal(sure[[f"template_{axis}" for axis in "xyz"]]).any())


def near_inferior_temporal(points: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Return whether points lie nearest to the inferior temporal lobe.

    Parameters
    ----------
    points : DataFrame, (n, 3)
        x, y, z in MNI152 millimetres.

    Returns
    -------
    ndarray of bool, (n,)
        False where a coordinate is unknown.
    """
    inferior, to_voxel = _inferior_temporal()
    known = points.notna().all(axis=1).to_numpy()
    voxels = points[known].to_numpy(np.float64) @ to_voxel[:3, :3].T + to_voxel[:3, 3]
    inside = np.clip(np.rint(voxels).astype(int), 0, np.array(inferior.shape) - 1)
    near = np.zeros(len(points), bool)
    near[known] = inferior[tuple(inside.T)]
    return near


@lru_cache(maxsize=1)
def _inferior_temporal() -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Return the voxels whose nearest region of AAL is inferior temporal, and the affine from mm to voxels."""
    from scipy.ndimage import distance_transform_edt

    from bids_app.image.atlas import load_atlas

    atlas = load_atlas()
    labels = np.asanyarray(atlas.image.dataobj)
    nearest = distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
    inferior = atlas.regions.loc[atlas.regions["name"].str.startswith(INFERIOR_TEMPORAL), "index"]
    return np.isin(labels, inferior)[tuple(nearest)], np.linalg.inv(atlas.image.affine)


def rule_calls(tables: Iterable[Path], template: str) -> npt.NDArray[np.bool_]:
    """Return what the rule says of each visit; no lesions at all do not speak for multiple sclerosis.

    Parameters
    ----------
    tables : iterable of Path
        The visits' lesion tables.
    template : str
        Space of their template coordinates.

    Raises
    ------
    InputError
        If a table cannot be read or lacks a column, or the template is none of MNI152.
    """
    if not template.startswith(SPACE):
        raise InputError(f"it needs coordinates of an {SPACE} template, and these are of {template}")
    calls = []
    for path in tables:
        try:
            calls.append(speaks_for_ms(pd.read_csv(path, sep="\t", na_values="n/a")))
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: lesion table cannot be read ({error})") from error
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
    return np.array(calls, dtype=bool)

"""Study B's maps of a whole cohort as images, and their clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pandas as pd

from bids_app.figures.drawing import slug
from bids_app.learn.diagnosis.maps import atlas_regions, clusters, frequency, selection_depth, signed_chi2
from bids_app.learn.diagnosis.permutation_maps import LEAST_PATIENTS, permutation_map, small_expected
from bids_app.learn.diagnosis.scans import Scans
from bids_app.learn.diagnosis.views import LesionView
from bids_app.learn.lesion_maps import MapStore

if TYPE_CHECKING:
    from bids_app.learn.diagnosis.binary import Binary


def cohort_maps(
    scans: Scans, store: MapStore, parts: Sequence[Binary], view: LesionView, seed: int
) -> tuple[dict[str, nib.Nifti1Image], dict[str, pd.DataFrame]]:
    """Return the maps as images and the tables of clusters, from all scans of the cohort.

    Parameters
    ----------
    scans : Scans
        The cohort.
    store : MapStore
        Their maps, in template space at 3 mm.
    parts : sequence of Binary
        Results of each pair of classes.
    view : LesionView
        Features of all scans.
    seed : int
        Of the permutations.
    """
    every = np.arange(len(scans.table))
    maps = view.fitted(every).maps
    images = {
        f"frequency-{slug(name)}": store.image(frequency(maps[scans.label == name])) for name in scans.classes
    }
    regions = atlas_regions(store.mask, store.affine)
    described, held, tests = [], [], []
    for part in parts:
        y = scans.label == part.positive
        signed, q = signed_chi2(maps, y)
        rest = next(name for name in scans.classes if name != part.positive)
        classes = (part.positive, rest if len(scans.classes) == 2 else "the rest")
        images[f"chi2-{slug(part.positive)}"] = store.image(signed)
        images[f"chi2q-{slug(part.positive)}"] = store.image(q)
        volume = np.ones(store.mask.shape, np.float32)
        volume[store.mask] = q
        described.append(clusters(store.image(signed), volume, regions, classes))
        test = permutation_map(maps, y, scans.patient, seed=seed)
        images[f"difference-{slug(part.positive)}"] = store.image(test.z)
        images[f"difference-p-{slug(part.positive)}"] = store.image(test.p)
        volume[store.mask] = test.p
        table = clusters(store.image(test.z), volume, regions, classes).rename(
            columns={"peak_chi2": "peak_z"}
        )
        held.append(table.assign(positive=part.positive))
        tests.append(
            {
                "positive": part.positive,
                "voxels_tested": int(test.tested.sum()),
                "least_patients": LEAST_PATIENTS,
                "permutations": test.permutations,
                "voxels_p_below_05": int((test.p <= 0.05).sum()),
                "lowest_p": float(test.p.min()),
                "chi2_expected_below_5": small_expected(maps, y),
            }
        )
        if part.order is not None:
            depth = selection_depth(part.order, part.sizes)
            images[f"selected-{slug(part.positive)}"] = store.image(depth)
    tables = {"clusters": pd.concat(described, ignore_index=True)}
    tables |= {"clusters_held": pd.concat(held, ignore_index=True), "map_test": pd.DataFrame(tests)}
    return images, tables

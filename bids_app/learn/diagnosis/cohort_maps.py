"""Study B's maps of a whole cohort as images, and their clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pandas as pd

from bids_app.figures.drawing import slug
from bids_app.learn.diagnosis.maps import Regions, clusters, frequency, selection_depth, signed_chi2
from bids_app.learn.diagnosis.scans import Scans
from bids_app.learn.diagnosis.views import LesionView
from bids_app.learn.lesion_maps import MapStore

if TYPE_CHECKING:
    from bids_app.learn.diagnosis.binary import Binary


def cohort_maps(
    scans: Scans, store: MapStore, parts: Sequence[Binary], view: LesionView
) -> tuple[dict[str, nib.Nifti1Image], pd.DataFrame]:
    """Return the maps as images and the cluster table, from all scans of the cohort."""
    every = np.arange(len(scans.table))
    maps = view.fitted(every).maps
    images = {
        f"frequency-{slug(name)}": store.image(frequency(maps[scans.label == name])) for name in scans.classes
    }
    regions = _regions(store)
    tables = []
    for part in parts:
        signed, q = signed_chi2(maps, scans.label == part.positive)
        rest = next(name for name in scans.classes if name != part.positive)
        classes = (part.positive, rest if len(scans.classes) == 2 else "the rest")
        images[f"chi2-{slug(part.positive)}"] = store.image(signed)
        images[f"chi2q-{slug(part.positive)}"] = store.image(q)
        volume = np.ones(store.mask.shape, np.float32)
        volume[store.mask] = q
        tables.append(clusters(store.image(signed), volume, regions, classes))
        if part.order is not None:
            depth = selection_depth(part.order, part.sizes)
            images[f"selected-{slug(part.positive)}"] = store.image(depth)
    return images, pd.concat(tables, ignore_index=True)


def _regions(store: MapStore) -> Regions:
    """Return AAL on the grid of the maps."""
    from bids_app.image.atlas import load_atlas
    from bids_app.image.volume import resample

    atlas = load_atlas()
    grid = nib.Nifti1Image(store.mask.astype(np.uint8), store.affine)
    names = dict(zip(atlas.regions["index"], atlas.regions["name"], strict=True))
    return Regions.of(resample(atlas.image, grid, order=0), names)

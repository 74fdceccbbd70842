"""Synthetic streamlines: between regions, through white matter, the same for the same seed."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bids_app.errors import InputError
from bids_app.features.chaco import end_labels
from bids_app.features.connectome import Connectome
from bids_app.features.synthetic import synthetic_streamlines
from bids_app.image.atlas import Atlas, load_atlas
from bids_app.image.template import load_template


def four_regions():
    """Some of AAL's, both hemispheres: precentral and calcarine gyri."""
    atlas = load_atlas()
    kept = atlas.regions[atlas.regions["index"].isin([1, 2, 43, 44])].reset_index(drop=True)
    labels = np.asarray(atlas.image.dataobj)
    image = nib.Nifti1Image(np.where(np.isin(labels, kept["index"]), labels, 0), atlas.image.affine)
    return Atlas("four", image, kept, atlas.space)


def test_paths_join_different_regions_through_white_matter():
    atlas = four_regions()
    lines = synthetic_streamlines(atlas, n_streamlines=200)
    made = Connectome.from_streamlines(lines, affine=atlas.image.affine, shape=atlas.image.shape)
    assert len(made) == 200
    ends = end_labels(made, atlas, 4.0)
    assert (ends > 0).all()
    assert (ends[:, 0] != ends[:, 1]).mean() > 0.9  # neighbours meet within the jitter
    assert set(np.unique(ends)) == {1, 2, 43, 44}
    white = load_template(resolution=2).wm
    voxels = np.rint(nib.affines.apply_affine(np.linalg.inv(white.affine), lines.points)).astype(int)
    assert (np.asarray(white.dataobj)[tuple(voxels.T)] > 0.5).mean() > 0.6
    steps = np.linalg.norm(np.diff(lines.points, axis=0), axis=1)
    assert np.delete(steps, lines.offsets[1:-1] - 1).max() < 2


def test_the_seed_decides():
    one, same, other = (synthetic_streamlines(four_regions(), n_streamlines=20, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.points, same.points)
    assert one.points.shape != other.points.shape or not np.allclose(one.points, other.points)


def test_an_atlas_of_one_region_is_refused():
    image = nib.Nifti1Image(np.ones((20, 20, 20), np.int32), np.eye(4))
    with pytest.raises(InputError, match="less than two regions"):
        synthetic_streamlines(Atlas("one", image, pd.DataFrame({"index": [1], "name": ["A"]}), "template"))

"""Disconnection: building and asking a connectome of 150,000 streamlines, on real lesion masks."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np

from bids_app.features.chaco import chaco, end_labels, streamline_damage
from bids_app.features.connectome import Connectome
from bids_app.features.tracking import TrackingSettings, read_field, track
from bids_app.image.atlas import load_atlas

SHARED = Path(os.environ.get("DEMYELIN_SHARED", Path(__file__).parents[2] / "shared"))
RADIUS = 4.0


def timed(what: str, call):
    """Call, print the time it took, return what it gave."""
    start = time.perf_counter()
    out = call()
    print(f"{what}: {time.perf_counter() - start:.3f} s", flush=True)
    return out


def main() -> None:
    """Print the table."""
    field = read_field(SHARED / "data/hcp1065/ICBM152_adult.fib.gz")
    track(field, TrackingSettings(n_streamlines=10))  # compile
    lines = timed("track 150,000 streamlines", lambda: track(field))
    grid, atlas = load_atlas().image, load_atlas()
    make = Connectome.from_streamlines
    made = timed("exact voxels", lambda: make(lines, affine=grid.affine, shape=grid.shape))
    vertex = make(lines, affine=grid.affine, shape=grid.shape, voxelization="vertex")
    share = len(vertex.streamlines) / len(made.streamlines)
    print(f"crossings found by vertices alone: {share:.0%} of {len(made.streamlines):,}")
    with tempfile.TemporaryDirectory() as folder:
        made.save(Path(folder))
        size = sum(path.stat().st_size for path in Path(folder).glob("*.npy"))
        print(f"on disk: {size / 1e6:.0f} MB, {size / len(made):.0f} bytes a streamline")
        opened = timed("open", lambda: Connectome.open(Path(folder)))
        timed("ends' regions (once)", lambda: end_labels(opened, atlas, RADIUS))
        masks = [
            nib.load(p)
            for p in sorted((SHARED / "data/openms-mni").glob("sub-*/anat/*consensus_mask.nii.gz"))
        ]
        images = [nib.Nifti1Image(np.asarray(m.dataobj, dtype=np.uint8), m.affine) for m in masks]
        chaco(images[0], opened, atlas, end_radius=RADIUS)  # compile, read from disk
        largest = max(images, key=lambda image: np.count_nonzero(image.dataobj))
        timed("streamlines hit by the largest lesions", lambda: streamline_damage(largest, opened))
        start = time.perf_counter()
        found = [chaco(image, opened, atlas, end_radius=RADIUS) for image in images]
        each = (time.perf_counter() - start) / len(images)
        print(f"{len(images)} masks: {each:.3f} s each, 1,000 in {1000 * each:.0f} s (extrapolated)")
    both = (end_labels(opened, atlas, RADIUS) > 0).all(axis=1).mean()
    print(f"streamlines with both ends in regions: {both:.0%}")
    _plausible(opened, atlas)
    top = np.mean([f.regions["chaco"].fillna(0) for f in found], axis=0)
    for k in np.argsort(-top)[:8]:
        print(f"  {atlas.regions['name'].iloc[k]}: {top[k]:.2f} (mean over patients)")
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


def _plausible(connectome: Connectome, atlas) -> None:
    from scipy.io import loadmat
    from scipy.stats import spearmanr

    ends = end_labels(connectome, atlas, RADIUS)
    counts = np.zeros((117, 117))
    np.add.at(counts, (ends.min(axis=1), ends.max(axis=1)), 1)
    content = loadmat(SHARED / "data/aal/nemo_ifod2act_aal_streamline_counts_mean.mat")
    nemo = next(v for k, v in content.items() if not k.startswith("__") and v.shape == (116, 116))
    upper = np.triu_indices(116, 1)
    rho = spearmanr(counts[1:, 1:][upper], np.maximum(nemo, nemo.T)[upper]).statistic
    print(f"streamlines between regions, Spearman's rho with NeMo's mean over 420 subjects: {rho:.2f}")


if __name__ == "__main__":
    main()

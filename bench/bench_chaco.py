"""Disconnection: building and asking a connectome of 150,000 streamlines, on real lesion masks.

`bench_chaco.py FIGURE.png` also draws what the lesions of all patients cut.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np

from bids_app.features.bundles import damage_by_bundle
from bids_app.features.chaco import chaco, disconnectome_map, end_labels, streamline_damage
from bids_app.features.connectome import Connectome
from bids_app.features.streamlines import read_streamlines
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
    bundles = _bundles(images, grid)
    if len(sys.argv) > 1:
        maps = [np.asarray(disconnectome_map(opened, f.damaged).dataobj) for f in found]
        _draw(np.mean(maps, axis=0), grid.affine, bundles, Path(sys.argv[1]))
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


def _bundles(images, grid):
    """Print and return the mean damage to the bundles of the tractography atlas."""
    lines = read_streamlines(SHARED / "data/hcp1065/ICBM152_adult.tt.gz")
    made = Connectome.from_streamlines(lines, affine=grid.affine, shape=grid.shape)
    tables = [damage_by_bundle(image, made).set_index("bundle")["chaco"] for image in images]
    mean = sum(tables).div(len(tables)).sort_values(ascending=False)
    for name, share in mean.head(6).items():
        print(f"  {name}: {share:.2f}")
    return mean


def _draw(mean, affine, bundles, path: Path) -> None:
    """Draw the mean disconnectome over the template, and the bundles hit most and least."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    from bids_app.image.template import load_template
    from bids_app.image.volume import resample

    template = load_template(resolution=1.0).t1w
    back = np.asarray(template.dataobj)
    over = np.asarray(resample(nib.Nifti1Image(mean.astype(np.float32), affine), template).dataobj)
    figure, axes = plt.subplots(1, 5, figsize=(15, 3.6), width_ratios=[1, 1, 1, 1, 1.1], layout="constrained")
    for ax, z in zip(axes, (-10, 8, 24, 42), strict=False):
        k = round((z - template.affine[2, 3]) / template.affine[2, 2])
        ax.imshow(np.rot90(back[14:184, 20:214, k]), cmap="gray")
        shown = ax.imshow(
            np.rot90(np.ma.masked_less(over[14:184, 20:214, k], 0.05)), cmap="inferno", vmin=0, vmax=0.6
        )
        ax.set(title=f"z = {z} mm", xticks=[], yticks=[])
    figure.colorbar(
        shown,
        ax=axes[:4],
        shrink=0.7,
        location="bottom",
        label="streamlines cut, share of all in the voxel (left is left)",
    )
    few = bundles.iloc[[*range(10), *range(-4, 0)]][::-1]
    names = [name.split("_", 1)[1].replace("CorpusCallosum", "Callosum") for name in few.index]
    axes[4].barh(names, few, color="#b5367a")
    axes[4].tick_params(labelsize=7)
    axes[4].set(xlabel="share of the bundle cut", title="bundles hit most and least", xlim=(0, 1))
    figure.savefig(path, dpi=80)


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

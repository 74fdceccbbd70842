"""Radiomics: speed against pyradiomics and Nyxus, agreement, peak memory.

    python bench/bench_radiomics.py [--quick | --full] [--jobs N] [--image T1W.nii.gz] [--nyxus PYTHON]

The image is the template's T1w at 1 mm (or a T1w in MNI space), the regions are AAL's 116 and the white matter outside
them (117). Demyelin always extracts all regions; pyradiomics runs on a sample of them (`--quick`: 3; default: 8, evenly
spaced in size; `--full`: all, about 20 minutes), in the same process, one thread. `--nyxus` takes a Python that has
Nyxus 0.11 installed: its 3D features of the original image alone, over all regions. Times are CPU seconds
of this process (wall seconds where threads are compared): ratios hold on a machine that others use.
"""

from __future__ import annotations

import argparse
import logging
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from bids_app.features.radiomics import PAPER_SETTINGS, RadiomicsSettings, extract, precompile
from bids_app.image.atlas import load_atlas
from bids_app.image.template import load_template
from bids_app.image.volume import resample

NYXUS = """
import sys, time
import nyxus
n = nyxus.Nyxus3D(["*3D_ALL*"], n_feature_calc_threads=1)
start = time.process_time()
table = n.featurize_files([sys.argv[1]], [sys.argv[2]], False)
print(time.process_time() - start, *table.shape)
"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--image", type=Path)
    parser.add_argument("--nyxus", type=Path)
    options = parser.parse_args()
    image, labels, names = regions(options.image)
    precompile()
    table, ours = timed(lambda: extract(image, labels, label_names=names))
    print(f"{len(table)} regions x {table.shape[1]} features, {image.shape} voxels")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"demyelin, 1 thread: {ours:7.2f} CPU s, {1e3 * ours / len(table):7.1f} ms a region, peak {peak:.2f} GB"
    )
    if options.jobs > 1:
        scaling(image, labels, names, options.jobs)
    sample = sampled(labels, names, None if options.full else 3 if options.quick else 8)
    for crop in (False, True):
        compare(image, labels, table, names, sample, crop, ours / len(table))
    if options.nyxus:
        nyxus(options.nyxus, image, labels)


def scaling(image: nib.Nifti1Image, labels: nib.Nifti1Image, names: dict[int, str], jobs: int) -> None:
    """Time one thread and several in turn, three times, and print the ratio of the quickest wall times."""
    walls: dict[int, list[float]] = {1: [], jobs: []}
    tables = {}
    for _ in range(3):
        for n_jobs, spent in walls.items():
            start = time.perf_counter()
            tables[n_jobs] = extract(image, labels, label_names=names, n_jobs=n_jobs)
            spent.append(time.perf_counter() - start)
    one, several = min(walls[1]), min(walls[jobs])
    same = tables[1].equals(tables[jobs])
    print(
        f"n_jobs {jobs}: {several:.2f} s wall, n_jobs 1: {one:.2f} s: {one / several:.2f} x; same values: {same}",
        flush=True,
    )


def regions(path: Path | None) -> tuple[nib.Nifti1Image, nib.Nifti1Image, dict[int, str]]:
    """Return a T1w, AAL with white matter as region 117 on its grid, and the names."""
    template, atlas = load_template(), load_atlas()
    image = template.t1w if path is None else nib.load(path)
    codes = np.asanyarray(resample(atlas.image, image, order=0).dataobj).astype(np.int16)
    white = np.asarray(resample(template.wm, image).dataobj) > 0.9
    inside = np.asarray(image.dataobj) > 0
    codes[~inside] = 0
    codes[white & inside & (codes == 0)] = 117
    names = dict(zip(atlas.regions["index"], atlas.regions["name"], strict=True)) | {117: "NAWM"}
    return image, nib.Nifti1Image(codes, image.affine), names


def timed(run):
    """Return a result and the CPU seconds it took."""
    start = time.process_time()
    return run(), time.process_time() - start


def sampled(labels: nib.Nifti1Image, names: dict[int, str], n: int | None) -> list[int]:
    """Return n labels evenly spaced in size, or all."""
    sizes = np.bincount(np.asanyarray(labels.dataobj).ravel(), minlength=118)
    by_size = sorted(names, key=lambda label: sizes[label])
    return (
        by_size
        if n is None
        else [by_size[i] for i in np.linspace(0, len(by_size) - 1, n).round().astype(int)]
    )


def compare(
    image: nib.Nifti1Image,
    labels: nib.Nifti1Image,
    table: pd.DataFrame,
    names: dict[int, str],
    sample: list[int],
    crop: bool,
    ours: float,
) -> None:
    """Time pyradiomics on the sample; without cropping, its values must be ours."""
    import SimpleITK
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    logging.getLogger("radiomics").setLevel(logging.CRITICAL)
    content = PAPER_SETTINGS.to_dict()
    content["setting"]["preCrop"] = crop
    extractor = RadiomicsFeatureExtractor()
    extractor.loadJSONParams(RadiomicsSettings.from_dict(content).for_pyradiomics())
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        scan, mask = (read_as_itk(what, Path(folder)) for what in (image, labels))
    theirs, seconds = timed(lambda: {label: extractor.execute(scan, mask, label=label) for label in sample})
    each = seconds / len(sample)
    print(
        f"pyradiomics preCrop {crop!s:5}: {each:7.3f} CPU s a region: demyelin is {each / ours:.0f} x as fast"
    )
    if not crop:
        gaps = [deviation(table.loc[names[label]], values) for label, values in theirs.items()]
        worst = max(gaps)
        print(
            f"largest deviation over {len(sample)} regions: {worst[0]:.1e} (relative, or absolute if less): {worst[1]}"
        )


def read_as_itk(image: nib.Nifti1Image, folder: Path):
    """Let ITK read an image from a file, as pyradiomics' users do."""
    import SimpleITK

    nib.save(image, folder / "image.nii")
    return SimpleITK.ReadImage(str(folder / "image.nii"))


def deviation(ours: pd.Series, theirs: dict) -> tuple[float, str]:
    """Return the largest deviation and its feature; NaN on one side only counts as infinite."""
    values = np.array([float(theirs[name]) for name in ours.index])
    gap = np.abs(ours.to_numpy() - values)
    gap = np.minimum(gap, gap / np.maximum(np.abs(values), 1e-300))
    gap[np.isnan(values) & np.isnan(ours.to_numpy())] = 0
    worst = int(np.argmax(np.where(np.isnan(gap), np.inf, gap)))
    return float(np.nan_to_num(gap[worst], nan=np.inf)), f"{ours.name} {ours.index[worst]}"


def nyxus(python: Path, image: nib.Nifti1Image, labels: nib.Nifti1Image) -> None:
    """Time Nyxus' 3D features of the original image in its own environment."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("image.nii.gz", "labels.nii.gz")]
        data = np.asarray(image.dataobj)
        scaled = (data / data.max() * 1000).astype(np.int16)
        nib.save(nib.Nifti1Image(scaled, image.affine), paths[0])
        nib.save(labels, paths[1])
        done = subprocess.run([python, "-c", NYXUS, *paths], capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"nyxus failed: {done.stderr.strip().splitlines()[-1:]}")
        return
    seconds, rows, columns = done.stdout.split()[-3:]
    content = PAPER_SETTINGS.to_dict() | {"imageType": {"Original": {}}}
    table, ours = timed(lambda: extract(image, labels, settings=RadiomicsSettings.from_dict(content)))
    print(f"original image alone: nyxus {float(seconds):.1f} CPU s ({rows} regions x {columns} columns);")
    print(
        f"demyelin {ours:.2f} CPU s ({len(table)} x {table.shape[1]}): {float(seconds) / ours:.0f} x as fast"
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())

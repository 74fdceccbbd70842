"""The ladder of lesion methods on real patients and on phantoms: tables and figures.

    python bench/bench_lesions.py [OUT] [--only patients|phantoms]

Real: the seven patients of the shared data whose lesions experts drew, each by a network that has not seen it
(WEIGHTS/NAME/network.onnx of `training/fit_lesion_network.py`), scored on the FLAIR as acquired.
Phantoms: one person at three noise levels and three slice thicknesses (4 mm where not said), and without lesions,
at 2 mm, with its true tissues in place of a segmentation.
Prepared visits stay in OUT, so that a second run measures the methods alone.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from lesion_data import PATIENTS, as_acquired, case, load_inputs, prepare, read_truth, truth_on
from lesion_figures import draw_overlay, draw_reliability
from lesion_scores import scores

from bids_app.image.lesions import (
    METHODS,
    LesionInputs,
    Lesions,
    Method,
    network_lesions,
    segment_lesions,
)
from bids_app.phantom.lesion_inputs import phantom_inputs

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("DEMYELIN_SHARED", ROOT.parent / "shared"))
PHANTOMS = {
    "noise 1 %": (25, {"noise": 0.01}),
    "noise 3 % (study)": (25, {}),
    "noise 9 %": (25, {"noise": 0.09}),
    "slices 2 mm": (25, {"thickness": 2.0}),
    "slices 6 mm": (25, {"thickness": 6.0}),
    "no lesions": (0, {}),
}
SHOWN = ["dice", "lesion_f1", "volume_ml", "true_ml", "volume_error", "hd95_mm", "seconds"]


def run(method: Method, inputs: LesionInputs) -> tuple[Lesions, float]:
    """Segment once; return what was found and the seconds it took."""
    start = time.perf_counter()
    found = segment_lesions(inputs, method)
    return found, time.perf_counter() - start


def ladder(weights: Path | None = None) -> list[Method]:
    """Return the methods; Demyelin's own with weights that have not seen the patient."""
    demyelin = METHODS["demyelin"]
    if weights:
        demyelin = replace(demyelin, probability=partial(network_lesions, weights=weights))
    return [*(method for name, method in METHODS.items() if name != "demyelin"), demyelin]


def patients(out: Path, weights: Path) -> pd.DataFrame:
    """Measure every method on the real patients, with both images and with FLAIR alone."""
    lacking = [name for name in PATIENTS if not (weights / name / "network.onnx").exists()]
    if lacking:  # the network that is served has seen them
        raise SystemExit(
            f"{weights}: no network that has not seen {', '.join(lacking)} (training/README.md, step 5)"
        )
    rows, curves = [], {}
    for patient in PATIENTS:
        one = case(SHARED, patient)
        drawn = read_truth(one.truth)
        size, truth = nib.affines.voxel_sizes(drawn.affine), np.asarray(drawn.dataobj) > 0
        for images, first in (("T1w + FLAIR", one.t1w), ("FLAIR", None)):
            name = patient if first else f"{patient}-flair"
            folder = prepare(one.flair, first, out / "prepared" / name)
            inputs = load_inputs(folder)
            for method in ladder(weights / patient):
                found, seconds = run(method, inputs)
                row = scores(as_acquired(folder, found.mask, one.flair) > 0, truth, size)
                keys = {"images": images, "method": method.name, "case": patient}
                rows.append(keys | row | {"seconds": seconds})
            here, chance = truth_on(folder, one.truth), np.asarray(found.probability.dataobj)
            curves[f"{patient}, {images}"] = (chance, here)
            if first:
                draw_overlay(inputs, chance, here, out / f"{patient}.png")
    draw_reliability(curves, out / "reliability.png")
    return pd.DataFrame(rows)


def phantoms(out: Path) -> pd.DataFrame:
    """Measure every method on phantoms."""
    rows = []
    for name, (lesions, options) in PHANTOMS.items():
        inputs, truth = phantom_inputs(lesions, **options)
        for method in ladder():
            found, seconds = run(method, inputs)
            row = scores(
                np.asarray(found.mask.dataobj) > 0, truth, nib.affines.voxel_sizes(inputs.flair.affine)
            )
            keys = {"images": "T1w + FLAIR", "method": method.name, "case": name}
            rows.append(keys | row | {"seconds": seconds})
    return pd.DataFrame(rows)


def show(table: pd.DataFrame) -> None:
    """Print a table with a mean for each method."""
    keys = ["images", "method"]
    mean = table.groupby(keys, sort=False)[SHOWN].mean().reset_index().assign(case="mean")
    whole = pd.concat([table, mean]).sort_values(keys, kind="stable")[[*keys, "case", *SHOWN]]
    print(whole.to_string(index=False, float_format=lambda value: f"{value:.2f}"), flush=True)


def main() -> None:
    """Print the ladder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, nargs="?", default=ROOT / "build/bench-lesions")
    parser.add_argument("--only", choices=("patients", "phantoms"))
    parser.add_argument("--weights", type=Path, default=ROOT / "build/lesion-networks")
    args = parser.parse_args()
    out = args.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    for name, measure in (("patients", partial(patients, weights=args.weights)), ("phantoms", phantoms)):
        if args.only in (None, name):
            table = measure(out)
            table.to_csv(out / f"{name}.tsv", sep="\t", index=False)
            show(table)
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB; tables in {out}")


if __name__ == "__main__":
    main()

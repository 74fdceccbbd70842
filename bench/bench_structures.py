"""Structures and tissues against references: a real T1w with FreeSurfer's labels, synthetic heads, drawn ventricles.

    PYTHONPATH=training python bench/bench_structures.py OUT [--only t1w|heads|ventricles] [--heads N]

- `t1w`: data/t1w-freesurfer (automatic labels: a reference to agree with, not a truth).
- `heads`: synthetic T1w and FLAIR of the first N label maps, equally sharp, each with priors of the other heads only.
- `ventricles`: the clinical FLAIR scans of data/tabriz alone, with an expert's ventricles.
OUT keeps the registrations, so that a second run measures the segmentation alone.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from fit_structures import average, bring
from structure_heads import OUTSIDE, load_heads, numbered, synthetic_scan

from bids_app.image import structure_priors
from bids_app.image.bias import correct_bias
from bids_app.image.brain import brain_mask
from bids_app.image.register import align_template
from bids_app.image.structure_priors import NUMBER, STRUCTURES, priors_at, template_coordinates
from bids_app.image.structures import Structures, segment_structures
from bids_app.image.template import BUILT_IN, load_template
from bids_app.image.volume import conform, read_scan, resample

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("DEMYELIN_SHARED", ROOT.parent / "shared"))
RESOLUTION = 2.0
PEOPLE = 20  # in the priors
BLUR = 0.65  # SD in voxels of both contrasts of a head; the middle of what `synthetic_scan` draws
DEEP = ("thalamus", "caudate", "putamen", "pallidum", "hippocampus", "amygdala", "accumbens")


def dice(one: np.ndarray, other: np.ndarray) -> float:
    """Return 2 |A and B| / (|A| + |B|)."""
    return float(2 * (one & other).sum() / max(int(one.sum()) + int(other.sum()), 1))


def segment(image: nib.Nifti1Image, brain: nib.Nifti1Image, folder: Path) -> tuple[Structures, float]:
    """Register once a folder, segment; return the CPU seconds of the segmentation beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    inverse = folder / "inverse.h5"
    if not inverse.exists():
        inside = np.asarray(image.dataobj, dtype=np.float32) * (np.asarray(brain.dataobj) > 0)
        target = load_template(BUILT_IN, RESOLUTION).t1w
        align_template(nib.Nifti1Image(inside, image.affine), target, folder / "forward.h5", inverse, seed=1)
    start = time.process_time()
    where = template_coordinates(image, [inverse])[:, np.asarray(brain.dataobj) > 0]
    return segment_structures(image, brain, priors_at(where)), time.process_time() - start


def against(found: Structures, truth: np.ndarray) -> dict[str, float]:
    """Return what the table shows; `truth` holds places in STRUCTURES, 255 where nothing is known."""
    labels, tissues = np.asarray(found.labels.dataobj), np.asarray(found.tissues.dataobj)
    gm = np.asarray(found.gm.dataobj)
    known = (truth != OUTSIDE) & (truth != NUMBER["csf"])
    row = {f"grey in {name}": float(gm[truth == NUMBER[name]].mean()) for name in DEEP[:4]}
    for name in ("cortex", "wm", "cbl_gm", "cbl_wm", "brainstem", "ventricle", *DEEP):
        mine = np.isin(labels, STRUCTURES[NUMBER[name]].labels)
        row[name] = dice(mine & known, truth == NUMBER[name])
    deep = np.isin(truth, [NUMBER[name] for name in (*DEEP, "claustrum")])
    stem = np.isin(truth, [NUMBER["brainstem"], NUMBER["ventraldc"]])
    grey = np.isin(truth, [NUMBER["cortex"], NUMBER["cbl_gm"]])
    white = np.isin(truth, [NUMBER["wm"], NUMBER["cbl_wm"]])
    row["white matter"] = dice((tissues == 2) & known & ~stem, white)
    row["both cortices"] = dice((tissues == 1) & known & ~deep & ~stem, grey)
    return row


def real_t1w(out: Path) -> list[dict]:
    """Measure the T1w with FreeSurfer's labels."""
    folder = SHARED / "data/t1w-freesurfer"
    grid = conform(read_scan(folder / "sub-vxm_T1w.nii.gz").image, 1.0)
    brain = brain_mask(grid).mask
    image = correct_bias(grid, brain)
    labels = resample(nib.load(folder / "sub-vxm_desc-aseg_dseg.nii.gz"), grid, order=0)
    truth = np.full(grid.shape, OUTSIDE, np.uint8)
    whole = numbered(np.asarray(labels.dataobj), grid.affine)
    truth = np.asarray(resample(_shifted(whole), grid, order=0).dataobj) - np.uint8(1)
    found, seconds = segment(image, brain, out / "t1w")
    return [{"case": "t1w-freesurfer", "cpu_s": seconds} | against(found, truth)]


def _shifted(places: nib.Nifti1Image) -> nib.Nifti1Image:
    """Return places from 1 on, with 0 outside: what resampling puts beyond the grid."""
    return nib.Nifti1Image(np.asarray(places.dataobj) + np.uint8(1), places.affine)


def heads(out: Path, count: int) -> list[dict]:
    """Measure synthetic T1w and FLAIR of label maps, each with priors that do not know its head."""
    shipped, rows = structure_priors.load_priors(), []
    for number, (name, head) in list(enumerate(load_heads(SHARED).items()))[:count]:
        left_out = average([bring(head, number, out / "heads" / name)])
        others = _without(shipped, left_out)
        structure_priors.load_priors = lambda image=others: image
        for contrast in ("T1w", "FLAIR"):
            scan = synthetic_scan(head, contrast, number, BLUR)
            brain = nib.Nifti1Image((np.asarray(scan.dataobj) > 0).astype(np.uint8), scan.affine)
            folder = out / "heads" / (name if contrast == "T1w" else f"{name}-FLAIR")
            found, seconds = segment(scan, brain, folder)
            truth = np.where(np.asarray(brain.dataobj) > 0, np.asarray(head.dataobj), OUTSIDE)
            rows.append({"case": f"{name} {contrast}", "cpu_s": seconds} | against(found, truth))
            print(rows[-1], flush=True)
    means = {
        contrast: pd.DataFrame(rows[k::2]).drop(columns="case").mean()
        for k, contrast in enumerate(("T1w", "FLAIR"))
    }
    means["less by FLAIR"] = means["T1w"] - means["FLAIR"]
    return rows + [{"case": f"mean {name}"} | mean.to_dict() for name, mean in means.items()]


def _without(priors: nib.Nifti1Image, left_out: nib.Nifti1Image) -> nib.Nifti1Image:
    """Return the priors of 20 heads without one of them, as near as a registration of its own repeats its place."""
    total = PEOPLE * np.asarray(priors.dataobj, dtype=np.float32)
    left = (total - np.asarray(left_out.dataobj, dtype=np.float32)) / (PEOPLE - 1)
    return nib.Nifti1Image(np.rint(np.clip(left, 0, 255)).astype(np.uint8), priors.affine)


def ventricles(out: Path) -> list[dict]:
    """Measure the ventricles of clinical FLAIR scans alone."""
    rows = []
    for path in sorted((SHARED / "data/tabriz").glob("sub-*/anat/*_FLAIR.nii.gz")):
        name = path.name.split("_")[0]
        drawn = next((SHARED / "data/tabriz/derivatives/experts" / name).rglob("*entricle*.nii.gz"))
        grid = conform(read_scan(path).image, 1.0)
        brain = brain_mask(grid).mask
        found, seconds = segment(correct_bias(grid, brain), brain, out / name)
        labels = np.asarray(found.labels.dataobj)
        mine = np.isin(labels, STRUCTURES[NUMBER["ventricle"]].labels)
        source = nib.load(drawn)
        mine = np.asarray(resample(nib.Nifti1Image(mine.astype(np.float32), grid.affine), source).dataobj)
        rows.append(
            {
                "case": f"{name} FLAIR",
                "cpu_s": seconds,
                "ventricle": dice(mine > 0.5, np.asarray(source.dataobj) > 0),
            }
        )
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", choices=("t1w", "heads", "ventricles"))
    parser.add_argument("--heads", type=int, default=6)
    args = parser.parse_args()
    out = args.out.absolute()
    parts = {
        "t1w": lambda: real_t1w(out),
        "ventricles": lambda: ventricles(out),
        "heads": lambda: heads(out, args.heads),
    }
    rows = [row for name, part in parts.items() if args.only in (None, name) for row in part()]
    print(pd.DataFrame(rows).set_index("case").T.round(3).to_string(na_rep=""))


if __name__ == "__main__":
    main()

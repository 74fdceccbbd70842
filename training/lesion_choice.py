"""Choose a lesion mask's numbers by leaving one patient out, and say what is reached on patients left out.

    python training/lesion_choice.py SHARED PREPARED WEIGHTS

WEIGHTS/NAME holds a `network.onnx` that has not seen patient NAME. A mask holds the regions of at least a threshold
that reach a peak and a smallest volume. For each patient the three numbers are those that are best (`best`) on the six
others; all is scored on the FLAIR as acquired.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from dataclasses import dataclass
from pathlib import Path

import cc3d
import nibabel as nib
import numpy as np
import pandas as pd
from lesion_data import PATIENTS, as_acquired, case, read_truth
from scipy import ndimage

from bids_app.image.lesion_network import network_probability

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench"))
from lesion_scores import overlap_scores

THRESHOLDS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
PEAKS = (0.0, 0.5, 0.7, 0.85)
VOLUMES = (3.0, 6.0, 12.0)
KINDS = ("T1w + FLAIR", "FLAIR", "T1w")
MEASURES = ["dice", "lesion_f1", "volume_error"]


@dataclass
class Visit:
    """One patient prepared in one way, with the truth on the FLAIR as acquired."""

    name: str
    kind: str
    truth: np.ndarray
    size: np.ndarray
    index: np.ndarray

    @classmethod
    def read(cls, shared: Path, prepared: Path, name: str, kind: str) -> Visit:
        """Read the truth and find which voxel of the working grid each voxel as acquired is taken from."""
        one, folder = case(shared, name), prepared / (name + ("-flair" if kind == "FLAIR" else ""))
        truth = read_truth(one.truth)
        kept = folder / "acquired.npy"
        if not kept.exists():
            grid = nib.load(folder / "brain.nii")
            index = np.zeros(truth.shape, np.int64)
            for axis, side in enumerate(grid.shape):
                line = np.arange(1, side + 1, dtype=np.float32)
                line = line.reshape([-1 if k == axis else 1 for k in range(3)])
                image = nib.Nifti1Image(np.broadcast_to(line, grid.shape).copy(), grid.affine)
                moved = as_acquired(folder, image, one.flair)
                index = np.where((index < 0) | (moved < 1), -1, index * side + moved.astype(np.int64) - 1)
            np.save(kept, index.astype(np.int32))
        return cls(
            name, kind, np.asarray(truth.dataobj) > 0, nib.affines.voxel_sizes(truth.affine), np.load(kept)
        )


def predicted(prepared: Path, visit: Visit, weights: Path) -> np.ndarray:
    """Return the probability by a network that has not seen the patient, on the working grid."""
    alone = visit.kind == "FLAIR"
    folder = prepared / (visit.name + ("-flair" if alone else ""))
    flair, t1w, brain = (
        nib.load(folder / f"{name}.nii") for name in ("image" if alone else "flair", "image", "brain")
    )
    images = {"T1w + FLAIR": (flair, t1w), "FLAIR": (flair, None), "T1w": (None, t1w)}[visit.kind]
    return network_probability(*images, brain, weights / visit.name)


def every_choice(visit: Visit, probability: np.ndarray) -> pd.DataFrame:
    """Score every choice of threshold, peak and smallest volume."""
    rows = []
    in_image = np.where(visit.index >= 0, probability.reshape(-1)[visit.index], 0)
    box = ndimage.find_objects(((in_image >= min(THRESHOLDS)) | visit.truth).astype(np.uint8))[0]
    index, truth = visit.index[box], visit.truth[box]
    for threshold in THRESHOLDS:
        labels = cc3d.connected_components(probability >= threshold, connectivity=26)
        numbers = np.arange(labels.max() + 1)
        size = np.bincount(labels.ravel(), minlength=len(numbers))
        highest = ndimage.maximum(probability, labels, numbers)
        here = np.where(index >= 0, labels.reshape(-1)[index], 0)
        seen: dict[bytes, dict[str, float]] = {}
        for peak, volume in itertools.product(PEAKS, VOLUMES):
            if peak and peak < threshold + 0.05:
                continue
            kept = (highest >= peak) & (size >= volume) & (numbers > 0)
            if kept.tobytes() not in seen:
                seen[kept.tobytes()] = overlap_scores(kept[here], truth, visit.size)
            rows.append({"threshold": threshold, "peak": peak, "volume": volume} | seen[kept.tobytes()])
    return pd.DataFrame(rows).assign(case=visit.name, images=visit.kind)


def best(table: pd.DataFrame) -> tuple[float, float, float]:
    """Return the choice that is best on average: mean of Dice and lesion F1, less a quarter of the volume error."""
    worth = (table.dice + table.lesion_f1) / 2 - 0.25 * table.volume_error.clip(upper=1)
    mean = worth.groupby([table.threshold, table.peak, table.volume]).mean()
    return mean.idxmax()


def left_out(table: pd.DataFrame) -> pd.DataFrame:
    """Return each patient's scores by the numbers that the others chose."""
    rows = []
    with_flair = table[table.images != "T1w"]  # by the T1w alone too little is found to choose by
    for name in table.case.unique():
        numbers = best(with_flair[with_flair.case != name])
        chosen = table.set_index(["threshold", "peak", "volume"]).loc[numbers].reset_index()
        rows.append(chosen[chosen.case == name])
    return pd.concat(rows)


def show(table: pd.DataFrame) -> None:
    """Print what is reached, and the spread of the numbers."""
    columns = ["case", "images", *MEASURES, "volume_ml", "true_ml", "threshold", "peak", "volume"]
    print(table[columns].to_string(index=False, float_format=lambda value: f"{value:.2f}"))
    print(table.groupby("images")[MEASURES].agg(["mean", "min", "max"]).round(3).to_string())


def main() -> None:
    """Choose and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path)
    parser.add_argument("prepared", type=Path)
    parser.add_argument("weights", type=Path)
    args = parser.parse_args()
    shared, prepared = args.shared.absolute(), args.prepared.absolute()
    tables = []
    for name, kind in itertools.product(PATIENTS, KINDS):
        if (args.weights / name).exists():
            visit = Visit.read(shared, prepared, name, kind)
            tables.append(every_choice(visit, predicted(prepared, visit, args.weights)))
    table = pd.concat(tables)
    table.to_csv(args.weights / "choices.tsv", sep="\t", index=False)
    show(left_out(table))
    print("on all patients: threshold, peak, smallest volume in mm3:", *best(table[table.images != "T1w"]))


if __name__ == "__main__":
    main()

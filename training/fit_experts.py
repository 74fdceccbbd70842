"""Fit the second trees on the seven patients whose lesions experts drew, and on all but each of them.

    python training/fit_experts.py SHARED PREPARED OUT --seed 1

OUT gets `experts.onnx` (all patients), `NAME/experts.onnx` (has not seen NAME) and `logits/NAME.npy`,
`logits/NAME-flair.npy` of the latter for `lesion_choice.py`. First trees that have not seen a patient of Ljubljana are
those of `held_out`; the clinical patients are new to all. Needs scikit-learn and onnx.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import onnx
from fit_lesions import RISING, to_onnx
from lesion_data import PATIENTS, case, load_inputs, truth_on
from scipy import special
from sklearn.ensemble import HistGradientBoostingClassifier

from bids_app.image.lesion_classifier import EXPERT_FEATURES, SMALLEST, expert_rows, view, working_grid
from bids_app.image.lesions import weighted_belief
from bids_app.image.volume import resample

SETTINGS = {
    "max_iter": 120,
    "learning_rate": 0.08,
    "max_leaf_nodes": 12,
    "min_samples_leaf": 200,
    "l2_regularization": 5.0,
    "max_features": 0.5,
}
DRAWN = {"lesion": 4000, "bright": 8000, "other": 3000}
BRIGHT = 0.08
ABSENT = -12.0  # logit of what is no candidate


@dataclass
class Rows:
    """A visit's candidates: what the trees get, which are lesions, how to put them back."""

    rows: np.ndarray
    lesion: np.ndarray
    where: np.ndarray
    grid: nib.Nifti1Image
    like: nib.Nifti1Image


def read(shared: Path, folder: Path, name: str) -> Rows:
    """Return a prepared visit's candidates."""
    inputs, truth = load_inputs(folder), truth_on(folder, case(shared, name).truth)
    belief = nib.Nifti1Image(weighted_belief(inputs), inputs.flair.affine)
    images = (inputs.flair, inputs.t1w, inputs.brain, inputs.wm_prior, inputs.gm, belief)
    grid = working_grid(inputs.brain)
    where, rows = expert_rows(view(*images, grid), Path(__file__).parent / "held_out" / name)
    drawn = resample(nib.Nifti1Image(truth.astype(np.uint8), inputs.flair.affine), grid, order=0)
    return Rows(rows, np.asarray(drawn.dataobj)[where] > 0, where, grid, inputs.flair)


def sample(rng: np.random.Generator, visit: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw voxels of lesions, bright voxels that are none, and others; weights sum to 1."""
    bright = visit.rows[:, 1] > BRIGHT
    kinds = {"lesion": visit.lesion, "bright": bright & ~visit.lesion, "other": ~bright & ~visit.lesion}
    chosen, weight = [], []
    for kind, mask in kinds.items():
        found = np.flatnonzero(mask)
        some = rng.choice(found, min(DRAWN[kind], len(found)), replace=False)
        chosen.append(some)
        weight.append(np.full(len(some), len(found) / max(len(some), 1)))
    at, share = np.concatenate(chosen), np.concatenate(weight)
    return visit.rows[at], visit.lesion[at], share / share.sum()


def fit(samples: list[tuple[np.ndarray, ...]], seed: int) -> HistGradientBoostingClassifier:
    """Fit; every visit weighs alike, and a brighter voxel is never less a lesion."""
    rows, lesion, weight = (np.concatenate(part) for part in zip(*samples, strict=True))
    rising = [int(name in {*RISING, "first_logit", "weighted_belief"}) for name in EXPERT_FEATURES]
    model = HistGradientBoostingClassifier(
        random_state=seed, early_stopping=False, monotonic_cst=rising, **SETTINGS
    )
    return model.fit(rows, lesion, sample_weight=weight / weight.mean())


def logits(model: HistGradientBoostingClassifier, visit: Rows) -> np.ndarray:
    """Return the logits on the visit's working grid."""
    found = np.full(visit.where.shape, ABSENT, np.float32)
    chance = np.clip(model.predict_proba(visit.rows)[:, 1], SMALLEST, 1 - SMALLEST)
    found[visit.where] = special.logit(chance)
    shifted = nib.Nifti1Image(found - ABSENT, visit.grid.affine)  # what lies outside becomes 0
    return np.asarray(resample(shifted, visit.like, order=0).dataobj) + np.float32(ABSENT)


def main() -> None:
    """Fit and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path)
    parser.add_argument("prepared", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    visits = {
        (name, kind): read(args.shared.absolute(), args.prepared.absolute() / f"{name}{kind}", name)
        for name in PATIENTS
        for kind in ("", "-flair")
    }
    samples = {key: sample(rng, visit) for key, visit in visits.items()}
    (args.out / "logits").mkdir(parents=True, exist_ok=True)
    for unseen in (*PATIENTS, None):
        model = fit([one for (name, _), one in samples.items() if name != unseen], args.seed)
        folder = args.out / unseen if unseen else args.out
        folder.mkdir(exist_ok=True)
        onnx.save(to_onnx(model, len(EXPERT_FEATURES)), folder / "experts.onnx")
        for (name, kind), visit in visits.items():
            if name == unseen:
                np.save(args.out / "logits" / f"{name}{kind}.npy", logits(model, visit).astype(np.float16))
        print("without", unseen, flush=True)


if __name__ == "__main__":
    main()

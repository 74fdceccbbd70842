"""Draw training voxels from synthetic and real blocks. PyTorch on CPU.

    python training/lesion_samples.py ANATOMIES OUT --blocks 40 --seed 1

OUT gets `synthetic.npz` (anatomies without a truth) and a file for each patient with one: `features`, `lesion`,
`weight` (how many voxels a drawn one stands for), `block` (which block it is from).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from lesion_patches import AnatomyFiles, make_patch, relative_images

from bids_app.errors import VisitError
from bids_app.image.lesion_features import lesion_features

EDGE = 12  # voxels of a block whose neighbourhoods are cut
DRAWN = {"lesion": 1500, "bright": 2500, "other": 1500}
BRIGHT = 0.15


def draw(rng, block) -> dict[str, np.ndarray] | None:
    """Return a sample of a block's candidates: lesions, bright voxels that are none, others."""
    try:
        where, features = lesion_features(*relative_images(block), block["brain"], block["prior"])
    except VisitError:
        return None
    inner = np.zeros(where.shape, bool)
    inner[(slice(EDGE, -EDGE),) * 3] = True
    lesion, usable = block["lesion"][where], (inner & block["known"])[where]
    bright = features[:, 4] > BRIGHT
    kinds = {"lesion": lesion, "bright": bright & ~lesion, "other": ~bright & ~lesion}
    parts = []
    for kind, mask in kinds.items():
        found = np.flatnonzero(mask & usable)
        chosen = rng.choice(found, min(DRAWN[kind], len(found)), replace=False)
        weight = np.full(len(chosen), len(found) / max(len(chosen), 1), np.float32)
        parts.append({"features": features[chosen], "lesion": lesion[chosen], "weight": weight})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def collect(rng, anatomies: list[AnatomyFiles], blocks: int, real_share: float) -> dict[str, np.ndarray]:
    """Draw from a number of blocks."""
    drawn = []
    while len(drawn) < blocks:
        sample = draw(rng, make_patch(rng, anatomies[rng.integers(len(anatomies))], real_share))
        if sample is not None and len(sample["lesion"]):
            drawn.append(sample | {"block": np.full(len(sample["lesion"]), len(drawn), np.int16)})
    return {name: np.concatenate([one[name] for one in drawn]) for name in drawn[0]}


def main() -> None:
    """Draw and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("anatomies", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--blocks", type=int, default=40)
    parser.add_argument("--only", help="patient, or synthetic")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(args.seed)
    opened = [AnatomyFiles.open(path.parent, rng) for path in sorted(args.anatomies.glob("*/shapes.npy"))]
    groups = {one.name: [one] for one in opened if one.real is not None}
    groups["synthetic"] = [one for one in opened if one.real is None]
    for name, group in groups.items():
        if args.only not in (None, name):
            continue
        rng = np.random.default_rng([args.seed, len(name), sum(map(ord, name))])
        sample = collect(rng, group, args.blocks if name == "synthetic" else args.blocks // 2, real_share=0.6)
        np.savez(args.out / f"{name}.npz", **sample)
        print(name, len(sample["lesion"]), sample["lesion"].mean(), flush=True)


if __name__ == "__main__":
    main()

"""Draw training blocks for the lesion network from synthetic and real images. PyTorch on CPU.

    python training/lesion_blocks.py ANATOMIES OUT --blocks 300 --only synthetic --seed 1

OUT gets `synthetic.npz` (anatomies without a truth) or the file of a patient with one: `channels` (n, 5, x, y, z)
float16 as the network gets them, `lesion` and `known` (n, x, y, z) bool.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from lesion_patches import AnatomyFiles, make_patch, relative_images

from bids_app.errors import VisitError
from bids_app.image.lesion_network import network_channels

REAL_SHARE = 0.7
CUT = 8  # voxels at a block's faces, where thick slices and blur were cut


def channels_of(block: dict[str, np.ndarray | None]) -> np.ndarray | None:
    """Return what the network gets of a block, or None where it has no white or grey matter."""
    try:
        return network_channels(*relative_images(block), block["brain"], block["prior"])
    except VisitError:
        return None


def main() -> None:
    """Draw and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("anatomies", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--blocks", type=int, default=300)
    parser.add_argument("--only", required=True, help="patient, or synthetic")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng([args.seed, sum(map(ord, args.only))])
    opened = [AnatomyFiles.open(path.parent, rng) for path in sorted(args.anatomies.glob("*/shapes.npy"))]
    anatomies = [one for one in opened if (one.name if one.real is not None else "synthetic") == args.only]
    inner = (slice(CUT, -CUT),) * 3
    drawn: dict[str, list[np.ndarray]] = {"channels": [], "lesion": [], "known": []}
    while len(drawn["channels"]) < args.blocks:
        block = make_patch(rng, anatomies[rng.integers(len(anatomies))], REAL_SHARE)
        channels = channels_of(block)
        if channels is None:
            continue
        drawn["channels"].append(channels[(slice(None), *inner)].astype(np.float16))
        for name in ("lesion", "known"):
            drawn[name].append(block[name][inner])
    args.out.mkdir(parents=True, exist_ok=True)
    np.savez(args.out / f"{args.only}.npz", **{name: np.stack(parts) for name, parts in drawn.items()})
    print(args.only, len(drawn["lesion"]), np.mean(drawn["lesion"]), flush=True)


if __name__ == "__main__":
    main()

"""Train the lesion network and export it to ONNX. PyTorch on CPU, one thread.

    python training/fit_network.py BLOCKS OUT --steps 800 --real-steps 300 --seed 1

A small 3D U-Net: synthetic blocks first, then those and real patients' half and half. OUT gets `network.onnx`, trained
on both patients, and one for each patient that has not seen it. Arithmetic in bfloat16, weights averaged along the way.
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as nn
from lesion_data import MNI
from torch import Tensor
from torch.nn import Conv3d, Module, ModuleList, ReLU, Sequential
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

SIDE = 64
BATCH = 2
RATE = 2e-3
REAL_SHARE = 0.5
NEAR_LESION = 0.7
WIDTHS = (16, 32, 48, 64)
PRIOR_LOGIT = -4.0
AVERAGED = 0.99


def pair(into: int, width: int) -> Sequential:
    """Two convolutions."""
    return Sequential(Conv3d(into, width, 3, padding=1), ReLU(), Conv3d(width, width, 3, padding=1), ReLU())


class Network(Module):
    """A U-Net without normalisation, so that an answer does not depend on how an image is cut into tiles."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down = ModuleList(pair(a, b) for a, b in zip((channels, *WIDTHS), WIDTHS, strict=False))
        self.up = ModuleList(pair(a + b, a) for a, b in zip(WIDTHS[-2::-1], WIDTHS[:0:-1], strict=True))
        self.last = Conv3d(WIDTHS[0], 1, 1)
        for layer in self.modules():
            if isinstance(layer, Conv3d):
                torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                torch.nn.init.zeros_(layer.bias)
        torch.nn.init.normal_(self.last.weight, std=0.01)
        torch.nn.init.constant_(self.last.bias, PRIOR_LOGIT)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logit of (n, c, x, y, z)."""
        kept = []
        for level, step in enumerate(self.down):
            x = step(nn.max_pool3d(x, 2) if level else x)
            kept.append(x)
        kept.pop()
        for step in self.up:
            x = step(torch.cat([nn.interpolate(x, scale_factor=2.0, mode="nearest"), kept.pop()], 1))
        return self.last(x)


class Blocks:
    """One file of blocks, from which crops are drawn."""

    def __init__(self, path: Path) -> None:
        stored = np.load(path)
        self.channels, self.lesion, self.known = (stored[name] for name in ("channels", "lesion", "known"))
        self.points = [np.argwhere(lesion) for lesion in self.lesion]

    def crop(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return channels, lesion and known of a crop, mirrored at random."""
        which = rng.integers(len(self.lesion))
        room = np.array(self.lesion[which].shape) - SIDE
        corner = rng.integers(0, room + 1)
        if len(self.points[which]) and rng.random() < NEAR_LESION:
            points = self.points[which]
            corner = points[rng.integers(len(points))] - rng.integers(SIDE // 6, SIDE - SIDE // 6, 3)
            corner = np.clip(corner, 0, room)
        box = tuple(slice(c, c + SIDE) for c in corner)
        parts = (self.channels[which][(slice(None), *box)], self.lesion[which][box], self.known[which][box])
        if rng.random() < 0.5:
            parts = tuple(part[..., ::-1, :, :] for part in parts)
        return tuple(np.array(part, np.float32) for part in parts)


def loss_of(logit: Tensor, lesion: Tensor, known: Tensor) -> Tensor:
    """Cross-entropy, which calibrates, and Dice, which weighs lesions more than what surrounds them."""
    entropy = (nn.binary_cross_entropy_with_logits(logit, lesion, reduction="none") * known).sum()
    probability = logit.sigmoid() * known
    overlap = (probability * lesion * known).sum()
    total = probability.sum() + (lesion * known).sum()
    return 20 * entropy / known.sum().clamp_min(1) + 1 - (2 * overlap + 50) / (total + 50)


def train(network: Module, groups: dict[str, Blocks], steps: int, rate: float, seed: int) -> Module:
    """Train; return the averaged network."""
    rng = np.random.default_rng(seed)
    real = [name for name in groups if name != "synthetic"]
    network = copy.deepcopy(network).to(memory_format=torch.channels_last_3d)
    mean = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(AVERAGED))
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.1)
    start, losses = time.time(), []
    for step in range(steps):
        names = [
            real[rng.integers(len(real))] if real and rng.random() < REAL_SHARE else "synthetic"
            for _ in range(BATCH)
        ]
        crops = [groups[name].crop(rng) for name in names]
        channels, lesion, known = (torch.from_numpy(np.stack(part)) for part in zip(*crops, strict=True))
        with torch.autocast("cpu", torch.bfloat16):
            logit = network(channels.contiguous(memory_format=torch.channels_last_3d))
        loss = loss_of(logit[:, 0].float(), lesion, known)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        mean.update_parameters(network)
        losses.append(loss.item())
        if step % 100 == 99:
            print(f"{step + 1} {np.mean(losses[-100:]):.3f} {time.time() - start:.0f} s", flush=True)
    return mean.module


def export(network: Module, channels: int, out: Path) -> None:
    """Write ONNX that takes any size divisible by 8."""
    out.parent.mkdir(parents=True, exist_ok=True)
    axes = {2: "x", 3: "y", 4: "z"}
    torch.onnx.export(
        network.eval().to(memory_format=torch.contiguous_format), torch.zeros(1, channels, 32, 32, 32), str(out),
        dynamo=False, opset_version=17, input_names=["channels"], output_names=["logit"],
        dynamic_axes={"channels": axes, "logit": axes},
    )  # fmt: skip


def main() -> None:
    """Train on synthetic blocks, then go on with each choice of patients; export each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("blocks", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--real-steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    groups = {"synthetic": Blocks(args.blocks / "synthetic.npz")}
    channels = groups["synthetic"].channels.shape[1]
    begun = train(Network(channels), groups, args.steps, RATE, args.seed)
    export(begun, channels, args.out / "synthetic.onnx")
    groups |= {name: Blocks(args.blocks / f"{name}.npz") for name in MNI}
    for unseen in (*MNI, None):
        chosen = {name: group for name, group in groups.items() if name != unseen}
        network = train(begun, chosen, args.real_steps, RATE / 2, args.seed)
        export(network, channels, args.out / (f"network-{unseen}.onnx" if unseen else "network.onnx"))


if __name__ == "__main__":
    main()

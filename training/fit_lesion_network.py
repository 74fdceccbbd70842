"""Train the lesion network and export it to ONNX. PyTorch on CPU, one thread.

    python training/fit_lesion_network.py begin MAPS CHECKPOINT --steps 3000      # synthetic scans alone
    python training/fit_lesion_network.py go-on MAPS CHECKPOINT --real REAL --out OUT [--without NAME ...] --steps 400

`begin` goes on from CHECKPOINT where it exists (else from `--start`) and writes it every 50 steps. `go-on` adds real
patients (`REAL/*.npz` of `lesion_cache.py`), all but those named, and writes OUT (.onnx) and its weights (.npz);
`export` writes a checkpoint so.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as nn
from lesion_scans import Head, Patch, Real, chance, real, synthetic, uniform
from torch.nn import BatchNorm3d, Conv3d, Module, ModuleList, ReLU, Sequential
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

WIDTHS = (32, 64, 96, 96)
CHANNELS = 8 + 8 + 1 + 3 + 1  # FLAIR, T1w, brain, place, whether there is a T1w
BATCH = 2
KEPT = 24
NO_T1W = 0.4
REAL_SHARE = 0.65
RATE, RATE_REAL = 1.5e-3, 8e-4
HEADS = 20
SAVE_EVERY = 50


def pair(inputs: int, outputs: int) -> Sequential:
    """Two convolutions, each normalised and rectified."""
    layers: list[Module] = []
    for width in (inputs, outputs):
        layers += [
            Conv3d(width, outputs, 3, padding=1, bias=False),
            BatchNorm3d(outputs, momentum=0.03),
            ReLU(inplace=True),
        ]
    return Sequential(*layers)


class Network(Module):
    """A U-Net on cells of 2 x 2 x 2 voxels: the eight voxels of a cell are channels, in and out."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.down = ModuleList(pair(a, b) for a, b in zip((CHANNELS, *widths), widths, strict=False))
        self.up = ModuleList(pair(a + b, a) for a, b in zip(widths[-2::-1], widths[:0:-1], strict=True))
        self.last = Conv3d(widths[0], 8, 1)
        torch.nn.init.zeros_(self.last.weight)
        torch.nn.init.constant_(self.last.bias, -4.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (n, 8, x/2, y/2, z/2)."""
        kept = []
        for level, layer in enumerate(self.down):
            x = layer(nn.max_pool3d(x, 2) if level else x)
            kept.append(x)
        kept.pop()
        for layer in self.up:
            x = layer(torch.cat([nn.interpolate(x, scale_factor=2.0, mode="nearest"), kept.pop()], 1))
        return self.last(x)


def cells(image: torch.Tensor) -> torch.Tensor:
    """Turn (x, y, z) into (8, x/2, y/2, z/2)."""
    x, y, z = (side // 2 for side in image.shape)
    return image.view(x, 2, y, 2, z, 2).permute(1, 3, 5, 0, 2, 4).reshape(8, x, y, z)


def channels_of(patch: Patch, with_t1w: bool) -> torch.Tensor:
    """Return what the network gets, (CHANNELS, x/2, y/2, z/2)."""
    t1w = patch.t1w if with_t1w else torch.zeros_like(patch.t1w)
    brain = cells(patch.brain).mean(0, keepdim=True)
    place = torch.stack([cells(axis).mean(0) for axis in patch.place]) * (brain > 0)
    return torch.cat([cells(patch.flair), cells(t1w), brain, place, brain * float(with_t1w)])


def loss_of(logit: torch.Tensor, lesion: torch.Tensor, brain: torch.Tensor, weight: torch.Tensor):
    """Cross entropy in the brain, lesions counting more, and the soft Dice."""
    where = brain * weight * (1 + 2 * lesion)
    entropy = (nn.binary_cross_entropy_with_logits(logit, lesion, reduction="none") * where).sum()
    share = torch.sigmoid(logit) * brain
    overlap, total = (share * lesion).sum(), share.sum() + lesion.sum()
    return 10 * entropy / where.sum().clamp_min(1) + 1 - (2 * overlap + 30) / (total + 30)


class Drawer:
    """Draws patches: half of each batch new, half from the last `KEPT`, mirrored."""

    def __init__(self, heads: list[Head], patients: list[Real]) -> None:
        self.heads, self.patients = heads, patients
        self.kept: list[Patch] = []

    def batch(self) -> list[Patch]:
        """Return `BATCH` patches."""
        new = [self._new() for _ in range(BATCH // 2 if self.kept else BATCH)]
        old = [mirrored(self.kept[np.random.randint(len(self.kept))]) for _ in range(BATCH - len(new))]
        self.kept = [*self.kept, *new][-KEPT:]
        return new + old

    def _new(self) -> Patch:
        """Draw a patch that holds some brain."""
        for _ in range(20):
            patch = real(self.patients) if self.patients and chance(REAL_SHARE) else synthetic(self.heads)
            if patch.brain.mean() > 0.05:
                break
        return patch


def mirrored(patch: Patch) -> Patch:
    """Return a patch with left and right changed, with another brightness."""
    flipped = {name: value.flip(-3) for name, value in vars(patch).items()}
    for name in ("flair", "t1w"):
        flipped[name] = ((flipped[name] + 1) * uniform(0.95, 1.05) - 1) * flipped["brain"]
    flipped["place"][0] *= -1
    return Patch(**flipped)


def step_on(network, optimiser, drawer: Drawer) -> float:
    """Draw a batch and take one step."""
    patches = drawer.batch()
    x = torch.stack([channels_of(one, not chance(NO_T1W)) for one in patches])
    lesion, brain, weight = (
        torch.stack([cells(getattr(one, name)) for one in patches]) for name in ("lesion", "brain", "weight")
    )
    with torch.autocast("cpu", torch.bfloat16):
        logit = network(x.contiguous(memory_format=torch.channels_last_3d))
    loss = loss_of(logit.float(), lesion, brain, weight)
    optimiser.zero_grad()
    loss.backward()
    size = torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
    if not math.isfinite(float(size)):
        print("a step without a number, left out", flush=True)
        return float("nan")
    optimiser.step()
    return float(loss.detach())


def averaged(network: Module, keep: float) -> AveragedModel:
    """Return an average of the network's weights over its steps."""
    return AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(keep), use_buffers=True)


def begin(args: argparse.Namespace, heads: list[Head]) -> None:
    """Train on synthetic scans, from the checkpoint where there is one."""
    network = Network().to(memory_format=torch.channels_last_3d)
    if args.start:
        network.load_state_dict(begun_weights(args.start))
    mean = averaged(network, 0.995)
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=1e-4)
    first = 0
    if args.checkpoint.exists():
        saved = torch.load(args.checkpoint, weights_only=True)
        network.load_state_dict(saved["network"])
        mean.load_state_dict(saved["mean"])
        optimiser.load_state_dict(saved["optimiser"])
        first = saved["step"]
    torch.manual_seed(args.seed + first)
    np.random.seed(args.seed + first)
    start, losses, drawer = time.time(), [], Drawer(heads, [])
    for step in range(first, args.steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 60)
        losses.append(step_on(network, optimiser, drawer))
        mean.update_parameters(network)
        if step % SAVE_EVERY == SAVE_EVERY - 1:
            print(f"{step + 1} {np.nanmean(losses[-SAVE_EVERY:]):.3f} {time.time() - start:.0f} s "
                  f"(cpu {time.process_time():.0f} s)", flush=True)  # fmt: skip
            state = {
                "network": network.state_dict(), "mean": mean.state_dict(),
                "optimiser": optimiser.state_dict(), "step": step + 1,
            }  # fmt: skip
            aside = args.checkpoint.with_suffix(".part")
            torch.save(state, aside)
            aside.replace(args.checkpoint)


def go_on(args: argparse.Namespace, heads: list[Head]) -> None:
    """Go on with real patients and export."""
    torch.manual_seed(args.seed)
    np.random.seed(args.seed)
    paths = [path for path in sorted(args.real.glob("*.npz")) if path.stem not in args.without]
    patients = [Real.read(path) for path in paths]
    print("with", *(one.name for one in patients), flush=True)
    network = Network().to(memory_format=torch.channels_last_3d)
    network.load_state_dict(begun_weights(args.checkpoint))
    mean = averaged(network, 0.98)
    optimiser = torch.optim.AdamW(network.parameters(), RATE_REAL, weight_decay=1e-3)
    losses, drawer = [], Drawer(heads, patients)
    for step in range(args.steps):
        done = step / args.steps
        for group in optimiser.param_groups:
            group["lr"] = RATE_REAL * min(1, (step + 1) / 20) * (0.5 * (1 + math.cos(math.pi * done)) + 0.02)
        losses.append(step_on(network, optimiser, drawer))
        mean.update_parameters(network)
        if step % SAVE_EVERY == SAVE_EVERY - 1:
            print(
                f"{step + 1} {np.nanmean(losses[-SAVE_EVERY:]):.3f} (cpu {time.process_time():.0f} s)",
                flush=True,
            )
    export(mean.module, args.out)
    save_weights(mean.module, args.out.with_suffix(".npz"))


def begun_weights(path: Path) -> dict[str, torch.Tensor]:
    """Return the averaged weights of a checkpoint (.pt of this script's, or .npz)."""
    if path.suffix == ".npz":
        return {name: torch.from_numpy(np.asarray(value, dtype=np.float32 if value.ndim else np.int64))
                for name, value in np.load(path).items()}  # fmt: skip
    saved = torch.load(path, weights_only=True)["mean"]
    return {name.removeprefix("module."): value for name, value in saved.items() if name != "n_averaged"}


def save_weights(network: Module, path: Path) -> None:
    """Write weights in half precision, without pickle."""
    np.savez_compressed(
        path,
        **{k: v.numpy().astype(np.float16 if v.ndim else np.int64) for k, v in network.state_dict().items()},
    )


def export(network: Module, out: Path) -> None:
    """Write ONNX that takes any number of cells divisible by 8."""
    out.parent.mkdir(parents=True, exist_ok=True)
    axes = {2: "x", 3: "y", 4: "z"}
    torch.onnx.export(
        network.eval().to(memory_format=torch.contiguous_format), (torch.zeros(1, CHANNELS, 16, 16, 16),), str(out),
        dynamo=False, opset_version=17, input_names=["channels"], output_names=["logit"],
        dynamic_axes={"channels": axes, "logit": axes},
    )  # fmt: skip


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=("begin", "go-on", "export"))
    parser.add_argument("maps", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--start", type=Path, help="weights (.npz) that a first `begin` starts from")
    parser.add_argument("--real", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--without", nargs="*", default=[])
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    if args.stage == "export":
        network = Network()
        network.load_state_dict(begun_weights(args.checkpoint))
        export(network, args.out)
        save_weights(network, args.out.with_suffix(".npz"))
        return
    heads = [Head.read(args.maps, number) for number in range(1, HEADS + 1)]
    (begin if args.stage == "begin" else go_on)(args, heads)


if __name__ == "__main__":
    main()

"""Train the lesion network and export it to ONNX. PyTorch, on an accelerator or (slowly) the CPU.

    python training/fit_lesion_network.py begin MAPS CHECKPOINT --start NPZ --minutes 5.5
    python training/fit_lesion_network.py go-on MAPS CHECKPOINT --real REAL --out GONE --minutes 1.7
    python training/fit_lesion_network.py settle MAPS GONE/FOLD.npz --real REAL --out OUT --folds FOLD --minutes 6
    python training/fit_lesion_network.py export MAPS WEIGHTS --out NETWORK.onnx

`begin` sees synthetic scans alone; it starts from the weights of `--start` where there are any (a narrower network's
too) and writes CHECKPOINT (.npz). `go-on` adds patients (`REAL/*.npz` of `lesion_cache.py`), `settle` sees mostly
patients: each trains a network for each of `--folds`, without that fold's patients, and writes OUT/FOLD.npz.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as nn
from lesion_scans import Head, Real
from lesion_supply import Batch, Supply, cells
from torch.nn import BatchNorm3d, Conv3d, Module, ModuleList, ReLU, Sequential
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

WIDTHS = (32, 64, 128, 192)
CHANNELS = 8 + 8 + 1 + 3 + 1 + 1  # FLAIR, T1w, brain, place, whether there is a T1w, whether there is a FLAIR
NO_T1W, NO_FLAIR = 0.35, 0.12
WARM_UP = 60  # steps
HEADS = 20
SAY_EVERY = 20
FOLDS = {
    "all": (), "f1": ("sub-07", "sub-104670"), "f2": ("sub-26", "sub-101228"), "f3": ("sub-110218", "sub-106639"),
    "f4": ("sub-112776",),
}  # fmt: skip


@dataclass(frozen=True)
class Stage:
    """How a stage goes: learning rate, decay and averaging of weights; share of patients, patches a step."""

    rate: float
    decay: float
    keep: float
    share: float
    batch: int


STAGES = {
    "begin": Stage(1.5e-3, 1e-4, 0.998, 0, 8),
    "go-on": Stage(8e-4, 1e-3, 0.99, 0.65, 8),
    "settle": Stage(3e-4, 1e-3, 0.97, 0.75, 4),
}


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


def channels_of(batch: Batch) -> torch.Tensor:
    """Return what the network gets, (n, CHANNELS, x/2, y/2, z/2); some patches lose their T1w or their FLAIR."""
    flair, t1w, brain = (cells(batch.maps[:, k]) for k in range(3))
    luck = torch.rand(len(flair), 1, 1, 1, 1, device=flair.device)
    has_t1w, has_flair = (luck >= NO_T1W).float(), (luck < 1 - NO_FLAIR).float()
    share = brain.mean(1, keepdim=True)
    return torch.cat(
        [
            flair * has_flair,
            t1w * has_t1w,
            share,
            batch.place * (share > 0),
            share * has_t1w,
            share * has_flair,
        ],
        1,
    )


def loss_of(logit: torch.Tensor, lesion: torch.Tensor, brain: torch.Tensor, weight: torch.Tensor):
    """Cross entropy in the brain, lesions counting more, and the soft Dice."""
    where = brain * weight * (1 + 2 * lesion)
    entropy = (nn.binary_cross_entropy_with_logits(logit, lesion, reduction="none") * where).sum()
    share = torch.sigmoid(logit) * brain
    overlap, total = (share * lesion).sum(), share.sum() + lesion.sum()
    return 10 * entropy / where.sum().clamp_min(1) + 1 - (2 * overlap + 30) / (total + 30)


class Trainee:
    """A network, the average of its last weights, and its optimiser."""

    def __init__(self, start: dict[str, torch.Tensor], stage: Stage, device: str) -> None:
        self.network = Network()
        self.network.load_state_dict(widened(start, self.network.state_dict()))
        self.network.to(device, memory_format=torch.channels_last_3d)
        self.mean = AveragedModel(
            self.network, multi_avg_fn=get_ema_multi_avg_fn(stage.keep), use_buffers=True
        )
        self.optimiser = torch.optim.AdamW(self.network.parameters(), stage.rate, weight_decay=stage.decay)
        self.rate, self.losses = stage.rate, []

    def step(self, batch: Batch, done: float, step: int) -> None:
        """Take one step; `done` is the share of the training that is over."""
        for group in self.optimiser.param_groups:
            group["lr"] = (
                self.rate * min(1, (step + 1) / WARM_UP) * (0.5 * (1 + math.cos(math.pi * done)) + 0.02)
            )
        brain, lesion, weight = (cells(batch.maps[:, k]) for k in (2, 3, 4))
        x = channels_of(batch).contiguous(memory_format=torch.channels_last_3d)
        with torch.autocast(x.device.type, torch.bfloat16):
            logit = self.network(x)
        loss = loss_of(logit.float(), lesion, brain, weight)
        self.optimiser.zero_grad()
        loss.backward()
        size = torch.nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        if torch.isfinite(size):
            self.optimiser.step()
            self.mean.update_parameters(self.network)
            self.losses.append(loss.detach())
        else:
            print("a step without a number, left out", flush=True)

    def save(self, path: Path) -> None:
        """Write the average weights in half precision, without pickle."""
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **{
            name: value.cpu().numpy().astype(np.float16 if value.ndim else np.int64)
            for name, value in self.mean.module.state_dict().items()
        })  # fmt: skip


def widened(old: dict[str, torch.Tensor], new: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return `new` weights that do what the `old` of a narrower network do: what is added is not listened to yet."""
    for name, value in new.items():
        was = old[name]
        if was.ndim < 2:
            value.view(-1)[: was.numel()] = was.view(-1)
            continue
        at = torch.arange(was.shape[1])
        parts = name.split(".")
        if parts[0] == "up" and parts[2] == "0":  # what comes from below, then what was kept on the way down
            number = int(parts[1])
            below = f"up.{number - 1}.3.weight" if number else f"down.{len(WIDTHS) - 1}.3.weight"
            at[len(old[below]) :] += len(new[below]) - len(old[below])
        value[: len(was)] = 0
        value[: len(was), at] = was
    return new


def train(args: argparse.Namespace, patients: list[Real], trainees: dict[str, Trainee]) -> None:
    """Train for so many steps, or minutes if they are over first."""
    stage = STAGES[args.stage]
    with ThreadPool(4) as pool:
        heads = pool.map(lambda number: Head.read(args.maps, number), range(1, HEADS + 1))
    print("heads and patients:", len(heads), *(one.name for one in patients), flush=True)
    supply = Supply(heads, patients, stage.share, args.workers, args.device, args.seed)
    supply.refresh(4 * stage.batch)
    start = time.time()
    for step in range(args.steps):
        done = max(step / args.steps, (time.time() - start) / 60 / args.minutes)
        if done >= 1:
            break
        supply.refresh(2 * stage.batch)
        for name, one in trainees.items():
            one.step(supply.batch(stage.batch, FOLDS[name]), done, step)
        if step % SAY_EVERY == SAY_EVERY - 1:
            said = " ".join(f"{torch.stack(one.losses[-SAY_EVERY:]).mean():.3f}" for one in trainees.values())
            print(
                f"{step + 1} steps, {supply.drawn} patches, {time.time() - start:.0f} s: {said}", flush=True
            )
    supply.stop()


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Return the weights of a checkpoint."""
    return {
        name: torch.from_numpy(np.asarray(value, dtype=np.float32 if value.ndim else np.int64))
        for name, value in np.load(path).items()
    }


def export(network: Module, out: Path) -> None:
    """Write ONNX that takes any number of cells divisible by 8; weights in half precision, worked with in single."""
    out.parent.mkdir(parents=True, exist_ok=True)
    axes = {2: "x", 3: "y", 4: "z"}
    torch.onnx.export(
        network.eval(), (torch.zeros(1, CHANNELS, 16, 16, 16),), str(out), dynamo=False, opset_version=17,
        input_names=["channels"], output_names=["logit"], dynamic_axes={"channels": axes, "logit": axes},
    )  # fmt: skip
    model = onnx.load(out)
    for one in model.graph.initializer:
        if one.data_type == onnx.TensorProto.FLOAT and len(one.dims) > 1:
            half = onnx.numpy_helper.to_array(one).astype(np.float16)
            name = one.name
            one.CopyFrom(onnx.numpy_helper.from_array(half, f"{name}.half"))
            cast = onnx.helper.make_node("Cast", [one.name], [name], to=onnx.TensorProto.FLOAT)
            model.graph.node.insert(0, cast)
    onnx.checker.check_model(model)
    onnx.save(model, out)


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", choices=(*STAGES, "export"))
    parser.add_argument("maps", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--start", type=Path, help="weights (.npz) that `begin` starts from")
    parser.add_argument("--real", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--folds", nargs="+", choices=FOLDS, default=list(FOLDS), help="networks to train")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", nargs="+", default=["cpu"], help="the device of each process that draws")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    np.random.seed(args.seed)
    if args.stage == "export":
        network = Network()
        network.load_state_dict(read_weights(args.checkpoint))
        export(network, args.out)
    elif args.stage == "begin":
        start = read_weights(args.start) if args.start else Network().state_dict()
        one = Trainee(start, STAGES["begin"], args.device)
        train(args, [], {"all": one})
        one.save(args.checkpoint)
    else:
        left_out = set.intersection(*(set(FOLDS[name]) for name in args.folds))
        paths = [path for path in sorted(args.real.glob("*.npz")) if path.stem not in left_out]
        start = read_weights(args.checkpoint)
        trainees = {name: Trainee(start, STAGES[args.stage], args.device) for name in args.folds}
        train(args, [Real.read(path) for path in paths], trainees)
        for name, one in trainees.items():
            one.save(args.out / f"{name}.npz")


if __name__ == "__main__":
    main()

"""Export deepbet's two networks from its wheel to ONNX.

Needs an environment of its own with `deepbet==1.0.2`, `torch` and `onnx`:

    python training/export_deepbet.py bids_app/data/deepbet
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path

import torch

NETWORKS = {"bbox_model.pt": ("bbox.onnx", 128), "model.pt": ("brain.onnx", 256)}


def main(target: Path) -> None:
    """Write `bbox.onnx` and `brain.onnx` and print the hashes of both sides."""
    spec = importlib.util.find_spec("deepbet")
    if spec is None or spec.origin is None:
        sys.exit("deepbet is not installed in this environment")
    models = Path(spec.origin).parents[1] / "data" / "models"
    target.mkdir(parents=True, exist_ok=True)
    for source, (name, size) in NETWORKS.items():
        network = torch.jit.load(models / source, map_location="cpu").eval()
        axes = {0: "batch", 2: "x", 3: "y", 4: "z"}
        torch.onnx.export(
            network,
            (torch.zeros(1, 1, size, size, size),),
            str(target / name),
            input_names=["image"],
            output_names=["probability"],
            dynamic_axes={"image": axes, "probability": axes},
            opset_version=17,
            dynamo=False,
        )
        for path in (models / source, target / name):
            print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

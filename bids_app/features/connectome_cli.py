"""The command `demyelin-connectome`: make and describe connectome folders."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bids_app import __version__
from bids_app.errors import InputError
from bids_app.features.connectome import Connectome
from bids_app.features.streamlines import Tractogram, read_streamlines


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="demyelin-connectome",
        description="Make or describe a connectome folder for demyelin --connectome.",
        epilog="example: demyelin-connectome build hcp1065 --source ICBM152_adult.fib.gz --licence 'HCP Open Access'",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="Make a connectome from a fibre field or tractograms.")
    build.add_argument("out", type=Path, help="Folder to make.")
    build.add_argument(
        "--source",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="A DSI Studio .fib.gz, tracked here, or tractograms in MNI space (.tck .trk .trx .tt.gz), one per "
        "reference subject.",
    )
    build.add_argument(
        "--streamlines", type=int, default=150_000, metavar="N", help="To track (default: 150000)."
    )
    build.add_argument("--seed", type=int, default=1, metavar="N", help="Of the tracking (default: 1).")
    build.add_argument("--licence", default="not stated", metavar="TEXT", help="Terms of the source.")
    info = commands.add_parser("info", help="Say what a connectome folder holds.")
    info.add_argument("folder", type=Path)
    options = parser.parse_args(argv)
    try:
        told = _build(options) if options.command == "build" else _info(options.folder)
    except InputError as error:
        print(f"demyelin-connectome: {error}", file=sys.stderr)
        return 2
    print(json.dumps(told, indent=2))
    return 0


def _build(options: argparse.Namespace) -> dict[str, Any]:
    from bids_app.image.atlas import load_atlas

    grid = load_atlas().image
    about: dict[str, Any] = {"Licence": options.licence, "Source": [_origin(path) for path in options.source]}
    lines, subject = _lines(options, about)
    made = Connectome.from_streamlines(
        lines, affine=grid.affine, shape=grid.shape, subject=subject, about=about
    )
    made.save(options.out)
    return _info(options.out)


def _origin(path: Path) -> str:
    try:
        return f"{path.name}, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}"
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give a readable file") from error


def _lines(options: argparse.Namespace, about: dict[str, Any]) -> tuple[Tractogram, np.ndarray | None]:
    """Return streamlines and, where there are several files, the reference subject of each."""
    from bids_app.features.tracking import TrackingSettings, read_field, track

    first = options.source[0]
    if first.name.endswith(".fib.gz"):
        settings = TrackingSettings(n_streamlines=options.streamlines, seed=options.seed)
        about["Tracking"] = asdict(settings)
        return track(read_field(first), settings), None
    parts = [read_streamlines(path) for path in options.source]
    if len(parts) == 1:
        return parts[0], None
    counts = [len(part.offsets) - 1 for part in parts]
    shifts = np.cumsum([0, *(len(part.points) for part in parts)])
    offsets = np.concatenate(
        [[0], *(part.offsets[1:] + shift for part, shift in zip(parts, shifts, strict=False))]
    )
    whole = Tractogram(np.concatenate([part.points for part in parts]), offsets.astype(np.int64))
    return whole, np.repeat(np.arange(len(parts)), counts)


def _info(folder: Path) -> dict[str, Any]:
    made = Connectome.open(folder)
    size = sum(path.stat().st_size for path in folder.glob("*.npy"))
    more = {"Bytes": size, "BytesPerStreamline": round(size / len(made), 1)}
    return {"Folder": str(folder)} | made.describe() | {"Bundles": len(made.card["Bundles"])} | more

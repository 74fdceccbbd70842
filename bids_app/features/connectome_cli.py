"""The command `demyelin-connectome`: make, fetch and describe connectome folders."""

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
from bids_app.features.bundles import FOLDER, open_bundles
from bids_app.features.connectome import CARD, Connectome
from bids_app.features.streamlines import Tractogram, read_streamlines

SYNTHETIC = "synthetic"
EXAMPLE = (
    "example: demyelin-connectome build hcp1065 --source ICBM152_adult.fib.gz --licence 'HCP Open Access'"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    options = _parser().parse_args(argv)
    actions = {"build": _build, "fetch": _fetch, "info": lambda given: _info(given.folder)}
    try:
        told = actions[options.command](options)
    except (InputError, OSError) as error:
        print(f"demyelin-connectome: {error}", file=sys.stderr)
        return 2
    print(json.dumps(told, indent=2))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="demyelin-connectome",
        description="Make, fetch or describe a connectome folder for demyelin --connectome.",
        epilog=EXAMPLE,
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
        help="A DSI Studio .fib.gz, tracked here; tractograms in MNI space (.tck .trk .trx .tt.gz), one per "
        f"reference subject; or the word '{SYNTHETIC}': shortest paths in the template, to try things out.",
    )
    fetch = commands.add_parser(
        "fetch", help="Download a source file, check it, and make a connectome of it."
    )
    fetch.add_argument("out", type=Path, help="Folder to make.")
    fetch.add_argument("--url", required=True, help="Of a .fib.gz, .tck, .trk, .trx or .tt.gz file.")
    fetch.add_argument("--sha256", required=True, help="Of the file; another one is refused.")
    for command in (build, fetch):
        _add_making(command)
    info = commands.add_parser("info", help="Say what a connectome folder holds.")
    info.add_argument("folder", type=Path)
    return parser


def _add_making(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--streamlines",
        type=int,
        default=None,
        metavar="N",
        help="To track (default: 150000) or to make up (default: 30000).",
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="Of the tracking (default: 1).")
    parser.add_argument("--licence", default="not stated", metavar="TEXT", help="Terms of the source.")
    parser.add_argument(
        "--bundles",
        type=Path,
        metavar="FILE",
        help="Tractography atlas (.tt.gz, names in a .txt beside it) for the damage to named bundles.",
    )
    parser.add_argument(
        "--any-space",
        action="store_true",
        help="Take tractograms of which less than half lies in the template's white matter.",
    )


def _build(options: argparse.Namespace) -> dict[str, Any]:
    if options.streamlines is not None and options.streamlines < 1:
        raise InputError("--streamlines: must be at least 1")
    if options.out.exists() and not options.out.is_dir():
        raise InputError(f"{options.out}: is a file; give a folder")
    if options.out.exists() and any(options.out.iterdir()) and not (options.out / CARD).exists():
        raise InputError(f"{options.out}: holds other files; give a new folder")
    about: dict[str, Any] = {"Licence": options.licence}
    lines, subject = _lines(options, about)
    made = _placed(lines, options, about, subject)
    bundles = _named(options) if options.bundles else None
    made.save(options.out)
    if bundles is not None:
        bundles.save(options.out / FOLDER)
    return _info(options.out)


def _placed(
    lines: Tractogram, options: argparse.Namespace, about: dict[str, Any], subject: np.ndarray | None = None
) -> Connectome:
    """Return streamlines on the atlas' grid, checked to be in its space."""
    from bids_app.image.atlas import load_atlas
    from bids_app.image.template import load_template

    atlas, checked = load_atlas(), not (options.any_space or about.get("Synthetic"))
    return Connectome.from_streamlines(
        lines,
        affine=atlas.image.affine,
        shape=atlas.image.shape,
        subject=subject,
        white_matter=load_template(resolution=2.0).wm if checked else None,
        about={"Space": atlas.space} | about,
    )


def _named(options: argparse.Namespace) -> Connectome:
    lines = read_streamlines(options.bundles)
    if not lines.bundles:
        raise InputError(f"--bundles {options.bundles}: has no names; put its .txt file beside it")
    return _placed(lines, options, {"Licence": options.licence, "Source": [_origin(options.bundles)]})


def _origin(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return f"{path.name}, sha256 {hashlib.file_digest(stream, 'sha256').hexdigest()}"
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give a readable file") from error


def _lines(options: argparse.Namespace, about: dict[str, Any]) -> tuple[Tractogram, np.ndarray | None]:
    """Return streamlines and, where there are several files, the reference subject of each."""
    from bids_app.features.tracking import TrackingSettings, read_field, track

    first = options.source[0]
    if str(first) == SYNTHETIC:
        from bids_app.features.synthetic import synthetic_streamlines
        from bids_app.image.atlas import load_atlas

        about |= {
            "Synthetic": True,
            "Source": ["synthetic: shortest paths in the template"],
            "Licence": "CC0-1.0",
        }
        count = options.streamlines or 30_000
        return synthetic_streamlines(load_atlas(), n_streamlines=count, seed=options.seed), None
    about["Source"] = [_origin(path) for path in options.source]
    if first.name.endswith(".fib.gz"):
        settings = TrackingSettings(n_streamlines=options.streamlines or 150_000, seed=options.seed)
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


def _fetch(options: argparse.Namespace) -> dict[str, Any]:
    """Download into the user's cache, once, then build."""
    import pooch

    if len(options.sha256) != 64 or set(options.sha256.lower()) - set("0123456789abcdef"):
        raise InputError("--sha256: must be 64 hexadecimal digits")
    pooch.get_logger().setLevel("WARNING")
    name = options.url.split("?")[0].rstrip("/").rsplit("/", 1)[-1]
    folder = pooch.os_cache("demyelin") / options.sha256[:12].lower()
    try:
        path = pooch.retrieve(options.url, f"sha256:{options.sha256.lower()}", name, folder)
    except Exception as error:  # of the hash, or whatever the network's layers raise
        told = " ".join(str(error).split())[:200]
        raise InputError(f"--url {options.url}: cannot be had, or is another file ({told})") from error
    options.source = [Path(path)]
    return _build(options)


def _info(folder: Path) -> dict[str, Any]:
    made, named = Connectome.open(folder), open_bundles(folder)
    size = sum(path.stat().st_size for path in folder.glob("*.npy"))
    more = {"Bytes": size, "BytesPerStreamline": round(size / len(made), 1)}
    bundles = len(named.card["Bundles"]) if named else 0
    return {"Folder": str(folder)} | made.describe() | {"Bundles": bundles} | more

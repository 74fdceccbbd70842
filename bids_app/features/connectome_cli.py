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
from bids_app.errors import InputError, one_line
from bids_app.features.bundles import FOLDER, open_bundles
from bids_app.features.connectome import CARD, Connectome
from bids_app.features.normative import MADE_UP, STREAMLINES, cache_folder, on_atlas_grid
from bids_app.features.streamlines import Tractogram, read_streamlines
from bids_app.settings import SYNTHETIC

REPOSITORY = "https://github.com/frankyeh/DSI-Studio-atlas/raw/main/ICBM152_adult/"
FIELD = "ICBM152_adult.fib.gz"
BUNDLES = "ICBM152_adult.tt.gz"
HCP1065 = {  # averages of 1,065 people (Yeh 2022, Nat Commun 13:4933): fibre field, tractography atlas, its names
    FIELD: "c6b39bbbbbee090d070e26c8b1b9fb943e89eeca19ec6f133d88ca9bd461ed99",
    BUNDLES: "481d62767b77e4196ff74dcbc444b0cf302d9e86bdd7fc7a92ffcbc13e0adc93",
    f"{BUNDLES}.txt": "20d9ca860c4395fa8d1c4296eef35cc3d7773ad7742800ec90f074c266769125",
}
TERMS = "HCP Open Access data use terms; DSI Studio's atlas page says CC BY-SA 4.0"
EXAMPLE = (
    "example: demyelin-connectome build hcp1065 --source ICBM152_adult.fib.gz --licence 'HCP Open Access'"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    options = build_parser().parse_args(argv)
    actions = {"build": _build, "fetch": _fetch, "info": lambda arguments: _info(arguments.folder)}
    try:
        print(json.dumps(actions[options.command](options), indent=2), flush=True)
    except (InputError, OSError) as error:
        print(f"demyelin-connectome: {error}", file=sys.stderr)
        return 2
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Make the argument parser, with a parser for each of the three commands."""
    parser = argparse.ArgumentParser(
        prog="demyelin-connectome",
        description="Make, fetch or describe a connectome folder for demyelin --connectome.",
        epilog=EXAMPLE,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser(
        "build",
        help="Make a connectome from a fibre field or tractograms.",
        usage="demyelin-connectome build OUT --source FILE [FILE ...] [options]",
    )
    build.add_argument("out", type=Path, help="Folder to make.")
    build.add_argument(
        "--source",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="A DSI Studio .fib.gz, tracked here; tractograms in MNI space (.tck .trk .trx .tt.gz), one per "
        f"reference subject; or the word '{SYNTHETIC}': shortest paths in the template, for testing only.",
    )
    fetch = commands.add_parser(
        "fetch", help="Download a source file, check it, and make a connectome of it."
    )
    fetch.add_argument(
        "out",
        type=Path,
        nargs="?",
        help="Folder to make (default: in your cache, where demyelin finds it by itself).",
    )
    fetch.add_argument(
        "--url",
        help="Of a .fib.gz, .tck, .trk, .trx or .tt.gz file (default: the HCP-1065 fibre field and bundles, 7 MB).",
    )
    fetch.add_argument("--sha256", help="Of the file; another one is refused.")
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
    checked = not (options.any_space or about.get("Synthetic"))
    made = on_atlas_grid(lines, about, subject=subject, checked=checked)
    bundles = _named(options) if options.bundles else None
    made.save(options.out)
    if bundles is not None:
        bundles.save(options.out / FOLDER)
    return _info(options.out)


def _named(options: argparse.Namespace) -> Connectome:
    lines = read_streamlines(options.bundles)
    if not lines.bundles:
        raise InputError(f"--bundles {options.bundles}: has no names; put its .txt file beside it")
    about = {"Licence": options.licence, "Source": [_origin(options.bundles)]}
    return on_atlas_grid(lines, about, checked=not options.any_space)


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

        about |= MADE_UP
        count = options.streamlines or STREAMLINES
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
    options.out = options.out or cache_folder()
    if options.url:
        options.source = [_download(options.url, options.sha256 or "")]
        return _build(options)
    got = {name: _download(REPOSITORY + name, sha256) for name, sha256 in HCP1065.items()}
    options.source, options.bundles, options.licence = [got[FIELD]], got[BUNDLES], TERMS
    return _build(options)


def _download(url: str, sha256: str) -> Path:
    """Return a file of the cache, downloaded where it is not there; files beside each other stay so."""
    import pooch

    if len(sha256) != 64 or set(sha256.lower()) - set("0123456789abcdef"):
        raise InputError("--sha256: must be 64 hexadecimal digits")
    pooch.get_logger().setLevel("WARNING")
    place, _, name = url.split("?", maxsplit=1)[0].rstrip("/").rpartition("/")
    folder = pooch.os_cache("demyelin") / "sources" / hashlib.sha256(place.encode()).hexdigest()[:12]
    try:
        return Path(pooch.retrieve(url, f"sha256:{sha256.lower()}", name, folder))
    except Exception as error:  # of the hash, or whatever the network's layers raise
        raise InputError(
            f"--url {url}: cannot be had, or is another file ({one_line(error, 200)})"
        ) from error


def _info(folder: Path) -> dict[str, Any]:
    made, named = Connectome.open(folder), open_bundles(folder)
    size = sum(path.stat().st_size for path in folder.glob("*.npy"))
    more = {"Bytes": size, "BytesPerStreamline": round(size / len(made), 1)}
    bundles = len(named.card["Bundles"]) if named else 0
    return {"Folder": str(folder)} | made.describe() | {"Bundles": bundles} | more

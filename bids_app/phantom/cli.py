"""`demyelin-phantom`: a synthetic BIDS cohort with known truth."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from bids_app import __version__
from bids_app.errors import DemyelinError, InputError


def build_parser() -> argparse.ArgumentParser:
    """Make the argument parser."""
    parser = argparse.ArgumentParser(
        prog="demyelin-phantom",
        description="Write a synthetic BIDS cohort (T1w and FLAIR of heads with lesions) and its truth, for trying "
        "Demyelin out and for testing it. The same options give the same bytes.",
        epilog="example: demyelin-phantom phantom --participants 4 --diagnosis MS,NMOSD --seed 1",
    )
    parser.add_argument("out", type=Path, help="Folder of the new dataset.")
    parser.add_argument("--participants", type=int, default=4, metavar="N", help="default: 4")
    parser.add_argument("--sessions", type=int, default=1, metavar="N", help="one year apart (default: 1)")
    parser.add_argument("--sites", type=int, default=1, metavar="N", help="scanners (default: 1)")
    parser.add_argument(
        "--resolution", type=float, default=2.0, metavar="MM", help="voxel edge, 1 to 4 (default: 2)"
    )
    parser.add_argument(
        "--diagnosis", default="MS,NMOSD", metavar="LIST", help="taken in turn (default: MS,NMOSD)"
    )
    parser.add_argument(
        "--noise", type=float, default=0.03, metavar="SD", help="share of white matter (default: 0.03)"
    )
    parser.add_argument(
        "--slice-thickness", type=float, default=3.0, metavar="MM", help="of the FLAIR (default: 3)"
    )
    parser.add_argument("--lesion-free", action="store_true", help="draw no lesions")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="default: 1")
    parser.add_argument("--version", action="version", version=f"demyelin-phantom {__version__}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run `demyelin-phantom`; return its exit code."""
    given = build_parser().parse_args(argv)
    try:
        for line in _write(given):
            print(line, flush=True)
    except DemyelinError as error:
        print(f"demyelin-phantom: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"demyelin-phantom: {error.filename or given.out}: {error.strerror}", file=sys.stderr)
        return 2
    print(f"phantom cohort in {given.out}")
    return 0


def _write(given: argparse.Namespace) -> Iterator[str]:
    """Check the options and write the cohort.

    Raises
    ------
    InputError
        If an option is out of range or the folder already holds something.
    """
    diagnoses = tuple(name.strip().upper() for name in given.diagnosis.split(","))
    if unknown := set(diagnoses) - {"MS", "NMOSD"}:
        raise InputError(f"--diagnosis {', '.join(sorted(unknown))}: choose from MS, NMOSD")
    for name in ("participants", "sessions", "sites"):
        if getattr(given, name) < 1:
            raise InputError(f"--{name} {getattr(given, name)}: must be at least 1")
    if not 1 <= given.resolution <= 4:
        raise InputError(f"--resolution {given.resolution:g}: from 1 to 4 mm")
    if not 0 <= given.noise <= 1 or given.slice_thickness <= 0 or given.seed < 0:
        raise InputError("--noise must be from 0 to 1, --slice-thickness above 0, --seed 0 or more")
    if given.out.exists() and (not given.out.is_dir() or any(given.out.iterdir())):
        raise InputError(f"{given.out}: already there; give a new folder")
    from bids_app.phantom.dataset import Plan, write_phantom

    return write_phantom(
        given.out,
        Plan(
            participants=given.participants,
            sessions=given.sessions,
            sites=given.sites,
            resolution=given.resolution,
            diagnoses=diagnoses,
            noise=given.noise,
            slice_thickness=given.slice_thickness,
            lesion_free=given.lesion_free,
            seed=given.seed,
        ),
    )


if __name__ == "__main__":
    sys.exit(main())

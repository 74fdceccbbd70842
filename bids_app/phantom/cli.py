"""`demyelin-phantom`: a synthetic BIDS cohort with known truth."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bids_app import __version__
from bids_app.errors import DemyelinError, InputError, file_reason


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
        "--diagnosis",
        default="MS,NMOSD",
        metavar="LIST",
        help="MS, RRMS or NMOSD, in turn (default: MS,NMOSD)",
    )
    parser.add_argument(
        "--noise", type=float, default=0.03, metavar="SD", help="share of white matter (default: 0.03)"
    )
    parser.add_argument(
        "--slice-thickness", type=float, default=3.0, metavar="MM", help="of the FLAIR (default: 3)"
    )
    parser.add_argument("--lesion-free", action="store_true", help="draw no lesions")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="default: 1")
    _add_study_options(parser)
    parser.add_argument("--version", action="version", version=f"demyelin-phantom {__version__}")
    return parser


def _add_study_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of derivatives without scans."""
    study = parser.add_argument_group(
        "derivatives in the shape of a study",
        "What the group level reads, drawn from a known model; no scans.",
    )
    study.add_argument("--derivatives-only", action="store_true", help="write such derivatives")
    study.add_argument(
        "--add",
        action="store_true",
        help="to a phantom that exists: its table of participants grows, and radiomics are drawn around those of the "
        "visits that are finished in derivatives/demyelin",
    )
    study.add_argument(
        "--study",
        choices=("A", "B"),
        default="A",
        help="A: EDSS from radiomics, volumes, disconnection; B: RRMS or NMOSD from lesion maps (default: A)",
    )
    study.add_argument(
        "--visits",
        metavar="N,N",
        help="A: of both sites (default: 500,104); B: scans of RRMS and NMOSD (default: 746,292)",
    )
    study.add_argument("--patients", metavar="N,N", help="B: of RRMS and NMOSD (default: 172,97)")
    study.add_argument(
        "--regions",
        type=int,
        metavar="N",
        help="A: with radiomics, 7 to 117 (default: all, 127,764 numbers a visit)",
    )
    study.add_argument(
        "--null-outcome", action="store_true", help="EDSS or diagnosis independent of all else"
    )
    study.add_argument("--nprocs", type=int, default=2, metavar="N", help="processes (default: 2)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run `demyelin-phantom`; return its exit code."""
    options = build_parser().parse_args(argv)
    try:
        for line in _write(options):
            print(line, flush=True)
    except DemyelinError as error:
        print(f"demyelin-phantom: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"demyelin-phantom: {file_reason(error, options.out)}", file=sys.stderr)
        return 2
    print(f"phantom cohort in {options.out}")
    return 0


def _write(options: argparse.Namespace) -> Iterator[str]:
    """Check the options and write the cohort.

    Raises
    ------
    InputError
        If an option is out of range or the folder already holds something.
    """
    if options.seed < 0:
        raise InputError(f"--seed {options.seed}: 0 or more")
    if options.add:
        from bids_app.phantom.study import check_phantom

        if not options.derivatives_only:
            raise InputError("--add: only with --derivatives-only")
        check_phantom(options.out)
    elif options.out.exists() and (not options.out.is_dir() or any(options.out.iterdir())):
        raise InputError(f"{options.out}: already there; give a new folder")
    return _study(options) if options.derivatives_only else _scans(options)


def _scans(options: argparse.Namespace) -> Iterator[str]:
    """Check the options of a cohort with scans and write it."""
    from bids_app.phantom.dataset import DIAGNOSES, CohortPlan, write_phantom

    diagnoses = tuple(name.strip().upper() for name in options.diagnosis.split(","))
    if unknown := set(diagnoses) - set(DIAGNOSES):
        raise InputError(f"--diagnosis {', '.join(sorted(unknown))}: choose from {', '.join(DIAGNOSES)}")
    for name in ("participants", "sessions", "sites"):
        if getattr(options, name) < 1:
            raise InputError(f"--{name} {getattr(options, name)}: must be at least 1")
    if not 1 <= options.resolution <= 4:
        raise InputError(f"--resolution {options.resolution:g}: from 1 to 4 mm")
    if not 0 <= options.noise <= 1 or options.slice_thickness <= 0:
        raise InputError("--noise must be from 0 to 1, --slice-thickness above 0")
    return write_phantom(
        options.out,
        CohortPlan(
            participants=options.participants,
            sessions=options.sessions,
            sites=options.sites,
            resolution=options.resolution,
            diagnoses=diagnoses,
            noise=options.noise,
            slice_thickness=options.slice_thickness,
            lesion_free=options.lesion_free,
            seed=options.seed,
        ),
    )


def _study(options: argparse.Namespace) -> Iterator[str]:
    """Check the options of study-shaped derivatives and write them."""
    if options.nprocs < 1:
        raise InputError(f"--nprocs {options.nprocs}: must be at least 1")
    common: dict[str, Any] = {
        "null_outcome": options.null_outcome,
        "seed": options.seed,
        "nprocs": options.nprocs,
    }
    if options.add:
        from bids_app.phantom.quality import typical_of
        from bids_app.phantom.study import DERIVATIVES

        common["typical"] = typical_of(options.out / DERIVATIVES)
    if options.study == "A":
        from bids_app.phantom.edss_study import EDSSPlan, finished_radiomics, write_edss_study

        if options.patients:
            raise InputError("--patients: study A has one visit of each patient; use --visits")
        if options.regions is not None and not 7 <= options.regions <= 117:
            raise InputError(f"--regions {options.regions}: from 7 (those with planted features) to 117")
        visits = _pair("--visits", options.visits, (500, 104), least=0)
        like = finished_radiomics(options.out) if options.add else ()
        plan = EDSSPlan(visits=visits, regions=options.regions, like=like, **common)
        return write_edss_study(options.out, plan)
    from bids_app.phantom.diagnosis_study import DiagnosisPlan, write_diagnosis_study

    if options.regions is not None:
        raise InputError("--regions: study B has no regions; leave it out")
    scans = _pair("--visits", options.visits, (746, 292))
    patients = _pair("--patients", options.patients, (172, 97))
    if any(n > m for n, m in zip(patients, scans, strict=True)):
        raise InputError(
            f"--patients {patients}, --visits {scans}: each patient needs a scan; give more visits"
        )
    return write_diagnosis_study(options.out, DiagnosisPlan(scans=scans, patients=patients, **common))


def _pair(option: str, text: str | None, default: tuple[int, int], least: int = 1) -> tuple[int, int]:
    """Read two whole numbers."""
    try:
        first, second = default if text is None else (int(part) for part in text.split(","))
    except ValueError:
        raise InputError(
            f"{option} {text}: give two whole numbers, such as {default[0]},{default[1]}"
        ) from None
    if min(first, second) < least or first + second < 1:
        raise InputError(f"{option} {text}: must be at least {least} each")
    return first, second


if __name__ == "__main__":
    sys.exit(main())

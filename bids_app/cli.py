"""The command line: arguments, configuration file, exit codes. Imports nothing heavy."""

from __future__ import annotations

import argparse
import dataclasses
import os
import shlex
import shutil
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from bids_app import __version__
from bids_app.errors import DemyelinError, InputError, file_reason
from bids_app.progress import say
from bids_app.progress.log import logged, note
from bids_app.settings import NO_CONNECTOME, SYNTHETIC, Settings, read_config
from bids_app.usage import explain, refuse_swapped, without_effect

DESCRIPTION = """\
Demyelin: lesions, parcels, volumes, radiomics and disconnection from T1w + FLAIR of people with multiple
sclerosis or its mimics (participant level); disability prediction and differential diagnosis with leak-free
evaluation (group level). The group level runs two published studies, as published and without leakage:
  A, edss       Pontillo et al. 2021, AJNR Am J Neuroradiol 42:1927-1933, doi:10.3174/ajnr.A7274
  B, diagnosis  a thesis on MS and NMOSD by machine learning on FLAIR, Asan Medical Center, Seoul (no DOI)
"""
EPILOG = """\
try it out on a synthetic cohort:
  demyelin-phantom phantom --participants 2
  demyelin phantom phantom-out participant --fast -v        2 mm, a few minutes a visit

your own data:
  demyelin /data /out participant                           every visit of a dataset; open /out/sub-*.html
  demyelin /data /out participant --participant-label 01 02 --session-label baseline
  demyelin /data /out participant -d lesions=/masks         with lesion masks of your own
  demyelin /data /out participant --reports-only            reports again, from finished visits

a cohort, from finished visits and /data/participants.tsv:
  demyelin /data /out group                                 tables, models and group.html
  demyelin /data /out group --analysis edss --columns edss=EDSS_baseline --external-site B
  demyelin /new /new-out group --apply-model /out/group/models

run the same command again to go on: finished visits are kept.
exit codes: 0 all done; 1 a visit or an analysis failed (the others are finished); 2 wrong usage or input.
"""


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help without the spellings with underscores, as wide as the terminal allows."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=min(shutil.get_terminal_size().columns, 110))

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings:
            return super()._format_action_invocation(action)
        names = ", ".join(name for name in action.option_strings if "_" not in name)
        if action.nargs == 0:
            return names
        return f"{names} {self._format_args(action, self._get_default_metavar_for_optional(action))}"


class _Parser(argparse.ArgumentParser):
    """Errors in one line that says what was probably meant and where help is."""

    words: Sequence[str] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self.words = sys.argv[1:] if args is None else list(args)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        explained = explain(message, self.words, self)
        self.exit(2, f"demyelin: {explained} (demyelin --help shows all options)\n")


class _Gigabytes(argparse.Action):
    """Memory in GB, whichever unit the option's name says."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option_string: str | None = None
    ) -> None:
        in_mb = (option_string or "").endswith("mb")
        setattr(namespace, self.dest, values / 1000 if in_mb else values)


class _Completion(argparse.Action):
    """Print what makes a shell complete the options, and end."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option_string: str | None = None
    ) -> NoReturn:
        import shtab

        for action in parser._actions:
            if action.type is Path:
                action.complete = shtab.FILE if action.metavar == "FILE" else shtab.DIR  # type: ignore[attr-defined]
        print(shtab.complete(parser, values))
        parser.exit()


def build_parser() -> argparse.ArgumentParser:
    """Make the argument parser from the table of settings."""
    parser = _Parser(
        prog="demyelin",
        description=DESCRIPTION,
        epilog=EPILOG,
        usage="demyelin BIDS_DIR OUTPUT_DIR {participant,group} [options]",
        formatter_class=_Help,
        allow_abbrev=False,
    )
    parser.add_argument("bids_dir", type=Path, help="Root of the BIDS dataset.")
    parser.add_argument("output_dir", type=Path, help="Folder for the derivatives (made where missing).")
    parser.add_argument(
        "analysis_level",
        choices=("participant", "group"),
        help="participant: process images, visit by visit; group: learn from all finished visits.",
    )
    parser.add_argument("--version", action="version", version=f"demyelin {__version__}")
    parser.add_argument(
        "--print-completion",
        action=_Completion,
        choices=("bash", "zsh", "tcsh"),
        default=argparse.SUPPRESS,
        help="Print a script that lets the shell complete options, and end.",
    )
    parser.add_argument(
        "--config-file",
        type=Path,
        metavar="FILE",
        help="TOML file with any of these options, long names as keys.",
    )
    rooms: dict[str, Any] = {}
    for spec in dataclasses.fields(Settings):
        if spec.metadata:
            title = spec.metadata["room"]
            rooms[title] = rooms.get(title) or parser.add_argument_group(title)
            _add_option(rooms[title], spec)
    return parser


def _add_option(room: Any, spec: dataclasses.Field) -> None:
    """Add one setting as `--with-dashes`, `--with_underscores` and its short flags."""
    kind, meta = str(spec.type), spec.metadata
    long = ["--" + spec.name.replace("_", "-"), *meta.get("aliases", ())]
    underscored = ["--" + name[2:].replace("-", "_") for name in long]
    names = dict.fromkeys([*meta.get("flags", ()), *long, *underscored])
    more: dict[str, Any] = {"dest": spec.name, "default": argparse.SUPPRESS, "help": _help(spec)}
    if "action" in meta:
        more["action"] = meta["action"]
    elif kind == "bool":
        more["action"] = "store_true"
    else:
        more["metavar"] = meta.get("metavar")
        if meta.get("choices"):
            more["choices"] = meta["choices"]
            del more["metavar"]
        if spec.name == "mem":
            more["action"] = _Gigabytes
        more["type"] = {"int": int, "float": float}.get(kind, Path if "Path" in kind else str)
        if kind.startswith("tuple"):
            more |= {"nargs": "+", "action": "extend"}
    room.add_argument(*names, **more)


def _help(spec: dataclasses.Field) -> str:
    """Return an option's sentence, with its default where it is worth knowing."""
    default = spec.default
    plain = default not in (None, (), False, 0, 0.0) and "default" not in spec.metadata["help"]
    return spec.metadata["help"] + (f" (default: {default})" if plain else "")


def parse(argv: Sequence[str] | None = None) -> Settings:
    """Turn arguments and the configuration file into settings; the command line wins.

    Raises
    ------
    InputError
        If a path or value cannot be used.
    """
    arguments = vars(build_parser().parse_args(argv))
    config, level = arguments.pop("config_file"), arguments["analysis_level"]
    if useless := without_effect(arguments, level):
        print(f"demyelin: note: without effect at the {level} level: {', '.join(useless)}", file=sys.stderr)
    values = (read_config(config) if config else {}) | arguments
    for name, value in values.items():
        if isinstance(value, Path):
            values[name] = value.expanduser().resolve()
        elif isinstance(value, list):
            values[name] = tuple(value)
    if Path(atlas := values.get("atlas", "")).is_file():  # steps run in folders of their own
        values["atlas"] = str(Path(atlas).resolve())
    if values.get("connectome") not in (None, NO_CONNECTOME, SYNTHETIC):
        values["connectome"] = str(Path(values["connectome"]).expanduser().resolve())
    settings = Settings(**values)
    check_paths(settings)
    check_numbers(settings)
    if settings.calibrate and settings.skip_calibration:
        raise InputError("--calibrate and --skip-calibration: give one of them")
    return settings


def check_paths(settings: Settings) -> None:
    """Refuse folders that would mix results with input.

    Raises
    ------
    InputError
        If the output or work folder lies in the dataset (other than below `derivatives/`), or the other
        way round.
    """
    bids, out, work = settings.bids_dir, settings.output_dir, settings.work_dir
    refuse_swapped(bids, out, settings.analysis_level)
    if not bids.is_dir():
        raise InputError(f"{bids}: no such folder; give the root of a BIDS dataset")
    places = {"output folder": out} | ({"--work-dir": work} if work else {})
    for place, folder in places.items():
        named = place == "output folder" and folder.is_relative_to(bids / "derivatives")
        allowed = named and folder != bids / "derivatives"
        if bids.is_relative_to(folder) or (folder.is_relative_to(bids) and not allowed):
            raise InputError(f"{folder}: the {place} must lie outside the dataset (or in derivatives/NAME)")


def check_numbers(settings: Settings) -> None:
    """Refuse numbers outside an option's range.

    Raises
    ------
    InputError
        If one is.
    """
    for spec in dataclasses.fields(settings):
        if "within" in spec.metadata:
            (low, high), value = spec.metadata["within"], getattr(settings, spec.name)
            if not low <= value <= high:  # not a number is outside, too
                raise InputError(f"--{spec.name.replace('_', '-')} {value}: must be from {low} to {high}")


def prepare_environment(settings: Settings) -> None:
    """Set what libraries read at import: threads, and folders that exist for any user id."""
    threads = str(max(settings.omp_nthreads, 1))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ[name] = threads
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = threads
    os.environ["NIPYPE_NO_ET"] = "1"  # nipype: no version check over the network
    os.environ.setdefault("MPLBACKEND", "Agg")
    home = os.environ.get("HOME", "")
    if not (home and os.access(home, os.W_OK)):
        import tempfile

        home = os.environ["HOME"] = tempfile.mkdtemp(prefix="demyelin-home-")
        os.environ["MPLCONFIGDIR"] = home
    _use_baked_numba_cache()
    os.environ.setdefault("LOGNAME", "demyelin")  # nipype's cluster plugins and getpass need a name


def _use_baked_numba_cache() -> None:
    """Start from the compiled kernels of a container image: numba insists on a cache that it can write to."""
    baked = Path(sys.prefix) / "numba"
    if "NUMBA_CACHE_DIR" in os.environ or not baked.is_dir():
        return
    import tempfile

    copy = tempfile.mkdtemp(prefix="demyelin-numba-")
    shutil.copytree(baked, copy, dirs_exist_ok=True)
    os.environ["NUMBA_CACHE_DIR"] = copy


def first_line(settings: Settings) -> str:
    """Say what runs, what was found and where it writes, before anything slow begins."""
    where = settings.bids_dir if settings.analysis_level == "participant" else settings.output_dir
    people = sum(1 for _ in where.glob("sub-*/")) if where.is_dir() else 0
    found = f"{people} participant{'' if people == 1 else 's'} in {where}"
    return (
        f"Demyelin {__version__}, {settings.analysis_level} level: {found}; writes to {settings.output_dir}"
    )


def run(settings: Settings) -> int:
    """Run one level, with a log, and return the exit code."""
    with logged():
        say(first_line(settings))
        note(f"command: {command()}")
        try:
            return _run_level(settings)
        except BaseException as error:
            note(f"ended: {_closing_line(error)[0]}")
            raise


def command() -> str:
    """Return the command as it was typed."""
    return shlex.join(["demyelin", *sys.argv[1:]])


def _run_level(settings: Settings) -> int:
    prepare_environment(settings)
    if settings.analysis_level == "participant":
        from bids_app.workflows.run import run_participants

        return run_participants(settings)
    from bids_app.group import run_group

    return run_group(settings)


def _terminate(*_: object) -> NoReturn:
    """End on SIGTERM as on Ctrl-C: nothing half-written, children told."""
    raise KeyboardInterrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Run `demyelin`; return its exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    debug = "--debug" in (sys.argv[1:] if argv is None else argv)
    try:
        return run(parse(argv))
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            traceback.print_exc()
        message, code = _closing_line(error)
    print(f"demyelin: {' '.join(message.split())}", file=sys.stderr)
    return code


def _closing_line(error: BaseException) -> tuple[str, int]:
    """Return what a user is told of an error that ended the run, and the exit code."""
    if isinstance(error, DemyelinError):
        return str(error), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "stopped; run the same command again to go on", 130
    if isinstance(error, OSError):
        return file_reason(error), 1
    return f"unexpected {type(error).__name__}: {error} (run with --debug for details)", 1


if __name__ == "__main__":
    sys.exit(main())

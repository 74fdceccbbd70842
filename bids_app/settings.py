"""Everything a run can be told: one table for the command line, the TOML file and the done records."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tomllib
from collections import ChainMap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bids_app.errors import InputError

DEFAULT_METHOD, FROM_DERIVATIVES = "demyelin", "derivatives"  # of --lesions
NO_CONNECTOME, SYNTHETIC = "none", "synthetic"  # what --connectome takes beside a folder
Level = Literal["participant", "group"]
# the group level's studies: where the object of each is (STUDY in that module), imported when it is needed
STUDIES = {
    "edss": "bids_app.learn.edss.study",
    "diagnosis": "bids_app.learn.diagnosis.study",
}
EDSS_MODELS = ("ridge", "gp", "svr", "rf")  # of --models; learn.edss.models.REGRESSORS makes them
EVERY_STUDY = "auto"  # of --analysis: whatever the cohort allows
PROTOCOLS, BOTH = ("paper", "nested"), "both"  # of --protocol
GammaScale = Literal["paper", "median"]
Order = Literal["published", "averaged"]
OutputLevel = Literal["minimal", "standard", "full"]


def option(default: Any, help: str, *, room: str, **more: Any) -> Any:
    """Make a settings field that is also a command-line option.

    Parameters
    ----------
    default : Any
        Value when neither the command line nor the configuration file says another.
    help : str
        One or two plain sentences for `--help` and the documentation.
    room : str
        Heading under which `--help` lists it.
    **more
        `flags` (short names), `aliases` (other programs' names), `level` (the only one that reads it), `metavar`, `choices`, `type`, `within` (smallest and largest number allowed),
        `results` (True where the value changes what a visit's files hold).
    """
    metadata = {"help": help, "room": room, **more}
    if room == "Group level":
        metadata["level"] = "group"
    if isinstance(default, list):
        raise TypeError("use a tuple: settings are frozen")
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to process, where, and how; paths are absolute."""

    bids_dir: Path
    output_dir: Path
    analysis_level: Level

    participant_label: tuple[str, ...] = option(
        (), "Participants to process, with or without `sub-`.", room="What to process", metavar="LABEL"
    )
    session_label: tuple[str, ...] = option(
        (), "Sessions to process, with or without `ses-`.", room="What to process", metavar="LABEL"
    )
    bids_filter_file: Path | None = option(
        None,
        'JSON file of BIDS entities that choose the images, e.g. {"t1w": {"acquisition": "mprage"}, "flair": {}}.',
        room="What to process",
        level="participant",
        metavar="FILE",
    )
    skip_bids_validation: bool = option(
        False,
        "Do not run the BIDS validator on the dataset first.",
        room="What to process",
        level="participant",
    )
    derivatives: tuple[str, ...] = option(
        (),
        "Ready-made derivatives to use: lesions=DIR takes the lesion masks in that folder: BIDS derivatives, or as LST-AI, "
        "SAMSEG, nnU-Net or people name them.",
        room="What to process",
        level="participant",
        flags=("-d",),
        metavar="NAME=PATH",
    )

    t1w_from: str | None = option(
        None,
        "Where a visit has a FLAIR but no T1w image, take one of the same participant from this session, or from the "
        "nearest by date (nearest); the report tells the days between.",
        room="What to process",
        metavar="SESSION|nearest",
    )
    t1w_alone: bool = option(
        False,
        "Process visits without a FLAIR too: volumes, radiomics and disconnection by their T1w image. Without a supplied "
        "mask lesions are those that the T1w shows, far fewer: each report and the group level say so.",
        room="What to process",
        level="participant",
    )
    dry_run: bool = option(
        False,
        "Only tell which images would be used and why each other one is not, and write logs/chosen.tsv.",
        room="What to process",
        level="participant",
    )
    strict: bool = option(
        False,
        "Count visits that are left out, as without FLAIR, as failed (exit code 1).",
        room="What to process",
        level="participant",
    )

    template: str = option(
        "MNI152NLin2009aSym",
        "Template space: the built-in one, or any TemplateFlow template with tissue maps.",
        room="How to process",
        metavar="NAME",
        results=True,
    )
    atlas: str = option(
        "AAL",
        "Parcels: AAL (built in), or a NIfTI label image in template space with a .tsv label table beside it.",
        room="How to process",
        metavar="NAME|FILE",
        results=True,
    )
    lesions: str = option(
        DEFAULT_METHOD,
        "How lesions are found where no mask was supplied: study B's threshold, lesion growth (Schmidt et al. "
        "2012), weighted belief, or Demyelin's own classifier. derivatives: only supplied masks, of the dataset or -d "
        "lesions=DIR; a visit without one fails.",
        room="How to process",
        level="participant",
        choices=(DEFAULT_METHOD, "weighted-belief", "lesion-growth", "belief-threshold", FROM_DERIVATIVES),
        results=True,
    )
    lesion_threshold: float = option(
        0.0,
        "Least lesion probability in the mask, from 0 to 1; 0 is the method's own.",
        room="How to process",
        level="participant",
        metavar="P",
        within=(0, 1),
        results=True,
    )
    lesion_min_volume: float = option(
        3.0,
        "Smallest lesion in the mask, in mm³.",
        room="How to process",
        level="participant",
        metavar="VOLUME",
        within=(0, 1_000_000),
        results=True,
    )
    skip_calibration: bool = option(
        False,
        "Do not put lesions of known size into each scan to tell which would have been found (15 s a visit; --fast does "
        "not either).",
        room="How to process",
        level="participant",
    )
    calibrate: bool = option(
        False,
        "Put change of known size into each pair of visits as well, and measure it by the same code: the report says "
        "which change is no more than error. Minutes a pair.",
        room="How to process",
        level="participant",
    )
    radiomics_settings: Path | None = option(
        None,
        "pyradiomics parameter file (YAML or JSON) in place of study A's settings.",
        room="How to process",
        metavar="FILE",
        results=True,
    )
    connectome: str | None = option(
        None,
        "Connectome for the disconnection of regions: a folder (demyelin-connectome build), synthetic (for testing "
        "only) or none. By default the container's, else that of demyelin-connectome fetch, else none.",
        room="How to process",
        level="participant",
        metavar="DIR|synthetic|none",
        results=True,
    )
    weight_lesions: bool = option(
        False,
        "Disconnection: weigh a streamline by the largest lesion probability on its way, not by hit or miss.",
        room="How to process",
        level="participant",
        results=True,
    )
    end_radius: float = option(
        4.0,
        "How far from a streamline's end a region is looked for, in mm.",
        room="How to process",
        level="participant",
        metavar="MM",
        results=True,
        within=(0, 20),
    )
    fast: bool = option(
        False,
        "Work at 2 mm instead of 1 mm: about six times quicker, for trying out.",
        room="How to process",
        level="participant",
        results=True,
    )
    random_seed: int = option(
        1,
        "Seed of everything that draws numbers; recorded in every output.",
        room="How to process",
        metavar="N",
        results=True,
        within=(0, 2**31 - 1),
    )

    analysis: str = option(
        EVERY_STUDY,
        f"Study: {', '.join(STUDIES)}; {EVERY_STUDY}: every one that the columns and derivatives allow.",
        room="Group level",
        choices=ChainMap(STUDIES, {EVERY_STUDY: ""}),  # a study that is added is a choice
    )
    columns: tuple[str, ...] = option(
        (),
        "Your names of columns: e.g. age=age_at_scan edss=EDSS_baseline.",
        room="Group level",
        metavar="NAME=COLUMN",
    )
    external_site: str | None = option(
        None, "Site kept whole for study A's external test.", room="Group level", metavar="SITE"
    )
    exclude: Path | None = option(
        None,
        "Table of ratings, as the reports save it: visits whose rating is exclude are left out, and counted with their "
        "reasons.",
        room="Group level",
        metavar="FILE",
    )
    test_size: float = option(
        0.2,
        "Share of patients kept for study A's internal test.",
        room="Group level",
        metavar="SHARE",
        within=(0, 0.9),
    )
    combat: bool = option(
        False,
        "Study A: take differences between sites (column site) out of radiomics and brain volume, inside the folds "
        "(ComBat); a site unseen in training is aligned from its own visits, at least 20, or refused.",
        room="Group level",
    )
    random_split: bool = option(
        False,
        "Study A: draw the internal test at random, as published, instead of within three bands of EDSS.",
        room="Group level",
    )
    repeated_splits: int = option(
        -1,
        "Study A: other random splits into training and internal test, all steps refitted (default: 100, fewer where "
        "the table is large; 0: none).",
        room="Group level",
        metavar="N",
        within=(-1, 10_000),
    )
    candidates: tuple[str, ...] = option(
        (),
        "Study A: candidates beyond the published ones: volumes (z scores of the regions' volumes), change (lesions and "
        "volumes since the visit before, a year) or numeric columns of your own in participants.tsv.",
        room="Group level",
        metavar="volumes|change|COLUMN",
    )
    models: tuple[str, ...] = option(
        (), "Study A: models to fit (default: all).", room="Group level", choices=EDSS_MODELS
    )
    lasso_penalty: str = option(
        "1se",
        "Study A: penalty of the LASSO: within one standard error of the least error (1se), of least error (min), or "
        "the largest that keeps N columns (21 in the study).",
        room="Group level",
        metavar="1se|min|N",
    )
    icc_threshold: float = option(
        0.9,
        "Study A: least ICC of a feature that is kept.",
        room="Group level",
        metavar="ICC",
        within=(-1, 1),
    )
    variance_threshold: float = option(
        0.01,
        "Study A: least variance of a candidate that is kept, after scaling to 0..1.",
        room="Group level",
        metavar="VARIANCE",
        within=(0, 1),
    )
    correlation_threshold: float = option(
        0.8,
        "Study A: |r| above which the later of two candidates is dropped.",
        room="Group level",
        metavar="R",
        within=(0, 1),
    )
    interval_steps: bool = option(
        False,
        "Study A: let prediction intervals end on steps of the EDSS (0, 1, 1.5, ...).",
        room="Group level",
    )
    all_visits: bool = option(
        False,
        "Study A: use all visits of a participant, kept together, instead of the one nearest its EDSS.",
        room="Group level",
    )
    stability: int = option(
        0,
        "First repeat the radiomics of N random visits under small perturbations (study A: 30); study A then keeps "
        "features with ICC of at least 0.90.",
        room="Group level",
        metavar="N",
        within=(0, 100_000),
    )
    apply_model: Path | None = option(
        None,
        "Do not train: predict EDSS or diagnosis with the models of this folder (group/models of another run).",
        room="Group level",
        metavar="DIR",
    )
    classes: tuple[str, ...] = option(
        (),
        "Study B: diagnoses to tell apart, the first one's share called right being the sensitivity (default: all, MS "
        "first; more than two are learned one against the rest).",
        room="Group level",
        metavar="LABEL",
    )
    acute: str | None = option(
        None,
        "Study B: use only scans within three months of a relapse, by this column (yes/no, or days since the last one).",
        room="Group level",
        metavar="COLUMN",
    )
    sizes: tuple[str, ...] = option(
        (),
        "Study B: numbers of voxels to try, e.g. 16 27 32 64 all (default: powers of 2 up to 32768, and all).",
        room="Group level",
        metavar="N",
    )
    last_diagnosis: bool = option(
        False,
        "Study B: where a patient's diagnosis was revised, the last one holds for all scans (without: such a patient is "
        "refused).",
        room="Group level",
    )
    normal: str | None = option(
        None,
        "Study B: column that marks scans without lesions (yes or no); where it is empty, and by default, scans without a "
        "row in the lesion table, those prone to artefact aside.",
        room="Group level",
        metavar="COLUMN",
    )
    operating_point: str = option(
        "youden",
        "Study B, leak-free: where a decision becomes a call, learned inside training: youden (highest sum of "
        "sensitivity and specificity), or sensitivity=0.9 of the first class.",
        room="Group level",
        metavar="RULE",
    )
    wrong_calls: float = option(
        0.2,
        "Study B, leak-free: greatest share of a class that may be called wrongly; scans that this leaves between the "
        "classes are called indeterminate. 0 calls all scans.",
        room="Group level",
        metavar="SHARE",
        within=(0, 0.5),
    )
    order: Order = option(
        "published",
        "Study B, as published: threshold belief on the scan's grid before it is brought to 3 mm, as the study did, or "
        "average it to 3 mm first (averaged), as the leak-free protocol does.",
        room="Group level",
        choices=("published", "averaged"),
    )
    gamma_scale: GammaScale = option(
        "paper",
        "Study B: kernel parameters as published, or divided by the median distance between scans (median), so that the "
        "kernel does not vanish where there are many voxels.",
        room="Group level",
        choices=("paper", "median"),
    )
    dask: str | None = option(
        None,
        "Spread the group level over a dask cluster: its scheduler's address, or slurm to start workers by Slurm "
        "(--nprocs of --mem GB each; default: 16 of 4).",
        room="How to run",
        level="group",
        metavar="ADDRESS|slurm",
    )
    allow_synthetic_connectome: bool = option(
        False, "Let disconnection from a synthetic connectome into models.", room="Group level"
    )
    protocol: str = option(
        BOTH,
        "As published (paper), without leakage (nested), or both with the gap between them.",
        room="Group level",
        choices=(BOTH, *PROTOCOLS),
    )
    raters: Path | None = option(
        None,
        "Human raters' decisions to compare with: a table with columns visit, rater, decision and occasion.",
        room="Group level",
        metavar="FILE",
    )
    folds: int = option(
        10,
        "Folds of the cross-validation that tunes models inside training data.",
        room="Group level",
        metavar="N",
        within=(2, 1000),
    )
    outer_folds: int = option(
        0,
        "Outer folds of the leak-free protocol, patients kept whole (default: 10 for edss, 5 for diagnosis).",
        room="Group level",
        metavar="N",
        within=(0, 1000),
    )
    permutations: int = option(
        20,
        "How often outcomes are permuted between patients for the null distribution; 0 for none.",
        room="Group level",
        metavar="N",
        within=(0, 100_000),
    )

    output_level: OutputLevel = option(
        "full",
        "Which files of a visit are kept. minimal: lesion masks, tables and the maps that the group level reads; "
        "standard: all images; full: the transforms to and from the template too.",
        room="How to run",
        level="participant",
        choices=("minimal", "standard", "full"),
    )
    work_dir: Path | None = option(
        None,
        "Folder for intermediate files (default: a folder in the system's temporary folder, removed at the end).",
        room="How to run",
        level="participant",
        flags=("-w",),
        metavar="DIR",
    )
    nprocs: int = option(
        0,
        "Processes at once (default: the processors this run may use).",
        room="How to run",
        metavar="N",
        within=(0, 10_000),
        aliases=("--n-cpus", "--nthreads"),
    )
    omp_nthreads: int = option(
        1, "Threads inside one image operation.", room="How to run", metavar="N", within=(1, 1024)
    )
    mem: float = option(
        0.0,
        "Memory to stay under, in GB (with --mem-mb in MB; default: 90 %% of what this run may use).",
        room="How to run",
        metavar="GB",
        within=(0, 10_000),
        aliases=("--mem-gb", "--mem-mb"),
    )
    use_plugin: Path | None = option(
        None,
        'TOML or JSON file with a nipype plugin and its arguments, e.g. plugin = "SLURM".',
        room="How to run",
        level="participant",
        metavar="FILE",
    )
    force: bool = option(
        False, "Process visits again that are already finished.", room="How to run", level="participant"
    )
    reports_only: bool = option(
        False,
        "Only write the reports again, from derivatives that exist.",
        room="How to run",
        level="participant",
    )
    stop_on_first_crash: bool = option(
        False,
        "Stop at the first failed visit instead of going on with the others.",
        room="How to run",
        level="participant",
    )
    write_graph: bool = option(
        False, "Write the processing graph to logs/.", room="How to run", level="participant"
    )
    debug: bool = option(False, "Show tracebacks and keep the intermediate files.", room="How to run")
    verbose: int = option(
        0,
        "Tell every step too; twice for everything that libraries tell.",
        room="How to run",
        flags=("-v",),
        action="count",
    )

    @property
    def resolution(self) -> float:
        """Edge of the working grid's voxels in mm."""
        return 2.0 if self.fast else 1.0

    @property
    def calibrates_visits(self) -> bool:
        """Whether lesions are put into each scan to tell its detection limit."""
        return self.calibrate or not (self.skip_calibration or self.fast)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}

    def results(self) -> dict[str, Any]:
        """Return what changes a visit's files: settings, with the hash of each file named, and `calibrates_visits`."""
        chosen = {
            f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.metadata.get("results")
        }
        files = {name: Path(value) for name, value in chosen.items() if isinstance(value, str | Path)}
        if self.connectome:  # its content counts, not where it lies
            files["connectome"] = Path(self.connectome, "connectome.json")
            chosen["connectome"] = Path(self.connectome).name
        hashes = {
            f"{name}_sha256": hashlib.sha256(path.read_bytes()).hexdigest()
            for name, path in files.items()
            if path.is_file()
        }
        return (
            {name: _plain(value) for name, value in chosen.items()}
            | hashes
            | {"calibrates_visits": self.calibrates_visits}
        )


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def digest(content: Any) -> str:
    """Return the sha256 of a JSON value, independent of key order."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_config(path: Path) -> dict[str, Any]:
    """Read a TOML configuration file whose keys are option names (dashes or underscores).

    Raises
    ------
    InputError
        If the file cannot be read, is not TOML, or names an unknown option or a value of a wrong type.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"--config-file {path}: {error.strerror}; give a readable TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"--config-file {path}: not valid TOML ({error})") from error
    known = {f.name: f for f in dataclasses.fields(Settings) if f.metadata}
    values = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        if name not in known:
            raise InputError(
                f"--config-file {path}: unknown option '{key}'; known: {', '.join(sorted(known))}"
            )
        values[name] = _typed(path, key, value, known[name])
    return values


def _typed(path: Path, key: str, value: Any, spec: dataclasses.Field) -> Any:
    """Return a TOML value as the type its option has."""
    kind, choices = str(spec.type), spec.metadata.get("choices")
    good = {
        "bool": lambda v: isinstance(v, bool),
        "int": lambda v: isinstance(v, int) and not isinstance(v, bool),
        "float": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    }.get(kind)
    if kind.startswith("tuple"):
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise InputError(f"--config-file {path}: {key} must be a text or a list of texts")
        if choices and not set(items) <= set(choices):
            raise InputError(f"--config-file {path}: {key} must be of {', '.join(choices)}")
        return tuple(items)
    if good is None:
        if not isinstance(value, str):
            raise InputError(f"--config-file {path}: {key} must be a text")
        if choices and value not in choices:
            raise InputError(f"--config-file {path}: {key} must be one of {', '.join(choices)}")
        return Path(value) if "Path" in kind else value
    if not good(value):
        raise InputError(f"--config-file {path}: {key} must be {kind}, not {value!r}")
    return float(value) if kind == "float" else value

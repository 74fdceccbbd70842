"""Comparing the visits of a participant, from their derivatives: which pairs, running them, what is written."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from nipype import Workflow

from bids_app import steps
from bids_app.derivatives import atomic, load_image, save_image, write_table
from bids_app.derivatives.dataset import uri, write_sidecar
from bids_app.derivatives.names import LEVELS, OUTPUTS
from bids_app.derivatives.reader import Derivatives
from bids_app.derivatives.records import VisitLocks, fingerprint, forget, is_done, mark_done, read_record
from bids_app.errors import InputError, VisitError
from bids_app.layout.protocol import differences
from bids_app.progress import say
from bids_app.settings import DEFAULT_METHOD, FROM_DERIVATIVES, Settings
from bids_app.steps.record import step
from bids_app.tables.times import visit_time
from bids_app.visit_name import VisitName
from bids_app.workflows.plugin import KILLED
from bids_app.workflows.step import Result, add_step, node_name, read_failure

SINCE = "since"  # of the description of a pair's files, and of its done record
STRUCTURES = "structures"
RAW = {"T1w": ("t1w",), "FLAIR": ("flair", "flair_native")}  # which outputs' sidecars name a raw image
RAW_URI = "bids:raw:"
IMAGES = ("t1w", "flair", "brain", "dseg", "lesion_labels")


class Pair(NamedTuple):
    """Two visits of one participant, one after the other.

    Attributes
    ----------
    before, after : VisitName
        The earlier and the later visit.
    files_before, files_after : dict of str to Path
        Their derivatives by key.
    years : float or None
        Between them, where both are dated.
    raw_before, raw_after : dict of str to Path
        The images that they were made from, by suffix.
    protocol : tuple of str
        How what made those images differs.
    """

    before: VisitName
    after: VisitName
    files_before: dict[str, Path]
    files_after: dict[str, Path]
    years: float | None = None
    raw_before: dict[str, Path] = {}  # noqa: RUF012  # a field of a NamedTuple
    raw_after: dict[str, Path] = {}  # noqa: RUF012
    protocol: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the done record."""
        return f"{self.after}_{SINCE}-{self.before.session}"

    @property
    def inputs(self) -> list[Path]:
        """All files that it is made from."""
        return [*self.files_before.values(), *self.files_after.values()]


def find_pairs(output_dir: Path, bids_dir: Path, participant: str) -> tuple[list[Pair], list[str]]:
    """List the consecutive finished visits of a participant.

    Visits are ordered by `acq_time` of the raw dataset's `sub-<label>_sessions.tsv` where all have one, else by their
    labels, numbers in them as numbers.

    Parameters
    ----------
    output_dir, bids_dir : Path
        Derivatives and raw dataset.
    participant : str
        Label without `sub-`.

    Returns
    -------
    pairs : list of Pair
    notes : list of str
        Pairs that cannot be compared, and why.
    """
    found = (output_dir / "logs" / "done").glob(f"{VisitName(participant, '*')}.json")
    names = [VisitName.parse(path.stem) for path in found if f"_{SINCE}-" not in path.stem]
    times = _times(bids_dir, names)
    dated = all(name.session in times for name in names)
    ordered = sorted(names, key=(lambda name: times[name.session or ""]) if dated else None)
    files = {name: _files(output_dir, name) for name in ordered}
    pairs, notes = [], []
    for before, after in pairwise(ordered):
        lost = [name for name in (before, after) if files[name] is None]
        if lost:
            notes.append(f"{after}: not compared with {before}: {lost[0]} {_why_lost(output_dir, lost[0])}")
        else:
            years = _years(times.get(before.session or ""), times.get(after.session or ""))
            pairs.append(
                _pair(output_dir, bids_dir, (before, after), (files[before] or {}, files[after] or {}), years)
            )
    return pairs, notes


def _pair(
    output_dir: Path,
    bids_dir: Path,
    names: tuple[VisitName, VisitName],
    files: tuple[dict[str, Path], dict[str, Path]],
    years: float | None,
) -> Pair:
    """Return a pair of visits with what is known of the images that they were made from."""
    raw = _raw_images(output_dir, bids_dir, names[0]), _raw_images(output_dir, bids_dir, names[1])
    if raw[0].get("T1w") is not None and raw[0].get("T1w") == raw[1].get("T1w"):
        # one T1w lent to both visits (--t1w-from) shows no change: their FLAIRs are compared
        for some in files:
            some.pop("t1w", None)
    return Pair(
        *names,
        *files,
        years=years,
        raw_before=raw[0],
        raw_after=raw[1],
        protocol=tuple(differences(bids_dir, *raw)),
    )


def _raw_images(output_dir: Path, bids_dir: Path, name: VisitName) -> dict[str, Path]:
    """Return the T1w and FLAIR images that a visit was made from, as its files' sidecars tell."""
    visit, found = Derivatives(output_dir).visit(name), {}
    for suffix, keys in RAW.items():
        sources = [source for key in keys for source in visit.meta(key).get("Sources", [])]
        paths = [
            bids_dir / str(source).removeprefix(RAW_URI)
            for source in sources
            if str(source).startswith(RAW_URI)
        ]
        if paths:
            found[suffix] = paths[0]
    return found


def _times(bids_dir: Path, names: Sequence[VisitName]) -> dict[str, str]:
    """Return `acq_time` by session label, of the visits that the raw dataset's tables date."""
    times = {}
    for name in names:
        with contextlib.suppress(InputError):  # a table that cannot be read dates nothing
            if time := visit_time(bids_dir, name):
                times[name.session or ""] = time
    return times


DAYS_A_YEAR = 365.25  # with leap years


def _years(before: str | None, after: str | None) -> float | None:
    """Return the years between two times as BIDS writes them; None where one is missing or cannot be read."""
    try:
        dates = [datetime.fromisoformat(time or "").replace(tzinfo=None) for time in (before, after)]
    except ValueError:
        return None
    days = (dates[1] - dates[0]).total_seconds() / 86400
    return days / DAYS_A_YEAR if days > 0 else None


def _files(output_dir: Path, name: VisitName) -> dict[str, Path] | None:
    """Return a visit's images by key; None where some were not kept."""
    if read_record(output_dir, name.prefix) is None:
        return None
    visit = Derivatives(output_dir).visit(name)
    files = {key: visit.path(key) for key in IMAGES}
    if visit.has(STRUCTURES):  # not in derivatives of earlier versions
        files[STRUCTURES] = visit.path(STRUCTURES)
    if not visit.has("flair"):
        del files["t1w"]
        files["flair"] = visit.path("flair_native")
    return files if all(file.exists() for file in files.values()) else None


def _why_lost(output_dir: Path, name: VisitName) -> str:
    """Return why a finished visit has not all images, as the end of a sentence."""
    if (read_record(output_dir, name.prefix) or {}).get("level") == LEVELS[0]:
        return "has no images any more (--output-level minimal)"
    visit = Derivatives(output_dir).visit(name)
    if not (visit.has("flair") or visit.has("flair_native")):
        return "has no FLAIR image"
    return "lacks some of its images; run it again"


def due_pairs(settings: Settings, participants: Iterable[str], tell: Callable[[str], None]) -> list[Pair]:
    """Return the pairs to compare now; results of pairs that are none any more are removed.

    Parameters
    ----------
    settings : Settings
        Choices of the run.
    participants : iterable of str
        Labels without `sub-`.
    tell : callable
        Takes a note on each pair that cannot be compared.
    """
    due = []
    for participant in participants:
        pairs, notes = find_pairs(settings.output_dir, settings.bids_dir, participant)
        for note in notes:
            tell(f"note: {note}")
        _remove_former(settings.output_dir, participant, {pair.name for pair in pairs})
        due += [pair for pair in pairs if settings.force or not _is_compared(pair, settings)]
    return due


def _results(settings: Settings, pair: Pair) -> dict[str, Any]:
    """Return what a comparison depends on beside its images."""
    return {
        "random_seed": settings.random_seed,
        "years": pair.years,
        "protocol": list(pair.protocol),
        "calibrate": settings.calibrate,
    }


def _is_compared(pair: Pair, settings: Settings) -> bool:
    return is_done(settings.output_dir, pair.name, pair.inputs, _results(settings, pair))


def _remove_former(output_dir: Path, participant: str, current: set[str]) -> None:
    """Remove the files and records of pairs that are no longer consecutive visits."""
    for path in (output_dir / "logs" / "done").glob(f"{VisitName(participant)}_*_{SINCE}-*.json"):
        record = None if path.stem in current else read_record(output_dir, path.stem)
        if record is not None:
            _remove(output_dir, participant, record["outputs"])
            path.unlink()


def _remove(output_dir: Path, participant: str, files: Iterable[str]) -> None:
    """Remove files of a participant that a done record lists; none outside the derivatives."""
    for file in files:
        if Path(file).name.startswith(f"{VisitName(participant)}_"):
            (output_dir / file).resolve().relative_to(output_dir.resolve())
            (output_dir / file).unlink(missing_ok=True)


def init_pairs_wf(pairs: Sequence[Pair], *, settings: Settings, name: str) -> Workflow:
    """Make the graph of several pairs, which depend on nothing of each other.

    Parameters
    ----------
    pairs : sequence of Pair
        From `due_pairs`.
    settings : Settings
        Where to write; the seed.
    name : str
        Folder of the graph in the work folder.
    """
    whole = Workflow(name)
    for pair in pairs:
        graph = Workflow(node_name(pair.name))
        calibrated = _add_calibration(graph, pair, settings)
        compared = add_step(
            graph,
            steps.compare_visits,
            before=pair.files_before,
            after=pair.files_after,
            seed=settings.random_seed,
            protocol=list(pair.protocol),
            years=pair.years,
            known=calibrated["volume_calibration"] if calibrated else None,
        )
        plan = PairPlan(
            output_dir=settings.output_dir,
            pair=pair,
            settings=_results(settings, pair),
            inputs={path.name: fingerprint(path) for path in pair.inputs},
        )
        files = compared_files(compared) | calibrated
        add_step(graph, finish_pair, always=True, files=files, plan=plan)
        whole.add_nodes([graph])
    return whole


def _add_calibration(graph: Workflow, pair: Pair, settings: Settings) -> dict[str, Result]:
    """Add the measuring of known change put into the earlier visit, where that is wanted; return its tables."""
    if not settings.calibrate:
        return {}
    visit = Derivatives(settings.output_dir).visit(pair.before, template=settings.template)
    inverse, scan = visit.path("from_template"), pair.raw_before.get("FLAIR")
    if not inverse.exists() or scan is None or not scan.exists():
        say(
            f"note: {pair.name}: not calibrated: that needs the FLAIR image of {pair.before} in the dataset, a T1w and "
            "the transform from the template (--output-level full)"
        )
        return {}
    segmented = "MaskSource" not in visit.meta("lesions")
    method = DEFAULT_METHOD if settings.lesions == FROM_DERIVATIVES else settings.lesions
    chosen = {
        "method": method,
        "threshold": settings.lesion_threshold,
        "min_volume": settings.lesion_min_volume,
    }
    known = add_step(
        graph,
        steps.calibrate_pair,
        before=pair.files_before,
        with_t1w="t1w" in pair.files_before and "t1w" in pair.files_after,
        inverse=inverse,
        flair_scan=scan,
        template=settings.template,
        resolution=settings.resolution,
        seed=settings.random_seed,
        lesions=chosen if segmented else None,
    )
    tables = {"volume_calibration": known.volumes}
    return tables | {"change_calibration": known.lesions} if segmented else tables


def compared_files(compared: Any) -> dict[str, Any]:
    """Return the results of `compare_visits` by name."""
    return {name: getattr(compared, name) for name in steps.ComparedFiles._fields}


class FinishedPair(NamedTuple):
    """The record that a pair is finished."""

    record: Path


@dataclass(frozen=True, kw_only=True)
class PairPlan:
    """Where and as what a comparison is written.

    Attributes
    ----------
    output_dir : Path
        Root of the derivatives.
    pair : Pair
        The two visits.
    settings : dict
        What the results depend on.
    inputs : dict
        `records.fingerprint` of each file that they are made from, by its name.
    """

    output_dir: Path
    pair: Pair
    settings: dict[str, Any]
    inputs: dict[str, Any]


@step("writing the comparison with the visit before", seconds=4.0, mem_gb=1.0)
def finish_pair(files: dict[str, Path], plan: PairPlan) -> FinishedPair:
    """Write a pair's table, label image and figure, the later visit's report anew, then the pair's done record."""
    from bids_app.reports.changes import draw_changes
    from bids_app.reports.since import changes_figure
    from bids_app.workflows.finish import rewrite_report

    output_dir, pair, after = plan.output_dir, plan.pair, plan.pair.after.prefix
    visit, session = Derivatives(output_dir).visit(pair.after), pair.before.session or ""
    table = visit.path("changes", before=session)
    former = read_record(output_dir, pair.name) or {"outputs": []}
    forget(output_dir, pair.name)
    # what an earlier run wrote under other settings must not stay beside the new results
    _remove(output_dir, pair.after.participant, former["outputs"])
    written = [save_image(load_image(files["labels"]), visit.path("change_labels", before=session))]
    written += _publish(plan, files["table"], "changes")
    written += _publish(plan, files["voxels"], "changed_voxels")
    written += _publish(plan, files["criteria"], "change_criteria")
    written += _publish(plan, files["volumes"], "volume_changes")
    for key in ("volume_calibration", "change_calibration"):
        if key in files:
            written += _publish(plan, files[key], key)
    figure = changes_figure(visit, session)
    draw_changes(
        load_image(files["half_before"]),
        load_image(files["half_after"]),
        load_image(files["half_labels"]),
        table,
        figure,
        names=(pair.before.prefix, after),
    )
    if (
        record := read_record(output_dir, after)
    ) is not None:  # its page was written before the two were compared
        rewrite_report(output_dir, after, record)
    record_file = mark_done(
        output_dir, pair.name, inputs=plan.inputs, settings=plan.settings, outputs=[*written, figure]
    )
    return FinishedPair(record_file)


def _publish(plan: PairPlan, source: Path, key: str) -> list[Path]:
    """Copy a table or image of a comparison to its place with its sidecar; return both."""
    pair = plan.pair
    target = Derivatives(plan.output_dir).visit(pair.after).path(key, before=pair.before.session or "")
    if target.suffix == ".gz":
        save_image(load_image(source), target)
    else:
        with atomic(target) as aside:
            shutil.copyfile(source, aside)
    meta = json.loads(source.with_suffix(".json").read_text(encoding="utf-8"))
    about = f"{OUTPUTS[key].about} The visit before is {pair.before}."
    sources = [uri(path, {"": plan.output_dir}) for path in pair.inputs]
    return [target, write_sidecar(target, {"Description": about, "Sources": sources} | meta)]


def run_pairs(
    participants: Iterable[str], settings: Settings, work: Path, locks: VisitLocks
) -> tuple[list[str], dict[str, str]]:
    """Compare the visits of participants whose visits are finished.

    Parameters
    ----------
    participants : iterable of str
        Labels without `sub-`.
    settings : Settings
        Choices of the run.
    work : Path
        Folder for intermediate files.
    locks : VisitLocks
        Of visits that this run works on.

    Returns
    -------
    done : list of str
        Names of the pairs compared now.
    failed : dict of str to str
        Why others could not be.
    """
    from bids_app.workflows.engine import run_graph
    from bids_app.workflows.watch import StepTimes, Watch

    due = []
    for pair in due_pairs(settings, participants, say):
        with contextlib.suppress(VisitError):  # held by another run, which compares them
            locks.hold(pair.name)
            due.append(pair)
    if not due:
        return [], {}

    def build(name: str) -> Workflow:
        return init_pairs_wf(due, settings=settings, name=name)

    times = StepTimes(settings)
    watch = Watch({node_name(pair.name): pair.name for pair in due}, times.read())
    folder = run_graph(build, "pairs", settings, work, watch)
    times.keep(watch.times())
    failed = {}
    for pair in due:
        if not _is_compared(pair, settings):
            failure = read_failure(folder / node_name(pair.name))
            failed[pair.name] = failure["reason"] if failure else KILLED
    for person in sorted({pair.after.participant for pair in due}):
        _follow_expansion(settings, find_pairs(settings.output_dir, settings.bids_dir, person)[0])
    return [pair.name for pair in due if pair.name not in failed], failed


def _follow_expansion(settings: Settings, pairs: Sequence[Pair]) -> None:
    """Write which lesions expand slowly for each visit with two or more before it, and its report anew."""
    from bids_app.derivatives.reader import read_table
    from bids_app.image.expansion import FEWEST_PAIRS, OVER_VISITS, over_visits
    from bids_app.workflows.finish import rewrite_report

    output_dir, tables = settings.output_dir, []
    for pair in pairs:
        record = read_record(output_dir, pair.name)
        visit = Derivatives(output_dir).visit(pair.after)
        table = read_table(visit.path("changes", before=pair.before.session or ""))
        if record is None or table is None or pair.years is None or "expansion_candidate" not in table:
            return
        tables.append(table)
        if len(tables) < FEWEST_PAIRS:
            continue
        target = visit.path("expanding", before=pair.before.session or "")
        written = [write_table(over_visits(tables), target)]
        sources = [uri(path, {"": output_dir}) for one in pairs[: len(tables)] for path in one.inputs]
        about = {"Description": OUTPUTS["expanding"].about, "Sources": sorted(set(sources))}
        written.append(write_sidecar(target, about | OVER_VISITS))
        outputs = {*(output_dir / file for file in record["outputs"]), *written}
        mark_done(
            output_dir, pair.name, inputs=record["inputs"], settings=record["settings"], outputs=outputs
        )
        if (mine := read_record(output_dir, pair.after.prefix)) is not None:
            rewrite_report(output_dir, pair.after.prefix, mine)

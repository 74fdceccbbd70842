"""The participant level: which visits are due, running them, and telling how it went."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from nipype import Workflow

from bids_app.derivatives.dataset import refuse_links_out, start_dataset
from bids_app.derivatives.files import remove_partials, write_text
from bids_app.derivatives.names import LEVELS
from bids_app.derivatives.records import VisitLocks, forget, is_done, read_record
from bids_app.errors import DemyelinError, InputError, VisitError, file_reason
from bids_app.layout import Plan, Visit, plan_visits
from bids_app.layout.headers import absence
from bids_app.layout.names import NO_FLAIR
from bids_app.layout.tell import summary
from bids_app.progress import say, showing
from bids_app.progress.log import attach
from bids_app.settings import DEFAULT_METHOD, FROM_DERIVATIVES, Settings, digest
from bids_app.workflows.chosen import write_chosen
from bids_app.workflows.engine import run_graph, work_folder
from bids_app.workflows.plugin import KILLED, choose_plugin
from bids_app.workflows.step import node_name, read_failure
from bids_app.workflows.validate import validate
from bids_app.workflows.watch import StepTimes, Watch

NEARLY_FULL = 2**25  # bytes: less than one image at 1 mm
FEW_REPORTS = 5  # reports that are listed one by one
BATCH = 100  # visits in one graph: nipype's bookkeeping grows with the square of it


@dataclass
class Outcome:
    """How a run went: names of visits, with the reason for those that failed or were left out."""

    done: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def code(self) -> int:
        """The exit code: 1 where a visit failed, or nothing was left to process."""
        return 1 if self.failed or not (self.done or self.kept) else 0

    def summary(self, output_dir: Path) -> str:
        """Return the closing lines of a run."""
        lines = [f"failed  {name}: {reason}" for name, reason in self.failed.items()]
        some = list(self.left_out.items())[:FEW_REPORTS]
        lines += [f"left out  {name}: {reason}" for name, reason in some]
        counts = f"{len(self.done)} processed, {len(self.kept)} already finished, {len(self.failed)} failed"
        if self.left_out:
            counts += f", {len(self.left_out)} left out (see logs/chosen.tsv)"
        lines.append(counts)
        pages = [str(output_dir / f"{name}.html") for name in sorted([*self.done, *self.kept])]
        if len(pages) > FEW_REPORTS:
            pages = [f"{output_dir}/sub-*.html"]
        lines += [f"report  {page}" for page in pages]
        lines += [f"all visits  {output_dir / 'qc.html'}"] if pages else []
        if self.failed:
            crashes = any((output_dir / "logs" / f"{name}_crash.txt").exists() for name in self.failed)
            details = f"details {output_dir}/logs/*_crash.txt; " if crashes else ""
            lines.append(f"{details}run the same command again to retry")
        return "\n".join(lines)


def run_participants(settings: Settings) -> int:
    """Process every visit that is due; return the exit code.

    Raises
    ------
    InputError
        If the dataset, a setting or the output folder cannot be used; nothing was processed.
    """
    plan = plan_visits(
        settings.bids_dir,
        participant_labels=settings.participant_label,
        session_labels=settings.session_label,
        filter_file=settings.bids_filter_file,
        lesions_dir=_lesions_dir(settings),
        t1w_from=settings.t1w_from,
        t1w_alone=settings.t1w_alone,
    )
    plan.visits = [_leave_out(visit, settings) for visit in plan.visits]
    if settings.reports_only:
        return _rewrite_reports(plan.visits, settings)
    if not settings.dry_run:
        _check_resources(settings)
    start_dataset(settings.output_dir, settings.bids_dir)
    attach(settings.output_dir / "logs", settings.analysis_level)
    _tell_plan(plan, settings)
    if settings.dry_run:
        return 0
    settings, visits = _with_connectome(settings, plan.visits)
    if not settings.skip_bids_validation:
        due = [visit for visit in visits if not visit.left_out]
        with showing(settings.verbose):
            validate(settings.bids_dir, due, settings.output_dir / "logs" / "bids_validator.json")
    outcome = Outcome()
    locks = VisitLocks(settings.output_dir)
    due = list(_due(visits, settings, locks, outcome))
    times = StepTimes(settings)
    watch = Watch({node_name(visit.name): visit.name for visit in due}, times.read())
    with work_folder(settings) as work, showing(settings.verbose):
        for start in range(0, len(due), BATCH):
            _run_batch(due[start : start + BATCH], settings, work, outcome, watch)
            if outcome.failed and settings.stop_on_first_crash:
                break
        _compare_visits(visits, settings, work, locks, outcome)
    times.keep(watch.times())
    locks.close()
    _write_page(settings, outcome.failed)
    say(outcome.summary(settings.output_dir))
    return outcome.code


def _leave_out(visit: Visit, settings: Settings) -> Visit:
    """Return the visit, left out where the settings allow it no lesions, even if --t1w-alone were given."""
    if visit.left_out not in ("", NO_FLAIR):
        return visit
    if settings.lesions == FROM_DERIVATIVES and visit.supplied is None:
        why = f"no lesion mask was supplied, and --lesions {FROM_DERIVATIVES} allows no other"
        return replace(visit, left_out="; ".join(filter(None, [visit.left_out, why])))
    if not (visit.flair or visit.supplied) and settings.lesions != DEFAULT_METHOD:
        return replace(visit, left_out=f"{NO_FLAIR}, and --lesions {settings.lesions} needs one")
    return visit


def _tell_plan(plan: Plan, settings: Settings) -> None:
    """Say which visits there are and what was chosen, and write `logs/chosen.tsv`."""
    for line in summary(plan):
        say(line)
    everybody = not (settings.participant_label or settings.session_label)
    say(f"each image and why: {write_chosen(plan, settings.output_dir / 'logs', everybody=everybody)}")


def _rewrite_reports(visits: Sequence[Visit], settings: Settings) -> int:
    """Write the reports of finished visits again, from their derivatives."""
    from bids_app.workflows.finish import rewrite_report

    outcome = Outcome()
    for visit in visits:
        record = read_record(settings.output_dir, visit.name)
        if record is None and visit.left_out:
            _left_out(visit, settings, outcome)
            continue
        if record is None:
            outcome.failed[visit.name] = "not finished yet; run it without --reports-only first"
            continue
        if record.get("level") == LEVELS[0]:
            outcome.failed[visit.name] = (
                "its images were not kept (--output-level minimal); the report stays as it was"
            )
            continue
        try:
            rewrite_report(settings.output_dir, visit.name, record)
        except OSError as error:
            outcome.failed[visit.name] = file_reason(error, settings.output_dir)
            continue
        outcome.done.append(visit.name)
    _write_page(settings)
    say(outcome.summary(settings.output_dir))
    return outcome.code


def _write_page(settings: Settings, failed: Iterable[str] = ()) -> None:
    """Write the page of all visits; a full disk must not hide how the visits went."""
    from bids_app.reports.visits_page import write_visits_page

    try:
        write_visits_page(settings.output_dir, failed)
    except OSError as error:
        say(
            f"qc.html, the page of all visits, is not written: {error.strerror or error}; --reports-only writes it"
        )


def _lesions_dir(settings: Settings) -> Path | None:
    """Return the folder of `--derivatives lesions=DIR`.

    Raises
    ------
    InputError
        If an entry is not NAME=PATH, names something unknown, or the folder is missing.
    """
    folder: Path | None = None
    for entry in settings.derivatives:
        name, equals, path = entry.partition("=")
        if not equals or name != "lesions" or not path.strip():
            raise InputError(f"--derivatives {entry}: give lesions=DIR")
        other, folder = folder, Path(path).expanduser().resolve()
        if not folder.is_dir():
            what = "is a file: give the folder that it lies in" if folder.is_file() else "no such folder"
            raise InputError(f"--derivatives {entry}: {what}")
        if other not in (None, folder):
            raise InputError(
                f"--derivatives: lesions= is given twice, {other} and {folder}; put the masks into one folder"
            )
    return folder


def _check_resources(settings: Settings) -> None:
    """Refuse a plugin, template or atlas that cannot be had, before hours of work."""
    from bids_app.image.atlas import load_atlas
    from bids_app.image.template import BUILT_IN, load_template

    choose_plugin(settings)
    if settings.radiomics_settings:
        from bids_app.features.radiomics import RadiomicsSettings

        RadiomicsSettings.from_file(settings.radiomics_settings)
    load_atlas(settings.atlas)
    if settings.template != BUILT_IN:
        load_template(settings.template, settings.resolution)


def _with_connectome(settings: Settings, visits: Sequence[Visit]) -> tuple[Settings, list[Visit]]:
    """Return the settings with the folder of the connectome, and the visits with what readers must know of it."""
    from bids_app.features.normative import choose_connectome

    folder, note = choose_connectome(settings.connectome, say)
    if note:
        say(f"note: {note}")
    noted = [replace(visit, notes=(*visit.notes, note)) if note and visit.t1w else visit for visit in visits]
    return replace(settings, connectome=str(folder) if folder else None), noted


def _compare_visits(
    visits: Sequence[Visit], settings: Settings, work: Path, locks: VisitLocks, outcome: Outcome
) -> None:
    """Match the lesions of consecutive visits of the participants of whom none failed."""
    from bids_app.workflows.longitudinal import run_pairs

    failed = {visit.participant for visit in visits if visit.name in outcome.failed}
    people = {visit.participant for visit in visits if visit.session} - failed
    done, reasons = run_pairs(sorted(people), settings, work, locks)
    outcome.failed |= reasons
    if done:
        more = " ..." if len(done) > FEW_REPORTS else ""
        say(f"lesions compared between visits: {', '.join(done[:FEW_REPORTS])}{more}")


def _due(visits: Sequence[Visit], settings: Settings, locks: VisitLocks, outcome: Outcome) -> Iterator[Visit]:
    """Yield the visits to process now, held for this run."""
    for visit in visits:
        if visit.left_out:
            _left_out(visit, settings, outcome)
            continue
        try:
            _check_readable(visit)
            figures = Path(visit.visit_name.participant_id, "figures")
            refuse_links_out(settings.output_dir, visit.folder / "anat", figures)
            if not settings.force and _is_done(visit, settings):
                outcome.kept.append(visit.name)
                continue
        except DemyelinError as error:
            _failed(visit, settings, outcome, str(error))
            continue
        try:
            locks.hold(visit.name)
        except VisitError as error:  # its page is that run's to write
            outcome.failed[visit.name] = str(error)
            continue
        remove_partials(settings.output_dir / visit.folder, visit.name)
        forget(settings.output_dir, visit.name)
        yield visit


def _is_done(visit: Visit, settings: Settings) -> bool:
    return is_done(settings.output_dir, visit.name, visit.images, settings.results(), settings.output_level)


def _left_out(visit: Visit, settings: Settings, outcome: Outcome) -> None:
    """Count a visit that cannot be processed, as failed where that was asked for."""
    if settings.strict:
        _failed(visit, settings, outcome, visit.left_out)
    else:
        outcome.left_out[visit.name] = visit.left_out


def _check_readable(visit: Visit) -> None:
    for path in visit.images:
        if missing := absence(path):
            raise VisitError(f"{path}: {missing}")
        if not os.access(path, os.R_OK):
            raise VisitError(f"{path}: cannot be read; check that it exists and its permissions")


def graph_name(settings: Settings) -> str:
    """Return the name of the folder of a run's steps: runs whose steps have the same results share it.

    Calibration adds steps and changes none, so that a work folder that was kept serves with and without it.

    Parameters
    ----------
    settings : Settings
        Choices of the run.
    """
    return digest(settings.results() | {"calibrates_visits": None})[:8]


def _run_batch(
    visits: Sequence[Visit], settings: Settings, work: Path, outcome: Outcome, watch: Watch
) -> None:
    """Run one graph of visits and sort them into done and failed."""
    from bids_app.workflows.visit import init_cohort_wf

    def build(name: str) -> Workflow:
        return init_cohort_wf(visits, settings=settings, name=name)

    folder = run_graph(build, graph_name(settings), settings, work, watch)
    for visit in visits:
        if _is_done(visit, settings):
            outcome.done.append(visit.name)
            continue
        failure = read_failure(folder / node_name(visit.name))
        if failure:
            log = settings.output_dir / "logs" / f"{visit.name}_crash.txt"
            with contextlib.suppress(OSError):  # a full disk must not hide how the other visits went
                write_text(failure["traceback"], log)
            if settings.debug:
                print(failure["traceback"], file=sys.stderr)
            _failed(visit, settings, outcome, failure["reason"], failure["step"])
        else:
            _failed(visit, settings, outcome, _silent_end(visit, settings, work))


def _failed(visit: Visit, settings: Settings, outcome: Outcome, reason: str, step: str | None = None) -> None:
    """Note that a visit failed, and write a page that says so where its report would be."""
    from bids_app.reports.failed import write_failed_report

    outcome.failed[visit.name] = reason
    with contextlib.suppress(OSError):
        write_failed_report(
            settings.output_dir,
            visit.name,
            reason=reason,
            step=step,
            settings=settings.results(),
            images=[str(path) for path in visit.images],
        )


def _silent_end(visit: Visit, settings: Settings, work: Path) -> str:
    """Return why a visit is not finished although no step told a reason."""
    if settings.stop_on_first_crash:
        return "not finished: the run stopped at the first failure (--stop-on-first-crash)"
    if read_record(settings.output_dir, visit.name):
        return "an image or a result changed while the visit was processed; run it again"
    if shutil.disk_usage(work).free < NEARLY_FULL:
        return f"{work}: no space left on the disk; free some, or give --work-dir on another disk"
    return KILLED

"""The group level: from derivatives and participants.tsv to analyses, models and the cohort's report."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from bids_app.cohort import Cohort, read_cohort
from bids_app.cohort.excluded import LISTED, exclude_rated
from bids_app.derivatives.dataset import read_description, refuse_links_out
from bids_app.errors import InputError
from bids_app.learn.flow import flow_step, flow_table
from bids_app.progress import phase, say, showing
from bids_app.progress.log import attach
from bids_app.settings import EVERY_STUDY, STUDIES, Settings
from bids_app.tables import ALL
from bids_app.visit_name import SESSION, VisitName, bare
from bids_app.workers import spread

if TYPE_CHECKING:
    from bids_app.figures.drawing import Kept
    from bids_app.learn.results import Applied, StudyResult
    from bids_app.learn.study import Study


class Analysed(NamedTuple):
    """A study that was run, what it found and its figures."""

    study: Study
    result: StudyResult
    figures: list[Kept]


def run_group(settings: Settings) -> int:
    """Run the group level with its progress shown; return the exit code."""
    with showing(settings.verbose):
        return _run_group(settings)


def _run_group(settings: Settings) -> int:
    """Run the studies selected; return the exit code.

    Raises
    ------
    InputError
        If the derivatives or participants.tsv cannot be used, or the cohort allows no analysis.
    """
    read_description(settings.output_dir)
    refuse_links_out(settings.output_dir, Path("group"), Path("logs"))
    attach(settings.output_dir / "logs", settings.analysis_level)
    participants = settings.bids_dir / "participants.tsv"
    names = _column_names(settings.columns)
    with phase("reading participants and derivatives"):
        cohort = read_cohort(settings.output_dir, participants, columns=names)
        (settings.output_dir / LISTED).unlink(missing_ok=True)  # of an earlier run
        if settings.exclude:
            cohort = exclude_rated(cohort, settings.exclude)
        cohort = _chosen(cohort, settings)
    for note in cohort.notes:
        say(f"note: {note}")
    say(f"{len(cohort.visits)} visits of {cohort.visits['participant_id'].nunique()} participants")
    folder = settings.output_dir / "group"
    with phase("reading what changed between visits"):
        changes = _changes(cohort, folder)
    cohort, settings = _with_change(cohort, changes.pairs, settings)
    if settings.apply_model:
        return _apply(cohort, settings, settings.apply_model, folder)
    logs = settings.output_dir / "logs"
    with spread(settings.dask, logs, memory_gb=settings.mem, workers=settings.nprocs):
        if settings.stability:
            _measure_stability(cohort, settings)
        found = _analyse(cohort, settings, folder)
    with phase("writing the report"):
        _report(cohort, found, changes, settings)
    return int(any("left_out" in one.result.tables for one in found))


def _column_names(pairs: tuple[str, ...]) -> dict[str, str]:
    """Return the dataset's column names by Demyelin's from NAME=COLUMN.

    Raises
    ------
    InputError
        If a pair is none, a name is given twice with two columns, or is not one that Demyelin reads.
    """
    names: dict[str, str] = {}
    for pair in pairs:
        name, equals, column = (part.strip() for part in pair.partition("="))
        if not (equals and name and column):
            raise InputError(f"--columns {pair}: write NAME=COLUMN, e.g. age=age_at_scan")
        if name not in ALL:
            raise InputError(f"--columns {pair}: Demyelin reads no column {name}; it reads {', '.join(ALL)}")
        if names.setdefault(name, column) != column:
            raise InputError(
                f"--columns: {name} is given twice, as {names[name]} and {column}; give one of them"
            )
    return names


def _chosen(cohort: Cohort, settings: Settings) -> Cohort:
    """Keep the participants and sessions selected.

    Raises
    ------
    InputError
        If none is left.
    """
    visits = cohort.visits
    participants = {VisitName.from_ids(label).participant_id for label in settings.participant_label}
    sessions = {SESSION + bare(label, SESSION) for label in settings.session_label}
    if participants:
        visits = visits[visits["participant_id"].isin(participants)]
    if sessions:
        visits = visits[visits["session_id"].isin(sessions)]
    if visits.empty:
        raise InputError(f"{cohort.derivatives}: no visit matches --participant-label and --session-label")
    flow = cohort.flow
    if participants or sessions:
        step = flow_step("visits selected", visits, len(cohort.visits), "other participants or sessions")
        flow = [*flow, step]
    synthetic = settings.allow_synthetic_connectome
    return Cohort(cohort.derivatives, visits.reset_index(drop=True), cohort.notes, synthetic, flow)


class Changes(NamedTuple):
    """Change between the visits of a cohort, a row a pair, and detection limits, a row a visit; either may be empty."""

    pairs: pd.DataFrame
    limits: pd.DataFrame


def _changes(cohort: Cohort, folder: Path) -> Changes:
    """Read what changed between visits, and the detection limits; write the tables that have rows."""
    from bids_app.cohort.changes import COHORT_CHANGE_COLUMNS, read_changes, read_limits
    from bids_app.derivatives import write_json, write_table
    from bids_app.reports.cohort.change import CHANGE_FILE, LIMITS_FILE

    found = Changes(
        read_changes(cohort.derivatives, cohort.visits), read_limits(cohort.derivatives, cohort.visits)
    )
    for name, table in {CHANGE_FILE: found.pairs, LIMITS_FILE: found.limits}.items():
        if len(table):
            write_table(table, folder / f"{name}.tsv")
    if len(found.pairs):
        write_json(COHORT_CHANGE_COLUMNS, folder / f"{CHANGE_FILE}.json")
        differing = int(found.pairs["protocol_differences"].notna().sum())
        say(
            f"{len(found.pairs)} pairs of visits compared: {folder / f'{CHANGE_FILE}.tsv'}"
            + (f"; the protocol differs in {differing}" if differing else "")
        )
    return found


def _with_change(cohort: Cohort, pairs: pd.DataFrame, settings: Settings) -> tuple[Cohort, Settings]:
    """Return the cohort with the measures of change, and the settings with their names for `--candidates change`.

    Raises
    ------
    InputError
        If they are asked for and no visit has a dated one before it.
    """
    from bids_app.cohort.changes import CHANGE, MEASURES, with_changes

    visits = with_changes(cohort.visits, pairs)
    names = [name for name in MEASURES if name in visits]
    if CHANGE in settings.candidates and CHANGE not in cohort.visits:
        if not names:
            raise InputError(
                f"--candidates {CHANGE}: no visit has been compared with a dated one before it; needs two visits, and "
                "acq_time in sessions.tsv or scans.tsv"
            )
        some = int(visits[names].notna().any(axis=1).sum())
        say(
            f"note: --candidates {CHANGE}: {some} of {len(visits)} visits have a visit before them; study A takes one "
            "visit a patient, the nearest to its EDSS (days_to_edss), unless --all-visits"
        )
        chosen = [name for name in settings.candidates if name != CHANGE]
        settings = replace(settings, candidates=(*chosen, *names))
    return replace(cohort, visits=visits), settings


def _measure_stability(cohort: Cohort, settings: Settings) -> None:
    from bids_app.cohort.stability import measure_stability

    path = measure_stability(
        cohort.derivatives,
        cohort.visits,
        settings.stability,
        seed=settings.random_seed,
        settings_file=settings.radiomics_settings,
        n_jobs=_jobs(settings),
    )
    say(f"stability of features: {path}")


def _analyse(cohort: Cohort, settings: Settings, folder: Path) -> list[Analysed]:
    """Run the study selected; with `auto`, those that the cohort allows.

    Raises
    ------
    InputError
        If the study selected, or every one, is impossible.
    """
    from bids_app.learn.study import load_study

    if settings.analysis != EVERY_STUDY:
        return [_run_study(load_study(settings.analysis), cohort, settings, folder)]
    found, refused = [], []
    for name in STUDIES:
        try:
            found.append(_run_study(load_study(name), cohort, settings, folder))
        except InputError as error:
            refused.append(f"{name}: {error}")
            say(f"note: no analysis of {name}: {error}")
    if not found:
        raise InputError("no analysis is possible; " + "; ".join(refused))
    return found


def _run_study(study: Study, cohort: Cohort, settings: Settings, folder: Path) -> Analysed:
    """Run a study and write its tables, models and figures."""
    result = study.run(cohort, settings, _jobs(settings))
    result.write(folder)
    for note in result.notes:
        say(f"note: {note}")
    say(f"{study.title}: written to {folder}")
    return Analysed(study, result, study.draw(result, folder / "figures", settings))


def _jobs(settings: Settings) -> int:
    return -1 if settings.dask else max(settings.nprocs, 1)


def _apply(cohort: Cohort, settings: Settings, models: Path, folder: Path) -> int:
    """Predict with the models of another run; with `--analysis auto` whatever the folder has and the cohort allows.

    Returns
    -------
    int
        1 if a visit was left out for a file that cannot be used, else 0.

    Raises
    ------
    InputError
        If a model cannot be trusted, there is none of the study selected, or none can be applied.
    """
    from bids_app.learn.artifact import Model, load_models
    from bids_app.learn.results import APPLIED, write_tables
    from bids_app.learn.study import load_study

    found: dict[str, list[tuple[str, Model]]] = {}
    for name, model in load_models(models):
        found.setdefault(model.card["Kind"], []).append((name, model))
    if settings.analysis != EVERY_STUDY:
        if settings.analysis not in found:
            raise InputError(
                f"--apply-model {models}: no model of --analysis {settings.analysis}; it has {', '.join(found)}"
            )
        found = {settings.analysis: found[settings.analysis]}
    refused, bad = [], 0
    for kind, some in found.items():
        try:
            applied = load_study(kind).apply(cohort, some, settings.random_seed)
        except InputError as error:
            if len(found) == 1:
                raise
            refused.append(f"{kind}: {error}")
            say(f"note: models of {kind} were not applied: {error}")
            continue
        card = {
            "Description": f"Models of {kind} trained elsewhere, applied to these visits.",
            "Tables": {name: APPLIED[name] for name in applied.tables},
            "Models": {name: model.card["Sha256"] for name, model in some},
            "Notes": list(applied.notes),
        }
        bad |= int("applied_left_out" in applied.tables)
        write_tables(applied.tables, folder, kind, card, card_name=f"{kind}_applied")
        for note in applied.notes:
            say(f"note: {note}")
        page, *scans = _applied_pages(kind, applied, folder)
        say(
            f"predictions of {len(some)} models: {folder / f'{kind}_applied.tsv'}; {page}, {len(scans)} visits' pages"
        )
    if len(refused) == len(found):
        raise InputError("no model could be applied; " + "; ".join(refused))
    return bad


def _applied_pages(kind: str, applied: Applied, folder: Path) -> list[Path]:
    from bids_app.learn.study import load_study
    from bids_app.reports.applied import write_applied_pages

    return write_applied_pages(folder, kind, load_study(kind).title, applied)


def _report(cohort: Cohort, found: list[Analysed], changes: Changes, settings: Settings) -> None:
    from bids_app.figures import charts
    from bids_app.figures.drawing import keep_all
    from bids_app.reports.about import run_facts
    from bids_app.reports.cohort import write_cohort_report
    from bids_app.reports.visits_page import write_visits_page

    steps = flow_table(cohort.flow)
    figures = keep_all(
        [partial(charts.flow, "cohort_flow", "From participants to visits", steps, {})],
        settings.output_dir / "group" / "figures",
    )
    page = write_cohort_report(
        settings.output_dir,
        cohort.visits,
        found,
        cohort.notes,
        figures,
        run_facts(settings.bids_dir, settings.output_dir),
        changes,
    )
    write_visits_page(settings.output_dir)  # links to the cohort's
    say(f"report: {page}")

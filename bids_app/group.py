"""The group level: from derivatives and participants.tsv to analyses, models and the cohort's report."""

from __future__ import annotations

from pathlib import Path

from bids_app.cohort import Cohort, read_cohort
from bids_app.derivatives.dataset import read_description
from bids_app.errors import InputError
from bids_app.layout import bare
from bids_app.settings import Settings


def run_group(settings: Settings) -> int:
    """Run the analyses asked for; return the exit code.

    Raises
    ------
    InputError
        If the derivatives or participants.tsv cannot be used, or the cohort allows no analysis.
    """
    read_description(settings.output_dir)
    cohort = _chosen(read_cohort(settings.output_dir, settings.bids_dir / "participants.tsv"), settings)
    for note in cohort.notes:
        print(f"note: {note}", flush=True)
    print(
        f"{len(cohort.visits)} visits of {cohort.visits['participant_id'].nunique()} participants", flush=True
    )
    _diagnosis(cohort, settings, settings.output_dir / "group")
    return 0


def _chosen(cohort: Cohort, settings: Settings) -> Cohort:
    """Keep the participants and sessions asked for.

    Raises
    ------
    InputError
        If none is left.
    """
    visits = cohort.visits
    people = {f"sub-{bare(label, 'sub-')}" for label in settings.participant_label}
    sessions = {f"ses-{bare(label, 'ses-')}" for label in settings.session_label}
    if people:
        visits = visits[visits["participant_id"].isin(people)]
    if sessions:
        visits = visits[visits["session_id"].isin(sessions)]
    if visits.empty:
        raise InputError(f"{cohort.derivatives}: no visit matches --participant-label and --session-label")
    return Cohort(cohort.derivatives, visits.reset_index(drop=True), cohort.notes)


def _diagnosis(cohort: Cohort, settings: Settings, folder: Path) -> None:
    """Run study B and write its tables, maps, figures, model and report."""
    from bids_app.image.template import BELIEF_MM, load_template
    from bids_app.learn.diagnosis import Options, run
    from bids_app.learn.diagnosis_figures import draw
    from bids_app.reports.cohort import write_cohort_report

    options = Options(
        cv=settings.folds,
        outer=settings.outer_folds,
        permutations=settings.permutations,
        n_jobs=max(settings.nprocs, 1),
    )
    result = run(
        cohort,
        protocol=settings.protocol,
        raters=settings.raters,
        seed=settings.random_seed,
        options=options,
        template=settings.template,
    )
    result.write(folder)
    figures = draw(result, folder, load_template(settings.template, BELIEF_MM).t1w)
    page = write_cohort_report(
        settings.output_dir,
        cohort.visits,
        result.tables,
        figures,
        [*cohort.notes, *result.notes],
        result.settings,
    )
    print(f"study B: tables and maps in {folder}; report: {page}", flush=True)

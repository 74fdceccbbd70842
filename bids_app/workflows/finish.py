"""The last step of a visit: derivatives, report, done record."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bids_app.derivatives import write_text
from bids_app.derivatives.dataset import describe_atlas
from bids_app.derivatives.names import OUTPUTS, anat_folder
from bids_app.derivatives.publish import publish, remove_others, source_uris
from bids_app.derivatives.records import mark_done
from bids_app.reports.about import image_facts
from bids_app.reports.methods import methods_text
from bids_app.reports.visit import write_visit_report
from bids_app.steps.record import step
from bids_app.visit_name import VisitName


@dataclass(frozen=True, kw_only=True)
class VisitPlan:
    """Where and as what a visit's results are written.

    Attributes
    ----------
    bids_dir, output_dir : Path
        Roots of the raw dataset and of the derivatives.
    name : VisitName
        The visit.
    template, atlas : str
        Names that become part of file names.
    settings : dict
        What the results depend on (`Settings.results`).
    inputs : dict
        `records.fingerprint` of each image, by file name.
    notes : tuple of str
        What was decided before the first step.
    level : str
        The `--output-level`.
    run : tuple of (str, str)
        `about.run_facts` of the run.
    """

    bids_dir: Path
    output_dir: Path
    name: VisitName
    template: str
    atlas: str
    settings: dict[str, Any]
    inputs: dict[str, Any]
    notes: tuple[str, ...] = ()
    level: str = "standard"
    run: tuple[tuple[str, str], ...] = ()


class Finished(NamedTuple):
    """The record that a visit is finished."""

    record: Path


@step("writing derivatives and report", seconds=8.0, mem_gb=2.0)
def finish(
    files: dict[str, Path],
    notes: dict[str, Any],
    plan: VisitPlan,
    flair: Path | None = None,
    t1w: Path | None = None,
    lesions: Path | None = None,
) -> Finished:
    """Write a visit's derivatives and report, then its done record.

    Parameters
    ----------
    files : dict of str to Path
        Results by their key in `OUTPUTS`.
    notes : dict
        Lines for the report, by the step they come from.
    plan : VisitPlan
        Where and as what the visit is written.
    flair, t1w, lesions : Path, optional
        FLAIR, T1w and lesion mask as given.
    """
    output_dir, name, settings, level = plan.output_dir, plan.name.prefix, plan.settings, plan.level
    folder = anat_folder(output_dir, plan.name.folder)
    describe_atlas(output_dir, plan.atlas)
    images = {"t1w": t1w, "flair": flair, "lesions": lesions}

    def put(keys: Iterable[str]) -> list[Path]:
        return publish(
            {key: files[key] for key in keys},
            folder,
            name,
            template=plan.template,
            atlas=plan.atlas,
            settings=settings,
            sources=source_uris(images, plan.bids_dir),
        )

    # the report is drawn from the derivatives; what the level leaves out of them goes afterwards
    put(key for key in files if OUTPUTS[key].kept_at("standard") and not OUTPUTS[key].kept_at(level))
    kept = put(key for key in files if OUTPUTS[key].kept_at(level))
    noted = [*plan.notes, *(line for lines in notes.values() for line in lines)]
    facts = {
        "run": [list(row) for row in plan.run],
        "images": image_facts(plan.bids_dir, plan.name, images.values()),
    }
    pages = write_visit_report(
        output_dir, name, settings=settings, notes=noted, about=facts, with_viewer=level != "minimal"
    )
    remove_others(folder, name, kept)
    if level == "minimal":
        pages = _page_alone(pages)
    write_text(methods_text(settings), output_dir / "logs" / "methods.md")
    about: dict[str, Any] = {"inputs": plan.inputs, "settings": settings, "notes": noted, "level": level}
    about["about"] = facts
    return Finished(mark_done(output_dir, name, outputs=[*kept, *pages], **about))


def _page_alone(pages: Iterable[Path]) -> list[Path]:
    """Remove the figures beside a report, which holds them itself; return the report."""
    kept = []
    for page in pages:
        if page.suffix == ".html":
            kept.append(page)
            continue
        page.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # other visits' figures are in there
            page.parent.rmdir()
    return kept


def rewrite_report(output_dir: Path, name: str, record: dict[str, Any]) -> None:
    """Write a finished visit's report again from its derivatives, and its done record with it.

    Parameters
    ----------
    output_dir : Path
        Root of the derivatives.
    name : str
        The visit's prefix.
    record : dict
        The visit's done record.
    """
    settings = record["settings"]
    about = {key: record[key] for key in ("inputs", "settings", "notes", "level")}
    about["about"] = record.get("about", {})
    pages = write_visit_report(
        output_dir, name, settings=settings, notes=record["notes"], about=about["about"]
    )
    outputs = {output_dir / path for path in record["outputs"]} | set(pages)
    mark_done(output_dir, name, outputs=outputs, **about)

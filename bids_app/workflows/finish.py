"""The last step of a visit: derivatives, report, done record."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from bids_app.derivatives import write_text
from bids_app.derivatives.names import OUTPUTS, anat_folder
from bids_app.derivatives.publish import publish, remove_others, source_uris
from bids_app.derivatives.records import mark_done
from bids_app.reports.methods import methods_text
from bids_app.reports.visit import write_visit_report


class Finished(NamedTuple):
    """The record that a visit is finished."""

    record: Path


def finish(
    files: dict[str, Path],
    notes: dict[str, Any],
    flair: Path,
    plan: dict[str, Any],
    t1w: Path | None = None,
    lesions: Path | None = None,
) -> Finished:
    """Write a visit's derivatives and report, then its done record.

    `plan` says where: bids_dir, output_dir, folder, name, template, atlas, settings, inputs, notes, level.
    """
    output_dir, name = Path(plan["output_dir"]), plan["name"]
    folder = anat_folder(output_dir, Path(plan["folder"]))
    images = {"t1w": t1w, "flair": flair, "lesions": lesions}
    settings, level = plan["settings"], plan["level"]

    def put(keys: Iterable[str]) -> list[Path]:
        return publish(
            {key: files[key] for key in keys},
            folder,
            name,
            template=plan["template"],
            atlas=plan["atlas"],
            settings=settings,
            sources=source_uris(images, Path(plan["bids_dir"])),
        )

    # the report is drawn from the derivatives; what the level leaves out of them goes afterwards
    put(key for key in files if OUTPUTS[key].kept_at("standard") and not OUTPUTS[key].kept_at(level))
    kept = put(key for key in files if OUTPUTS[key].kept_at(level))
    told = [*plan["notes"], *(line for lines in notes.values() for line in lines)]
    pages = write_visit_report(
        output_dir, folder, name, settings=settings, notes=told, with_viewer=level != "minimal"
    )
    remove_others(folder, name, kept)
    if level == "minimal":
        pages = _page_alone(pages)
    write_text(methods_text(settings), output_dir / "logs" / "methods.md")
    about: dict[str, Any] = {"inputs": plan["inputs"], "settings": settings, "notes": told, "level": level}
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


def rewrite_report(output_dir: Path, folder: Path, name: str, record: dict[str, Any]) -> None:
    """Write a finished visit's report again from its derivatives, and its done record with it.

    Parameters
    ----------
    output_dir : Path
        Root of the derivatives.
    folder : Path
        The visit's folder below it.
    name : str
        The visit's prefix.
    record : dict
        The visit's done record.
    """
    anat, settings = anat_folder(output_dir, folder), record["settings"]
    pages = write_visit_report(output_dir, anat, name, settings=settings, notes=record["notes"])
    outputs = {output_dir / path for path in record["outputs"]} | set(pages)
    about = {key: record[key] for key in ("inputs", "settings", "notes", "level")}
    mark_done(output_dir, name, outputs=outputs, **about)

"""The part of a visit's graph from scans to anatomy and lesions."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

from nipype import Workflow

from bids_app import steps
from bids_app.image.coverage import SHOWN_WITHOUT_FLAIR
from bids_app.layout import Visit
from bids_app.settings import DEFAULT_METHOD, FROM_DERIVATIVES, Settings
from bids_app.workflows.step import Handle, Result, add_step

FLAIR_ALONE_MM = (
    2.0  # its slices are thick and its contrast is not the template's: nothing finer is to be had
)


class AnatomyResults(NamedTuple):
    """What later steps need of a visit: results of steps on the working grid."""

    head: Handle
    flair: Result | None
    brain: Result
    registered: Handle
    placed: Handle
    tissues: Handle
    lesions: Handle
    segmented: Handle | None
    files: dict[str, Result]
    to_t1w: Result | None
    notes: dict[str, Result]
    coverage: Result | float | None = None


def add_anatomy(graph: Workflow, visit: Visit, settings: Settings) -> AnatomyResults:
    """Add the steps from a visit's scans to tissues, template and lesions.

    Prepare the images, register once, find lesions, segment with them known; with a T1w they are filled in it.

    Parameters
    ----------
    graph : Workflow
        The visit's, which the steps become part of.
    visit : Visit
        With a FLAIR image, a T1w image or both.
    settings : Settings
        How to process it.
    """
    return _add_with_t1w(graph, visit, settings) if visit.t1w else _add_flair_only(graph, visit, settings)


def _add_with_t1w(graph: Workflow, visit: Visit, settings: Settings) -> AnatomyResults:
    """Add the anatomy of a visit with a T1w, and a FLAIR where there is one."""
    seed, size, template = settings.random_seed, settings.resolution, settings.template
    supplied = _add_check(graph, visit)
    head = _add_head(graph, visit.t1w, size, supplied)
    aligned = _add_alignment(graph, visit, head, seed) if visit.flair else None
    flair = aligned.flair if aligned else None
    registered = _add_registration(graph, head, template, size, seed)
    placed = _add_place(graph, head, registered, settings)
    lesions, segmented = _add_lesions(graph, visit, settings, flair, head, placed, supplied, aligned)
    tissues = _add_segmentation(graph, head.image, placed, lesions)
    filled = add_step(
        graph,
        steps.fill,
        t1w=head.image,
        lesions=lesions.mask,
        wm=tissues.wm,
        brain=placed.brain,
        seed=seed,
    )
    files = {
        "t1w": head.image,
        "filled": filled.image,
        "to_template": registered.forward,
        "from_template": registered.inverse,
    }
    notes = {"t1w": head.notes, "brain": placed.notes} | ({"lesions": supplied.notes} if supplied else {})
    if aligned:
        files |= {"flair": aligned.flair, "flair_to_t1w": aligned.to_t1w}
        notes |= {"flair": aligned.notes}
    return AnatomyResults(
        head,
        flair,
        placed.brain,
        registered,
        placed,
        tissues,
        lesions,
        segmented,
        files,
        aligned.to_t1w if aligned else None,
        notes,
        _coverage(visit, aligned),
    )


def _add_flair_only(graph: Workflow, visit: Visit, settings: Settings) -> AnatomyResults:
    """Add the anatomy of a visit with a FLAIR alone: study B's outputs."""
    size, template = settings.resolution, settings.template
    supplied = _add_check(graph, visit)
    head = _add_head(graph, visit.flair, size, supplied)
    registered = _add_registration(graph, head, template, FLAIR_ALONE_MM, settings.random_seed)
    placed = _add_place(graph, head, registered, settings)
    lesions, segmented = _add_lesions(graph, visit, settings, head.image, head, placed, supplied, None)
    tissues = _add_segmentation(graph, head.image, placed, lesions)
    files = {"flair_native": head.image, "flair_to_template": registered.forward}
    notes = {"flair": head.notes, "brain": placed.notes} | ({"lesions": supplied.notes} if supplied else {})
    return AnatomyResults(
        head, head.image, placed.brain, registered, placed, tissues, lesions, segmented, files, None, notes
    )


def _add_alignment(graph: Workflow, visit: Visit, head: Handle, seed: int) -> Handle:
    return add_step(graph, steps.align_flair, scan=visit.flair, t1w=head.image, brain=head.brain, seed=seed)


def _add_head(graph: Workflow, scan: Path | None, size: float, supplied: Handle | None) -> Handle:
    after = supplied.mask if supplied else None
    return add_step(graph, steps.prepare_head, scan=scan, voxel_size=size, after=after)


def _add_registration(graph: Workflow, head: Handle, template: str, size: float, seed: int) -> Handle:
    return add_step(
        graph,
        steps.align_to_template,
        image=head.image,
        brain=head.brain,
        template=template,
        resolution=size,
        seed=seed,
    )


def _add_place(graph: Workflow, head: Handle, registered: Handle, settings: Settings) -> Handle:
    """Add what the registration tells of every voxel: its place, and whether it is inside the skull."""
    return add_step(
        graph,
        steps.place_in_template,
        brain=head.brain,
        forward=registered.forward,
        inverse=registered.inverse,
        template=settings.template,
        resolution=settings.resolution,
    )


def _add_segmentation(graph: Workflow, image: Result, placed: Handle, lesions: Handle) -> Handle:
    return add_step(
        graph,
        steps.segment,
        image=image,
        brain=placed.brain,
        coordinates=placed.coordinates,
        lesions=lesions.mask,
    )


def _add_check(graph: Workflow, visit: Visit) -> Handle | None:
    """Add the reading of a lesion mask that came with the data: a wrong one is told before anything else runs."""
    if visit.supplied is None:
        return None
    return add_step(
        graph,
        steps.check_lesions,
        supplied=visit.supplied.path,
        flair_scan=visit.flair,
        t1w_scan=visit.t1w,
        label=visit.supplied.label,
    )


def _add_lesions(
    graph: Workflow,
    visit: Visit,
    settings: Settings,
    flair: Result | None,
    head: Handle,
    placed: Handle,
    supplied: Handle | None,
    aligned: Handle | None,
) -> tuple[Handle, Handle | None]:
    """Add the lesions: the mask that came with the data, else a segmentation.

    Beside a mask that came, Demyelin's own segmentation of the FLAIR is made to compare with it; it is returned second.
    """
    coverage = _coverage(visit, aligned)
    find = partial(
        add_step,
        graph,
        steps.find_lesions,
        flair=flair,
        t1w=head.image if visit.t1w else None,
        brain=placed.brain,
        coordinates=placed.coordinates,
        wm_prior=placed.wm_prior,
        method=DEFAULT_METHOD if settings.lesions == FROM_DERIVATIVES else settings.lesions,
        threshold=settings.lesion_threshold,
        min_volume=settings.lesion_min_volume,
        coverage=coverage,
    )
    if visit.supplied is None or supplied is None:
        return find(), None
    taken = add_step(
        graph,
        steps.take_lesions,
        supplied=supplied.mask,
        owner=supplied.owner,
        source=visit.supplied.source,
        like=head.image,
        to_t1w=aligned.to_t1w if aligned else None,
        coverage=coverage,
    )
    return taken, find() if flair else None


def _coverage(visit: Visit, aligned: Handle | None) -> Result | float | None:
    """Return the share of the brain that the FLAIR shows; nothing to say where lesions are known without one."""
    if aligned is not None:
        return aligned.coverage
    return SHOWN_WITHOUT_FLAIR if visit.flair is None and visit.supplied is None else None

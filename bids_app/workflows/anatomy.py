"""The part of a visit's graph from scans to anatomy and lesions."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from nipype import Workflow

from bids_app import steps
from bids_app.layout import Visit
from bids_app.settings import ONLY_GIVEN, OWN_METHOD, Settings
from bids_app.workflows.step import Handle, Result, add_step


class Anatomy(NamedTuple):
    """What later steps need of a visit: results of steps on the working grid."""

    head: Handle
    flair: Result
    brain: Result
    registered: Handle
    tissues: Handle
    lesions: Handle
    own: Handle | None
    files: dict[str, Result]
    to_t1w: Result | None
    notes: dict[str, Result]


def add_anatomy(graph: Workflow, visit: Visit, settings: Settings) -> Anatomy:
    """Add the steps from a visit's scans to tissues, template and lesions.

    With a T1w: prepare both images, find lesions on a first segmentation, fill them, segment and register
    again. With a FLAIR alone: the first segmentation stays.

    Parameters
    ----------
    graph : Workflow
        The visit's, which the steps become part of.
    visit : Visit
        With a FLAIR image.
    settings : Settings
        How to process it.
    """
    return _add_both(graph, visit, settings) if visit.t1w else _add_flair_only(graph, visit, settings)


def _add_both(graph: Workflow, visit: Visit, settings: Settings) -> Anatomy:
    """Add the anatomy of a visit with T1w and FLAIR."""
    seed, size, template = settings.random_seed, settings.resolution, settings.template
    given = _add_check(graph, visit)
    head = _add_head(graph, visit.t1w, size, given)
    aligned = add_step(
        graph,
        steps.align_flair,
        scan=visit.flair,
        t1w=head.image,
        brain=head.brain,
        seed=seed,
    )
    rough = add_step(
        graph,
        steps.align_coarsely,
        image=head.image,
        brain=head.brain,
        template=template,
        seed=seed,
    )
    first = _add_segmentation(graph, steps.segment_unfilled, head.image, head.brain, rough.inverse, settings)
    lesions, own = _add_lesions(graph, visit, settings, aligned.flair, head, first, given, aligned.to_t1w)
    filled = add_step(
        graph,
        steps.fill,
        t1w=head.image,
        lesions=lesions.mask,
        wm=first.wm,
        brain=head.brain,
        seed=seed,
    )
    registered = add_step(
        graph,
        steps.align_to_template,
        image=filled.image,
        brain=head.brain,
        template=template,
        resolution=size,
        seed=seed,
    )
    tissues = _add_segmentation(graph, steps.segment, filled.image, head.brain, registered.inverse, settings)
    files = {
        "t1w": head.image,
        "filled": filled.image,
        "flair": aligned.flair,
        "to_template": registered.forward,
        "from_template": registered.inverse,
        "flair_to_t1w": aligned.to_t1w,
    }
    notes = {"t1w": head.notes, "flair": aligned.notes} | ({"lesions": given.notes} if given else {})
    return Anatomy(
        head, aligned.flair, head.brain, registered, tissues, lesions, own, files, aligned.to_t1w, notes
    )


def _add_flair_only(graph: Workflow, visit: Visit, settings: Settings) -> Anatomy:
    """Add the anatomy of a visit with a FLAIR alone: study B's outputs."""
    size, template = settings.resolution, settings.template
    given = _add_check(graph, visit)
    head = _add_head(graph, visit.flair, size, given)
    registered = add_step(
        graph,
        steps.align_coarsely,
        image=head.image,
        brain=head.brain,
        template=template,
        seed=settings.random_seed,
    )
    tissues = _add_segmentation(
        graph, steps.segment_unfilled, head.image, head.brain, registered.inverse, settings
    )
    lesions, own = _add_lesions(graph, visit, settings, head.image, head, tissues, given, None)
    files = {"flair_native": head.image, "flair_to_template": registered.forward}
    notes = {"flair": head.notes} | ({"lesions": given.notes} if given else {})
    return Anatomy(head, head.image, head.brain, registered, tissues, lesions, own, files, None, notes)


def _add_head(graph: Workflow, scan: Path | None, size: float, given: Handle | None) -> Handle:
    after = given.mask if given else None
    return add_step(graph, steps.prepare_head, scan=scan, voxel_size=size, after=after)


def _add_segmentation(
    graph: Workflow, step: Any, image: Result, brain: Result, inverse: Result, settings: Settings
) -> Handle:
    return add_step(
        graph,
        step,
        image=image,
        brain=brain,
        inverse=inverse,
        template=settings.template,
        resolution=settings.resolution,
    )


def _add_check(graph: Workflow, visit: Visit) -> Handle | None:
    """Add the reading of a lesion mask that came with the data: a wrong one is told before anything else runs."""
    if visit.given is None:
        return None
    return add_step(
        graph,
        steps.check_lesions,
        given=visit.given.path,
        flair_scan=visit.flair,
        t1w_scan=visit.t1w,
        label=visit.given.label,
    )


def _add_lesions(
    graph: Workflow,
    visit: Visit,
    settings: Settings,
    flair: Result,
    head: Handle,
    tissues: Handle,
    given: Handle | None,
    to_t1w: Result | None,
) -> tuple[Handle, Handle | None]:
    """Add the lesions: the mask that came with the data, else a segmentation.

    Beside a mask that came, Demyelin's own segmentation is made to compare with it; it is returned second.
    """
    own = add_step(
        graph,
        steps.find_lesions,
        flair=flair,
        t1w=head.image if visit.t1w else None,
        brain=head.brain,
        gm=tissues.gm,
        wm=tissues.wm,
        csf=tissues.csf,
        wm_prior=tissues.wm_prior,
        method=OWN_METHOD if settings.lesions == ONLY_GIVEN else settings.lesions,
        threshold=settings.lesion_threshold,
        min_volume=settings.lesion_min_volume,
    )
    if visit.given is None or given is None:
        return own, None
    taken = add_step(
        graph,
        steps.take_lesions,
        given=given.mask,
        owner=given.owner,
        source=visit.given.source,
        flair=flair,
        to_t1w=to_t1w,
    )
    return taken, own

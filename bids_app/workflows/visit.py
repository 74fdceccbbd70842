"""The graph of a visit: which step follows which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nipype import Workflow

from bids_app import interfaces as steps
from bids_app.derivatives.records import fingerprint
from bids_app.features.bundles import has_bundles
from bids_app.image.atlas import load_atlas
from bids_app.layout import Visit
from bids_app.settings import ONLY_GIVEN, OWN_METHOD, Settings
from bids_app.workflows.finish import finish
from bids_app.workflows.step import Handle, Result, add_step, node_name

MEM_GB = {"small": 1.0, "image": 2.0, "large": 3.0}


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


def init_cohort_wf(visits: Sequence[Visit], *, settings: Settings, name: str) -> Workflow:
    """Make the graph of several visits, which depend on nothing of each other.

    Parameters
    ----------
    visits : sequence of Visit
        Each with a FLAIR image.
    settings : Settings
        How to process them.
    name : str
        Folder of the graph in the work folder.

    Returns
    -------
    Workflow
        One sub-graph a visit, named by `step.node_name`.
    """
    whole = Workflow(name)
    whole.add_nodes([init_visit_wf(visit, settings=settings) for visit in visits])
    return whole


def init_visit_wf(visit: Visit, *, settings: Settings) -> Workflow:
    """Make the graph of one visit, from its images to its done record.

    With a T1w: prepare both images, find lesions on a first segmentation, fill them, segment and register
    again. With a FLAIR alone: the first segmentation stays, and study B's outputs are written.

    Inputs are the visit's paths; the only output is its done record, written by the last step with all
    derivatives and the report.
    """
    graph = Workflow(node_name(visit.name))
    anatomy = _add_both(graph, visit, settings) if visit.t1w else _add_flair_only(graph, visit, settings)
    files = anatomy.files | _add_maps(graph, visit, settings, anatomy)
    add_step(
        graph,
        finish,
        mem_gb=MEM_GB["image"],
        files=files,
        notes=anatomy.notes,
        t1w=visit.t1w,
        flair=visit.flair,
        lesions=visit.lesions,
        plan=_plan(visit, settings),
    )
    return graph


def _plan(visit: Visit, settings: Settings) -> dict[str, Any]:
    """Return where and as what the last step writes."""
    return {
        "bids_dir": str(settings.bids_dir),
        "output_dir": str(settings.output_dir),
        "folder": str(visit.folder),
        "name": visit.name,
        "template": settings.template,
        "atlas": load_atlas(settings.atlas).name,
        "settings": settings.results(),
        "inputs": {path.name: fingerprint(path) for path in visit.images},
        "notes": list(visit.notes),
        "level": settings.output_level,
    }


def _add_both(graph: Workflow, visit: Visit, settings: Settings) -> Anatomy:
    """Add the anatomy of a visit with T1w and FLAIR."""
    seed, size, template = settings.random_seed, settings.resolution, settings.template
    given = _add_check(graph, visit)
    head = _add_head(graph, visit.t1w, size, given)
    flair = add_step(
        graph,
        steps.align_flair,
        mem_gb=MEM_GB["image"],
        scan=visit.flair,
        t1w=head.image,
        brain=head.brain,
        seed=seed,
    )
    rough = add_step(
        graph,
        steps.align_coarsely,
        mem_gb=MEM_GB["image"],
        image=head.image,
        brain=head.brain,
        template=template,
        seed=seed,
    )
    first = _add_segmentation(graph, steps.segment_unfilled, head.image, head.brain, rough.inverse, settings)
    lesions, own = _add_lesions(graph, visit, settings, flair.image, head.brain, first, given, flair.to_t1w)
    filled = add_step(
        graph,
        steps.fill,
        mem_gb=MEM_GB["image"],
        t1w=head.image,
        lesions=lesions.mask,
        wm=first.wm,
        brain=head.brain,
        seed=seed,
    )
    registered = add_step(
        graph,
        steps.align_to_template,
        mem_gb=MEM_GB["large"],
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
        "flair": flair.image,
        "to_template": registered.forward,
        "from_template": registered.inverse,
        "flair_to_t1w": flair.to_t1w,
    }
    notes = {"t1w": head.notes, "flair": flair.notes} | ({"lesions": given.notes} if given else {})
    return Anatomy(
        head, flair.image, head.brain, registered, tissues, lesions, own, files, flair.to_t1w, notes
    )


def _add_flair_only(graph: Workflow, visit: Visit, settings: Settings) -> Anatomy:
    """Add the anatomy of a visit with a FLAIR alone: study B's outputs."""
    size, template = settings.resolution, settings.template
    given = _add_check(graph, visit)
    head = _add_head(graph, visit.flair, size, given)
    registered = add_step(
        graph,
        steps.align_coarsely,
        mem_gb=MEM_GB["image"],
        image=head.image,
        brain=head.brain,
        template=template,
        seed=settings.random_seed,
    )
    tissues = _add_segmentation(
        graph, steps.segment_unfilled, head.image, head.brain, registered.inverse, settings
    )
    lesions, own = _add_lesions(graph, visit, settings, head.image, head.brain, tissues, given, None)
    files = {"flair_native": head.image, "flair_to_template": registered.forward}
    notes = {"flair": head.notes} | ({"lesions": given.notes} if given else {})
    return Anatomy(head, head.image, head.brain, registered, tissues, lesions, own, files, None, notes)


def _add_head(graph: Workflow, scan: Path | None, size: float, given: Handle | None) -> Handle:
    after = given.mask if given else None
    return add_step(
        graph, steps.prepare_head, mem_gb=MEM_GB["image"], scan=scan, voxel_size=size, after=after
    )


def _add_segmentation(
    graph: Workflow, step: Any, image: Result, brain: Result, inverse: Result, settings: Settings
) -> Handle:
    return add_step(
        graph,
        step,
        mem_gb=MEM_GB["large"],
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
    brain: Result,
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
        mem_gb=MEM_GB["image"],
        flair=flair,
        brain=brain,
        gm=tissues.gm,
        wm=tissues.wm,
        csf=tissues.csf,
        wm_prior=tissues.wm_prior,
        method=OWN_METHOD if settings.lesions == ONLY_GIVEN else settings.lesions,
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


def _add_maps(graph: Workflow, visit: Visit, settings: Settings, anatomy: Anatomy) -> dict[str, Result]:
    """Add parcels, tables, template maps and quality; return every file to publish."""
    tissues, lesions, registered = anatomy.tissues, anatomy.lesions, anatomy.registered
    t1w = anatomy.head.image if visit.t1w else None
    brain = {"brain": anatomy.brain, "lesions": lesions.mask}
    parcels = add_step(
        graph,
        steps.parcellate,
        mem_gb=MEM_GB["image"],
        inverse=registered.inverse,
        wm=tissues.wm,
        atlas=settings.atlas,
        **brain,
    )
    regions = {"parcels": parcels.parcels, "regions": parcels.regions, "nawm": parcels.nawm}
    described = add_step(
        graph,
        steps.describe_lesions,
        mem_gb=MEM_GB["image"],
        lesions=lesions.mask,
        probability=lesions.probability,
        flair=anatomy.flair,
        gm=tissues.gm,
        csf=tissues.csf,
        inverse=registered.inverse,
        **regions,
    )
    spread = add_step(
        graph,
        steps.to_other_spaces,
        mem_gb=MEM_GB["image"],
        flair=anatomy.flair,
        gm=tissues.gm,
        probability=lesions.probability,
        forward=registered.forward,
        flair_scan=visit.flair,
        template=settings.template,
        resolution=settings.resolution,
        t1w=t1w,
        to_t1w=anatomy.to_t1w,
        **brain,
    )
    quality = add_step(
        graph,
        steps.assess,
        flair=anatomy.flair,
        flair_scan=visit.flair,
        labels=tissues.labels,
        lesion_table=described.table,
        correlation=registered.correlation,
        stripped=anatomy.head.stripped,
        t1w=t1w,
        own=anatomy.own.mask if anatomy.own else None,
        **brain,
    )
    files = {
        "brain": anatomy.brain,
        "dseg": tissues.labels,
        "GM": tissues.gm,
        "WM": tissues.wm,
        "CSF": tissues.csf,
        "lesion_probability": lesions.probability,
        "lesions": lesions.mask,
        "lesions_flair": spread.lesions_flair,
        "lesion_labels": described.labels,
        "lesion_table": described.table,
        "lesion_places": described.places,
        "lesion_probability_template": spread.probability_template,
        "lesions_template": spread.lesions_template,
        "belief": spread.belief,
        "lesions_template_3mm": spread.lesions_template_3mm,
        "qc": quality.table,
    }
    if visit.t1w is None:
        return files
    volumes = add_step(
        graph, steps.measure_volumes, gm=tissues.gm, wm=tissues.wm, csf=tissues.csf, **brain, **regions
    )
    radiomics = add_step(
        graph,
        steps.measure_radiomics,
        mem_gb=MEM_GB["large"],
        t1w=t1w,
        brain=anatomy.brain,
        settings_file=settings.radiomics_settings,
        **regions,
    )
    if settings.connectome:
        files |= _add_disconnection(graph, settings, anatomy, spread)
    return files | {
        "radiomics": radiomics.table,
        "nawm": parcels.nawm,
        "parcels": parcels.parcels,
        "parcel_table": parcels.regions,
        "volumes": volumes.table,
        "t1w_template": spread.t1w_template,
    }


def _add_disconnection(
    graph: Workflow, settings: Settings, anatomy: Anatomy, spread: Handle
) -> dict[str, Result]:
    """Add disconnection by region, pair, voxel and, where the connectome has names, bundle; return its files."""
    folder = str(settings.connectome)
    disconnected = add_step(
        graph,
        steps.measure_disconnection,
        mem_gb=MEM_GB["image"],
        lesions=spread.probability_template if settings.weight_lesions else spread.lesions_template,
        connectome=folder,
        atlas=settings.atlas,
        end_radius=settings.end_radius,
        weighted=settings.weight_lesions,
        template=settings.template,
        resolution=settings.resolution,
    )
    anatomy.notes["disconnection"] = disconnected.notes
    files = {
        "chaco": disconnected.regions,
        "chaco_pairs": disconnected.pairs,
        "disconnectome": disconnected.map,
    }
    return files | ({"chaco_bundles": disconnected.bundles} if has_bundles(folder) else {})

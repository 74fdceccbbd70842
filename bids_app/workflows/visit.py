"""The graph of a visit: which step follows which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nipype import Workflow

from bids_app.derivatives.names import OUTPUTS
from bids_app.derivatives.records import fingerprint
from bids_app.image.atlas import load_atlas
from bids_app.layout import Visit
from bids_app.reports.about import run_facts
from bids_app.settings import Settings
from bids_app.steps.files import Image, Table
from bids_app.workflows.anatomy import add_anatomy
from bids_app.workflows.finish import VisitPlan, finish
from bids_app.workflows.maps import add_maps
from bids_app.workflows.step import GraphError, Result, add_step, node_name

SUFFIXES = {Image: ".nii.gz", Table: ".tsv"}  # of what a step returns


def init_cohort_wf(visits: Sequence[Visit], *, settings: Settings, name: str) -> Workflow:
    """Make the graph of several visits, which depend on nothing of each other.

    Parameters
    ----------
    visits : sequence of Visit
        Each with a FLAIR image, a T1w image or both.
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

    With a FLAIR alone study B's outputs are written, with a T1w alone those that need no FLAIR.

    Inputs are the visit's paths; the only output is its done record, written by the last step with all
    derivatives and the report.
    """
    graph = Workflow(node_name(visit.name))
    anatomy = add_anatomy(graph, visit, settings)
    files = anatomy.files | add_maps(graph, visit, settings, anatomy)
    check_files(files)
    add_step(
        graph,
        finish,
        always=True,
        files=files,
        notes=anatomy.notes,
        t1w=visit.t1w,
        flair=visit.flair,
        lesions=visit.lesions,
        plan=_plan(visit, settings),
    )
    return graph


def check_files(files: Mapping[str, Result]) -> None:
    """Check that what is published is in the table of outputs, an image where that says image.

    Raises
    ------
    GraphError
        If a key is not in `names.OUTPUTS`, or an image would be published as a table or the other way round.
    """
    for key, result in files.items():
        if key not in OUTPUTS:
            raise GraphError(f"published as {key}: not a key of derivatives.names.OUTPUTS")
        suffix = SUFFIXES.get(result.kind)
        if suffix and not OUTPUTS[key].ending.endswith(suffix):
            raise GraphError(f"published as {key}: a {suffix} cannot be {OUTPUTS[key].ending}")


def _plan(visit: Visit, settings: Settings) -> VisitPlan:
    """Return where and as what the last step writes."""
    return VisitPlan(
        bids_dir=settings.bids_dir,
        output_dir=settings.output_dir,
        name=visit.visit_name,
        template=settings.template,
        atlas=load_atlas(settings.atlas).name,
        settings=settings.results(),
        inputs={path.name: fingerprint(path) for path in visit.images},
        notes=visit.notes,
        level=settings.output_level,
        run=tuple((label, text) for label, text in run_facts(settings.bids_dir, settings.output_dir)),
    )

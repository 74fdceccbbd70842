"""The part of a visit's graph from anatomy to maps in other spaces, tables and quality."""

from __future__ import annotations

from nipype import Workflow

from bids_app import steps
from bids_app.features.bundles import has_bundles
from bids_app.layout import Visit
from bids_app.settings import Settings
from bids_app.workflows.anatomy import AnatomyResults
from bids_app.workflows.step import Handle, Result, add_step


def add_maps(graph: Workflow, visit: Visit, settings: Settings, anatomy: AnatomyResults) -> dict[str, Result]:
    """Add parcels, tables, template maps and quality.

    Parameters
    ----------
    graph : Workflow
        The visit's graph; steps are added to it.
    visit : Visit
        Its images; tables of regions need a T1w.
    settings : Settings
        Choices of the run.
    anatomy : AnatomyResults
        From `add_anatomy`.

    Returns
    -------
    dict of str to Result
        Files to publish, by their key in `names.OUTPUTS`.
    """
    tissues, lesions = anatomy.tissues, anatomy.lesions
    parcels = add_step(
        graph,
        steps.parcellate,
        inverse=anatomy.registered.inverse,
        wm=tissues.wm,
        brain=anatomy.brain,
        lesions=lesions.mask,
        structures=tissues.structures,
        atlas=settings.atlas,
    )
    regions = {"parcels": parcels.parcels, "regions": parcels.regions, "nawm": parcels.nawm}
    described = _add_lesion_table(graph, anatomy, regions)
    spread = _add_spaces(graph, visit, settings, anatomy)
    quality = _add_quality(graph, visit, anatomy, described)
    files = {
        "brain": anatomy.brain,
        "dseg": tissues.labels,
        "structures": tissues.structures,
        "structure_table": tissues.table,
        "GM": tissues.gm,
        "WM": tissues.wm,
        "CSF": tissues.csf,
        "lesion_probability": lesions.probability,
        "lesions": lesions.mask,
        "lesion_labels": described.labels,
        "lesion_table": described.table,
        "lesion_places": described.places,
        "criteria": described.criteria,
        "lesion_probability_template": spread.probability_template,
        "lesions_template": spread.lesions_template,
        "lesions_template_3mm": spread.lesions_template_3mm,
        "qc": quality.table,
    }
    if visit.flair is not None:
        files |= _add_of_flair(graph, visit, settings, anatomy)
    if visit.t1w is None:
        return files
    return files | _add_tables(graph, settings, anatomy, parcels, spread)


def _add_lesion_table(graph: Workflow, anatomy: AnatomyResults, regions: dict[str, Result]) -> Handle:
    """Add the table of lesions: where each lies and how it differs from the white matter."""
    return add_step(
        graph,
        steps.describe_lesions,
        lesions=anatomy.lesions.mask,
        probability=anatomy.lesions.probability,
        flair=anatomy.flair,
        gm=anatomy.tissues.gm,
        csf=anatomy.tissues.csf,
        inverse=anatomy.registered.inverse,
        **regions,
    )


def _add_of_flair(
    graph: Workflow, visit: Visit, settings: Settings, anatomy: AnatomyResults
) -> dict[str, Result]:
    """Add what needs a FLAIR: belief, lesions on its own grid, detection limits; return their files."""
    mapped = add_step(
        graph,
        steps.map_belief,
        flair=anatomy.flair,
        gm=anatomy.tissues.gm,
        csf=anatomy.tissues.csf,
        brain=anatomy.brain,
        lesions=anatomy.lesions.mask,
        forward=anatomy.registered.forward,
        flair_scan=visit.flair,
        template=settings.template,
        to_t1w=anatomy.to_t1w,
    )
    files = {
        "belief": mapped.belief,
        "belief_median": mapped.belief_median,
        "lesions_flair": mapped.lesions_flair,
    }
    if settings.calibrates_visits and visit.supplied is None:
        files |= _add_calibration(graph, visit, settings, anatomy)
    return files


def _add_calibration(
    graph: Workflow, visit: Visit, settings: Settings, anatomy: AnatomyResults
) -> dict[str, Result]:
    """Add the detection limits of a visit whose lesions were segmented here."""
    calibrated = add_step(
        graph,
        steps.calibrate_lesions,
        flair=anatomy.flair,
        t1w=anatomy.head.image if visit.t1w else None,
        brain=anatomy.brain,
        coordinates=anatomy.placed.coordinates,
        wm_prior=anatomy.placed.wm_prior,
        wm=anatomy.tissues.wm,
        lesions=anatomy.lesions.mask,
        method=settings.lesions,
        threshold=settings.lesion_threshold,
        min_volume=settings.lesion_min_volume,
        flair_scan=visit.flair,
        seed=settings.random_seed,
    )
    return {"detection_limits": calibrated.limits, "calibration_lesions": calibrated.lesions}


def _add_spaces(graph: Workflow, visit: Visit, settings: Settings, anatomy: AnatomyResults) -> Handle:
    """Add lesions, and the T1w, in template space."""
    return add_step(
        graph,
        steps.to_other_spaces,
        lesions=anatomy.lesions.mask,
        probability=anatomy.lesions.probability,
        forward=anatomy.registered.forward,
        template=settings.template,
        resolution=settings.resolution,
        t1w=anatomy.head.image if visit.t1w else None,
    )


def _add_quality(graph: Workflow, visit: Visit, anatomy: AnatomyResults, described: Handle) -> Handle:
    """Add the table of quality numbers."""
    return add_step(
        graph,
        steps.assess,
        flair=anatomy.flair,
        flair_scan=visit.flair,
        labels=anatomy.tissues.labels,
        brain=anatomy.brain,
        lesions=anatomy.lesions.mask,
        lesion_table=described.table,
        correlation=anatomy.registered.correlation,
        stripped=anatomy.head.stripped,
        foreign_ml=anatomy.placed.foreign_ml,
        tiv_mm3=anatomy.placed.tiv_mm3,
        tiv_by_scaling_mm3=anatomy.placed.tiv_by_scaling_mm3,
        t1w=anatomy.head.image if visit.t1w else None,
        segmented=anatomy.segmented.mask if anatomy.segmented else None,
        coverage=anatomy.coverage,
    )


def _add_tables(
    graph: Workflow, settings: Settings, anatomy: AnatomyResults, parcels: Handle, spread: Handle
) -> dict[str, Result]:
    """Add what needs a T1w: volumes, radiomics, disconnection; return their files."""
    tissues = anatomy.tissues
    regions = {"parcels": parcels.parcels, "regions": parcels.regions, "nawm": parcels.nawm}
    volumes = add_step(
        graph,
        steps.measure_volumes,
        gm=tissues.gm,
        wm=tissues.wm,
        csf=tissues.csf,
        brain=anatomy.brain,
        lesions=anatomy.lesions.mask,
        structures=tissues.table,
        tiv_mm3=anatomy.placed.tiv_mm3,
        coverage=anatomy.coverage,
        **regions,
    )
    radiomics = add_step(
        graph,
        steps.measure_radiomics,
        t1w=anatomy.head.image,
        brain=anatomy.brain,
        settings_file=settings.radiomics_settings,
        **regions,
    )
    files = _add_disconnection(graph, settings, anatomy, spread) if settings.connectome else {}
    return files | {
        "radiomics": radiomics.table,
        "nawm": parcels.nawm,
        "parcels": parcels.parcels,
        "parcel_table": parcels.regions,
        "volumes": volumes.table,
        "t1w_template": spread.t1w_template,
    }


def _add_disconnection(
    graph: Workflow, settings: Settings, anatomy: AnatomyResults, spread: Handle
) -> dict[str, Result]:
    """Add disconnection by region, pair, voxel and, where the connectome has names, bundle; return its files."""
    folder = str(settings.connectome)
    disconnected = add_step(
        graph,
        steps.measure_disconnection,
        lesions=spread.probability_template if settings.weight_lesions else spread.lesions_template,
        connectome=folder,
        atlas=settings.atlas,
        end_radius=settings.end_radius,
        weighted=settings.weight_lesions,
        template=settings.template,
        resolution=settings.resolution,
        coverage=anatomy.coverage,
    )
    anatomy.notes["disconnection"] = disconnected.notes
    files = {
        "chaco": disconnected.regions,
        "chaco_pairs": disconnected.pairs,
        "disconnectome": disconnected.map,
    }
    return files | ({"chaco_bundles": disconnected.bundles} if has_bundles(folder) else {})

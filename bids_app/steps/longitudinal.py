"""The step from two visits' derivatives to their lesions matched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bids_app.steps.files import Image, Table, WithMeta, masked
from bids_app.steps.record import step

if TYPE_CHECKING:
    from bids_app.image.longitudinal import Array, VisitImages
    from bids_app.image.volume_change import Side


class ComparedFiles(NamedTuple):
    """Lesions matched: tables; images on the later visit's grid; half-way, labels and both FLAIRs."""

    table: WithMeta[Table]
    criteria: WithMeta[Table]
    volumes: WithMeta[Table]
    labels: WithMeta[Image]
    voxels: WithMeta[Image]
    half_labels: Image
    half_before: Image
    half_after: Image


NOT_MEASURED = "The visits have no T1w in common, and the protocols of their FLAIR images differ."


@step("comparing lesions and volumes with those of the visit before", seconds=40.0, mem_gb=3.0)
def compare_visits(
    before: dict[str, Image],
    after: dict[str, Image],
    seed: int,
    protocol: list[str],
    years: float | None = None,
    known: Table | None = None,
) -> ComparedFiles:
    """Register two visits rigidly in both directions, match their lesions half-way and measure volume change.

    Each visit is the keys `t1w` (where both have one), `flair`, `brain`, `dseg` and `lesion_labels` of its
    derivatives. `protocol` is how what made the images differs; `known` the volumes of `calibrate_pair`.

    Parameters
    ----------
    before, after : dict of str to Nifti1Image, (x, y, z)
        Images of the earlier and the later visit.
    seed : int
        Of the registrations.
    protocol : list of str
        How what made the images differs.
    years : float, optional
        Between the visits.
    known : DataFrame, optional
        Volumes of `calibrate_pair`.
    """
    from bids_app.image import expansion
    from bids_app.image.change_map import VOXEL_LEVELS
    from bids_app.image.criteria import NO_DIAGNOSIS, TIME_COLUMNS, over_time
    from bids_app.image.longitudinal import CHANGE_COLUMNS, compare, on_grid, summary
    from bids_app.image.pair_calibration import errors
    from bids_app.image.volume_change import Changed, volume_change, volume_columns, volume_table

    guide = "t1w" if "t1w" in before and "t1w" in after else "flair"
    half = half_way_of(before, after, guide, seed)
    found = compare(visit_of(before), visit_of(after), half)
    # FLAIRs of two protocols, or beside a T1w at one visit, show other tissue borders: percents would be the scanner's
    refused = guide == "flair" and bool(protocol)
    about: dict[str, object] = {"Image": guide, "Years": years, "ProtocolDifferences": protocol}
    if refused:
        changed = Changed({}, {}, found.labels)
        about["NotMeasured"] = NOT_MEASURED
    else:
        changed = volume_change(side_of(before, guide), side_of(after, guide), half)
    dated = None if refused else years
    table = found.table.join(expansion.measure(changed.jacobian, found.labels, found.table, dated))
    meta = {
        "Registration": f"Rigid, mutual information, {'T1w' if guide == 't1w' else 'FLAIR'} of both visits, mean of "
        "both directions; lesions matched in the space half-way.",
        "LaterToEarlier": (half @ half).round(6).tolist(),
        "ProtocolDifferences": protocol,
        "Summary": summary(found.table),
    }
    labels, voxels = (on_grid(image, half, after["lesion_labels"]) for image in (found.labels, found.voxels))
    return ComparedFiles(
        WithMeta(table, CHANGE_COLUMNS | expansion.EXPANSION_COLUMNS | meta),
        WithMeta(over_time(summary(found.table)), TIME_COLUMNS | {"Remark": NO_DIAGNOSIS}),
        WithMeta(
            volume_table(changed, years, None if known is None else errors(known)),
            volume_columns() | about,
        ),
        WithMeta(labels, meta),
        WithMeta(voxels, VOXEL_LEVELS),
        found.labels,
        found.before,
        found.after,
    )


def visit_of(images: dict[str, Image]) -> VisitImages:
    """Return what comparing lesions needs of a visit."""
    from bids_app.image.longitudinal import VisitImages

    return VisitImages(
        flair=images["flair"], lesions=images["lesion_labels"], tissue=images["dseg"], brain=images["brain"]
    )


def half_way_of(before: dict[str, Image], after: dict[str, Image], guide: str, seed: int) -> Array:
    """Return half of the rigid motion between two visits, the mean of both directions.

    Parameters
    ----------
    before, after : dict of str to Nifti1Image, (x, y, z)
        Images of the earlier and the later visit.
    guide : {"t1w", "flair"}
        Which image is aligned.
    seed : int
        Of the registrations.
    """
    from bids_app.image.longitudinal import half_way, rigid_matrix
    from bids_app.image.register import align_rigid

    old, new = (masked(visit[guide], visit["brain"]) for visit in (before, after))
    there = rigid_matrix(align_rigid(old, new, Path("there.txt").absolute(), seed=seed))
    back = rigid_matrix(align_rigid(new, old, Path("back.txt").absolute(), seed=seed))
    return half_way(there, back)


def side_of(images: dict[str, Image], guide: str) -> Side:
    """Return what volume change needs of a visit; `guide` is the key of the image that is compared."""
    from bids_app.image.volume_change import Side, tissue_regions

    return Side(
        image=images[guide],
        brain=images["brain"],
        tissue=images["dseg"],
        lesions=images["lesion_labels"],
        regions=tissue_regions(images["dseg"], images["lesion_labels"], images.get("structures")),
    )

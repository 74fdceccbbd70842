"""The step from two visits' derivatives to their lesions matched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bids_app.steps.files import Image, Table, WithMeta, masked
from bids_app.steps.record import step

if TYPE_CHECKING:
    from bids_app.image.longitudinal import Visit


class Compared(NamedTuple):
    """Lesions matched: the table; labels on the later visit's grid; half-way, labels and both FLAIRs."""

    table: WithMeta[Table]
    labels: WithMeta[Image]
    half_labels: Image
    half_before: Image
    half_after: Image


@step("comparing lesions with those of the visit before", seconds=4.0, mem_gb=3.0)
def compare_visits(before: dict[str, Image], after: dict[str, Image], seed: int) -> Compared:
    """Register two visits rigidly in both directions and match their lesions half-way.

    Each visit is the keys `t1w` (where both have one), `flair`, `brain`, `dseg` and `lesion_labels` of its
    derivatives.
    """
    from bids_app.image.longitudinal import COLUMNS, compare, half_way, on_grid, rigid_matrix, summary
    from bids_app.image.register import align_rigid

    guide = "t1w" if "t1w" in before and "t1w" in after else "flair"
    old, new = (masked(visit[guide], visit["brain"]) for visit in (before, after))
    there = rigid_matrix(align_rigid(old, new, Path("there.txt").absolute(), seed=seed))
    back = rigid_matrix(align_rigid(new, old, Path("back.txt").absolute(), seed=seed))
    half = half_way(there, back)
    found = compare(_visit(before), _visit(after), half)
    meta = {
        "Registration": f"Rigid, mutual information, {'T1w' if guide == 't1w' else 'FLAIR'} of both visits, mean of "
        "both directions; lesions matched in the space half-way.",
        "LaterToEarlier": (half @ half).round(6).tolist(),
        "Summary": summary(found.table),
    }
    labels = on_grid(found.labels, half, after["lesion_labels"])
    return Compared(
        WithMeta(found.table, COLUMNS | meta),
        WithMeta(labels, meta),
        found.labels,
        found.before,
        found.after,
    )


def _visit(images: dict[str, Image]) -> Visit:
    from bids_app.image.longitudinal import Visit

    return Visit(
        flair=images["flair"], lesions=images["lesion_labels"], tissue=images["dseg"], brain=images["brain"]
    )

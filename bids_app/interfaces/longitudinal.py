"""The step from two visits' derivatives to their lesions matched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bids_app.derivatives import load_image as load
from bids_app.interfaces.files import keep, keep_table, masked

if TYPE_CHECKING:
    from bids_app.image.longitudinal import Visit


class Compared(NamedTuple):
    """Lesions matched: the table; labels on the later visit's grid; half-way, labels and both FLAIRs."""

    table: Path
    labels: Path
    half_labels: Path
    half_before: Path
    half_after: Path


def compare_visits(before: dict[str, Path], after: dict[str, Path], seed: int) -> Compared:
    """Register two visits rigidly in both directions and match their lesions half-way.

    Each visit is the keys `t1w` (where both have one), `flair`, `brain`, `dseg` and `lesion_labels` of its
    derivatives.
    """
    from bids_app.image.longitudinal import COLUMNS, compare, half_way, on_grid, rigid_matrix, summary
    from bids_app.image.register import align_rigid

    guide = "t1w" if "t1w" in before and "t1w" in after else "flair"
    old, new = (masked(load(visit[guide]), load(visit["brain"])) for visit in (before, after))
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
    labels = on_grid(found.labels, half, load(after["lesion_labels"]))
    return Compared(
        keep_table(found.table, "changes", COLUMNS | meta),
        keep(labels, "labels", meta),
        keep(found.labels, "half_labels"),
        keep(found.before, "half_before"),
        keep(found.after, "half_after"),
    )


def _visit(files: dict[str, Path]) -> Visit:
    from bids_app.image.longitudinal import Visit

    return Visit(
        flair=load(files["flair"]),
        lesions=load(files["lesion_labels"]),
        tissue=load(files["dseg"]),
        brain=load(files["brain"]),
    )

"""All figures of study B."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bids_app.figures import charts
from bids_app.figures.drawing import Drawing, Kept, keep_all, slug
from bids_app.learn.diagnosis.figures.accuracy import METRICS, metrics_by_size, roc
from bids_app.learn.diagnosis.figures.maps import brain_map
from bids_app.learn.diagnosis.result import DiagnosisResult
from bids_app.protocol import CROSS_VALIDATED

if TYPE_CHECKING:
    import nibabel as nib

FEWEST_SELECTED, MOST_SELECTED = 128, 4096  # voxels drawn as selected


def draw(result: DiagnosisResult, folder: Path, background: nib.Nifti1Image) -> list[Kept]:
    """Draw the figures of a diagnosis as `diagnosis_<figure>.svg` with the numbers beside each.

    Parameters
    ----------
    result : DiagnosisResult
        What to draw.
    folder : Path
        Where they are written.
    background : Nifti1Image
        Template T1w that maps are shown on.
    """
    tables = result.tables
    makers: list[Callable[[], Drawing | None]] = [partial(flow, result)]
    makers += [
        partial(brain_map, name, image, background, _selected(result, name))
        for name, image in result.images.items()
        if not name.startswith("chi2q")
    ]
    for positive, table in tables["by_size"].groupby("positive", sort=False):
        makers.append(partial(metrics_by_size, table, str(positive), tables.get("chosen")))
    for positive, table in tables["roc"].groupby("positive", sort=False):
        makers.append(partial(roc, table, str(positive), tables["performance"], tables.get("raters")))
    for positive in tables["performance"]["positive"].unique():
        makers += [partial(gap, result, str(positive)), partial(null, result, str(positive))]
    return keep_all(makers, folder)


def flow(result: DiagnosisResult) -> Drawing:
    """Draw visits left after each step, and the classes."""
    scans = result.tables["scans"].drop_duplicates("visit")
    ends = {
        str(name): (len(part), part["participant_id"].nunique())
        for name, part in scans.groupby("diagnosis", sort=False)
    }
    return charts.flow("diagnosis_flow", "From visits to the scans of study B", result.tables["flow"], ends)


def _selected(result: DiagnosisResult, name: str) -> int:
    """Return up to which number of voxels a map of selected ones is drawn: as far as either protocol went."""
    table = result.tables["performance"]
    sizes = table.loc[table["positive"].map(str).map(slug) == name.partition("-")[2], "n_voxels"].dropna()
    return int(np.clip(sizes.max() if len(sizes) else FEWEST_SELECTED, FEWEST_SELECTED, MOST_SELECTED))


def gap(result: DiagnosisResult, positive: str) -> Drawing | None:
    """Draw the metrics of both protocols, a line for the gap."""
    table = result.tables["performance"]
    table = table[(table["positive"] == positive) & table["metric"].isin(METRICS)]
    if not set(CROSS_VALIDATED) <= set(table["protocol"]):
        return None
    metrics = [name for name in METRICS if (table["metric"] == name).any()]
    rows: dict[str, list[object]] = {"row": [METRICS[name] for name in metrics]}
    for protocol in CROSS_VALIDATED:
        by_metric = table[table["protocol"] == protocol].set_index("metric").reindex(metrics)
        rows[protocol] = by_metric["estimate"].to_list()
        rows |= {f"{protocol}_{end}": by_metric[end].to_list() for end in ("low", "high")}
    return charts.gap(
        f"diagnosis_gap-{slug(positive)}",
        pd.DataFrame(rows),
        f"share ({positive} called right is the sensitivity)",
        chance=0.5,
        better="Further right is better; chance is 0.5 for the AUC.",
    )


def null(result: DiagnosisResult, positive: str) -> Drawing | None:
    """Draw the AUC of each protocol when diagnoses are permuted, and the observed one (same reduced grid)."""
    if "null" not in result.tables:
        return None
    table, summary = (result.tables[name] for name in ("null", "null_summary"))
    notes = [
        f"{row['protocol']}: observed {row['observed_auc']:.2f}, mean of {row['permutations']} permutations "
        f"{row['null_mean_auc']:.2f}, P = {row['p']:.3f}."
        for row in summary[summary["positive"] == positive].to_dict("records")
    ]
    return charts.null(
        f"diagnosis_null-{slug(positive)}", table[table["positive"] == positive], "auc", "AUC", notes
    )

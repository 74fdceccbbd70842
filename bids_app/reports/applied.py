"""Pages of what saved models say of new scans: a page of all, and one a scan with what decided over its call."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from bids_app.derivatives import write_text
from bids_app.learn.names import visit_names
from bids_app.learn.results import APPLIED, Applied
from bids_app.reports.cohort.tables import page_table
from bids_app.reports.page import data_uri, render
from bids_app.spelling import percent

if TYPE_CHECKING:
    import nibabel as nib

INDEX = "applied.html"
FOLDER = "applied"


def write_applied_pages(folder: Path, kind: str, title: str, applied: Applied) -> list[Path]:
    """Write `<kind>_applied.html` in the group's folder and, where calls are explained, a page a scan beside it.

    Parameters
    ----------
    folder : Path
        Of the group level, where the tables of `applied` lie.
    kind : str
        Of the models: `edss`, `diagnosis`.
    title : str
        Of the study.
    applied : Applied

    Returns
    -------
    list of Path
        The pages.
    """
    table = applied.tables["applied"].copy()
    if {"participant_id", "session_id"} <= set(table):
        names = visit_names(table.pop("participant_id"), table.pop("session_id"))
        table.insert(0, "visit", names)
    pages = _scan_pages(folder, kind, applied, table) if "applied_voxels" in applied.tables else {}
    links = {visit: f"{kind}_{FOLDER}/{quote(path.name)}" for visit, path in pages.items()}
    shown = [_table(folder, kind, "applied", _wrong_first(table), links)]
    shown += [
        _table(folder, kind, name, applied.tables[name], links)
        for name in ("applied_performance", "applied_left_out")
        if name in applied.tables
    ]
    text = render("applied.html.j2", title=title, tables=shown, notes=applied.notes, scan=None)
    return [write_text(text, folder / f"{kind}_{INDEX}"), *pages.values()]


def _table(
    folder: Path, kind: str, name: str, frame: pd.DataFrame, links: Mapping[str, str]
) -> dict[str, Any]:
    words = name.replace("_", " ").capitalize()
    return page_table(
        frame, title=words, about=APPLIED[name], file=f"{kind}_{name}.tsv", root=folder, links=links
    )


def is_wrong(rows: pd.DataFrame) -> pd.Series:
    """Return which rows of `applied` call another diagnosis than the known one; False where none is known.

    Parameters
    ----------
    rows : DataFrame
        diagnosis and called.
    """
    if not {"diagnosis", "called"} <= set(rows):
        return pd.Series(False, rows.index)
    known: pd.Series = rows["diagnosis"].notna() & (rows["diagnosis"] != rows["called"])
    return known


def _wrong_first(table: pd.DataFrame) -> pd.DataFrame:
    return table.iloc[np.argsort(~is_wrong(table).to_numpy(), kind="stable")]


def _scan_pages(folder: Path, kind: str, applied: Applied, table: pd.DataFrame) -> dict[str, Path]:
    """Write a page for each scan that was called; return them by visit."""
    by_visit = {name: applied.tables[f"applied_{name}"] for name in ("voxels", "neighbours")}
    pages = {}
    for visit, rows in table.groupby("visit", sort=False):
        of_visit = {name: frame[frame["visit"] == visit] for name, frame in by_visit.items()}
        text = render(
            "applied.html.j2",
            title=str(visit),
            scan=[_said(row) for row in rows.rename(columns=str).to_dict("records")],
            pictures=[
                {"positive": positive, "src": data_uri(_picture(applied.maps[str(visit)], part))}
                for positive, part in of_visit["voxels"].groupby("positive", sort=False)
            ],
            voxels=_cells(
                of_visit["voxels"], ("positive", "rank", "region", "x", "y", "z", "lesion", "change")
            ),
            neighbours=_cells(
                of_visit["neighbours"], ("positive", "rank", "diagnosis", "voxels_apart", "voxels")
            ),
            back=f"../{kind}_{INDEX}",
        )
        pages[str(visit)] = write_text(text, folder / f"{kind}_{FOLDER}" / f"{visit}.html")
    return pages


def _said(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what a model says of a scan, in words."""
    classes = [name.removeprefix("probability_") for name in row if str(name).startswith("probability_")]
    sure = (
        "indeterminate: too near the border between the classes to be called" if row["indeterminate"] else ""
    )
    known = row.get("diagnosis")
    facts = [
        ("Model", row["model"]),
        ("Call", sure or row["called"]),
        *((f"Probability of {name}", f"{row[f'probability_{name}']:.2f}") for name in classes),
        ("Known diagnosis", known if isinstance(known, str) else "not known"),
        ("Lesion voxels (27 mm³ each)", f"{row['lesion_voxels']:.0f}"),
        ("Inputs known and inside the training range", percent(row["applicability"])),
    ]
    facts += [("To change the call", _flips(row[f"flips_{name}"])) for name in classes]
    warnings = []
    if row["in_training"]:
        warnings.append(
            "This scan was in the training of the model: its call says nothing of how good the model is."
        )
    if isinstance(known, str) and known != row["called"]:
        warnings.append(f"The decision lies on the side of {row['called']}, the known diagnosis is {known}.")
    return {"facts": facts, "warnings": warnings}


def _flips(count: float) -> str:
    if not np.isfinite(count):
        return "more than 30 voxels would have to be the other way round"
    n = int(count)
    return f"{n} voxel{'s' * (n > 1)} the other way round would be enough"


def _cells(frame: pd.DataFrame, columns: tuple[str, ...]) -> dict[str, Any]:
    rows = [
        [_cell(name, value) for name, value in zip(columns, row, strict=True)]
        for row in frame[list(columns)].itertuples(index=False)
    ]
    return {
        "columns": ["class" if name == "positive" else name.replace("_", " ") for name in columns],
        "rows": rows,
    }


def _cell(name: str, value: Any) -> str:
    if name == "lesion":
        return "lesion" if value else "none"
    return f"{value:+.3f}" if name == "change" else f"{value:g}" if isinstance(value, float) else str(value)


def _picture(belief: Path, voxels: pd.DataFrame) -> bytes:
    """Draw the deciding voxels on a scan's belief map, as PNG."""
    from io import BytesIO

    import nibabel as nib

    from bids_app.figures.drawing import new_figure, style
    from bids_app.figures.slices import draw_slices, settle

    image: Any = nib.load(belief)
    effects = _effects(image, voxels)
    most = float(voxels["change"].abs().max()) or 1.0
    cuts = sorted(set(voxels.sort_values("rank")["z"].head(6)))
    with style():
        figure, (ax,) = new_figure(1, height=2.2)
        settle(figure)
        draw_slices(ax, effects, image, mode="z", cuts=cuts, ends=(-most, most), cmap="RdBu_r")
        held = BytesIO()
        figure.savefig(held, dpi=150, format="png")
    return held.getvalue()


def _effects(image: nib.Nifti1Image, voxels: pd.DataFrame) -> nib.Nifti1Image:
    """Return the change of the decision at the deciding voxels as an image."""
    import nibabel as nib

    data = np.zeros(image.shape, np.float32)
    at = nib.affines.apply_affine(np.linalg.inv(image.affine), voxels[["x", "y", "z"]].to_numpy())
    data[tuple(np.rint(at).astype(int).T)] = voxels["change"]
    return nib.Nifti1Image(data, image.affine)

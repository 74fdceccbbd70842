"""The connections that lesions cut, as a circle of regions and a table of pairs.

nilearn, which the package has, draws no such circle; other libraries were not compared. This one names every curve
under the pointer and follows the colours of a light or a dark page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from bids_app.derivatives.reader import VisitFiles
from bids_app.reports.extras import linked_table
from bids_app.reports.norms import by_region
from bids_app.reports.regions import number
from bids_app.spelling import percent

if TYPE_CHECKING:
    from bids_app.image.atlas import Atlas

DRAWN = 80  # pairs on the circle; with more, single curves cannot be followed
PAIRS_LISTED = 60  # pairs in the table
RADIUS = 250.0  # of the circle, in units of its picture
GAP = 0.06  # radians left open at the top and the bottom, between the hemispheres
HEATS = 9  # steps of the colour scale in style.css


class Node(NamedTuple):
    """A region on the circle: place, text and how much of it is cut (0 to 8)."""

    name: str
    x: float
    y: float
    heat: int | str
    label: str
    lx: float
    ly: float
    turn: float
    anchor: str


class Chord(NamedTuple):
    """A pair of regions: the path between them, width, share cut (0 to 8) and words."""

    path: str
    width: float
    heat: int
    about: str


def connections_context(visit: VisitFiles, atlas: Atlas) -> dict[str, Any] | None:
    """Return circle and table for the page; None where disconnection by pair was not measured.

    Parameters
    ----------
    visit : VisitFiles
        The visit.
    atlas : Atlas
        The atlas that it was processed with.
    """
    pairs = visit.table("chaco_pairs")
    if pairs is None or not {"region_a", "region_b", "chaco", "n_streamlines"} <= set(pairs.columns):
        return None
    pairs = pairs.assign(cut=pairs["chaco"] * pairs["n_streamlines"])
    pairs = pairs[pairs["region_a"] != pairs["region_b"]]
    hit = pairs[pairs["cut"] > 0].sort_values(["cut", "chaco"], ascending=False, kind="stable")
    chaco = by_region(visit.table("chaco"), "chaco")
    nodes = _nodes(_around([str(name) for name in atlas.regions["name"]]), chaco, hit.head(DRAWN))
    return {
        "source": linked_table(visit, "chaco_pairs"),
        "n_pairs": len(pairs),
        "n_hit": len(hit),
        "nodes": nodes,
        "chords": _chords(nodes, hit.head(DRAWN))[::-1],
        "size": RADIUS + 165,
        "top": f"{percent(_top(chaco))} (the largest of this visit)",
        "columns": [
            "Pair",
            {"label": "Streamlines", "numeric": True},
            {"label": "Cut", "numeric": True},
            {"label": "Cut, %", "numeric": True},
        ],
        "rows": [
            [
                f"{row['region_a']} - {row['region_b']}",
                str(row["n_streamlines"]),
                number(row["cut"], 0),
                number(row["chaco"] * 100, 1),
            ]
            for row in hit.head(PAIRS_LISTED).to_dict("records")
        ],
    }


def _around(names: list[str]) -> list[str]:
    """Order regions around the circle: right hemisphere from the top, left one mirrored, midline between."""
    right = [name for name in names if name.endswith(("_R", "-R", " R"))]
    left = [name for name in names if name.endswith(("_L", "-L", " L"))]
    middle = [name for name in names if name not in set(right) | set(left)]
    return [*right, *middle, *left[::-1]]


def _nodes(names: list[str], chaco: pd.Series | None, shown: pd.DataFrame) -> dict[str, Node]:
    """Place the regions; those of the strongest pairs carry their names."""
    step = (2 * np.pi - GAP) / max(len(names), 1)
    strongest = shown.head(24)
    named = set(strongest["region_a"].astype(str)) | set(strongest["region_b"].astype(str))
    top = _top(chaco)
    nodes = {}
    for place, name in enumerate(names):
        angle = GAP / 2 + (place + 0.5) * step - np.pi / 2
        x, y = float(np.cos(angle)), float(np.sin(angle))
        value = chaco.get(name, np.nan) if chaco is not None else np.nan
        nodes[name] = Node(
            name,
            round(x * RADIUS, 1),
            round(y * RADIUS, 1),
            "none" if pd.isna(value) else heat(float(value) / top),
            name.replace("_", " ") if name in named else "",
            round(x * (RADIUS + 12), 1),
            round(y * (RADIUS + 12), 1),
            round(float(np.degrees(angle)) + (180 if x < 0 else 0), 1),
            "end" if x < 0 else "start",
        )
    return nodes


def _top(chaco: pd.Series | None) -> float:
    return float(max(chaco.max(), 0.01)) if chaco is not None and chaco.notna().any() else 1.0


def heat(share: float) -> int:
    """Return a step of the page's colour scale, 0 to 8, for a share between 0 and 1."""
    return int(np.clip(np.ceil(share * HEATS) - 1, 0, HEATS - 1))


def _chords(nodes: dict[str, Node], shown: pd.DataFrame) -> list[Chord]:
    """Draw each pair as a curve towards the middle, as wide as streamlines are cut."""
    chords = []
    most = float(shown["cut"].max()) if len(shown) else 1.0
    for row in shown.to_dict("records"):
        a, b = nodes.get(str(row["region_a"])), nodes.get(str(row["region_b"]))
        if a is None or b is None:
            continue
        bend = 0.25 + 0.35 * (1 - float(np.hypot(a.x - b.x, a.y - b.y)) / (2 * RADIUS))
        middle = (round((a.x + b.x) * bend * 0.8, 1), round((a.y + b.y) * bend * 0.8, 1))
        about = f"{a.name} - {b.name}: {row['cut']:.0f} of {row['n_streamlines']} streamlines ({percent(row['chaco'])})"
        path = f"M{a.x} {a.y}Q{middle[0]} {middle[1]} {b.x} {b.y}"
        chords.append(Chord(path, round(0.8 + 5.2 * row["cut"] / most, 2), heat(row["chaco"]), about))
    return chords

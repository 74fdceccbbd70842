"""A visit's report: one page that opens offline, made from the visit's derivatives alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bids_app.derivatives import write_text
from bids_app.derivatives.reader import Derivatives, VisitFiles
from bids_app.image.atlas import Atlas, load_atlas
from bids_app.image.outliers import RULE
from bids_app.image.places import ARTEFACT_SITES, CLASSES
from bids_app.reports.about import IMAGE_COLUMNS, effective_settings
from bids_app.reports.connections import connections_context
from bids_app.reports.criteria import criteria_context
from bids_app.reports.extras import extra_tables, linked_table
from bids_app.reports.gallery import LESION_TILE, lesion_strips, strip_marks, strip_width
from bids_app.reports.limits import limits_context
from bids_app.reports.methods import Facts, methods_parts
from bids_app.reports.norms import quality_norms
from bids_app.reports.page import render
from bids_app.reports.pictures import draw_pictures
from bids_app.reports.regions import number, regions_context
from bids_app.reports.since import changes_context
from bids_app.reports.texture import texture_context
from bids_app.reports.versions import versions
from bids_app.reports.viewer import viewer_path, write_viewer
from bids_app.reports.visits_page import PAGE
from bids_app.reports.words import facts, lights, quality_rows
from bids_app.tables.ratings import ARTEFACTS, RATINGS

LESIONS_SHOWN = 150  # rows on the page; the table has all
PAGE_COLUMNS: tuple[tuple[str, str, int], ...] = (
    ("volume_mm3", "Volume, mm³", 0),
    ("contrast", "FLAIR contrast", 2),
    ("mean_probability", "Mean probability", 2),
    ("max_probability", "Highest", 2),
    ("x", "x", 0),
    ("y", "y", 0),
    ("z", "z", 0),
)


def write_visit_report(
    output_dir: Path,
    prefix: str,
    *,
    settings: dict[str, Any],
    notes: Sequence[str] = (),
    about: Mapping[str, Any] | None = None,
    with_viewer: bool = True,
) -> list[Path]:
    """Write a visit's page and figures from its derivatives.

    Parameters
    ----------
    output_dir : Path
        Root of the derivatives; the page is `<prefix>.html` there.
    prefix : str
        The visit's prefix, e.g. `sub-01_ses-1`.
    settings : dict
        What the results depend on.
    notes : sequence of str
        What was noticed while processing.
    about : mapping, optional
        `run` (see `about.run_facts`) and `images` (see `about.image_facts`).
    with_viewer : bool
        Write the viewer's page beside it.

    Returns
    -------
    list of Path
        The page, its figures and the viewer's page.
    """
    atlas = load_atlas(settings["atlas"])
    visit = Derivatives(output_dir).visit(prefix, template=settings["template"], atlas=atlas.name)
    drawn = list(draw_pictures(visit, visit.figures))
    viewer = write_viewer(visit) if with_viewer else None
    if viewer is None:  # one of an earlier run would be of other images
        (output_dir / viewer_path(visit)).unlink(missing_ok=True)
    text = render(
        "visit.html.j2",
        name=prefix,
        viewer=viewer.relative_to(output_dir).as_posix() if viewer else None,
        pictures=[picture for picture, _ in drawn],
        run=(about or {}).get("run", []),
        images=(about or {}).get("images", []),
        image_columns=IMAGE_COLUMNS,
        versions=versions(),
        **_measured(visit, atlas, notes),
        **_how(visit, settings),
    )
    page = write_text(text, visit.page)
    return [page, *(path for _, path in drawn), *([viewer] if viewer else [])]


def _measured(visit: VisitFiles, atlas: Atlas, notes: Sequence[str]) -> dict[str, Any]:
    """Return what the page shows of a visit: findings, tables, quality, notes."""
    lesions = _lesion_table(visit)
    norms = quality_norms(visit)
    quality = quality_rows(visit, norms)
    lesions_context = _lesions_context(visit, lesions)
    changes = changes_context(visit)
    noted = [*notes, *dict.fromkeys(visit.problems)]
    first, *others = lights(visit, lesions, quality, noted)
    return {
        "lights": [first, *_change_lights(changes), *others],
        "facts": facts(visit, lesions),
        "notes": noted,
        "lesions": lesions_context,
        "regions": regions_context(visit, atlas),
        "connections": connections_context(visit, atlas),
        "texture": texture_context(visit),
        "changes": changes,
        "criteria": criteria_context(visit),
        "limits": limits_context(visit),
        "extras": extra_tables(visit),
        "quality": quality,
        "quality_norms": norms.n if norms else 0,
        "rule": RULE,
        "ratings": RATINGS,
        "artefacts": ARTEFACTS,
        "all_visits": PAGE,
    }


def _how(visit: VisitFiles, settings: dict[str, Any]) -> dict[str, Any]:
    """Return how the visit was processed: methods, settings, sources."""
    return {
        "methods": methods_parts(settings, _facts(visit)),
        "settings": effective_settings(settings, _mapping(visit.meta("lesions").get("MethodSettings"))),
        "sources": visit.meta("qc").get("Sources", []),
    }


def _change_lights(changes: list[dict[str, Any]]) -> list[dict[str, str]]:
    return [
        {"level": one["level"], "label": f"Since {one['before']}", "text": f"Lesions: {one['words']}"}
        for one in changes
    ]


def _facts(visit: VisitFiles) -> Facts:
    """Return what the visit's files say of how they were made."""
    meta = visit.meta("lesions")
    return Facts(
        t1w=visit.has("volumes") or visit.has("t1w"),
        flair=visit.has("lesions_flair"),
        supplied_lesions="MaskSource" in meta if "Method" in meta else None,
        connectome=_mapping(visit.meta("chaco").get("Connectome")),
        radiomics=_mapping(visit.meta("radiomics").get("RadiomicsSettings")),
    )


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _lesion_table(visit: VisitFiles) -> pd.DataFrame | None:
    """Read the lesion table, largest first; None where there is none."""
    table = visit.table("lesion_table")
    if table is None or not {"name", "volume_mm3"} <= set(table.columns):
        return None
    if "index" not in table:
        table.insert(0, "index", range(1, len(table) + 1))
    for name in ("index", "volume_mm3"):
        table[name] = pd.to_numeric(table[name], errors="coerce")
    return table.sort_values("volume_mm3", ascending=False, kind="stable")


def _lesions_context(visit: VisitFiles, table: pd.DataFrame | None) -> dict[str, Any] | None:
    """Return the lesion table for the page, each row with its picture."""
    if table is None or table.empty:
        return None
    shown = table.head(LESIONS_SHOWN)
    only_t1w = visit.has("t1w") and not visit.has("flair")
    with_t1w = visit.has("t1w", "flair")
    strips = lesion_strips(visit, [int(index) for index in shown["index"].dropna()])
    columns = [column for column in PAGE_COLUMNS if column[0] in shown]
    return {
        "columns": [
            "Lesion",
            *({"label": label, "numeric": True} for _, label, _ in columns),
            "Place",
            "Nearest region",
            "Artefact-prone",
        ],
        "rows": [_lesion_row(row, columns, strips) for row in shown.to_dict("records")],
        "cards": [
            {
                "id": f"lesion-{int(row['index'])}",
                "name": str(row["name"]),
                "src": strips[row["index"]],
                "about": _about(row),
            }
            for row in shown.to_dict("records")
            if row["index"] in strips
        ],
        "left_out": len(table) - len(shown),
        "file": visit.path("lesion_table").name,
        "source": linked_table(visit, "lesion_table"),
        "image": "T1w" if only_t1w else "FLAIR",
        "has_t1w": with_t1w,
        "marks": strip_marks(with_t1w),
        "width": strip_width(with_t1w),
        "height": LESION_TILE,
    }


def _lesion_row(
    row: dict[Any, Any], columns: Sequence[tuple[str, str, int]], strips: dict[int, str]
) -> list[Any]:
    name: Any = str(row["name"])
    if row["index"] in strips:
        name = {"text": name, "href": f"#lesion-{int(row['index'])}", "value": int(row["index"])}
    sites = [] if pd.isna(row.get("artefact_prone")) else str(row["artefact_prone"]).split(",")
    prone = ", ".join(ARTEFACT_SITES[site].words if site in ARTEFACT_SITES else site for site in sites)
    return [
        name,
        *(_number(row[key], digits) for key, _, digits in columns),
        _place(row),
        str(row.get("nearest_region", "n/a")).replace("_", " "),
        {"text": prone, "level": "look"} if prone else "n/a",
    ]


def _number(value: Any, digits: int) -> str:
    return number(pd.to_numeric(value, errors="coerce"), digits)


def _place(row: dict[Any, Any]) -> str:
    place = str(row.get("place", "n/a"))
    return CLASSES[place].words if place in CLASSES else place


def _about(row: dict[Any, Any]) -> str:
    """Return one line on a lesion for its picture."""
    region = str(row.get("nearest_region", "n/a")).replace("_", " ")
    return f"{_number(row['volume_mm3'], 0)} mm³, {_place(row)}, near {region}"

"""A visit's report: one page that opens offline, made from the visit's derivatives alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bids_app.derivatives import load_image, write_text
from bids_app.derivatives.names import OUTPUTS
from bids_app.image.atlas import load_atlas
from bids_app.reports.figures import INK, Overlay, mosaic
from bids_app.reports.methods import methods_text
from bids_app.reports.page import data_uri, render

LESIONS_SHOWN = 200


@dataclass(frozen=True)
class Picture:
    """One figure of the page: what is drawn over what.

    `layers` are (output, kind, colour, level) as in `figures.Overlay`; `focus` is the output that the
    slices follow.
    """

    key: str
    title: str
    caption: str
    background: str
    layers: tuple[tuple[str, str, str, float], ...] = ()
    focus: str | None = None


PICTURES = (
    Picture(
        "brain",
        "Brain mask",
        "T1w with the outline of the brain mask (red). The cerebellum must be inside, skull and eyes outside.",
        "t1w",
        (("brain", "contour", INK["brain"], 0.5),),
    ),
    Picture(
        "alignment",
        "FLAIR on T1w",
        "FLAIR with the outline of white matter found on the T1w (blue): it must follow the FLAIR's own edges.",
        "flair",
        (("WM", "contour", INK["WM"], 0.5),),
    ),
    Picture(
        "lesions",
        "Lesions",
        "FLAIR with the outline of the lesion mask (red), where it is largest.",
        "flair",
        (("lesions", "contour", INK["lesion"], 0.5),),
        "lesions",
    ),
    Picture(
        "flair-brain",
        "Brain mask",
        "FLAIR with the outline of the brain mask (red).",
        "flair_native",
        (("brain", "contour", INK["brain"], 0.5),),
    ),
    Picture(
        "flair-lesions",
        "Lesions",
        "FLAIR with the outline of the lesion mask (red), where it is largest.",
        "flair_native",
        (("lesions", "contour", INK["lesion"], 0.5),),
        "lesions",
    ),
    Picture(
        "probability",
        "Lesion probability",
        "T1w with the probability of a lesion, from 0.1 (dark) to 1 (bright).",
        "t1w",
        (("lesion_probability", "heat", "inferno", 0.1),),
        "lesions",
    ),
    Picture(
        "filled",
        "Filled T1w",
        "T1w with lesions filled, outline of the lesions in red: no dark holes may remain.",
        "filled",
        (("lesions", "contour", INK["lesion"], 0.5),),
        "lesions",
    ),
    Picture(
        "tissues",
        "Tissues",
        "T1w with the outlines of grey matter (yellow) and white matter (blue).",
        "t1w",
        (("GM", "contour", INK["GM"], 0.5), ("WM", "contour", INK["WM"], 0.5)),
    ),
    Picture(
        "parcels", "Parcels", "T1w with the atlas regions.", "t1w", (("parcels", "labels", "tab20", 1.0),)
    ),
    Picture("template", "Template", "T1w in template space.", "t1w_template"),
    Picture(
        "belief",
        "Belief map",
        "Grey-matter belief map in template space, 3 mm, with the lesion mask (red).",
        "belief",
        (("lesions_template_3mm", "contour", INK["lesion"], 0.5),),
    ),
)


def write_visit_report(
    output_dir: Path,
    folder: Path,
    prefix: str,
    *,
    settings: dict[str, Any],
    notes: Sequence[str] = (),
) -> list[Path]:
    """Write a visit's page and figures from its derivatives.

    Parameters
    ----------
    output_dir : Path
        Root of the derivatives; the page is `<prefix>.html` there.
    folder : Path
        The visit's `anat` folder.
    prefix : str
        The visit's prefix, e.g. `sub-01_ses-1`.
    settings : dict
        What the results depend on.
    notes : sequence of str
        What was noticed while processing.

    Returns
    -------
    list of Path
        The page and its figures.
    """
    atlas = load_atlas(settings["atlas"]).name

    def path(key: str) -> Path:
        return folder / OUTPUTS[key].path(prefix, template=settings["template"], atlas=atlas)

    figures = output_dir / prefix.split("_", maxsplit=1)[0] / "figures"
    drawn = []
    for picture in PICTURES:
        if path(picture.background).exists():
            drawn.append((picture, _draw(picture, path, figures / f"{prefix}_desc-{picture.key}.png")))
    quality = _rows(path("qc"))
    text = render(
        "visit.html.j2",
        name=prefix,
        summary=_summary(path("volumes"), path("lesion_table")),
        notes=notes,
        figures=[
            {"key": p.key, "title": p.title, "caption": p.caption, "src": data_uri(image)}
            for p, image in drawn
        ],
        lesions=_lesions(path("lesion_table")),
        quality=quality,
        methods=methods_text(settings),
        settings=json.dumps(settings),
    )
    return [write_text(text, output_dir / f"{prefix}.html"), *(image for _, image in drawn)]


def _draw(picture: Picture, path: Any, target: Path) -> Path:
    """Draw one figure."""
    overlays = [
        Overlay(load_image(path(key)), kind, colour, level)
        for key, kind, colour, level in picture.layers
        if path(key).exists()
    ]
    focus = load_image(path(picture.focus)) if picture.focus else None
    return mosaic(load_image(path(picture.background)), target, overlays=overlays, focus=focus)


def _summary(volumes: Path, lesions: Path) -> list[tuple[str, str]]:
    """Return the first numbers a reader wants."""
    rows = []
    if lesions.exists():
        table = pd.read_csv(lesions, sep="\t")
        rows += [
            ("Lesions", str(len(table))),
            ("Lesion volume", f"{table['volume_mm3'].sum() / 1000:.2f} mL"),
        ]
    if volumes.exists():
        table = pd.read_csv(volumes, sep="\t")
        names = {
            "TIV": "Total intracranial volume",
            "WBV": "Whole-brain volume",
            "GM": "Grey matter",
            "WM": "White matter",
            "CSF": "Cerebrospinal fluid",
            "NAWM": "Normal-appearing white matter",
        }
        values = table.set_index("name")["volume_mm3"]
        rows += [(label, f"{values[name] / 1000:.0f} mL") for name, label in names.items() if name in values]
    return rows


def _rows(qc: Path) -> list[tuple[str, str]]:
    """Return the quality table as rows of text."""
    if not qc.exists():
        return []
    row = pd.read_csv(qc, sep="\t").iloc[0]
    return [
        (str(name), f"{value:.4g}" if isinstance(value, float) else str(value)) for name, value in row.items()
    ]


def _lesions(path: Path) -> dict[str, Any] | None:
    """Return the lesion table for the page, largest first."""
    if not path.exists():
        return None
    table = (
        pd.read_csv(path, sep="\t").sort_values("volume_mm3", ascending=False).head(LESIONS_SHOWN).round(2)
    )
    if table.empty:
        return None
    return {"columns": list(table.columns), "rows": table.fillna("n/a").to_numpy().tolist()}

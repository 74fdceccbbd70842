"""Which pictures a visit's report has, and drawing them: one background, or two to flicker, under layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_app.derivatives import atomic
from bids_app.derivatives.reader import VisitFiles
from bids_app.errors import InputError
from bids_app.reports.figures import INK, Sheet, colour, composite, encode, ramp_stops
from bids_app.reports.page import data_uri

if TYPE_CHECKING:
    import nibabel as nib
    from PIL.Image import Image

OPACITY = {"outline": 1.0, "labels": 0.5, "values": 0.8}  # as in style.css
TEMPLATE = "template:"  # images of the template itself: template:t1w, template:wm


@dataclass(frozen=True)
class Layer:
    """What lies over a background.

    Attributes
    ----------
    image : str
        Key in `names.OUTPUTS`, or `template:` and an image of the template.
    name : str
        What the reader calls it.
    kind : str
        `outline` of image > level, `labels` in colours of their own, or `values` above a threshold that moves.
    ink : str
        Colour of an outline, or name of a colour scale.
    level, low, high : float
        Threshold, and the ends of the scale of `values`.
    unit : str
        What `values` are, beside their colour scale.
    """

    image: str
    name: str
    kind: str = "outline"
    ink: str = ""
    level: float = 0.5
    low: float = 0.0
    high: float = 1.0
    unit: str = ""


@dataclass(frozen=True)
class Picture:
    """One figure of the page.

    `second` is the background to flicker with, `focus` what the slices follow, `window` the values from black to
    white of a map whose values are no intensities (0 is outside the brain).
    """

    key: str
    title: str
    caption: str
    background: str
    name: str
    layers: tuple[Layer, ...] = ()
    focus: str | None = None
    second: str | None = None
    second_name: str = ""
    window: tuple[float, float] | None = None


BRAIN = Layer("brain", "Brain mask", ink=INK["brain"])
WM = Layer("WM", "White matter", ink=INK["WM"])
LESIONS = Layer("lesions", "Lesions", ink=INK["lesion"])
PICTURES = (
    Picture(
        "alignment",
        "FLAIR to T1w",
        "Flicker between the two: gyri, ventricles and skull must stay where they are. The outline of white matter "
        "comes from the T1w and must follow the FLAIR's own edges.",
        "t1w",
        "T1w",
        (WM,),
        second="flair",
        second_name="FLAIR",
    ),
    Picture(
        "template",
        "T1w to template",
        "Flicker between the two: ventricles, deep grey nuclei and the brain's outer edge must coincide. "
        "Individual gyri "
        "differ between people and need not.",
        "t1w_template",
        "T1w",
        (Layer("template:wm", "White matter of the template", ink=INK["WM"]),),
        second="template:t1w",
        second_name="Template",
    ),
    Picture(
        "brain",
        "Brain mask",
        "The whole cerebrum and cerebellum must be inside the outline; skull, eyes and neck outside.",
        "t1w",
        "T1w",
        (BRAIN,),
    ),
    Picture(
        "tissues",
        "Tissues",
        "Outlines of grey matter, white matter and cerebrospinal fluid (probability above 0.5), computed with the "
        "lesions known.",
        "t1w",
        "T1w",
        (
            Layer("GM", "Grey matter", ink=INK["GM"]),
            WM,
            Layer("CSF", "Cerebrospinal fluid", ink=INK["CSF"]),
        ),
    ),
    Picture(
        "parcels",
        "Parcels",
        "The atlas regions brought to this brain; neighbouring regions differ in colour; the colours have no "
        "other meaning.",
        "t1w",
        "T1w",
        (Layer("parcels", "Regions", "labels"),),
    ),
    Picture(
        "lesions",
        "Lesions on FLAIR",
        "Slices where the lesion mask is largest. Each bright spot that is a lesion must be inside an outline.",
        "flair",
        "FLAIR",
        (LESIONS,),
        "lesions",
    ),
    Picture(
        "probability",
        "Lesion probability",
        "Move the threshold to see how sure the segmentation is: what remains at high thresholds is the most certain.",
        "flair",
        "FLAIR",
        (
            Layer("lesion_probability", "Probability", "values", "warm", 0.1, unit="probability of a lesion"),
            Layer("lesions", "Lesion mask", ink="#3ddcff"),
        ),
        "lesions",
    ),
    Picture(
        "filled",
        "Filled T1w",
        "Flicker between the original T1w and the lesion-filled one: dark holes must disappear and nothing else "
        "may change.",
        "t1w",
        "Original",
        (LESIONS,),
        "lesions",
        "filled",
        "Filled",
    ),
    Picture(
        "flair-brain",
        "Brain mask",
        "FLAIR with the outline of the brain mask.",
        "flair_native",
        "FLAIR",
        (BRAIN,),
    ),
    Picture(
        "flair-lesions",
        "Lesions on FLAIR",
        "Slices where the lesion mask is largest. Each bright spot that is a lesion must be inside an outline.",
        "flair_native",
        "FLAIR",
        (LESIONS,),
        "lesions",
    ),
    Picture(
        "belief",
        "Belief map",
        "How much brighter than grey matter each voxel of the FLAIR is, in template space at 3 mm: "
        "B = (F - mean) / mean. The slider starts at study B's threshold for lesions.",
        "belief",
        "Belief map",
        (
            Layer("belief", "Belief above threshold", "values", "warm", -1.0, 0.0, 1.5, "belief, no unit"),
            Layer("lesions_template_3mm", "Lesion mask", ink="#3ddcff"),
        ),
        window=(-0.7, 0.9),
    ),
    Picture(
        "disconnection",
        "Disconnection map",
        "Share of the normative streamlines through each voxel that pass through lesions, on the template.",
        "template:t1w",
        "Template",
        (
            Layer("disconnectome", "Share cut", "values", "cut", 0.05, unit="share of streamlines"),
            Layer("lesions_template", "Lesions", ink=INK["lesion"]),
        ),
        "lesions_template",
    ),
)


def draw_pictures(visit: VisitFiles, target: Path) -> Iterator[tuple[dict[str, Any], Path]]:
    """Draw every picture whose images are there.

    Parameters
    ----------
    visit : VisitFiles
        The visit.
    target : Path
        Folder for the pictures as PNG files, as they stand when the page opens.

    Yields
    ------
    dict
        The picture for the template.
    Path
        Its file.
    """
    for picture in PICTURES:
        if picture.background.startswith(TEMPLATE) and not visit.has(picture.layers[0].image):
            continue  # a template is always there: such a picture is for its first layer
        try:
            background = _image(visit, picture.background)
        except InputError:
            continue
        focus = _image(visit, picture.focus) if picture.focus and visit.has(picture.focus) else None
        focus = focus if focus is not None and focus.shape == background.shape else None
        sheet = Sheet(_inside(background) if picture.window else background, focus)
        base = sheet.grey(background, picture.window)
        layers = [
            layer for one in picture.layers if (layer := _layer(visit, sheet, background, one)) is not None
        ]
        path = target / f"{visit.prefix}_desc-{picture.key}.png"
        with atomic(path) as aside:
            aside.write_bytes(
                encode(
                    sheet.marked(composite(base, [(drawn, spec["opacity"]) for spec, drawn in layers])),
                    ".png",
                )
            )
        yield _context(visit, picture, sheet, base, layers), path


def _image(visit: VisitFiles, key: str) -> nib.Nifti1Image:
    """Return an output, or an image of the template on the grid that the visit's outputs have.

    Raises
    ------
    InputError
        If the visit has no such file, it is damaged, or the template cannot be had.
    """
    if not key.startswith(TEMPLATE):
        return visit.image(key)
    from nibabel.affines import voxel_sizes

    from bids_app.image.template import template_image

    size = float(voxel_sizes(visit.image("lesions_template").affine)[0])
    return template_image(key.removeprefix(TEMPLATE), visit.template, round(size))


def _layer(
    visit: VisitFiles, sheet: Sheet, background: nib.Nifti1Image, layer: Layer
) -> tuple[dict[str, Any], Image] | None:
    """Draw a layer on the background's grid; None where its image is missing."""
    import numpy as np

    from bids_app.image.volume import resample

    try:
        image = _image(visit, layer.image)
    except InputError:
        return None
    if image.shape != background.shape or not np.allclose(image.affine, background.affine):
        image = resample(
            image, background, order=1 if layer.kind == "values" else 0
        )  # the connectome's, e.g.
    spec: dict[str, Any] = {
        "name": layer.name,
        "kind": layer.kind,
        "ink": layer.ink,
        "opacity": OPACITY[layer.kind],
    }
    if layer.kind == "outline":
        drawn = sheet.outline(image, layer.level, layer.ink)
    elif layer.kind == "labels":
        drawn = sheet.labels(image)
    else:
        level = layer.level if layer.level >= 0 else _belief_threshold()
        raw = sheet.values(image, layer.low, layer.high)
        drawn = colour(raw, layer.ink, layer.low, layer.high, level)
        spec |= {
            "low": layer.low,
            "high": layer.high,
            "level": round(level, 3),
            "stops": ramp_stops(layer.ink),
            "unit": layer.unit,
        }
        spec["raw"] = data_uri(encode(raw, ".webp", lossless=True), ".webp")
    spec["src"] = data_uri(encode(drawn, ".webp", lossless=True), ".webp")
    return spec, drawn


def _inside(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """Return where a map has values."""
    import nibabel as nib
    import numpy as np

    return nib.Nifti1Image((np.asanyarray(image.dataobj) != 0).astype(np.uint8), image.affine)


def _belief_threshold() -> float:
    from bids_app.image.lesions import BELIEF_THRESHOLD

    return float(BELIEF_THRESHOLD)


def _context(
    visit: VisitFiles, picture: Picture, sheet: Sheet, base: Image, layers: list[tuple[dict[str, Any], Image]]
) -> dict[str, Any]:
    """Return a picture for the template."""
    try:
        second = _image(visit, picture.second) if picture.second else None
    except InputError:
        second = None
    return {
        "key": picture.key,
        "title": picture.title,
        "caption": picture.caption,
        "name": picture.name,
        "src": data_uri(encode(base), ".webp"),
        "second": data_uri(encode(sheet.grey(second)), ".webp") if second is not None else None,
        "second_name": picture.second_name,
        "layers": [spec for spec, _ in layers],
        "marks": sheet.marks,
        "width": sheet.size[1],
        "height": sheet.size[0],
    }

"""What a reader must know of a run: when, by which command, from which images, with which settings in effect."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bids_app import __version__
from bids_app.derivatives.dataset import container
from bids_app.errors import InputError
from bids_app.layout.sidecars import Sidecars
from bids_app.tables.times import visit_time
from bids_app.visit_name import VisitName

UNKNOWN = "not stated"
PROGRAMS = ("demyelin", "__main__.py", "cli.py", "run_app.py")  # names that the command line runs under
CUBED, TIMES = "\N{SUPERSCRIPT THREE}", "\N{MULTIPLICATION SIGN}"


def run_facts(bids_dir: Path, output_dir: Path) -> list[list[str]]:
    """Return date, command, version, container and dataset of the run that goes on, as label and text."""
    boxed = container().get("Container", {})
    return [
        ["Date", time.strftime("%Y-%m-%d %H:%M %Z")],
        ["Command", _command()],
        ["Version", f"Demyelin {__version__}"],
        ["Container", f"{boxed['Type']}, {boxed.get('Tag')}" if boxed else "none"],
        ["Dataset", _dataset(bids_dir)],
        ["Output", str(output_dir)],
    ]


def _command() -> str:
    if Path(sys.argv[0]).name in PROGRAMS:
        return shlex.join(["demyelin", *sys.argv[1:]])
    return "called from Python"


def _dataset(bids_dir: Path) -> str:
    try:
        content = json.loads((bids_dir / "dataset_description.json").read_text(encoding="utf-8-sig"))
        name = str(content["Name"]).strip()
    except (OSError, ValueError, KeyError, TypeError):
        name = ""
    return f"{name or 'without a name'} ({bids_dir})"


IMAGE_COLUMNS = (
    "Image",
    "Voxel size, mm",
    "Matrix",
    "Scanner",
    "Acquired",
    "Repetition / echo / inversion time, ms",
)


def image_facts(bids_dir: Path, name: VisitName, images: Iterable[Path | None]) -> list[list[str]]:
    """Return a row of `IMAGE_COLUMNS` for each image that a visit was made from.

    Parameters
    ----------
    bids_dir : Path
        Root of the raw dataset.
    name : VisitName
        The visit.
    images : iterable of Path or None
        Images as acquired; None where there is none.
    """
    sidecars = Sidecars(bids_dir)
    return [_image(path, bids_dir, name, sidecars.of(path)) for path in images if path is not None]


def _image(path: Path, bids_dir: Path, name: VisitName, said: Mapping[str, Any]) -> list[str]:
    import nibabel as nib

    image: Any = nib.load(path)
    sizes = nib.affines.voxel_sizes(image.affine)
    inside = path.is_relative_to(bids_dir)
    return [
        path.relative_to(bids_dir).as_posix() if inside else path.name,
        f" {TIMES} ".join(f"{size:.3g}" for size in sizes),
        f" {TIMES} ".join(str(size) for size in image.shape[:3]),
        _scanner(said),
        _acquired(bids_dir, name, said),
        " / ".join(_milliseconds(said.get(f"{what}Time")) for what in ("Repetition", "Echo", "Inversion")),
    ]


def _scanner(said: Mapping[str, Any]) -> str:
    field = said.get("MagneticFieldStrength")
    parts = [
        said.get("Manufacturer"),
        said.get("ManufacturersModelName"),
        f"{field:g} T" if _number(field) else None,
    ]
    return ", ".join(str(part) for part in parts if part) or UNKNOWN


def _acquired(bids_dir: Path, name: VisitName, said: Mapping[str, Any]) -> str:
    acquired = said.get("AcquisitionDateTime") or said.get("AcquisitionDate")
    try:
        return str(acquired or visit_time(bids_dir, name) or UNKNOWN)
    except InputError:
        return UNKNOWN


def _milliseconds(seconds: Any) -> str:
    return f"{1000 * seconds:g}" if _number(seconds) else "?"


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def effective_settings(
    settings: Mapping[str, Any], method: Mapping[str, Any] | None = None
) -> list[list[str]]:
    """Return what decided the results, each as label and text; a default is shown as what it came to.

    Parameters
    ----------
    settings : mapping
        `Settings.results`, or those of a study.
    method : mapping, optional
        What the lesion method used, as the mask's sidecar has it.
    """
    used = dict(method or {})
    used.pop("min_volume_mm3", None)  # is --lesion-min-volume
    cut = settings.get("lesion_threshold") or used.pop("threshold", "the method's own")
    worded = {
        "lesion_threshold": ("Lesion threshold", words(cut)),
        "fast": ("Working grid", "2 mm (--fast)" if settings.get("fast") else "1 mm"),
        "lesion_min_volume": ("Lesion min volume", f"{words(settings.get('lesion_min_volume'))} mm{CUBED}"),
        "end_radius": ("End radius", f"{words(settings.get('end_radius'))} mm"),
        "calibrates_visits": ("Detection limit", words(settings.get("calibrates_visits"))),
        "radiomics_settings": (
            "Radiomics settings",
            words(settings.get("radiomics_settings") or "study A's"),
        ),
    }
    rows = [
        list(worded.get(name, (name.replace("_", " ").capitalize(), words(value))))
        for name, value in settings.items()
    ]
    return rows + [[f"Lesions: {name.replace('_', ' ')}", words(value)] for name, value in used.items()]


def words(value: Any) -> str:
    """Return a setting as a reader knows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value in ("", [], ()):
        return "none"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return ", ".join(words(one) for one in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {words(one)}" for key, one in value.items())
    text = str(value)
    return text[:12] if len(text) == 64 and text.isalnum() else text

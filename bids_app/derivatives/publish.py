"""A finished visit's files under their final names, each with a sidecar that says what made it."""

from __future__ import annotations

import glob
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bids_app import __version__
from bids_app.derivatives.dataset import sidecar, uri, write_sidecar
from bids_app.derivatives.files import atomic, load_image, save_image
from bids_app.derivatives.names import OUTPUTS, RESOLUTION, Output
from bids_app.visit_name import VisitName

SUFFIXES_WITH_SIDECAR = {".gz", ".tsv"}
TEMPLATE_PAGES = {"MNI152NLin2009aSym": "https://nist.mni.mcgill.ca/icbm-152-nonlinear-atlases-2009/"}
REFERENCES = {"space-T1w": "t1w", "space-FLAIR": "flair"}


def publish(
    files: Mapping[str, Path],
    folder: Path,
    prefix: str,
    *,
    template: str,
    atlas: str,
    settings: Mapping[str, Any],
    sources: Mapping[str, str],
) -> list[Path]:
    """Copy a visit's working files into the derivatives.

    Parameters
    ----------
    files : mapping of str to Path
        Working files by their key in `names.OUTPUTS`. A `.json` beside a working file holds more metadata,
        such as the meaning of a table's columns.
    folder : Path
        The visit's `anat` folder.
    prefix : str
        The visit's prefix, e.g. `sub-01_ses-1`.
    template, atlas : str
        Names that become part of the file names.
    settings : mapping
        What the results depend on; recorded in every sidecar.
    sources : mapping of str to str
        BIDS URIs of the inputs by kind: `t1w`, `flair`, `lesions`.

    Returns
    -------
    list of Path
        Every file written, sidecars included.
    """
    written = []
    for key, work in files.items():
        output = OUTPUTS[key]
        path = folder / output.path(prefix, template=template, atlas=atlas)
        if path.name.endswith(".nii.gz"):
            save_image(load_image(work), path)
        else:
            with atomic(path) as aside:
                shutil.copyfile(work, aside)
        written.append(path)
        if path.suffix in SUFFIXES_WITH_SIDECAR:
            content = _sidecar(key, output, work, settings, sources)
            content.setdefault("SpatialReference", _reference(path, prefix, template, sources))
            written.append(write_sidecar(path, content))
    return sorted(set(written))


def remove_others(folder: Path, prefix: str, kept: Iterable[Path]) -> None:
    """Remove the files of a visit that a run did not keep: those of other settings, or above its output level.

    Only names that Demyelin itself gives are removed; a user's own files in the folder stay.

    Parameters
    ----------
    folder : Path
        Of the visit.
    prefix : str
        Of the visit's files.
    kept : iterable of Path
        Files of this run.
    """
    staying = set(kept)
    for output in OUTPUTS.values():
        if output.pair:  # made after the visit, and removed with its record
            continue
        pattern = output.path(glob.escape(prefix), template="*", atlas="*")
        for path in folder.glob(pattern):
            if path not in staying:
                path.unlink()
                if path.suffix in SUFFIXES_WITH_SIDECAR and sidecar(path) not in staying:
                    sidecar(path).unlink(missing_ok=True)


def _sidecar(
    key: str, output: Output, work: Path, settings: Mapping[str, Any], sources: Mapping[str, str]
) -> dict[str, Any]:
    """Return what the JSON file beside an output says."""
    only = {"t1w": ("t1w",), "flair": ("flair",), "flair_native": ("flair",)}.get(key, tuple(sources))
    content: dict[str, Any] = {
        "Description": output.about,
        "Sources": [sources[kind] for kind in only if kind in sources],
    }
    content |= dict(output.meta)
    if reference := REFERENCES.get(output.ending.partition("_")[0]):
        content["SpatialReference"] = sources[reference]
    for entity, text in RESOLUTION.items():
        if f"_{entity}_" in output.ending:
            content["Resolution"] = text
    beside = work.with_name(work.name.split(".")[0] + ".json")
    if beside.exists():
        content |= json.loads(beside.read_text(encoding="utf-8"))
    if isinstance(content.get("index"), dict):
        content["index"]["Format"] = "integer"  # as BIDS has it for this column
    return content | {"DemyelinVersion": __version__, "DemyelinSettings": dict(settings)}


def _reference(path: Path, prefix: str, template: str, sources: Mapping[str, str]) -> str:
    """Return what a file without another reference is aligned with: the template, or the visit's own first image."""
    if f"_space-{template}_" in path.name:
        return TEMPLATE_PAGES.get(template, f"https://github.com/templateflow/tpl-{template}")
    first = OUTPUTS["t1w" if "t1w" in sources else "flair_native"]
    inside = [*path.parts[path.parts.index(VisitName.parse(prefix).participant_id) : -1]]
    return f"bids::{'/'.join(inside)}/{first.path(prefix, template=template, atlas='')}"


def source_uris(images: Mapping[str, Path | None], bids_dir: Path) -> dict[str, str]:
    """Return BIDS URIs of a visit's inputs."""
    return {kind: uri(path, {"raw": bids_dir}) for kind, path in images.items() if path is not None}

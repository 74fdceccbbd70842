"""Lesion masks that came with the data: which file is a visit's, and who made it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bids_app.visit_name import PARTICIPANT, SESSION

IMAGES = (".nii", ".nii.gz", ".mgz")
NATIVE = ("t1w", "flair", "orig", "t1", "fl")  # of space-: the scans' own grids
LABEL = re.compile(r"_label-(L|lesions?)_", re.IGNORECASE)
BY_HAND = re.compile(r"manual|consensus|expert|rater", re.IGNORECASE)
BROKEN_LABEL = re.compile(r"(?:^|_)(?:sub|ses)-[^_]*_\d+(?=[_.])")
FREESURFER_LESION = 99  # in FreeSurfer's colour table, as SAMSEG writes it
NNUNET_FILES = ("predict_from_raw_data_args.json", "plans.json", "dataset.json")
UNKNOWN = "not stated"
SEVERAL = "several lesion masks"
KINDS = 5  # of names, in the order in which they count


class DatasetMask(NamedTuple):
    """A lesion mask of a visit.

    Attributes
    ----------
    path : Path
        NIfTI file (MGZ of SAMSEG).
    source : str
        Who made it: a tool and its version, `manual`, or `not stated`.
    label : int or None
        Value of lesions where the file is a label image of the whole head; None for a mask.
    """

    path: Path
    source: str
    label: int | None = None


def list_images(folder: Path) -> list[Path]:
    """Return all images below a folder, sorted; links whose content was not fetched are among them."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.name.lower().endswith(IMAGES)
        and not path.name.startswith(".")
        and (path.is_symlink() or path.is_file())
    )


def by_visit(paths: Sequence[Path], folder: Path) -> dict[str, list[Path]]:
    """Sort files to visits (`sub-01`, `sub-01_ses-1`) by the labels in their names and folders' names."""
    found: dict[str, list[Path]] = {}
    for path in paths:
        parts = set(re.split(r"[/_.]", path.relative_to(folder).as_posix()))
        if BROKEN_LABEL.search(path.name):
            continue  # the mask of sub-MS_01 is not sub-MS's
        people = [one for one in parts if one.startswith(PARTICIPANT)]
        sessions = [one for one in parts if one.startswith(SESSION)]
        if len(people) == 1 and len(sessions) <= 1:
            found.setdefault("_".join(people + sessions), []).append(path)
    return found


def choose_mask(
    paths: Sequence[Path], name: str, source: str | None = None, scans: Sequence[Path] = ()
) -> tuple[DatasetMask | None, list[str]]:
    """Choose a visit's lesion mask among its files.

    The first kind of which there is one counts: masks named as in BIDS (`label-L` or `label-lesion`, suffix `mask` or
    `roi`), LST-AI's (`seg-lst`), SAMSEG's label image (`seg.mgz`), nnU-Net's (the visit's name alone), other names
    with `lesion` or `wmh` in them. Files in another space than the scans' are left out; of several of a kind, one on
    a scan's own grid comes first.

    Parameters
    ----------
    paths : sequence of Path
        Images of one visit.
    name : str
        The visit's prefix, e.g. `sub-01_ses-1`.
    source : str, optional
        Who made them, where the dataset says so; else the files' names tell.
    scans : sequence of Path, optional
        The visit's T1w and FLAIR.

    Returns
    -------
    mask : DatasetMask or None
    notes : list of str
        What was chosen, and what was left out.
    """
    native = [path for path in paths if path.name.endswith(IMAGES) and _is_native(path)]
    ranked = sorted(native, key=lambda path: (_space(path) is not None, path.name))
    kinds = [[one for path in ranked if (one := _recognise(path, name, kind))] for kind in range(KINDS)]
    found = next((masks for masks in kinds if masks), [])
    if not found:
        lost = [path.name for path in paths if path not in native and _recognise(path, name, 0)]
        return None, [f"lesion mask {one} is not in T1w or FLAIR space: not used" for one in lost[:1]]
    chosen = _on_a_scans_grid(found, scans)
    chosen = chosen._replace(source=source or chosen.source)
    extra = [f"{SEVERAL}: used {chosen.path.name}"] if len(found) > 1 else []
    return chosen, [f"lesion mask from {chosen.path.name} (made by: {chosen.source})", *extra]


def why_not(path: Path, name: str, used: DatasetMask | None) -> str:
    """Tell why a file of a visit is not its lesion mask, `used` being the one that is.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        The visit's prefix, e.g. `sub-01_ses-1`.
    used : DatasetMask, optional
        The mask that is used.
    """
    if not path.name.endswith(IMAGES):
        return f"its ending is {''.join(path.suffixes[-2:])}: write it in lower case"
    if not _is_native(path):
        return f"in space-{_space(path)}, which is not that of the T1w or FLAIR image"
    if not any(_recognise(path, name, kind) for kind in range(KINDS)):
        return "not named as a lesion mask (label-L, lesion, wmh, or as LST-AI, SAMSEG or nnU-Net do)"
    return f"another mask was used: {used.path.name}" if used else "not used"


def _on_a_scans_grid(masks: Sequence[DatasetMask], scans: Sequence[Path]) -> DatasetMask:
    """Return the first mask that has a scan's grid; the first of all where none has or there is nothing to choose."""
    if len(masks) == 1:
        return masks[0]
    return next((mask for mask in masks if any(_fits(mask.path, scan) for scan in scans)), masks[0])


def same_grid(shape: Sequence[int], affine: Any, scan: Any) -> bool:
    """Tell whether a mask's shape and affine (to 0.05 mm) are a scan's.

    Parameters
    ----------
    shape : sequence of int
        Of the mask, (x, y, z).
    affine : ndarray, (4, 4)
        Of the mask, mm.
    scan : Nifti1Image
        With which they are compared.
    """
    import numpy as np

    return bool(tuple(shape) == tuple(scan.shape[:3]) and np.allclose(affine, scan.affine, atol=0.05))


def _fits(mask: Path, scan: Path) -> bool:
    """Tell whether a mask is on a scan's grid; an unreadable file is reported when the visit is processed."""
    import nibabel as nib

    try:
        image: Any = nib.load(mask)
        return same_grid(image.shape[:3], image.affine, nib.load(scan))
    except Exception:
        return False


def _space(path: Path) -> str | None:
    found = re.search(r"(?:^|_)space-([A-Za-z0-9]+)", path.name)
    return found[1] if found else None


def _is_native(path: Path) -> bool:
    space = _space(path)
    return space is None or space.lower() in NATIVE


def _recognise(path: Path, name: str, kind: int) -> DatasetMask | None:
    """Return a file as a lesion mask of one kind, None where it is not."""
    stem = path.name.removesuffix(".gz").rsplit(".", 1)[0]
    suffix = stem.rsplit("_", 1)[-1].lower()
    by_hand = "manual" if BY_HAND.search(stem) else UNKNOWN
    if kind == 0 and LABEL.search(stem + "_") and suffix in ("mask", "roi"):
        return DatasetMask(path, by_hand)
    if kind == 1 and suffix == "seg-lst" and "annotated" not in stem:
        return DatasetMask(path, "LST-AI")
    if kind == 2 and suffix in ("seg", "samseg"):
        return DatasetMask(path, "SAMSEG", FREESURFER_LESION)
    if kind == 3 and stem.removesuffix("_FLAIR").removesuffix("_T1w") == name:
        is_nnunet = any((path.parent / other).exists() for other in NNUNET_FILES)
        if is_nnunet or stem == name:  # else a scan, not what a network wrote under the scan's name
            return DatasetMask(path, "nnU-Net" if is_nnunet else UNKNOWN)
    if kind == 4 and re.search(r"lesion|wmh", stem, re.IGNORECASE) and "prob" not in stem:
        return DatasetMask(path, by_hand)
    return None


def dataset_source(folder: Path) -> str | None:
    """Return the program that made a derivative dataset, where its description says so."""
    try:
        content = json.loads((folder / "dataset_description.json").read_text(encoding="utf-8"))
        maker = content["GeneratedBy"][0]
        return " ".join(str(maker[key]) for key in ("Name", "Version") if maker.get(key)) or None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None

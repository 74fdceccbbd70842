"""The image files of a raw dataset, and to whom each belongs by the folders that it lies in."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from bids_app.visit_name import PARTICIPANT, SESSION, VisitName

READ = (".nii", ".nii.gz")
FORMATS = (
    *READ,
    *(".nii.bz2", ".nii.xz", ".nii.zst", ".nii.zip", ".mgz", ".mgh", ".img", ".img.gz", ".hdr", ".hdr.gz"),
    *(".nrrd", ".nhdr", ".mha", ".mhd", ".mnc", ".dcm"),
)
# folders that BIDS itself keeps apart from the raw data
APART = ("derivatives", "sourcedata", "code", "stimuli", "models", "phenotype", "logs")
LABEL = re.compile(r"[0-9A-Za-z+]+")
# a copy that was interrupted, packed twice or renamed: still an image that somebody may miss
NEARLY_FORMATS = re.compile(
    r"\.nii\b(?!.*\.(?:json|tsv|txt|md|html)$)|(?:^|_)(?:t1w|flair)\.(?:gz|zip|tar|7z)", re.IGNORECASE
)
DEEPEST = 8  # folders below a participant: BIDS has two
MOST_APART = 5000  # images: some thousand folders of a program's results are not walked through to say so


@dataclass(frozen=True)
class Found:
    """An image file as it lies in a dataset.

    Attributes
    ----------
    path : Path
        Below the dataset's folder.
    relative : str
        The same from the dataset's folder on, with `/`.
    participant, session : str or None
        Labels of the folders `sub-` and `ses-` above it, None where there is none.
    place : tuple of str
        Folders below these, e.g. `("anat",)`.
    """

    path: Path
    relative: str
    participant: str | None
    session: str | None
    place: tuple[str, ...]

    @property
    def folder(self) -> str:
        """The visit's folder as a prefix of names: `sub-01` or `sub-01_ses-1`; empty outside participants."""
        return VisitName(self.participant, self.session).prefix if self.participant is not None else ""


def is_image(name: str) -> bool:
    """Tell whether a file is an image by its name's ending, in any case, or is what became of one."""
    return name.lower().endswith(FORMATS) or NEARLY_FORMATS.search(name) is not None


def participants(root: Path) -> list[str]:
    """Return the labels of the folders `sub-*`, sorted, whether BIDS allows them or not."""
    return sorted(
        entry.name.removeprefix(PARTICIPANT)
        for entry in os.scandir(root)
        if entry.name.startswith(PARTICIPANT) and _is_folder(entry)
    )


def list_participant(root: Path, label: str) -> list[Found]:
    """Return all images in a participant's folder, sorted by name."""
    found = []
    for path in _walk(root / VisitName(label).folder):
        relative = path.relative_to(root)
        parts = relative.parts[1:-1]
        session = parts[0].removeprefix(SESSION) if parts and parts[0].startswith(SESSION) else None
        place = parts[1:] if session is not None else parts
        found.append(Found(path, relative.as_posix(), label, session, place))
    return found


def session_folders(root: Path, label: str) -> list[str]:
    """Return the labels of a participant's folders `ses-*`, sorted."""
    folder = root / VisitName(label).folder
    try:
        entries = sorted(os.scandir(folder), key=lambda one: one.name)
    except OSError:
        return []
    return [
        one.name.removeprefix(SESSION) for one in entries if one.name.startswith(SESSION) and _is_folder(one)
    ]


def list_elsewhere(root: Path) -> tuple[list[Found], list[str]]:
    """Return the images of a dataset outside `sub-*`, and the folders that hold too many to look at all.

    Folders that BIDS keeps apart, which hold what programs made, are looked at for `MOST_APART` images each.
    """
    found, stopped = [], []
    for entry in sorted(os.scandir(root), key=lambda one: one.name):
        if entry.name.startswith((".", PARTICIPANT)):
            continue
        paths = _walk(Path(entry.path)) if _is_folder(entry) else iter([Path(entry.path)])
        images = (path for path in paths if is_image(path.name))
        most = MOST_APART if entry.name in APART else None
        for path in islice(images, most):
            relative = path.relative_to(root)
            found.append(Found(path, relative.as_posix(), None, None, relative.parts[:-1]))
        if most and next(images, None) is not None:
            stopped.append(entry.name)
    return found, stopped


def _walk(top: Path, seen: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Yield images in a folder and those below; a link that leads back up, or an unreadable folder, ends there."""
    real = os.path.realpath(top)
    if real in seen or len(seen) > DEEPEST:
        return
    try:
        entries = sorted(os.scandir(top), key=lambda one: one.name)
    except OSError:
        return
    for entry in entries:
        path = Path(entry.path)
        if _is_folder(entry) and not is_image(entry.name):
            if entry.name not in (".git", ".datalad"):
                yield from _walk(path, seen | {real})
        elif is_image(entry.name):
            yield path


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def foreign_owner(found: Found, root: Path) -> str | None:
    """Return whose image a link within a dataset leads to, as `sub-01_ses-1`, where that is not whom it lies with."""
    real, base = os.path.realpath(found.path), os.path.realpath(root)
    if not real.startswith(base + os.sep):
        return None
    parts = Path(real[len(base) + 1 :]).parts
    if not parts[0].startswith(PARTICIPANT):
        return None  # a store of contents, as git-annex has
    owner = "_".join([parts[0], *(part for part in parts[1:2] if part.startswith(SESSION))])
    return owner if owner != found.folder else None


def named_otherwise(found: Found) -> str | None:
    """Return the name of the file that a link leads to, where it says another participant or session.

    A dataset of links to a store of scans under other names is common; it is told, for the names may also be wrong.
    """
    if not found.path.is_symlink():
        return None
    target = Path(os.path.realpath(found.path)).name
    labels = "_".join(part for part in target.split("_") if part.startswith((PARTICIPANT, SESSION)))
    return target if labels and labels != found.folder else None


def _plain(label: str) -> str:
    return re.sub(r"[^0-9a-z]", "", label.lower()).lstrip("0")


def same_label(one: str, others: Sequence[str]) -> str | None:
    """Return the label that differs from another in case, punctuation or leading zeros only."""
    return next((other for other in others if _plain(other) == _plain(one)), None)


def alike(labels: Sequence[str]) -> list[list[str]]:
    """Return groups of labels that differ in case, punctuation or leading zeros only."""
    groups: dict[str, list[str]] = {}
    for label in labels:
        groups.setdefault(_plain(label), []).append(label)
    return [group for group in groups.values() if len(group) > 1]

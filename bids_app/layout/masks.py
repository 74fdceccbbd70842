"""The lesion masks that came with the data or in a folder of their own, matched to visits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bids_app.errors import InputError
from bids_app.layout.files import Found
from bids_app.layout.names import LESIONS, SUFFIXES, parse
from bids_app.layout.visit import Visit
from bids_app.lesion_masks import (
    SEVERAL,
    DatasetMask,
    by_visit,
    choose_mask,
    dataset_source,
    list_images,
    why_not,
)
from bids_app.visit_name import PARTICIPANT, VisitName, bare

MaskRow = tuple[str, str, str, bool, str]  # as `plan.Row` without its last field


class MaskFolder(NamedTuple):
    """What a folder of masks held.

    Attributes
    ----------
    matched : int
        Visits that got one.
    unmatched : list of str
        Files that are of no visit.
    unused : list of (str, str)
        A file of each visit that has some and got none, and why.
    several : int
        Visits with several masks of one kind.
    """

    matched: int
    unmatched: list[str]
    unused: list[tuple[str, str]]
    several: int


class Matched(NamedTuple):
    """The mask of each visit with its notes, a row for each file, and the sum of a folder given."""

    chosen: list[tuple[DatasetMask | None, list[str]]]
    rows: list[MaskRow]
    folder: MaskFolder | None


def match_masks(
    visits: Sequence[Visit],
    bids_dir: Path,
    lesions_dir: Path | None,
    in_dataset: Mapping[str, Sequence[Found]],
    *,
    everybody: bool,
) -> Matched:
    """Choose at most one lesion mask for each visit.

    Parameters
    ----------
    visits : sequence of Visit
        With their scans.
    bids_dir : Path
        The raw dataset.
    lesions_dir : Path, optional
        The folder given; its masks replace those of the dataset.
    in_dataset : mapping of str to sequence of Found
        Masks and regions of the raw dataset by visit.
    everybody : bool
        Whether `visits` are all of the dataset; else masks of other people are nobody's business.

    Raises
    ------
    InputError
        If the folder holds no image, or, for a whole dataset, none of a visit.
    """
    if lesions_dir is None:
        paths = {name: [one.path for one in some] for name, some in in_dataset.items()}
        chosen, rows = _choose(visits, paths, None, bids_dir)
        names = {visit.name for visit in visits}
        lone = [one for name, some in in_dataset.items() if name not in names for one in some]
        rows += [
            (one.folder, LESIONS, one.relative, False, "no T1w or FLAIR image lies with it") for one in lone
        ]
        return Matched(chosen, rows, None)
    images = [path for path in list_images(lesions_dir) if not _is_a_scan(path, bids_dir)]
    if not images:
        raise InputError(f"--derivatives lesions={lesions_dir}: no NIfTI or MGZ image in it")
    chosen, rows = _choose(visits, by_visit(images, lesions_dir), dataset_source(lesions_dir), lesions_dir)
    rows += [
        (one.folder, LESIONS, one.relative, False, "a folder of masks was given (--derivatives lesions=)")
        for some in in_dataset.values()
        for one in some
    ]
    lost = _unmatched(visits, images, lesions_dir, everybody=everybody)
    if everybody and not any(mask for mask, _ in chosen):
        some = f"such as {lost[0][0]} ({lost[0][1]})" if lost else "none of them is named as a lesion mask"
        raise InputError(
            f"--derivatives lesions={lesions_dir}: none of its {len(images)} images is the mask of a visit, {some}; "
            f"names need the visit, e.g. {visits[0].name}_label-L_mask.nii.gz"
        )
    rows += [("", LESIONS, name, False, why) for name, why in lost]
    without = {visit.name for visit, (mask, _) in zip(visits, chosen, strict=True) if mask is None}
    unused = {row[0]: (row[2], row[4]) for row in rows if row[0] in without}
    several = sum(note.startswith(SEVERAL) for _, notes in chosen for note in notes)
    matched = len(visits) - len(without)
    return Matched(
        chosen, rows, MaskFolder(matched, [name for name, _ in lost], list(unused.values()), several)
    )


def _is_a_scan(path: Path, bids_dir: Path) -> bool:
    """Tell whether an image is a scan of the raw dataset, which somebody gave as the folder of masks."""
    return (
        path.is_relative_to(bids_dir)
        and parse(path.name).suffix in SUFFIXES.values()
        and (path.relative_to(bids_dir).parts[0].startswith(PARTICIPANT))
    )


def _choose(
    visits: Sequence[Visit], paths: Mapping[str, Sequence[Path]], source: str | None, root: Path
) -> tuple[list[tuple[DatasetMask | None, list[str]]], list[MaskRow]]:
    """Choose each visit's mask among the files of its name."""
    chosen, rows = [], []
    for visit in visits:
        some = paths.get(visit.name, [])
        mask, notes = choose_mask(some, visit.name, source, visit.images)
        chosen.append((mask, notes))
        for path in some:
            used = mask is not None and path == mask.path
            reason = f"made by: {mask.source}" if mask and used else why_not(path, visit.name, mask)
            rows.append((visit.name, LESIONS, path.relative_to(root).as_posix(), used, reason))
    return chosen, rows


def _unmatched(
    visits: Sequence[Visit], images: Sequence[Path], folder: Path, *, everybody: bool
) -> list[tuple[str, str]]:
    """Return the files that are of no visit, each with the visit that may be meant."""
    names = {visit.name for visit in visits}
    people = {VisitName(visit.participant).prefix for visit in visits}
    sorted_in = {path: name for name, some in by_visit(images, folder).items() for path in some}
    lost = []
    for path in images:
        name = sorted_in.get(path, "")
        if name in names or (not everybody and name.partition("_")[0] not in people):
            continue
        lost.append((path.relative_to(folder).as_posix(), _why_unmatched(name, visits)))
    return lost


def _why_unmatched(name: str, visits: Sequence[Visit]) -> str:
    if not name:
        return "its name and folders have not one participant (sub-<label>), or two sessions"
    person, _, session = name.partition("_")
    of_person = [visit for visit in visits if VisitName(visit.participant).prefix == person]
    if not of_person:
        plain = bare(person, PARTICIPANT).lstrip("0").lower()
        meant = [visit for visit in visits if visit.participant.lstrip("0").lower() == plain]
        return f"there is no {person}" + (f"; is it {meant[0].name}? rename it" if meant else "")
    if session:
        return f"there is no {session} of {person}; it has {', '.join(visit.name for visit in of_person)}"
    return f"the session is left out: {person} has {', '.join(visit.name for visit in of_person)}; rename it"

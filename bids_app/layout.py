"""BIDS in: from a dataset to visits, by pybids queries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bids_app.errors import InputError
from bids_app.lesion_masks import GivenMask, by_visit, choose_mask, dataset_source, list_images
from bids_app.visit_name import PARTICIPANT, SESSION, VisitName, bare

if TYPE_CHECKING:
    from bids import BIDSLayout

QUERIES: dict[str, dict[str, Any]] = {
    "t1w": {"datatype": "anat", "suffix": "T1w", "extension": [".nii", ".nii.gz"]},
    "flair": {"datatype": "anat", "suffix": "FLAIR", "extension": [".nii", ".nii.gz"]},
}


@dataclass(frozen=True)
class Visit:
    """One participant at one session: the images that Demyelin reads.

    Attributes
    ----------
    participant, session : str, str or None
        Labels without `sub-` and `ses-`; None where the dataset has no sessions.
    flair : Path or None
        FLAIR image; None makes the visit fail with that reason.
    t1w : Path or None
        T1w image; None limits the visit to study B's outputs.
    given : GivenMask or None
        Lesion mask brought by the dataset or by `--derivatives lesions=DIR`.
    notes : tuple of str
        What was decided while reading, for the report.
    """

    participant: str
    session: str | None
    flair: Path | None
    t1w: Path | None = None
    given: GivenMask | None = None
    notes: tuple[str, ...] = ()

    @property
    def visit_name(self) -> VisitName:
        """What the visit is called."""
        return VisitName(self.participant, self.session)

    @property
    def name(self) -> str:
        """File name prefix: `sub-01` or `sub-01_ses-1`."""
        return self.visit_name.prefix

    @property
    def folder(self) -> Path:
        """Folder of the visit inside a dataset: `sub-01` or `sub-01/ses-1`."""
        return self.visit_name.folder

    @property
    def lesions(self) -> Path | None:
        """The file of the lesion mask that came with the data."""
        return self.given.path if self.given else None

    @property
    def images(self) -> tuple[Path, ...]:
        """The files that this visit is made from."""
        return tuple(path for path in (self.t1w, self.flair, self.lesions) if path is not None)


def find_visits(
    bids_dir: Path,
    *,
    participants: Sequence[str] = (),
    sessions: Sequence[str] = (),
    filter_file: Path | None = None,
    lesions_dir: Path | None = None,
) -> list[Visit]:
    """List the visits of a dataset, sorted by participant and session.

    Parameters
    ----------
    bids_dir : Path
        Root of the raw dataset.
    participants, sessions : sequence of str
        Labels to keep, with or without prefix; empty keeps all.
    filter_file : Path, optional
        JSON file of entities by query (`t1w`, `flair`) that narrow which images are read.
    lesions_dir : Path, optional
        Folder whose lesion masks are used, of any of the tools that `lesion_masks.choose_mask` knows.

    Raises
    ------
    InputError
        If the folder is not a BIDS dataset, has no participants, or lacks a label that was asked for.
    """
    check_description(bids_dir)
    layout = _index(bids_dir)
    people = _chosen(layout.get_subjects(), participants, PARTICIPANT, bids_dir)
    if not people:
        raise InputError(f"{bids_dir}: no participants (folders sub-*) with images in it")
    _chosen(layout.get_sessions(), sessions, SESSION, bids_dir)
    queries = _queries(filter_file)
    masks = _find_masks(bids_dir, lesions_dir, layout)
    wanted = {bare(label, SESSION) for label in sessions}
    visits = []
    for person in sorted(people):
        for session in sorted(layout.get_sessions(subject=person)) or [None]:
            if wanted and session not in wanted:
                continue
            visits.append(_visit(layout, masks, queries, person, session))
    visits = [visit for visit in visits if visit.t1w or visit.flair]
    if not visits:
        raise InputError(f"{bids_dir}: no T1w or FLAIR image for the participants and sessions asked for")
    return visits


def check_description(folder: Path) -> dict[str, Any]:
    """Read `dataset_description.json`.

    Raises
    ------
    InputError
        If the folder or the file is missing, empty or not a JSON object with Name and BIDSVersion.
    """
    path = folder / "dataset_description.json"
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the root of a BIDS dataset")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: missing; is {folder} the root of a BIDS dataset?") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise InputError(
            f"{path}: empty or not valid JSON; it needs at least Name and BIDSVersion"
        ) from error
    if not isinstance(content, dict) or not {"Name", "BIDSVersion"} <= content.keys():
        raise InputError(f"{path}: needs at least the keys Name and BIDSVersion")
    return content


def _index(folder: Path) -> BIDSLayout:
    """Index file names only: sidecar metadata is not needed, and large datasets stay quick."""
    from bids import BIDSLayout, BIDSLayoutIndexer

    skip = [".git", ".datalad", "code", "sourcedata", "stimuli", "models", "derivatives"]
    indexer = BIDSLayoutIndexer(validate=False, index_metadata=False, ignore=skip)
    return BIDSLayout(folder, validate=False, indexer=indexer, config=["bids", "derivatives"])


def _chosen(present: Sequence[str], asked: Sequence[str], prefix: str, folder: Path) -> list[str]:
    """Return the labels asked for (all where none were), refusing those that are not there."""
    labels = [bare(label, prefix) for label in asked]
    if absent := sorted(set(labels) - set(present)):
        names = ", ".join(prefix + label for label in absent)
        some = ", ".join(prefix + label for label in sorted(present)[:10]) or "none"
        raise InputError(f"{folder}: has no {names}; it has {some}{' ...' if len(present) > 10 else ''}")
    return labels or list(present)


def _queries(filter_file: Path | None) -> dict[str, dict[str, Any]]:
    """Return the image queries, narrowed by a BIDS filter file."""
    if filter_file is None:
        return QUERIES
    try:
        content = json.loads(filter_file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"--bids-filter-file {filter_file}: not a readable JSON file ({error})") from error
    if not isinstance(content, dict) or not all(isinstance(v, dict) for v in content.values()):
        raise InputError(
            f"--bids-filter-file {filter_file}: must be an object of objects, e.g. {{'t1w': {{}}}}"
        )
    if unknown := sorted(set(content) - set(QUERIES)):
        raise InputError(f"--bids-filter-file {filter_file}: unknown query {unknown[0]!r}; use t1w and flair")
    return {name: query | content.get(name, {}) for name, query in QUERIES.items()}


def _visit(
    layout: BIDSLayout,
    masks: _Masks,
    queries: dict[str, dict[str, Any]],
    person: str,
    session: str | None,
) -> Visit:
    """Choose one T1w, one FLAIR and at most one lesion mask for a visit."""
    where = {"subject": person} | ({"session": session} if session else {})
    notes: list[str] = []
    chosen: dict[str, Path | None] = {}
    for name, query in queries.items():
        try:
            found = layout.get(return_type="object", **(query | where))
        except (ValueError, AttributeError) as error:
            raise InputError(f"--bids-filter-file: cannot be used for {name} ({error})") from error
        paths = sorted((Path(file.path) for file in found), key=_preference)
        chosen[name] = paths[0] if paths else None
        if len(paths) > 1:
            others = ", ".join(path.name for path in paths[1:])
            notes.append(f"several {query['suffix']} images: used {paths[0].name}, left out {others}")
    visit = Visit(person, session, chosen["flair"], chosen["t1w"])
    mask, told = choose_mask(masks.images.get(visit.name, []), visit.name, masks.source, visit.images)
    return replace(visit, given=mask, notes=tuple(notes + told))


def _preference(path: Path) -> tuple[bool, float, str]:
    """Order runs: without contrast agent first, then the thinnest slices, then by name."""
    import logging

    import nibabel as nib

    logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)  # read_scan tells bad headers
    try:
        coarsest = max(nib.affines.voxel_sizes(nib.load(path).affine))  # type: ignore[attr-defined]
    except Exception:  # an unreadable header is reported when the visit is processed
        coarsest = float("inf")
    return "_ce-" in path.name, round(coarsest, 2), path.name


class _Masks(NamedTuple):
    """Where lesion masks are looked for: images by visit, and who made them where that is stated."""

    images: dict[str, list[Path]]
    source: str | None


def _find_masks(bids_dir: Path, lesions_dir: Path | None, layout: BIDSLayout) -> _Masks:
    """List what may be lesion masks: anything below the folder given, else masks and regions of the raw dataset.

    Raises
    ------
    InputError
        If the folder given holds no image.
    """
    if lesions_dir is None:
        found = layout.get(suffix=["mask", "roi"], extension=[".nii", ".nii.gz"], return_type="object")
        return _Masks(by_visit(sorted(Path(file.path) for file in found), bids_dir), None)
    images = list_images(lesions_dir)
    if not images:
        raise InputError(f"--derivatives lesions={lesions_dir}: no NIfTI or MGZ image in it")
    return _Masks(by_visit(images, lesions_dir), dataset_source(lesions_dir))

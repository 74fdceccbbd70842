"""From a dataset to its visits: which images are used, and why each other one is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bids_app.errors import InputError
from bids_app.layout.borrow import borrow
from bids_app.layout.dataset import check_description, chosen_labels
from bids_app.layout.files import Found, foreign_owner, list_elsewhere, list_participant, participants
from bids_app.layout.filters import Filters
from bids_app.layout.ignore import Ignore
from bids_app.layout.masks import MaskFolder, match_masks
from bids_app.layout.names import FLAIR, LESIONS, SUFFIXES, T1W, judge
from bids_app.layout.order import BY_NAME, Candidate, compare, examine, remarks
from bids_app.layout.sidecars import Sidecars
from bids_app.layout.visit import Visit
from bids_app.visit_name import PARTICIPANT, SESSION, VisitName, bare

NO_FLAIR = "no FLAIR image"


@dataclass(frozen=True)
class Row:
    """One image of a dataset: what became of it, and why.

    Attributes
    ----------
    visit : str
        The visit in whose folder it lies, e.g. `sub-01_ses-1`; empty outside participants.
    role : str
        `t1w`, `flair` or `lesions`; empty for an image that is none of them.
    image : str
        Path relative to its dataset.
    used : bool
        Whether the visit is made from it.
    reason : str
        Why.
    kind : str
        Word by which the console counts it: `used`, `remark` (used, with a drawback), `choice`, `name` (left out by
        its name's place in the alphabet), `filter`, `near` (not read, but probably meant), `mask`, `other`.
    """

    visit: str
    role: str
    image: str
    used: bool
    reason: str
    kind: str


@dataclass
class Plan:
    """What a run would process.

    Attributes
    ----------
    visits : list of Visit
        Sorted by participant and session; those that cannot be processed have `left_out`.
    rows : list of Row
        A row for each image.
    empty : list of str
        Folders of participants and sessions in which there is neither a T1w nor a FLAIR image, nor one that may be
        meant.
    masks : MaskFolder or None
        What was found in the folder given with `--derivatives lesions=`.
    """

    visits: list[Visit] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    masks: MaskFolder | None = None

    @property
    def table(self) -> list[Row]:
        """The rows, those of visits that are left out not used."""
        out = {visit.name: visit.left_out for visit in self.visits if visit.left_out}
        return [
            replace(row, used=False, reason=f"its visit is left out: {out[row.visit]}", kind="left out")
            if row.used and row.visit in out
            else row
            for row in self.rows
        ]


@dataclass
class _Reader:
    """What is needed to judge and choose the images of one dataset."""

    root: Path
    filters: Filters
    ignore: Ignore
    sidecars: Sidecars
    filtered: dict[str, list[tuple[str, bool]]] = field(default_factory=lambda: {T1W: [], FLAIR: []})


def plan_visits(
    bids_dir: Path,
    *,
    participants_asked: Sequence[str] = (),
    sessions_asked: Sequence[str] = (),
    filter_file: Path | None = None,
    lesions_dir: Path | None = None,
    t1w_from: str | None = None,
) -> Plan:
    """Choose the images of every visit of a dataset.

    Every image of a visit lies below `bids_dir/sub-<label>[/ses-<label>]/anat` of exactly its labels; anything else is
    left out with the reason, as is what `.bidsignore` lists. Of several images of a kind, `order.Rank` decides.

    Parameters
    ----------
    bids_dir : Path
        Root of the raw dataset.
    participants_asked, sessions_asked : sequence of str
        Labels to keep, with or without prefix; empty keeps all.
    filter_file : Path, optional
        JSON file of entities by query (`t1w`, `flair`) that narrow which images are read.
    lesions_dir : Path, optional
        Folder whose lesion masks are used, of any of the tools that `lesion_masks.choose_mask` knows.
    t1w_from : str, optional
        Session whose T1w image a visit without one takes, or `nearest`.

    Raises
    ------
    InputError
        If the folder is not a raw BIDS dataset, has no participants, lacks a label that was asked for, a filter leaves
        nothing of a query, or no mask of the folder given is of any visit.
    """
    check_description(bids_dir)
    present = participants(bids_dir)
    people = chosen_labels(present, participants_asked, PARTICIPANT, bids_dir)
    if not people:
        raise InputError(f"{bids_dir}: no participants (folders sub-*) with images in it")
    reader = _Reader(bids_dir, Filters(filter_file), Ignore(bids_dir), Sidecars(bids_dir))
    plan = Plan()
    wanted = {bare(label, SESSION) for label in sessions_asked}
    sessions: set[str] = set()
    masks: dict[str, list[Found]] = {}
    for person in people:
        files = list_participant(bids_dir, person)
        by_session: dict[str | None, list[Found]] = {}
        for found in files:
            by_session.setdefault(found.session, []).append(found)
        sessions |= {session for session in by_session if session is not None}
        for session in sorted(by_session, key=lambda one: one or ""):
            if not wanted or session in wanted:
                _add_visit(plan, reader, by_session[session], masks)
        if t1w_from:
            _borrow(plan, reader, person, by_session, t1w_from)
    chosen_labels(sorted(sessions), sessions_asked, SESSION, bids_dir)
    if not participants_asked:
        plan.rows += [_elsewhere(found, reader) for found in list_elsewhere(bids_dir)]
    if not plan.visits:
        raise InputError(_nothing(bids_dir, plan))
    _check_filters(reader)
    _add_masks(plan, bids_dir, lesions_dir, masks, everybody=not (participants_asked or wanted))
    return plan


def find_visits(
    bids_dir: Path,
    *,
    participants: Sequence[str] = (),
    sessions: Sequence[str] = (),
    filter_file: Path | None = None,
    lesions_dir: Path | None = None,
) -> list[Visit]:
    """Return the visits of `plan_visits`."""
    return plan_visits(
        bids_dir,
        participants_asked=participants,
        sessions_asked=sessions,
        filter_file=filter_file,
        lesions_dir=lesions_dir,
    ).visits


def _add_visit(plan: Plan, reader: _Reader, files: Iterable[Found], masks: dict[str, list[Found]]) -> None:
    """Judge all images of one folder of a participant or session; add the visit where there is one."""
    files = list(files)
    first = files[0]
    offered: dict[str, list[Candidate]] = {T1W: [], FLAIR: []}
    near: dict[str, list[str]] = {T1W: [], FLAIR: []}
    lost: dict[str, int] = {T1W: 0, FLAIR: 0}
    for found in files:
        row, candidate = _judge(found, reader)
        if candidate is not None:
            offered[row.role].append(candidate)
        elif row.role == LESIONS and row.kind == "mask":
            masks.setdefault(found.folder, []).append(found)
        else:
            plan.rows.append(row)
            if row.role in near and row.kind in ("near", "filter"):
                lost[row.role] += row.kind == "filter"
                near[row.role] += [f"{found.relative} {row.reason}"] if row.kind == "near" else []
    if not any(offered.values()) and not any(near.values()) and not any(lost.values()):
        plan.empty.append(first.folder)
        return
    notes: list[str] = []
    used = {role: _choose(plan, role, some, notes) for role, some in offered.items()}
    for role, count in lost.items():
        notes += (
            [f"{count} {SUFFIXES[role]} image{'s' * (count > 1)} left out by --bids-filter-file"]
            if count
            else []
        )
    for role, told in near.items():
        if used[role] is None:
            notes += told
    assert first.participant is not None
    left_out = "" if used[FLAIR] else _why_no_flair(near[FLAIR], lost[FLAIR])
    plan.visits.append(
        Visit(first.participant, first.session, used[FLAIR], used[T1W], notes=tuple(notes), left_out=left_out)
    )


def _borrow(
    plan: Plan, reader: _Reader, person: str, by_session: dict[str | None, list[Found]], wanted: str
) -> None:
    """Give a participant's visits without T1w one of another session, selected or not."""
    lacking = [
        place
        for place, visit in enumerate(plan.visits)
        if visit.participant == person and visit.flair and not visit.t1w
    ]
    if not lacking:
        return
    every = Plan()
    for files in by_session.values():
        _add_visit(every, replace(reader, filtered={T1W: [], FLAIR: []}), files, {})
    offers = {visit.session: visit.t1w for visit in every.visits if visit.t1w}
    for place in lacking:
        visit, told = borrow(plan.visits[place], offers, wanted, reader.root)
        plan.visits[place] = visit
        if visit.t1w:
            image = visit.t1w.relative_to(reader.root).as_posix()
            plan.rows.append(Row(visit.name, T1W, image, True, told, "remark"))


def _why_no_flair(near: Sequence[str], lost: int) -> str:
    if near:
        return f"{NO_FLAIR}: {near[0]}"
    return f"{NO_FLAIR}: {lost} left out by --bids-filter-file" if lost else NO_FLAIR


def _judge(found: Found, reader: _Reader) -> tuple[Row, Candidate | None]:
    """Return what is said of an image, and the candidate where it may be used as T1w or FLAIR."""
    judged = judge(found, reader.filters.wanted)

    def row(reason: str, kind: str) -> Row:
        return Row(found.folder, judged.role, found.relative, False, reason, kind)

    owner = foreign_owner(found, reader.root) or ""
    if line := reader.ignore.matches(found.relative):
        return row(f"listed in .bidsignore ({line})", "other"), None
    if judged.trouble:
        return row(judged.trouble, "near" if judged.near else "other"), None
    if owner.partition("_")[0] not in ("", VisitName(found.participant or "").prefix):
        return row(f"a link to an image of {owner}: put the right image there", "near"), None
    if judged.role == LESIONS:
        return row("", "mask"), None
    return _offer(found, row, judged.role, reader, owner)


def _offer(
    found: Found, row: Callable[[str, str], Row], role: str, reader: _Reader, owner: str
) -> tuple[Row, Candidate | None]:
    """Return the candidate, unless the filter leaves the image out or its sidecar says that it is no such image."""
    mismatch = reader.filters.mismatch(role, found.relative)
    reader.filtered[role].append((found.relative, mismatch is None))
    if mismatch:
        return row(f"left out by --bids-filter-file ({mismatch})", "filter"), None
    candidate = examine(found, reader.sidecars.of(found.path), owner)
    if candidate.unusable:
        return row(candidate.unusable, "other"), None
    return row("", "used"), candidate


def _choose(plan: Plan, role: str, offered: Sequence[Candidate], notes: list[str]) -> Path | None:
    """Take the first of a visit's images of one kind; tell what it was preferred to, and what is amiss with it."""
    if not offered:
        return None
    used, *others = sorted(offered, key=lambda one: one.rank)
    told = remarks(used)
    reasons = [compare(other, used) for other in others]
    alone = "the only one" if not others else f"preferred to {len(others)} other{'s' * (len(others) > 1)}"
    reason = "; ".join([BY_NAME if BY_NAME in reasons else alone, *told])
    kind = "remark" if told else "used"
    plan.rows.append(Row(used.found.folder, role, used.found.relative, True, reason, kind))
    for other, why in zip(others, reasons, strict=True):
        kind = "name" if why == BY_NAME else "choice"
        plan.rows.append(Row(other.found.folder, role, other.found.relative, False, why, kind))
    if others:
        left = ", ".join(f"{other.path.name} ({why})" for other, why in zip(others, reasons, strict=True))
        notes.append(f"several {SUFFIXES[role]} images: used {used.path.name}, left out {left}")
    notes += [f"{used.path.name}: {one}" for one in told]
    return used.path


def _elsewhere(found: Found, reader: _Reader) -> Row:
    judged = judge(found)
    return Row("", judged.role, found.relative, False, judged.trouble, "near" if judged.role else "other")


def _nothing(bids_dir: Path, plan: Plan) -> str:
    text = f"{bids_dir}: no T1w or FLAIR image for the participants and sessions asked for"
    meant = next((row for row in plan.rows if row.kind == "near"), None)
    return f"{text}; {meant.image} {meant.reason}" if meant else text


def _check_filters(reader: _Reader) -> None:
    """Refuse a filter that leaves none of the images that there are."""
    for role, seen in reader.filtered.items():
        if seen and reader.filters.asked.get(role) and not any(fits for _, fits in seen):
            values = reader.filters.values(role, [path for path, _ in seen])
            raise InputError(
                f"--bids-filter-file {reader.filters.path}: {role} leaves none of {len(seen)} images; "
                f"they have {values}"
            )


def _add_masks(
    plan: Plan, bids_dir: Path, lesions_dir: Path | None, own: dict[str, list[Found]], *, everybody: bool
) -> None:
    """Give each visit its lesion mask, of the folder given or else of the dataset; tell what became of each."""
    matched = match_masks(plan.visits, bids_dir, lesions_dir, own, everybody=everybody)
    plan.masks = matched.folder
    plan.visits = [
        replace(visit, given=mask, notes=(*visit.notes, *notes))
        for visit, (mask, notes) in zip(plan.visits, matched.chosen, strict=True)
    ]
    plan.rows += [Row(*row, "mask") for row in matched.rows]

"""From a dataset to its visits: which images are used, and why each other one is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bids_app.errors import InputError
from bids_app.layout.borrow import NEAREST, borrow
from bids_app.layout.dataset import check_description, chosen_labels
from bids_app.layout.files import (
    APART,
    Found,
    alike,
    foreign_owner,
    list_elsewhere,
    list_participant,
    named_otherwise,
    participants,
    session_folders,
)
from bids_app.layout.filters import Filters
from bids_app.layout.ignore import Ignore
from bids_app.layout.masks import match_masks
from bids_app.layout.names import FLAIR, LESIONS, NO_FLAIR, SUFFIXES, T1W, judge
from bids_app.layout.order import BY_NAME, Candidate, compare, examine, remarks
from bids_app.layout.rows import Plan, Row
from bids_app.layout.sidecars import Sidecars
from bids_app.layout.twins import tell_twins
from bids_app.layout.visit import Visit
from bids_app.visit_name import PARTICIPANT, SESSION, VisitName, bare


@dataclass
class _Reader:
    """What is needed to judge and choose the images of one dataset."""

    root: Path
    filters: Filters
    ignore: Ignore
    sidecars: Sidecars
    t1w_alone: bool
    filtered: dict[str, list[tuple[str, bool]]] = field(default_factory=lambda: {T1W: [], FLAIR: []})


def plan_visits(
    bids_dir: Path,
    *,
    participant_labels: Sequence[str] = (),
    session_labels: Sequence[str] = (),
    filter_file: Path | None = None,
    lesions_dir: Path | None = None,
    t1w_from: str | None = None,
    t1w_alone: bool = False,
) -> Plan:
    """Choose the images of every visit of a dataset.

    Every image of a visit lies below `bids_dir/sub-<label>[/ses-<label>]/anat` of exactly its labels; anything else is
    left out with the reason, as is what `.bidsignore` lists. Of several images of a kind, `order.Rank` decides.

    Parameters
    ----------
    bids_dir : Path
        Root of the raw dataset.
    participant_labels, session_labels : sequence of str
        Labels to keep, with or without prefix; empty keeps all.
    filter_file : Path, optional
        JSON file of entities by query (`t1w`, `flair`) that narrow which images are read.
    lesions_dir : Path, optional
        Folder whose lesion masks are used, of any of the tools that `lesion_masks.choose_mask` knows.
    t1w_from : str, optional
        Session whose T1w image a visit without one takes, or `nearest`.
    t1w_alone : bool
        Whether a visit without any FLAIR image is made from its T1w image alone, not left out.

    Raises
    ------
    InputError
        If the folder is not a raw BIDS dataset, has no participants, lacks a label that was asked for, a filter leaves
        nothing of a query, or no mask of the folder given is of any visit.
    """
    check_description(bids_dir)
    present = participants(bids_dir)
    people = chosen_labels(present, participant_labels, PARTICIPANT, bids_dir)
    if not people:
        raise InputError(f"{bids_dir}: no participants (folders sub-*) with images in it")
    reader = _Reader(bids_dir, Filters(filter_file), Ignore(bids_dir), Sidecars(bids_dir), t1w_alone)
    plan = Plan(alike=[[VisitName(one).prefix for one in group] for group in alike(present)])
    wanted = {bare(label, SESSION) for label in session_labels}
    sessions: set[str] = set()
    masks: dict[str, list[Found]] = {}
    for person in people:
        files = list_participant(bids_dir, person)
        by_session: dict[str | None, list[Found]] = {}
        for found in files:
            by_session.setdefault(found.session, []).append(found)
        folders = session_folders(bids_dir, person)
        sessions |= {session for session in by_session if session is not None}
        plan.alike += [[VisitName(person, one).prefix for one in group] for group in alike(folders)]
        for session in sorted(by_session, key=lambda one: one or ""):
            if not wanted or session in wanted:
                _add_visit(plan, reader, by_session[session], masks)
        without = [one for one in folders if one not in by_session and (not wanted or one in wanted)]
        plan.empty += [VisitName(person, one).prefix for one in without]
        plan.empty += [] if by_session or folders else [VisitName(person).prefix]
        _borrow(plan, reader, person, by_session, t1w_from)
    chosen_labels(sorted(sessions), session_labels, SESSION, bids_dir)
    if not participant_labels:
        _add_elsewhere(plan, bids_dir)
    if not plan.visits:
        raise InputError(_nothing(bids_dir, plan))
    _check_borrowed(plan, t1w_from, sessions)
    plan.nothing = _check_filters(reader)
    tell_twins(plan, bids_dir)
    _add_masks(plan, bids_dir, lesions_dir, masks, everybody=not (participant_labels or wanted))
    return plan


def find_visits(
    bids_dir: Path,
    *,
    participants: Sequence[str] = (),
    sessions: Sequence[str] = (),
    filter_file: Path | None = None,
    lesions_dir: Path | None = None,
) -> list[Visit]:
    """Return the visits of `plan_visits`.

    Parameters
    ----------
    bids_dir : Path
        Root of the dataset.
    participants, sessions : sequence of str
        Labels; all where empty.
    filter_file : Path, optional
        BIDS filters (JSON).
    lesions_dir : Path, optional
        Derivatives with lesion masks.
    """
    return plan_visits(
        bids_dir,
        participant_labels=participants,
        session_labels=sessions,
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
    for role, remarks_ in near.items():
        if used[role] is None:
            notes += remarks_
    assert first.participant is not None
    left_out = "" if used[FLAIR] else _why_no_flair(near[FLAIR], lost[FLAIR])
    # a FLAIR that may be meant, or that a filter leaves out, is not passed over
    if left_out == NO_FLAIR and reader.t1w_alone and used[T1W]:
        left_out = ""
        notes.append(f"{NO_FLAIR}: made from the T1w image alone")
    plan.visits.append(
        Visit(first.participant, first.session, used[FLAIR], used[T1W], notes=tuple(notes), left_out=left_out)
    )


def _borrow(
    plan: Plan, reader: _Reader, person: str, by_session: dict[str | None, list[Found]], wanted: str | None
) -> None:
    """Give a participant's visits without T1w one of another session, selected or not, where that is wanted."""
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
    if not wanted:
        plan.elsewhere += [plan.visits[place].name for place in lacking if offers]
        return
    drawbacks = {row.image: row.reason for row in every.rows if row.used and row.kind == "remark"}
    for place in lacking:
        visit, note = borrow(plan.visits[place], offers, wanted, reader.root)
        plan.visits[place] = visit
        plan.lent.append((visit.name, visit.t1w is not None, note))
        if visit.t1w:
            image = visit.t1w.relative_to(reader.root).as_posix()
            note = "; ".join([note, *([drawbacks[image]] if image in drawbacks else [])])
            plan.rows.append(Row(visit.name, T1W, image, True, note, "remark"))


def _check_borrowed(plan: Plan, wanted: str | None, sessions: set[str]) -> None:
    """Refuse a session to take T1w images from that no participant has."""
    if wanted and wanted != NEAREST and bare(wanted, SESSION) not in sessions:
        some = ", ".join(SESSION + label for label in sorted(sessions)[:10]) or "none"
        raise InputError(
            f"--t1w-from {wanted}: there is no such session; there are {some}; or give {NEAREST}"
        )


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
    return _offer(found, row, judged.role, reader, owner or named_otherwise(found) or "")


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
    drawbacks = remarks(used)
    reasons = [compare(other, used) for other in others]
    alone = "the only one" if not others else f"preferred to {len(others)} other{'s' * (len(others) > 1)}"
    reason = "; ".join([BY_NAME if BY_NAME in reasons else alone, *drawbacks])
    kind = "absent" if used.absent else "remark" if drawbacks else "used"
    plan.rows.append(Row(used.found.folder, role, used.found.relative, True, reason, kind))
    for other, why in zip(others, reasons, strict=True):
        kind = "name" if why == BY_NAME else "choice"
        plan.rows.append(Row(other.found.folder, role, other.found.relative, False, why, kind))
    if others:
        left = ", ".join(f"{other.path.name} ({why})" for other, why in zip(others, reasons, strict=True))
        notes.append(f"several {SUFFIXES[role]} images: used {used.path.name}, left out {left}")
    notes += [f"{used.path.name}: {one}" for one in drawbacks]
    return used.path


def _add_elsewhere(plan: Plan, bids_dir: Path) -> None:
    """Add rows for images outside `sub-*`; of what programs made (`derivatives` and the like), for scans and masks."""
    images, plan.stopped = list_elsewhere(bids_dir)
    for found in images:
        judged = judge(found)
        apart = found.relative.partition("/")[0] in APART
        if judged.role or not apart:
            kind = "other" if apart or not judged.role else "near"
            plan.rows.append(Row("", judged.role, found.relative, False, judged.trouble, kind))


def _nothing(bids_dir: Path, plan: Plan) -> str:
    text = f"{bids_dir}: no T1w or FLAIR image for the participants and sessions asked for"
    meant = next((row for row in plan.rows if row.kind == "near"), None)
    return f"{text}; {meant.image} {meant.reason}" if meant else text


def _check_filters(reader: _Reader) -> list[str]:
    """Refuse a filter that leaves none of the images that there are; return queries for which there is no image."""
    for role, seen in reader.filtered.items():
        if seen and reader.filters.queries.get(role) and not any(fits for _, fits in seen):
            values = reader.filters.values(role, [path for path, _ in seen])
            raise InputError(
                f"--bids-filter-file {reader.filters.path}: {role} leaves none of {len(seen)} images; "
                f"they have {values}"
            )
    return [role for role, query in reader.filters.queries.items() if query and not reader.filtered[role]]


def _add_masks(
    plan: Plan,
    bids_dir: Path,
    lesions_dir: Path | None,
    in_dataset: dict[str, list[Found]],
    *,
    everybody: bool,
) -> None:
    """Give each visit its lesion mask, of the folder given or else of the dataset; tell what became of each."""
    matched = match_masks(plan.visits, bids_dir, lesions_dir, in_dataset, everybody=everybody)
    plan.masks = matched.folder
    plan.visits = [
        replace(visit, supplied=mask, notes=(*visit.notes, *notes))
        for visit, (mask, notes) in zip(plan.visits, matched.chosen, strict=True)
    ]
    plan.rows += [Row(*row, "mask") for row in matched.rows]

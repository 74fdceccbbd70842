"""What was chosen, in the lines that a run begins with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from bids_app.layout.names import NO_FLAIR, SUFFIXES
from bids_app.layout.rows import Plan, Row
from bids_app.layout.visit import Visit
from bids_app.tables.notes import EXAMPLES


def counted(number: int, what: str) -> str:
    """Return a number and its noun: `1 visit`, `2 visits`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def such_as(names: Sequence[str], shown: int = EXAMPLES) -> str:
    """Return the first few of many names."""
    return ", ".join(names[:shown]) + (" ..." if len(names) > shown else "")


def summary(plan: Plan) -> list[str]:
    """Return the lines that a run begins with: visits by kind, choices, masks, filters, what was not read."""
    lines = [_visits(plan.visits)]
    if plan.empty:
        lines.append(
            f"no T1w or FLAIR image in {counted(len(plan.empty), 'folder')} of participants or sessions: "
            f"{such_as(plan.empty)}"
        )
    lines += [f"alike: {' and '.join(group)} are taken as different" for group in plan.alike[:EXAMPLES]]
    if len(plan.alike) > EXAMPLES:
        lines.append(
            f"alike: {len(plan.alike) - EXAMPLES} more groups of labels differ in case or zeros alone"
        )
    by_kind: dict[str, list[Row]] = {}
    for row in plan.table:
        by_kind.setdefault(row.kind, []).append(row)
    lines += _choices(by_kind)
    if plan.twins:
        image, of_which = plan.twins[0]
        lines.append(f"copies: {counted(len(plan.twins), 'image')} in use, such as {image}: {of_which}")
    for role, suffix in SUFFIXES.items():
        if lost := [row for row in by_kind.get("filter", []) if row.role == role]:
            kept = sum(row.role == role and row.used for row in plan.table)
            lines.append(f"filter: {counted(len(lost), suffix + ' image')} left out, {kept} used")
    lines += [
        f"filter: there is no {SUFFIXES[role]} image for its {role} to choose from" for role in plan.nothing
    ]
    lines += _without_flair(plan.visits)
    lines += _lent(plan)
    lines += _masks(plan)
    if near := by_kind.get("near"):
        count = counted(len(near), "image")
        lines.append(f"not used: {count} that may be meant, such as {near[0].image}: {near[0].reason}")
    if other := by_kind.get("other"):
        lines.append(
            f"not read: {counted(len(other), 'other image')}, such as {other[0].image}: {other[0].reason}"
        )
    lines += [f"not looked at: {folder}/, which holds too many images to list" for folder in plan.stopped]
    return lines


def _visits(visits: Sequence[Visit]) -> str:
    made = [(visit.t1w is not None, visit.flair is not None) for visit in visits if not visit.left_out]
    out = [visit for visit in visits if visit.left_out]
    people = len({visit.participant for visit in visits})
    counts = [
        f"{made.count((True, True))} with T1w and FLAIR",
        f"{made.count((False, True))} with FLAIR alone",
    ]
    if by_t1w := made.count((True, False)):
        counts.append(f"{by_t1w} with T1w alone, in which far fewer lesions are found")
    why = Counter(visit.left_out.partition(":")[0] for visit in out)
    counts.append(f"{len(out)} left out" + (f" ({_tally(why)})" if out else ""))
    return f"{counted(len(visits), 'visit')} of {counted(people, 'participant')}: {', '.join(counts)}"


def _tally(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {what}" for what, number in counts.most_common())


def _choices(by_kind: dict[str, list[Row]]) -> Iterator[str]:
    if left := by_kind.get("choice"):
        count = counted(len(left), "image")
        yield f"choice: {count} left out for a better one, such as {left[0].image}: {left[0].reason}"
    if alike := by_kind.get("name"):
        yield (
            f"choice: {counted(len(alike), 'image')} left out by name alone, for want of a difference, such as "
            f"{alike[0].image}: choose with --bids-filter-file"
        )
    if absent := by_kind.get("absent"):
        reason = absent[0].reason.partition("; ")[2]
        visits = counted(len({row.visit for row in absent}), "visit")
        count = counted(len(absent), "image")
        yield f"not there: {count} of {visits}, which will fail, such as {absent[0].image}: {reason}"
    if poor := by_kind.get("remark"):
        yield f"used with a drawback: {counted(len(poor), 'image')}, such as {poor[0].image}: {poor[0].reason}"


def _without_flair(visits: Sequence[Visit]) -> Iterator[str]:
    """Tell what `--t1w-alone` would do."""
    if some := [visit.name for visit in visits if visit.t1w and visit.left_out == NO_FLAIR]:
        yield (
            f"T1w alone: {counted(len(some), 'visit')} without FLAIR, such as {some[0]}, would be processed with "
            "--t1w-alone: volumes, radiomics and the few lesions that the T1w shows"
        )


def _lent(plan: Plan) -> Iterator[str]:
    """Tell what `--t1w-from` found, or what it would find."""
    if plan.elsewhere:
        yield (
            f"T1w elsewhere: {counted(len(plan.elsewhere), 'visit')} with FLAIR alone could take the T1w image of "
            f"another session, such as {plan.elsewhere[0]}: give --t1w-from SESSION or nearest"
        )
    if plan.lent:
        lacking = [(name, why) for name, lent, why in plan.lent if not lent]
        lent, without = len(plan.lent) - len(lacking), counted(len(plan.lent), "visit")
        yield f"T1w from another session: {lent} of {without} without one" + (
            f"; {lacking[0][0]} {lacking[0][1]}" if lacking else ""
        )


def _masks(plan: Plan) -> Iterator[str]:
    masked = sum(visit.supplied is not None for visit in plan.visits)
    if plan.masks is None:
        if masked:
            yield f"masks: {masked} of {counted(len(plan.visits), 'visit')} have a lesion mask in the dataset"
        return
    line = f"masks: {plan.masks.matched} of {counted(len(plan.visits), 'visit')}"
    if lost := plan.masks.unmatched:
        match = "matches" if len(lost) == 1 else "match"
        line += f"; {counted(len(lost), 'file')} {match} no visit, such as {such_as(lost)}"
    if unused := plan.masks.unused:
        line += (
            f"; {counted(len(unused), 'visit')} could not use theirs, such as {unused[0][0]}: {unused[0][1]}"
        )
    yield line
    if plan.masks.several:
        yield f"masks: {counted(plan.masks.several, 'visit')} had several of one kind: the first by name was used"

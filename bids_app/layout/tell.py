"""What was chosen, in the lines that a run begins with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from bids_app.layout.names import SUFFIXES
from bids_app.layout.plan import Plan, Row
from bids_app.layout.visit import Visit

SHOWN = 3


def counted(number: int, what: str) -> str:
    """Return a number and its noun: `1 visit`, `2 visits`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def such_as(names: Sequence[str], shown: int = SHOWN) -> str:
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
    by_kind: dict[str, list[Row]] = {}
    for row in plan.table:
        by_kind.setdefault(row.kind, []).append(row)
    lines += _choices(by_kind)
    for role, suffix in SUFFIXES.items():
        if lost := [row for row in by_kind.get("filter", []) if row.role == role]:
            kept = sum(row.role == role and row.used for row in plan.table)
            lines.append(f"filter: {counted(len(lost), suffix + ' image')} left out, {kept} used")
    lines += _masks(plan)
    if near := by_kind.get("near"):
        count = counted(len(near), "image")
        lines.append(f"not used: {count} that may be meant, such as {near[0].image}: {near[0].reason}")
    if other := by_kind.get("other"):
        lines.append(
            f"not read: {counted(len(other), 'other image')}, such as {other[0].image}: {other[0].reason}"
        )
    return lines


def _visits(visits: Sequence[Visit]) -> str:
    both = sum(bool(visit.t1w) and not visit.left_out for visit in visits)
    out = [visit for visit in visits if visit.left_out]
    people = len({visit.participant for visit in visits})
    told = [f"{both} with T1w and FLAIR", f"{len(visits) - both - len(out)} with FLAIR alone"]
    why = Counter(visit.left_out.partition(":")[0] for visit in out)
    told.append(f"{len(out)} left out" + (f" ({_tally(why)})" if out else ""))
    return f"{counted(len(visits), 'visit')} of {counted(people, 'participant')}: {', '.join(told)}"


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
    if poor := by_kind.get("remark"):
        yield f"used with a drawback: {counted(len(poor), 'image')}, such as {poor[0].image}: {poor[0].reason}"


def _masks(plan: Plan) -> Iterator[str]:
    given = sum(visit.given is not None for visit in plan.visits)
    if plan.masks is None:
        if given:
            yield f"masks: {given} of {counted(len(plan.visits), 'visit')} have a lesion mask in the dataset"
        return
    line = f"masks: {plan.masks.matched} of {counted(len(plan.visits), 'visit')}"
    if lost := plan.masks.unmatched:
        match = "matches" if len(lost) == 1 else "match"
        line += f"; {counted(len(lost), 'file')} {match} no visit, such as {such_as(lost)}"
    yield line

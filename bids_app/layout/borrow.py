"""A T1w image of another session for a visit that has none, where a user asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bids_app.errors import InputError
from bids_app.layout.visit import Visit
from bids_app.tables.times import days_between, visit_time
from bids_app.visit_name import SESSION, VisitName, bare

NEAREST = "nearest"


def borrow(visit: Visit, offers: Mapping[str | None, Path], wanted: str, root: Path) -> tuple[Visit, str]:
    """Return a visit with a T1w image of another session, and what is told of it.

    Parameters
    ----------
    visit : Visit
        With a FLAIR image and no T1w.
    offers : mapping of session to Path
        The participant's T1w images; None is the key of one that lies beside the sessions.
    wanted : str
        A session's label, or `nearest`: the nearest by date. Without dates that counts only where there is one image.
    root : Path
        The dataset.

    Returns
    -------
    visit : Visit
        With the image where there is one, and a note.
    reason : str
        The reason for the image, or for taking none.
    """
    others = {session: path for session, path in offers.items() if session != visit.session}
    days = {session: _days(visit, session, root) for session in others}
    session: str | None
    if wanted != NEAREST:
        label = bare(wanted, SESSION)
        if label not in others:
            return visit, f"has no T1w image in {SESSION}{label}"
        session = label
    else:
        dated = sorted((abs(gap), session or "", session) for session, gap in days.items() if gap is not None)
        if not dated and len(others) != 1:
            if not others:
                return visit, "has no T1w image in another session"
            count = f"{len(others)} T1w images of other sessions, of unknown dates"
            note = f"{count}: none was taken; give --t1w-from SESSION"
            return replace(visit, notes=(*visit.notes, note)), note
        session = dated[0][2] if dated else next(iter(others))
    reason = f"of {VisitName(visit.participant, session)}, {_words(days[session])} (--t1w-from)"
    return replace(visit, t1w=others[session], notes=(*visit.notes, f"T1w image {reason}")), reason


def _days(visit: Visit, session: str | None, root: Path) -> int | None:
    """Return the days from the FLAIR's visit to another session, None where a date is not known."""
    try:
        here, there = (
            visit_time(root, visit.visit_name),
            visit_time(root, VisitName(visit.participant, session)),
        )
    except InputError:
        return None
    return days_between(here, there) if here and there else None


def _words(days: int | None) -> str:
    if days is None:
        return "an unknown number of days from the FLAIR image"
    when = "before" if days < 0 else "after"
    return f"{abs(days)} days {when} the FLAIR image" if days else "on the day of the FLAIR image"

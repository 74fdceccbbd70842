"""Visits that a rater excluded, taken out of a cohort and counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from bids_app.cohort.visits import Cohort
from bids_app.derivatives import write_table
from bids_app.errors import InputError
from bids_app.learn.flow import flow_step
from bids_app.tables.ratings import read_ratings
from bids_app.visit_name import VisitName

LISTED = Path("group/excluded.tsv")
SHOWN = 3  # reasons in one line


def exclude_rated(cohort: Cohort, path: Path) -> Cohort:
    """Take the visits out that a table of ratings excludes, and write `group/excluded.tsv`.

    Parameters
    ----------
    cohort : Cohort
    path : Path
        See `bids_app.tables.ratings.read_ratings`.

    Returns
    -------
    Cohort
        With a note that counts the reasons, and a step in the flow.

    Raises
    ------
    InputError
        If the table cannot be used, or no visit is left.
    """
    names = [
        VisitName.from_ids(person, session)
        for person, session in cohort.visits[["participant_id", "session_id"]].itertuples(index=False)
    ]
    ratings = read_ratings(path, names)
    out = set(ratings.excluded["visit"])
    kept = cohort.visits[[name.prefix not in out for name in names]].reset_index(drop=True)
    if kept.empty:
        raise InputError(f"{path}: excludes every visit; nothing is left to analyse")
    write_table(ratings.excluded, cohort.derivatives / LISTED)
    why = reasons([str(reason) for reason in ratings.excluded["reason"]])
    notes = [*cohort.notes, *ratings.notes]
    notes.append(f"{path.name}: {_counted(len(out))} excluded{f' ({why})' if why else ''}; see {LISTED}")
    if ratings.again:
        few = ", ".join(ratings.again[:SHOWN]) + (" ..." if len(ratings.again) > SHOWN else "")
        notes.append(f"{path.name}: {_counted(len(ratings.again))} rated 'look again' stay in ({few})")
    step = flow_step(
        "visits not excluded by rating", kept, len(names), f"excluded by rating: {why or 'none'}"
    )
    return replace(cohort, visits=kept, notes=notes, flow=[*cohort.flow, step])


def _counted(n: int) -> str:
    return f"{n} visit{'' if n == 1 else 's'}"


def reasons(texts: list[str]) -> str:
    """Return the reasons with their counts, the most frequent first."""
    counted = Counter(text.split(":")[0] for text in texts).most_common()
    more = len(counted) - SHOWN
    return ", ".join(f"{text} {n}" for text, n in counted[:SHOWN]) + (f" and {more} more" if more > 0 else "")

"""From derivatives and participants.tsv to one tidy table of visits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from bids_app.cohort.dates import add_days
from bids_app.cohort.features import FeatureTable, read_features
from bids_app.cohort.join import join_people, with_scan_times
from bids_app.derivatives.reader import Derivatives
from bids_app.errors import InputError
from bids_app.learn.flow import flow_step
from bids_app.tables import match_ids, read_people, read_sessions
from bids_app.visit_name import PARTICIPANT, VisitName


@dataclass(frozen=True)
class Cohort:
    """The visits of a derivative dataset with what is known of their participants.

    Attributes
    ----------
    derivatives : Path
        Root of the derivatives.
    visits : DataFrame
        One row per visit: participant_id, session_id (missing where there are no sessions), then the columns of
        participants.tsv and phenotype/ in standard form (see `bids_app.tables.People`); rows of a session, in whichever
        table, come before rows of a participant.
    notes : list of str
        Who was left out, and why; what was changed in tables, and what is doubtful there.
    synthetic : bool
        Whether disconnection from synthetic connectomes counts.
    flow : list of dict
        Step, n_visits and n_patients left, number excluded, reason (see `bids_app.learn.flow`).
    table : FeatureTable
        Volumes, disconnection and radiomics of the visits, read from the derivatives when first used.
    """

    derivatives: Path
    visits: pd.DataFrame
    notes: list[str] = field(default_factory=list)
    synthetic: bool = False
    flow: list[dict[str, object]] = field(default_factory=list)

    @cached_property
    def table(self) -> FeatureTable:
        """Measures of the visits, what their columns are, and notes on what was missing."""
        return read_features(self.derivatives, self.visits, synthetic=self.synthetic)

    @property
    def features(self) -> pd.DataFrame:
        """Measures, (visits, columns), float32, rows as in `visits`."""
        return self.table.values

    @property
    def columns(self) -> pd.DataFrame:
        """What each column of `features` is: column, family, region, image_type, feature, icc."""
        return self.table.columns


def read_cohort(
    derivatives: str | Path, participants: str | Path, *, columns: Mapping[str, str] | None = None
) -> Cohort:
    """Read the cohort of a derivative dataset.

    Parameters
    ----------
    derivatives : str or Path
        Root of Demyelin's derivatives.
    participants : str or Path
        `participants.tsv` of the raw dataset; `phenotype/*.tsv` and `sub-*/sub-*_sessions.tsv` beside it are read
        too.
    columns : mapping of str to str, optional
        The dataset's column names by Demyelin's, e.g. `{"age": "age_at_scan"}`.

    Returns
    -------
    Cohort

    Raises
    ------
    InputError
        If there are no finished visits, the table cannot be read, lists none of their participants or lacks a
        mapped column. A cell that cannot be read is missing, and in the notes.

    Examples
    --------
    A synthetic cohort in place of finished visits:

    >>> import subprocess
    >>> from demyelin import read_cohort
    >>> made = "demyelin-phantom cohort --derivatives-only --study A --nprocs 1 --visits 12,0 --regions 7"
    >>> _ = subprocess.run(made.split(), check=True, capture_output=True)
    >>> cohort = read_cohort("cohort/derivatives/demyelin", "cohort/participants.tsv")
    >>> len(cohort.visits)
    12
    >>> sorted(cohort.columns["family"].unique())
    ['chaco', 'radiomics', 'volume']
    """
    derivatives, participants = Path(derivatives), Path(participants)
    names, notes = dict(columns or {}), list[str]()
    found = _find_visits(derivatives)
    if not participants.is_file():
        others = sorted(
            one.name for one in participants.parent.glob(f"{participants.stem}.*") if one.suffix != ".json"
        )
        hint = f"; there is {others[0]}: save it as {participants.name}, with tabs" if others else ""
        raise InputError(
            f"{participants}: missing; the group level needs it for age, sex, diagnosis and edss{hint}"
        )
    people = read_people(participants, columns=names)
    notes += people.notes
    listed = people.values["participant_id"].unique()
    mine = found["participant_id"].unique()
    same = match_ids(listed, mine, PARTICIPANT)
    if not same:
        raise InputError(
            f"{participants}: lists none of the participants with derivatives ({mine[0]} ...); "
            "column participant_id needs their names"
        )
    unknown = sorted(set(mine) - set(same.values()))
    if unknown:
        notes.append(
            f"{len(unknown)} participants with derivatives are not in {participants.name} ({unknown[0]} ...)"
        )
    missing = sorted(set(listed) - set(same))
    if missing:
        notes.append(f"{len(missing)} participants have no derivatives yet ({missing[0]} ...)")
    visits = found[~found["participant_id"].isin(unknown)].reset_index(drop=True)
    unique = people.values.drop_duplicates("participant_id")
    listing = flow_step("participants in participants.tsv", unique, len(unique), "")
    step = flow_step("visits with derivatives", visits, 0, "participants without finished derivatives")
    flow = [listing | {"n_visits": None}, step | {"excluded": len(missing)}]
    visits = join_people(visits, people, notes, over=False)
    visits = add_days(_with_tables(visits, participants.parent, names, notes), notes)
    for name, column in names.items():
        if name not in visits:
            has = ", ".join(map(str, people.values.columns))
            raise InputError(f"{participants}: column {column} (for {name}) is missing; it has {has}")
    return Cohort(derivatives, visits, notes, flow=flow)


def _find_visits(derivatives: Path) -> pd.DataFrame:
    """List the visits that have a lesion table."""
    rows = [
        {"participant_id": name.participant_id, "session_id": name.session_id}
        for name in Derivatives(derivatives).visits()
    ]
    if not rows:
        raise InputError(f"{derivatives}: no finished visits; run the participant level first")
    return pd.DataFrame(rows).astype({"session_id": object})


def _with_tables(
    visits: pd.DataFrame, root: Path, columns: Mapping[str, str], notes: list[str]
) -> pd.DataFrame:
    """Add what phenotype/*.tsv, sub-*_sessions.tsv and *_scans.tsv say; an unreadable one is left out and told."""
    for path in sorted((root / "phenotype").glob("*.tsv")):
        try:
            table = read_people(path, columns=columns, name=f"phenotype/{path.name}")
        except InputError as error:
            notes.append(f"{error}; the table was left out")
            continue
        notes += table.notes
        visits = join_people(visits, table, notes, over=False)
    notes += _unread(root, visits)
    with_sessions = visits.loc[visits["session_id"].notna(), "participant_id"].unique()
    places = {person: root / VisitName.parse(person).sessions_table for person in with_sessions}
    sessions, refused = read_sessions(
        {person: path for person, path in places.items() if path.is_file()}, columns=columns
    )
    notes += refused
    if sessions is not None:
        notes += sessions.notes
        visits = join_people(visits, sessions, notes, over=True)
    return with_scan_times(visits, root, notes)


def _unread(root: Path, visits: pd.DataFrame) -> list[str]:
    """Tell of tables that lie where none is read."""
    notes = []
    tables = (".tsv", ".csv", ".xlsx", ".xls", ".ods")
    known = ("participants.tsv", "samples.tsv", "raters.tsv")  # the last by --raters, on request
    here = [one.name for one in sorted(root.glob("*")) if one.suffix in tables and one.name not in known]
    beside = [
        f"phenotype/{one.name}" for one in sorted((root / "phenotype").glob("*")) if one.suffix in tables[1:]
    ]
    if unread := [*here, *beside]:
        notes.append(
            f"{len(unread)} tables are not read ({unread[0]} ...): tables of people lie in phenotype/, of sessions in "
            "sub-*/sub-*_sessions.tsv, as text with tabs and the ending .tsv"
        )
    whole = visits.loc[visits["session_id"].isna(), "participant_id"].unique()
    lost = [person for person in whole if (root / VisitName.parse(person).sessions_table).is_file()]
    if lost:
        notes.append(
            f"{len(lost)} tables of sessions are not used: the visits of {lost[0]} ... have no session"
        )
    return notes

"""From derivatives and participants.tsv to one tidy table of visits."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from bids_app.cohort.dates import add_days
from bids_app.cohort.features import FeatureTable, read_features
from bids_app.derivatives.reader import Derivatives
from bids_app.errors import InputError
from bids_app.learn.flow import flow_step
from bids_app.visit_name import VisitName

NUMBERS = (
    "age",
    "disease_duration",
    "onset_age",
    "edss",
    "days_to_edss",
    "days_since_relapse",
    "days_since_steroids",
)
TEXTS = ("sex", "site", "diagnosis", "disease_course")  # site 1 is not 1.0, even beside one that is unknown
KEYS = ("participant_id", "session_id")
OLDEST = "89+"  # how BIDS writes ages above 89


@dataclass(frozen=True)
class Cohort:
    """The visits of a derivative dataset with what is known of their participants.

    Attributes
    ----------
    derivatives : Path
        Root of the derivatives.
    visits : DataFrame
        One row per visit: participant_id, session_id (missing where there are no sessions), then the columns
        of participants.tsv and phenotype/, those of sessions.tsv in their place where it has them.
    notes : list of str
        Who was left out, and why.
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
        mapped column, a participant is in it twice, a number is text or a date none.

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
    names = columns or {}
    found = _find_visits(derivatives)
    table = _read_table(participants, KEYS[:1], names)
    visits = found.merge(table, on="participant_id", how="left", validate="many_to_one")
    if not set(found["participant_id"]) & set(table["participant_id"]):
        raise InputError(
            f"{participants}: lists none of the participants with derivatives ({found['participant_id'].iloc[0]} ...); "
            "column participant_id needs their names, with sub-"
        )
    notes = []
    unknown = sorted(set(found["participant_id"]) - set(table["participant_id"]))
    if unknown:
        notes.append(
            f"{len(unknown)} participants with derivatives are not in {participants.name} ({unknown[0]} ...)"
        )
    missing = sorted(set(table["participant_id"]) - set(found["participant_id"]))
    if missing:
        notes.append(f"{len(missing)} participants have no derivatives yet ({missing[0]} ...)")
    visits = visits[~visits["participant_id"].isin(unknown)].reset_index(drop=True)
    listed = flow_step("participants in participants.tsv", table, len(table), "")
    step = flow_step("visits with derivatives", visits, 0, "participants without finished derivatives")
    flow = [listed | {"n_visits": None}, step | {"excluded": len(missing)}]
    visits = _with_phenotype(visits, participants.parent, names, notes)
    visits = add_days(_with_sessions(visits, participants.parent, names))
    for name, column in names.items():
        if name not in visits:
            raise InputError(
                f"{participants}: column {column} (for {name}) is missing; it has {', '.join(table.columns)}"
            )
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


def _read_table(path: Path, keys: Sequence[str], columns: Mapping[str, str]) -> pd.DataFrame:
    """Read a table of participants, sessions or phenotypes with Demyelin's column names, one row per key."""
    texts = dict.fromkeys([*KEYS, *(columns.get(name, name) for name in TEXTS)], str)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # more cells than the header has names
            table = pd.read_csv(path, sep="\t", dtype=texts, na_values=["n/a"], index_col=False)
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: missing; the group level needs it for age, sex, diagnosis and edss"
        ) from error
    except pd.errors.ParserWarning as error:
        raise InputError(f"{path}: a row has more cells than the header; mend the table") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable table with tabs ({type(error).__name__})") from error
    shadowed = {name for name, column in columns.items() if column != name} - set(columns.values())
    mapped = {column: name for name, column in columns.items() if column in table}
    table = table.drop(columns=[name for name in table if name in shadowed]).rename(columns=mapped)
    for key in keys:
        if key not in table:
            raise InputError(f"{path}: column {key} is missing")
        if table[key].isna().any():
            raise InputError(f"{path}: a row has no {key}; fill it in or remove the row")
    table = table.drop(columns=[key for key in KEYS if key in table and key not in keys])
    doubled = table[table.duplicated(list(keys))]
    if not doubled.empty:
        raise InputError(f"{path}: {' '.join(doubled[list(keys)].iloc[0])} is there twice; keep one row each")
    for name in NUMBERS:
        if name in table:
            table[name] = _as_numbers(path, name, table[name])
    return table


def _as_numbers(path: Path, name: str, values: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(values.replace(OLDEST, OLDEST.rstrip("+")), errors="coerce")
    text = values[numbers.isna() & values.notna()]
    if not text.empty:
        raise InputError(
            f"{path}: column {name} holds {str(text.iloc[0])!r}, not a number; use n/a where unknown"
        )
    return numbers


def _with_phenotype(
    visits: pd.DataFrame, root: Path, columns: Mapping[str, str], notes: list[str]
) -> pd.DataFrame:
    """Add the columns of phenotype/*.tsv; where a column is known already, fill its gaps."""
    for path in sorted((root / "phenotype").glob("*.tsv")):
        with path.open(encoding="utf-8", errors="replace") as stream:
            has_sessions = "session_id" in stream.readline().split()
        keys = KEYS if has_sessions else KEYS[:1]
        try:
            table = _read_table(path, keys, columns)
        except InputError as error:
            notes.append(f"{error}; the table was left out")
            continue
        visits = _overlay(visits, table, keys, over=False)
    return visits


def _with_sessions(visits: pd.DataFrame, root: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """Put the values of sessions tables, which belong to the visit itself, over those of participants.tsv."""
    tables = []
    for participant in visits.loc[visits["session_id"].notna(), "participant_id"].unique():
        path = root / VisitName.parse(participant).sessions_table
        if path.exists():
            renamed = {name: column for name, column in columns.items() if name != "participant_id"}
            tables.append(_read_table(path, KEYS[1:], renamed).assign(participant_id=participant))
    return _overlay(visits, pd.concat(tables, ignore_index=True), KEYS, over=True) if tables else visits


def _overlay(visits: pd.DataFrame, table: pd.DataFrame, keys: Sequence[str], *, over: bool) -> pd.DataFrame:
    """Join a table's columns to the visits; values known on both sides are the table's if `over`."""
    known = visits[list(keys)].merge(table, on=list(keys), how="left", validate="many_to_one")
    joined = visits.copy()
    for name in known.columns.difference(list(KEYS), sort=False):
        new = known[name].set_axis(visits.index)
        if name in visits:
            new = (
                new.where(new.notna(), visits[name])
                if over
                else visits[name].where(visits[name].notna(), new)
            )
        joined[name] = new
    return joined

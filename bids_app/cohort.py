"""From derivatives and participants.tsv to one tidy table of visits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from bids_app.errors import InputError

NUMBERS = ("age", "disease_duration", "onset_age", "edss")


@dataclass(frozen=True)
class Cohort:
    """The visits of a derivative dataset with what is known of their participants.

    Attributes
    ----------
    derivatives : Path
        Root of the derivatives.
    visits : DataFrame
        One row per visit: participant_id, session_id (missing where there are no sessions), then the columns
        of participants.tsv, those of sessions.tsv in their place where it has them.
    notes : list of str
        Who was left out, and why.
    """

    derivatives: Path
    visits: pd.DataFrame
    notes: list[str] = field(default_factory=list)


def read_cohort(derivatives: Path, participants: Path, *, columns: Mapping[str, str] | None = None) -> Cohort:
    """Read the cohort of a derivative dataset.

    Parameters
    ----------
    derivatives : Path
        Root of Demyelin's derivatives.
    participants : Path
        `participants.tsv` of the raw dataset; `sub-*/sub-*_sessions.tsv` beside it are read too.
    columns : mapping of str to str, optional
        Own column names by Demyelin's, e.g. `{"age": "age_at_scan"}`.

    Returns
    -------
    Cohort

    Raises
    ------
    InputError
        If there are no finished visits, the table cannot be read or lacks a mapped column, a participant is
        in it twice, or a number is text.
    """
    found = _find_visits(derivatives)
    table = _read_table(participants, "participant_id", columns or {})
    visits = found.merge(table, on="participant_id", how="left", validate="many_to_one")
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
    return Cohort(derivatives, _with_sessions(visits, participants.parent, columns or {}), notes)


def _find_visits(derivatives: Path) -> pd.DataFrame:
    """List the visits that have a lesion table."""
    rows = []
    for path in sorted(derivatives.glob("sub-*/**/anat/*_seg-lesions_dseg.tsv")):
        entities = dict(part.split("-", 1) for part in path.name.split("_") if "-" in part)
        session = f"ses-{entities['ses']}" if "ses" in entities else None
        rows.append({"participant_id": f"sub-{entities['sub']}", "session_id": session})
    if not rows:
        raise InputError(f"{derivatives}: no finished visits; run the participant level first")
    return pd.DataFrame(rows).astype({"session_id": object})


def _read_table(path: Path, key: str, columns: Mapping[str, str]) -> pd.DataFrame:
    """Read a participants or sessions table with Demyelin's column names."""
    try:
        table = pd.read_csv(path, sep="\t", dtype={key: str}, na_values=["n/a"])
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: missing; the group level needs it for age, sex, diagnosis and edss"
        ) from error
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a readable table with tabs ({type(error).__name__})") from error
    if key not in table:
        raise InputError(f"{path}: column {key} is missing")
    for name, own in columns.items():
        if own not in table:
            raise InputError(
                f"{path}: column {own} (for {name}) is missing; it has {', '.join(table.columns)}"
            )
    table = table.rename(columns={own: name for name, own in columns.items()})
    doubled = table[key][table[key].duplicated()]
    if not doubled.empty:
        raise InputError(f"{path}: {doubled.iloc[0]} is there twice; keep one row each")
    for name in NUMBERS:
        if name in table:
            table[name] = _as_numbers(path, name, table[name])
    return table


def _as_numbers(path: Path, name: str, values: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce")
    text = values[numbers.isna() & values.notna()]
    if not text.empty:
        raise InputError(
            f"{path}: column {name} holds {str(text.iloc[0])!r}, not a number; use n/a where unknown"
        )
    return numbers


def _with_sessions(visits: pd.DataFrame, root: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """Put the values of sessions tables, which belong to the visit itself, over those of participants.tsv."""
    tables = []
    for participant in visits.loc[visits["session_id"].notna(), "participant_id"].unique():
        path = root / participant / f"{participant}_sessions.tsv"
        if path.exists():
            table = _read_table(
                path, "session_id", {n: own for n, own in columns.items() if n != "participant_id"}
            )
            tables.append(table.assign(participant_id=participant))
    if not tables:
        return visits
    keys = ["participant_id", "session_id"]
    known = pd.concat(tables, ignore_index=True).set_index(keys)
    joined = visits.set_index(keys)
    for name in known:
        own = known[name].reindex(joined.index)
        joined[name] = own.where(own.notna(), joined[name]) if name in joined else own
    return joined.reset_index()

"""From a cohort's visits to the scans of a diagnosis: labels checked, maps found, acute scans, covariates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.derivatives.reader import Derivatives
from bids_app.errors import InputError
from bids_app.learn.flow import flow_step
from bids_app.learn.names import is_male, visit_names
from bids_app.tables.yes_no import read_yes_no

CLINICAL = ("age", "onset_age", "sex", "disease_duration", "months_since_episode")
FIRST_CLASSES = ("RRMS", "MS")  # whose share called right is the sensitivity, as in study B
# entries of OUTPUTS
MAPS = {
    "belief": "belief",
    "median": "belief_median",
    "lesions": "lesions_template_3mm",
    "native_mask": "lesions",
    "table": "lesion_table",
    "quality": "qc",
}
ACUTE_DAYS = 92  # within 3 months of a relapse


@dataclass(frozen=True)
class Scans:
    """Scans that enter a diagnosis.

    Attributes
    ----------
    table : DataFrame
        One row per scan: visit, participant_id, session_id, diagnosis, clinical columns.
    classes : tuple of str
        Labels; the first is the one whose share called right is the sensitivity.
    notes : list of str
        What was left out, and why.
    flow : list of dict
        Step, n_visits and n_patients left, visits excluded, reason.
    """

    table: pd.DataFrame
    classes: tuple[str, ...]
    notes: list[str] = field(default_factory=list)
    flow: list[dict[str, Any]] = field(default_factory=list)

    @property
    def label(self) -> npt.NDArray[Any]:
        """Diagnosis of each scan."""
        return self.table["diagnosis"].to_numpy(dtype=object)

    @property
    def patient(self) -> npt.NDArray[Any]:
        """Patient of each scan: `person` where two participant_id turned out to be one, else participant_id."""
        name = "person" if "person" in self.table else "participant_id"
        return self.table[name].to_numpy(dtype=object)

    def clinical(self) -> tuple[npt.NDArray[np.float64], list[str]]:
        """Return numeric clinical columns (sex as 1 male, 0 female; NaN where missing) and their names."""
        names = [name for name in CLINICAL if name in self.table]
        columns = [_number(self.table[name]) for name in names]
        kept = [k for k, column in enumerate(columns) if np.isfinite(column).any()]
        values = np.column_stack([columns[k] for k in kept]) if kept else np.empty((len(self.table), 0))
        return values, [names[k] for k in kept]


def _number(column: pd.Series) -> npt.NDArray[np.float64]:
    numbers = is_male(column) if column.name == "sex" else pd.to_numeric(column, errors="coerce")
    return numbers.to_numpy(dtype=np.float64)


def select_scans(
    visits: pd.DataFrame,
    *,
    classes: Sequence[str] | None = None,
    acute: str | None = None,
    last_diagnosis: bool = False,
    least_patients: int = 2,
) -> Scans:
    """Check and choose the scans of a diagnosis.

    Parameters
    ----------
    visits : DataFrame
        One row per visit with participant_id, session_id, diagnosis and clinical columns.
    classes : sequence of str, optional
        Labels to tell apart, the first one's share called right being the sensitivity. Default: all labels.
    acute : str, optional
        Column that marks scans within three months of a relapse (yes/no, true/false, 1/0) or counts days since
        it; the others are left out.
    last_diagnosis : bool
        Whether a patient's last diagnosis holds for all scans; otherwise a patient with two is refused.
    least_patients : int
        Without `classes`, labels with fewer patients are left out where two others have enough.

    Raises
    ------
    InputError
        If the diagnosis column is missing, labels differ only in case or spaces, fewer than two classes are
        left, a class has a single patient, or a patient has two diagnoses.
    """
    if "diagnosis" not in visits:
        raise InputError(
            "participants.tsv: column diagnosis is missing; add one with each patient's diagnosis"
        )
    table, notes = visits.copy(), []
    classes = tuple(dict.fromkeys(classes)) if classes else None
    if "session_id" not in table:
        table["session_id"] = np.nan
    table["visit"] = visit_names(table["participant_id"], table["session_id"])
    flow = [flow_step("visits with derivatives", table, len(table), "")]
    known = table["diagnosis"].notna()
    if (~known).any():
        notes.append(f"{int((~known).sum())} visits without a diagnosis were left out")
    flow.append(flow_step("diagnosis known", table[known], len(table), "without a diagnosis"))
    table = table[known].astype({"diagnosis": str})  # numbers are labels too
    refuse_typos(table["diagnosis"].unique())
    if classes:
        kept = table[table["diagnosis"].isin(list(classes))]
        flow.append(flow_step(f"one of {', '.join(classes)}", kept, len(table), "another diagnosis"))
        table = kept
    if acute:
        keep = _is_acute(table, acute, notes)
        notes.append(f"acute scans only: {int((~keep).sum())} of {len(keep)} visits were left out")
        flow.append(flow_step("acute scans", table[keep], len(table), "not within three months of a relapse"))
        table = table[keep]
    table = table.sort_values("visit", ignore_index=True)
    if last_diagnosis:
        table, remarks = _last_diagnosis(table)
        notes += remarks
    if not classes and (rare := _rare(table, least_patients)):
        kept = table[~table["diagnosis"].isin(list(rare))].reset_index(drop=True)
        words = ", ".join(f"{name} ({n})" for name, n in rare.items())
        notes.append(
            f"diagnoses with fewer than {least_patients} patients were left out: {words}; --classes chooses others"
        )
        flow.append(flow_step("diagnoses with enough patients", kept, len(table), "too few patients"))
        table = kept
    chosen = classes or ordered_classes(table["diagnosis"].unique())
    check_patients(table, chosen)
    return Scans(table, chosen, notes, flow)


def _rare(table: pd.DataFrame, least: int) -> dict[str, int]:
    """Return labels with fewer patients than that, and how many; none unless two other labels have enough."""
    patients = table.groupby("diagnosis")["participant_id"].nunique()
    few = patients[patients < least]
    return {str(name): int(n) for name, n in few.items()} if len(patients) - len(few) >= 2 else {}


def _last_diagnosis(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Give all scans of a patient the last diagnosis, by acq_time where known, else in the order of sessions."""
    order = ["acq_time", "visit"] if "acq_time" in table else ["visit"]
    last = table.sort_values(order, kind="stable").groupby("participant_id")["diagnosis"].last()
    revised = table["participant_id"].map(last)
    who = table.loc[revised != table["diagnosis"], "participant_id"].unique()
    if not len(who):
        return table, []
    names = ", ".join(who[:5]) + (" ..." if len(who) > 5 else "")
    note = (
        f"{len(who)} patients have more than one diagnosis; the last one holds for all their scans ({names})"
    )
    return table.assign(diagnosis=revised), [note]


def least_patients(cv: int, outer: int) -> int:
    """Return how many patients a class needs for these folds (see `check_folds`)."""
    return next(n for n in range(outer, 10 * (cv + outer)) if n - -(-n // outer) >= cv)


def refuse_typos(labels: Iterable[Any]) -> None:
    """Raise InputError if two labels differ only in case or spaces, or one has spaces around it."""
    seen: dict[str, str] = {}
    for label in map(str, labels):
        same = "".join(label.split()).casefold()
        other = seen.setdefault(same, label)
        if other != label:
            raise InputError(
                f"participants.tsv: column diagnosis has '{other}' and '{label}', which differ only in case or "
                "spaces; write one of them throughout"
            )
        if label != label.strip():
            raise InputError(f"participants.tsv: diagnosis '{label}' has spaces around it; remove them")


def ordered_classes(labels: Iterable[Any]) -> tuple[str, ...]:
    """Return labels in alphabetical order, multiple sclerosis first."""
    names = sorted(map(str, labels))
    first = [name for name in FIRST_CLASSES if name in names][:1]
    return (*first, *(name for name in names if name not in first))


def _is_acute(table: pd.DataFrame, column: str, notes: list[str]) -> npt.NDArray[np.bool_]:
    """Return which scans are acute; those of which the column says nothing that can be read are not, and are told."""
    if column not in table:
        raise InputError(f"column {column} (acute scans) is not in participants.tsv or sessions.tsv")
    values, numbers = table[column], pd.to_numeric(table[column], errors="coerce")
    said, _ = read_yes_no(values)
    days = said[numbers.isna()].isna().all() and not set(numbers.dropna()) <= {0, 1}
    known = numbers if days else said
    odd = values[values.notna() & known.isna()]
    if known.isna().all() and len(odd):
        raise InputError(
            f"column {column}: '{odd.iloc[0]}' is neither yes/no nor days since the last relapse"
        )
    if len(odd):
        what = "days since the last relapse" if days else "yes or no"
        notes.append(f"column {column}: {len(odd)} cells such as '{odd.iloc[0]}' are not {what}: not acute")
    if values.isna().any():
        notes.append(f"column {column}: {int(values.isna().sum())} visits have no value: not acute")
    return (known.between(0, ACUTE_DAYS) if days else known == 1).to_numpy()


def check_patients(table: pd.DataFrame, classes: tuple[str, ...]) -> None:
    """Raise InputError unless two classes have two patients each and every patient one diagnosis."""
    per_patient = table.groupby("participant_id")["diagnosis"].nunique()
    if (per_patient > 1).any():
        who = per_patient.index[per_patient > 1][0]
        words = ", ".join(sorted(table.loc[table["participant_id"] == who, "diagnosis"].unique()))
        raise InputError(
            f"participants.tsv: {who} has more than one diagnosis ({words}); give each patient one, or use the "
            "last one (--last-diagnosis)"
        )
    patients = table.groupby("diagnosis")["participant_id"].nunique()
    present = [name for name in classes if name in patients]
    if len(present) < 2:
        only = ", ".join(present) or "none"
        raise InputError(
            f"diagnosis needs visits of two classes; found {only}: check column diagnosis and the filters"
            + _words(table)
        )
    for name in classes:
        if patients.get(name, 0) < 2:
            raise InputError(
                f"class {name} has {patients.get(name, 0)} patient: it cannot be in training and test; "
                "add patients, or name the classes to tell apart with --classes" + _words(table)
            )


def _words(table: pd.DataFrame) -> str:
    """Return the diagnoses found, with their numbers of patients, for a message."""
    patients = table.groupby("diagnosis")["participant_id"].nunique()
    return (
        "; it holds " + ", ".join(f"{name} ({n} patients)" for name, n in patients.items())
        if len(patients)
        else ""
    )


def check_folds(scans: Scans, cv: int, outer: int) -> None:
    """Raise InputError if a class has too few patients for the folds inside each outer training set.

    Parameters
    ----------
    scans : Scans
        The cohort.
    cv, outer : int
        Numbers of folds inside a training set, and of outer folds.
    """
    patients = pd.Series(scans.patient).groupby(scans.label).nunique()
    name, fewest = str(patients.idxmin()), int(patients.min())
    inside = fewest - -(-fewest // outer)
    if fewest < outer or inside < cv:
        raise InputError(
            f"class {name} has {fewest} patients: too few for {outer} outer and {cv} inner folds with patients "
            f"kept whole; use at most {max(inside, 0)} inner folds, or fewer outer folds"
        )


def map_paths(visits: pd.DataFrame, output_dir: Path, template: str) -> dict[str, dict[str, Path]]:
    """Return maps of belief and lesions, lesion table and quality table of each visit, by visit name.

    Parameters
    ----------
    visits : DataFrame
        A row a visit.
    output_dir : Path
        The derivatives' root.
    template : str
        Name of the template.

    Returns
    -------
    dict
        Keys of `MAPS`; each a mapping of visit to path, in the order of `visits`.
    """
    found: dict[str, dict[str, Path]] = {name: {} for name in MAPS}
    for visit in visits["visit"]:
        files = Derivatives(output_dir).visit(visit, template=template)
        for name, key in MAPS.items():
            found[name][visit] = files.path(key)
    return found

"""Human raters against the truth, themselves, each other and the model (study B, sections 5.3 and 5.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.errors import InputError
from bids_app.learn.names import visit_names
from bids_app.learn.statistics import SCORE_BOOTSTRAPS, cluster_bootstrap, cohen_kappa, mcnemar
from bids_app.tables import match_ids, read_table
from bids_app.tables.match import with_prefix
from bids_app.tables.text import plain
from bids_app.visit_name import FORM, PARTICIPANT, SESSION, VisitName

MODEL, MAJORITY = "model", "majority"
UNSURE = ("", "n/a", "na", "nan", "none", "?", "unsure", "uncertain", "unknown", "undecided", "indeterminate")
RATER_COLUMNS = ("visit", "rater", "decision", "occasion", "participant_id", "session_id")
ALL_DECIDED, COMMON = "own", "common"  # scans: all that a judge decided, those that every judge decided

Rows = npt.NDArray[np.intp]
Ratings = tuple[pd.DataFrame, pd.DataFrame]


def read_raters(
    path: Path, visits: Sequence[str], labels: Sequence[str], notes: list[str] | None = None
) -> Ratings:
    """Read raters' decisions.

    Parameters
    ----------
    path : Path
        Table with columns visit (e.g. `sub-01_ses-2`; or participant_id and session_id), rater, decision and,
        where visits were shown again, occasion (1, 2, ...), as `bids_app.tables.read_table` reads it. Decisions are
        labels in any case; blank, n/a, `unsure` and the like are abstentions.
    visits : sequence of str
        Visits that may be rated.
    labels : sequence of str
        Decisions that may be made.
    notes : list of str, optional
        Gets what was changed in the table.

    Returns
    -------
    ratings : DataFrame
        Columns visit, rater, decision (missing where the rater abstained), occasion.
    left_out : DataFrame
        Columns line, visit, fault: lines that cannot be used.

    Raises
    ------
    InputError
        If the table cannot be read, lacks a column, or no line can be used.
    """
    remarks: list[str] = []
    table = _read(path, remarks)
    if table.empty:
        raise InputError(f"{path}: holds no ratings; give a line per visit and rater")
    ratings = _understood(table, visits, labels, path, remarks)
    faults = _faults(table, ratings, visits, labels)
    bad = pd.DataFrame({"line": table.index, "visit": table["visit"], "fault": faults})[faults != ""]
    if len(bad) == len(table):
        raise InputError(f"{path}: line {bad['line'].iloc[0]}: {bad['fault'].iloc[0]}; no line can be used")
    if notes is not None:
        notes += remarks
    good = ratings[faults == ""].astype({"occasion": int}).reset_index(drop=True)
    return good, bad.reset_index(drop=True)


def _read(path: Path, remarks: list[str]) -> pd.DataFrame:
    """Return the table's cells as text, empty where missing, with a column `visit`; the index is the line."""
    try:
        read = read_table(path)
    except InputError as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise InputError(f"{path}: raters' table cannot be read ({reason})") from error
    known = {plain(name): name for name in RATER_COLUMNS}
    table = read.cells.rename(
        columns={header: known.get(plain(str(header)), header) for header in read.cells}
    )
    table = table.loc[:, ~table.columns.duplicated()].fillna("")
    if "visit" not in table and "participant_id" in table:
        session = table.get("session_id", pd.Series("", table.index))
        table["visit"] = visit_names(table["participant_id"], session)
    missing = [name for name in RATER_COLUMNS[:3] if name not in table]
    if missing:
        raise InputError(f"{path}: column {missing[0]} is missing; needed: {', '.join(RATER_COLUMNS[:4])}")
    remarks += read.notes.lines()
    return table


def _understood(
    table: pd.DataFrame, visits: Sequence[str], labels: Sequence[str], path: Path, remarks: list[str]
) -> pd.DataFrame:
    """Return visit, rater, decision and occasion with labels as the classes are spelt and abstentions missing."""
    spelt = {plain(label): label for label in labels}
    occasion = table["occasion"] if "occasion" in table else pd.Series("1", table.index)
    number = pd.to_numeric(occasion.replace({"": "1"}), errors="coerce")
    same = _same_visits(sorted(set(table["visit"])), visits)
    changed = [(cell, name) for cell, name in same.items() if cell != name]
    if changed:
        remarks.append(f"{path.name}: {len(changed)} visits such as {changed[0][0]} read as {changed[0][1]}")
    return pd.DataFrame(
        {
            "visit": table["visit"].map(lambda cell: same.get(cell, cell)),
            "rater": table["rater"],
            "decision": table["decision"].map(lambda cell: spelt.get(plain(cell))),
            "occasion": number.where((number >= 1) & (number % 1 == 0)),
        }
    )


def _same_visits(found: Sequence[str], visits: Sequence[str]) -> dict[str, str]:
    """Return which visit each cell means: as written, or without padding, prefix or the one session that there is."""
    known = [VisitName.parse(name) for name in visits if FORM.match(name)]
    parts = {cell: cell.partition("_") for cell in found if cell and cell not in visits}
    people = {cell: with_prefix(part[0], PARTICIPANT) for cell, part in parts.items()}
    exact = {VisitName.parse(cell).participant_id for cell in found if cell in visits and FORM.match(cell)}
    same = match_ids({*people.values(), *exact}, {name.participant_id for name in known}, PARTICIPANT)
    meant = {}
    for cell, (_, _, session) in parts.items():
        of_person = [name for name in known if name.participant_id == same.get(people[cell])]
        if not session:
            fits = (
                of_person if len(of_person) == 1 else [name for name in of_person if name.session_id is None]
            )
        else:
            ids = {name.session_id for name in of_person if name.session_id}
            close = match_ids({with_prefix(session, SESSION)}, ids, SESSION)
            fits = [name for name in of_person if name.session_id in close.values()]
        if len(fits) == 1:
            meant[cell] = fits[0].prefix
    return meant


def _faults(
    table: pd.DataFrame, ratings: pd.DataFrame, visits: Sequence[str], labels: Sequence[str]
) -> pd.Series:
    """Return what is wrong with each line; empty text where nothing is."""
    unclear = ratings["decision"].isna() & ~table["decision"].str.casefold().isin(UNSURE)
    found = pd.Series("", table.index)
    for bad, words in (
        (ratings["rater"] == "", lambda k: "has no rater"),
        (
            ~ratings["visit"].isin(list(visits)),
            lambda k: f"visit '{table['visit'][k]}' is not among the visits analysed",
        ),
        (
            unclear,
            lambda k: (
                f"decision '{table['decision'][k]}' is neither one of the classes {', '.join(labels)} nor unsure"
            ),
        ),
        (ratings["occasion"].isna(), lambda k: f"occasion '{table['occasion'][k]}' is not 1, 2, ..."),
    ):
        for k in table.index[bad & (found == "")]:
            found[k] = words(k)
    twice = ratings[found == ""].duplicated(["visit", "rater", "occasion"], keep=False)
    for k in twice.index[twice]:
        found[k] = (
            f"rater {ratings['rater'][k]} rated {ratings['visit'][k]} twice on one occasion; number them 1, 2"
        )
    return found


def performance(
    ratings: pd.DataFrame,
    truth: pd.Series,
    positive: str,
    model: pd.Series | None = None,
    patient: pd.Series | None = None,
    seed: int = 1,
) -> pd.DataFrame:
    """Return sensitivity, specificity and accuracy of each rater, the model and the bland majority.

    Parameters
    ----------
    ratings : DataFrame
        From `read_raters`; the first occasion counts.
    truth : Series of str, index visit
        Diagnosis.
    positive : str
        The class whose share called right is the sensitivity.
    model : Series of str, index visit, optional
        The model's call where it made one out of sample.
    patient : Series, index visit, optional
        Patient of each visit; by default every visit is another patient.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        One row per judge, metric, set of scans (`own`: all that the judge decided; `common`: those that every judge
        decided) and unit (`scan`; `patient`: the majority of a patient's calls), intervals by one bootstrap over
        patients, and abstained: scans the judge saw and did not decide.
    """
    called = _first(ratings)
    abstained = called.isna() & _shown(ratings)
    if model is not None:
        called[MODEL] = model.reindex(called.index)
    called[MAJORITY] = truth.mode()[0]
    shared = called.dropna().index
    tables = []
    for rater, decision in called.items():
        made = decision.dropna().index
        for scans, chosen in ((ALL_DECIDED, made), (COMMON, shared)):
            y, right = (truth[chosen] == positive).to_numpy(), (decision[chosen] == truth[chosen]).to_numpy()
            who = np.asarray(chosen if patient is None else patient[chosen])
            about: dict[str, Any] = {"rater": str(rater), "scans": scans}
            about["abstained"] = int(abstained[rater].sum()) if rater in abstained else 0
            tables.append(_metrics(y, right, who, seed).assign(**about, unit="scan"))
            if patient is not None and scans == COMMON:
                tables.append(_metrics(*_by_patient(y, right, who), seed).assign(**about, unit="patient"))
    return pd.concat(tables, ignore_index=True)


def _by_patient(
    y: npt.NDArray[np.bool_], right: npt.NDArray[np.bool_], who: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[Any]]:
    """Return class, whether the majority of calls is right (a tie is not), and name of each patient."""
    table = pd.DataFrame({"y": y, "right": right}).groupby(who).mean()
    return table["y"].to_numpy() > 0.5, table["right"].to_numpy() > 0.5, table.index.to_numpy()


def _metrics(
    y: npt.NDArray[np.bool_], right: npt.NDArray[np.bool_], who: npt.NDArray[Any], seed: int
) -> pd.DataFrame:
    rows = []
    for metric, among in (("sensitivity", y), ("specificity", ~y), ("accuracy", np.ones_like(y))):
        hits, n = right[among], int(among.sum())
        if not n:
            rows.append((metric, np.nan, np.nan, np.nan, 0, 0, "patient bootstrap"))
            continue
        low, high = cluster_bootstrap(_mean_of(hits), who[among], seed=seed, n=SCORE_BOOTSTRAPS)
        rows.append((metric, float(hits.mean()), low, high, int(hits.sum()), n, "patient bootstrap"))
    return pd.DataFrame(rows, columns=["metric", "estimate", "low", "high", "right", "n", "interval"])


def _mean_of(values: npt.NDArray[np.bool_]) -> Callable[[Rows], float]:
    return lambda rows: float(values[rows].mean())


def agreement(
    ratings: pd.DataFrame,
    truth: pd.Series,
    model: pd.Series | None = None,
    patient: pd.Series | None = None,
    seed: int = 1,
) -> pd.DataFrame:
    """Return agreement within each rater, between raters, and of the model with each rater.

    Parameters
    ----------
    ratings : DataFrame
        From `read_raters`.
    truth, model, patient : Series, index visit
        As in `performance`.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        One row per pair: kind (intra-rater, inter-rater, model-rater), first, second, n, kappa with a 95 % interval
        by a bootstrap over patients, and band; for different judges also only_first_right, only_second_right,
        McNemar's P on correctness, with continuity correction and exact, and its companion with patients as clusters.
    """
    called, rows = _first(ratings), []
    who = pd.Series(called.index, called.index) if patient is None else patient
    for occasion in sorted(set(ratings["occasion"]) - {1}):
        again = _first(ratings, occasion)
        for rater in again:
            if rater in called:
                both = pd.concat([called[rater], again[rater]], axis=1).dropna()
                rows.append({"kind": "intra-rater"} | _pair(str(rater), str(rater), both, who, seed))
    raters = [str(rater) for rater in called]
    if model is not None:
        called[MODEL] = model.reindex(called.index)
    pairs = [("inter-rater", a, b) for a, b in combinations(raters, 2)]
    pairs += [("model-rater", MODEL, rater) for rater in raters if model is not None]
    for kind, a, b in pairs:
        both = called[[a, b]].dropna()
        rows.append({"kind": kind} | _pair(a, b, both, who, seed) | _correctness(both, truth, who))
    return pd.DataFrame(rows)


def _first(ratings: pd.DataFrame, occasion: int = 1) -> pd.DataFrame:
    """Return decisions of one occasion, visits by raters."""
    chosen = ratings[ratings["occasion"] == occasion]
    return chosen.pivot(index="visit", columns="rater", values="decision").rename_axis(columns=None)


def _shown(ratings: pd.DataFrame) -> pd.DataFrame:
    """Return which visits each rater was shown on the first occasion."""
    chosen = ratings[ratings["occasion"] == 1].assign(shown=True)
    wide = chosen.pivot(index="visit", columns="rater", values="shown").rename_axis(columns=None)
    return wide.notna()


def _pair(first: str, second: str, both: pd.DataFrame, who: pd.Series, seed: int) -> dict[str, object]:
    row: dict[str, object] = {"first": first, "second": second, "n": len(both)}
    if len(both) == 0:
        return row
    a, b = (both.iloc[:, k].to_numpy() for k in (0, 1))
    kappa = cohen_kappa(a, b)
    _, codes = np.unique(np.concatenate([a, b]).astype(str), return_inverse=True)
    one, two = np.split(codes, 2)
    groups = who[both.index].to_numpy()
    low, high = cluster_bootstrap(
        lambda rows: fast_kappa(one[rows], two[rows]), groups, seed=seed, n=SCORE_BOOTSTRAPS
    )
    return row | {"kappa": kappa.kappa, "low": low, "high": high, "band": kappa.band}


def fast_kappa(a: npt.NDArray[np.intp], b: npt.NDArray[np.intp]) -> float:
    """Return Cohen's kappa of two sequences of codes; NaN where chance alone agrees always."""
    k = int(max(a.max(), b.max())) + 1
    expected = float(np.bincount(a, minlength=k) @ np.bincount(b, minlength=k)) / len(a) ** 2
    return float((np.mean(a == b) - expected) / (1 - expected)) if expected < 1 else float("nan")


def _correctness(both: pd.DataFrame, truth: pd.Series, who: pd.Series) -> dict[str, object]:
    first, second = ((both.iloc[:, k] == truth[both.index]).to_numpy() for k in (0, 1))
    only_first, only_second = int(np.sum(first & ~second)), int(np.sum(second & ~first))
    return {
        "only_first_right": only_first,
        "only_second_right": only_second,
        "mcnemar_p": mcnemar(only_first, only_second),
        "mcnemar_exact_p": mcnemar(only_first, only_second, exact=True),
        "clustered_mcnemar_p": clustered_mcnemar(first, second, who[both.index].to_numpy()),
    }


def clustered_mcnemar(
    first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_], patient: npt.NDArray[Any]
) -> float:
    """Return the P value of McNemar's test for scans that come in patients.

    The squared sum of the patients' differences in right calls over the sum of their squares is chi-square with 1
    degree of freedom (Yang, Sun and Hardin 2010, Biometrical Journal 52:433); with one scan per patient it is McNemar's
    test without continuity correction.

    Parameters
    ----------
    first, second : ndarray of bool, (n,)
        Whether each judge was right, scan by scan.
    patient : ndarray, (n,)
        Patient of each scan.
    """
    from scipy.stats import chi2

    difference = pd.Series(first.astype(int) - second.astype(int)).groupby(patient).sum().to_numpy()
    spread = float(np.sum(difference**2))
    return float(chi2.sf(difference.sum() ** 2 / spread, 1)) if spread else 1.0

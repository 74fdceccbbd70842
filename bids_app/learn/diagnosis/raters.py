"""Human raters against the truth, themselves, each other and the model (study B, sections 5.3 and 5.4)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.errors import InputError
from bids_app.learn.diagnosis.protocols import calls_table
from bids_app.learn.names import visit_names
from bids_app.learn.statistics import cohen_kappa, mcnemar

MODEL, MAJORITY = "model", "majority"


def read_raters(path: Path, visits: Sequence[str], labels: Sequence[str]) -> pd.DataFrame:
    """Read raters' decisions.

    Parameters
    ----------
    path : Path
        Table with columns visit (e.g. `sub-01_ses-2`; or participant_id and session_id), rater, decision and,
        where visits were shown twice, occasion (1, 2).
    visits : sequence of str
        Visits that may be rated.
    labels : sequence of str
        Decisions that may be made.

    Returns
    -------
    DataFrame
        Columns visit, rater, decision, occasion.

    Raises
    ------
    InputError
        If a column is missing, or a visit or decision is unknown, or a rating is there twice.
    """
    try:
        table = pd.read_csv(path, sep="\t", dtype=str, na_values=["n/a"], keep_default_na=False)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path}: raters' table cannot be read ({error})") from error
    if "visit" not in table and "participant_id" in table:
        session = table.get("session_id", pd.Series(np.nan, table.index))
        table["visit"] = visit_names(table["participant_id"], session)
    missing = [name for name in ("visit", "rater", "decision") if name not in table]
    if missing:
        raise InputError(f"{path}: column {missing[0]} is missing; needed: visit, rater, decision, occasion")
    table["occasion"] = table["occasion"].fillna("1") if "occasion" in table else "1"
    ratings = table[["visit", "rater", "decision", "occasion"]]
    _check(path, ratings, visits, labels)
    return ratings.astype({"occasion": int})


def _check(path: Path, ratings: pd.DataFrame, visits: Sequence[str], labels: Sequence[str]) -> None:
    if ratings.empty:
        raise InputError(f"{path}: holds no ratings; give a line per visit and rater")
    if ratings.isna().to_numpy().any():
        row, column = np.argwhere(ratings.isna().to_numpy())[0]
        raise InputError(
            f"{path}: line {row + 2} has no {ratings.columns[column]}; fill it in or remove the line"
        )
    for column, known, what in (
        ("visit", visits, "is not among the visits analysed"),
        ("decision", labels, f"is not one of the classes {', '.join(labels)}"),
        ("occasion", ("1", "2"), "is not 1 or 2"),
    ):
        unknown = ratings.loc[~ratings[column].isin(list(known)), column]
        if len(unknown):
            others = f" (and {len(unknown) - 1} more lines)" if len(unknown) > 1 else ""
            raise InputError(
                f"{path}: line {unknown.index[0] + 2}: {column} '{unknown.iloc[0]}' {what}{others}"
            )
    twice = ratings.duplicated(["visit", "rater", "occasion"])
    if twice.any():
        row = ratings[twice].iloc[0]
        raise InputError(
            f"{path}: rater {row['rater']} rated {row['visit']} twice on occasion {row['occasion']}; "
            "number the second rating as occasion 2"
        )


def performance(
    ratings: pd.DataFrame, truth: pd.Series, positive: str, model: pd.Series | None = None
) -> pd.DataFrame:
    """Return sensitivity, specificity and accuracy of each rater, the model and the bland majority.

    Parameters
    ----------
    ratings : DataFrame
        From `read_raters`; the first occasion counts.
    truth, model : Series of str, index visit
        Diagnosis, and the model's call where it made one out of sample.
    positive : str
        The class whose share called right is the sensitivity.

    Returns
    -------
    DataFrame
        One row per rater and metric, intervals by Wilson (study B, Table 2). Model and majority are rated on
        the visits that any rater rated.
    """
    called = _first(ratings)
    if model is not None:
        called[MODEL] = model.reindex(called.index)
    called[MAJORITY] = truth.mode()[0]
    tables = []
    for rater, decision in called.items():
        made = decision.dropna()
        table = calls_table(_is(truth[made.index], positive), _is(made, positive))
        tables.append(table.assign(rater=str(rater)))
    return pd.concat(tables, ignore_index=True)


def agreement(ratings: pd.DataFrame, truth: pd.Series, model: pd.Series | None = None) -> pd.DataFrame:
    """Return agreement within each rater, between raters, and of the model with each rater.

    Returns
    -------
    DataFrame
        One row per pair: kind (intra-rater, inter-rater, model-rater), first, second, n, kappa with its interval
        and band; for different judges also only_first_right, only_second_right and McNemar's P on
        correctness, with continuity correction and exact.
    """
    called, second = _first(ratings), _first(ratings, occasion=2)
    rows = []
    for rater in second:
        both = pd.concat([called[rater], second[rater]], axis=1).dropna()
        rows.append({"kind": "intra-rater"} | _pair(str(rater), str(rater), both))
    raters = [str(rater) for rater in called]
    if model is not None:
        called[MODEL] = model.reindex(called.index)
    pairs = [("inter-rater", a, b) for a, b in combinations(raters, 2)]
    pairs += [("model-rater", MODEL, rater) for rater in raters if model is not None]
    for kind, a, b in pairs:
        both = called[[a, b]].dropna()
        rows.append({"kind": kind} | _pair(a, b, both) | _correctness(both, truth[both.index]))
    return pd.DataFrame(rows)


def _first(ratings: pd.DataFrame, occasion: int = 1) -> pd.DataFrame:
    """Return decisions of one occasion, visits by raters."""
    chosen = ratings[ratings["occasion"] == occasion]
    return chosen.pivot(index="visit", columns="rater", values="decision").rename_axis(columns=None)


def _is(labels: pd.Series, positive: str) -> npt.NDArray[np.bool_]:
    return (labels == positive).to_numpy()


def _pair(first: str, second: str, both: pd.DataFrame) -> dict[str, object]:
    row: dict[str, object] = {"first": first, "second": second, "n": len(both)}
    if len(both) == 0:
        return row
    kappa = cohen_kappa(both.iloc[:, 0].to_numpy(), both.iloc[:, 1].to_numpy())
    return row | {"kappa": kappa.kappa, "low": kappa.low, "high": kappa.high, "band": kappa.band}


def _correctness(both: pd.DataFrame, truth: pd.Series) -> dict[str, object]:
    first, second = ((both.iloc[:, k] == truth).to_numpy() for k in (0, 1))
    only_first, only_second = int(np.sum(first & ~second)), int(np.sum(second & ~first))
    return {
        "only_first_right": only_first,
        "only_second_right": only_second,
        "mcnemar_p": mcnemar(only_first, only_second),
        "mcnemar_exact_p": mcnemar(only_first, only_second, exact=True),
    }

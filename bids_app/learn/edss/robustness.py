"""How sure the numbers are: other random splits, every site left out once, subgroups, stability of the selection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from bids_app.errors import InputError
from bids_app.learn.edss.fitting import Procedure, Samples, fit
from bids_app.learn.edss.scores import determination, mae, pearson
from bids_app.learn.edss.sets import FEWEST_PATIENTS, split
from bids_app.learn.statistics import CURVE_BOOTSTRAPS, cluster_bootstrap
from bids_app.progress import track
from bids_app.protocol import Protocol

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]
REPEATS = 100  # random splits, where each takes seconds
CELLS = 2_000_000  # of the training table: up to here 100 splits take a minute or two
FEWEST_ROWS = 100  # below, the number of columns alone makes the time
FEWEST_REPEATS = 5  # where each takes minutes; chosen by hand
BANDS = {"0 to 3.5": (0, 3.5), "4 to 5.5": (4, 5.5), "6 to 10": (6, 10)}  # walks freely; limited; needs help
SMALLEST_GROUP = 5  # patients


def repeats_allowed(wanted: int | None, rows: int, columns: int) -> int:
    """Return how many random splits are drawn: those asked for, else 100, fewer where each takes long.

    Parameters
    ----------
    wanted : int, optional
    rows, columns : int
        Of the table that is learned from.
    """
    if wanted is not None:
        return wanted
    return int(np.clip(REPEATS * CELLS // max(max(rows, FEWEST_ROWS) * columns, 1), FEWEST_REPEATS, REPEATS))


def repeated_splits(
    visits: pd.DataFrame,
    data: Samples,
    external_site: str | None,
    test_size: float,
    bands: bool,
    design: Procedure,
    repeats: int,
) -> tuple[pd.DataFrame, list[list[str]]]:
    """Learn and test on other random splits into training and internal test, all steps refitted.

    Parameters
    ----------
    visits : DataFrame
        participant_id (patients kept whole), edss and, with an external site, site.
    data : Samples
    external_site : str, optional
        Site that is never learned from.
    test_size : float
        Share of visits in the internal test.
    bands : bool
        Draw the internal test within three bands of EDSS, as in `split`.
    design : Procedure
        Its first model is fitted.
    repeats : int

    Returns
    -------
    scores : DataFrame
        Per split: numbers of visits, r, R2 and mean absolute error on its internal test.
    columns : list of list of str
        What each split selected.
    """
    if not repeats or not test_size:
        return pd.DataFrame(), []
    jobs = (
        delayed(_one_split)(visits, data, external_site, test_size, bands, design, number)
        for number in range(1, repeats + 1)
    )
    found = Parallel(design.n_jobs, return_as="generator")(jobs)
    parts = [part for part in track(found, "study A: other random splits", repeats) if part is not None]
    return pd.DataFrame([row for row, _ in parts]), [columns for _, columns in parts]


def _one_split(
    visits: pd.DataFrame,
    data: Samples,
    external_site: str | None,
    test_size: float,
    bands: bool,
    design: Procedure,
    number: int,
) -> tuple[dict[str, Any], list[str]] | None:
    model = design.models[0]
    sets = split(visits, external_site, test_size, (design.seed, number), bands=bands)
    if "internal" not in sets:
        return None
    train, test = sets["training"], sets["internal"]
    with threadpool_limits(1):
        try:
            fitted = fit(data, train, design, models=[model], ancillary=False)
            predicted = fitted.predict(data.X.iloc[test])["all", model]
        except InputError:  # ComBat, and a split without patients enough of a site
            return None
    row = {"split": number, "model": model, "n_training": len(train), "n_visits": len(test)}
    return row | _measures(data.y[test], predicted), fitted.selected.columns


def _measures(observed: Array, predicted: Array) -> dict[str, float]:
    return {
        "r": pearson(observed, predicted),
        "R2": determination(observed, predicted),
        "mae": mae(observed, predicted),
    }


def split_summary(splits: pd.DataFrame) -> pd.DataFrame:
    """Return median and the range of the middle 95 % of each measure over random splits."""
    rows = []
    for name in ("r", "R2", "mae"):
        if len(splits) and splits[name].notna().any():
            low, median, high = splits[name].quantile([0.025, 0.5, 0.975])
            row = {"measure": name, "median": median, "from_2.5_percent": low, "to_97.5_percent": high}
            rows.append(
                row | {"least": splits[name].min(), "most": splits[name].max(), "splits": len(splits)}
            )
    return pd.DataFrame(rows)


def leave_one_site_out(visits: pd.DataFrame, data: Samples, design: Procedure) -> pd.DataFrame:
    """Learn from all sites but one and test on that one, all steps refitted, patients whole.

    Parameters
    ----------
    visits : DataFrame
        site of each row of `data`.
    data : Samples
    design : Procedure

    Returns
    -------
    DataFrame
        Per site and model: numbers of visits, r, R2, mean absolute error and mean error (predicted minus observed);
        empty where there is only one site. Sites with fewer than 5 patients, or without 10 elsewhere, are passed over.
    """
    if "site" not in visits or visits["site"].nunique() < 2:
        return pd.DataFrame()
    rows = []
    for site in sorted(visits["site"].dropna().astype(str).unique()):
        there = (visits["site"].astype(str) == site).to_numpy()
        inside = np.isin(data.groups, data.groups[there])
        train, test = np.flatnonzero(~inside), np.flatnonzero(there)
        few = len(np.unique(data.groups[train])) < FEWEST_PATIENTS or np.ptp(data.y[train]) == 0
        if few or len(np.unique(data.groups[test])) < SMALLEST_GROUP:
            continue
        with threadpool_limits(1):
            try:
                predicted = fit(data, train, design, ancillary=False).predict(data.X.iloc[test])
            except InputError:  # ComBat, and too few patients of the site
                continue
        for name in design.models:
            values = predicted["all", name]
            row = {"site": site, "model": name, "n_training": len(train), "n_visits": len(test)}
            error = {"mean_error": float(np.mean(values - data.y[test]))}
            rows.append(row | _measures(data.y[test], values) | error)
    return pd.DataFrame(rows)


def subgroups(predictions: pd.DataFrame, visits: pd.DataFrame, names: pd.Series, seed: int) -> pd.DataFrame:
    """Return error and mean error by site, sex, course and band of EDSS, of predictions without leakage.

    Parameters
    ----------
    predictions : DataFrame
        visit, participant_id, protocol, set, features, model, observed, predicted.
    visits : DataFrame
        site, sex, disease_course where known.
    names : Series
        Visit of each row of `visits`.
    seed : int
        Of the bootstrap over patients.

    Returns
    -------
    DataFrame
        Per protocol, set, model, property and group: numbers, mean absolute error and mean error (predicted minus
        observed) with 95 % intervals. Within a band of EDSS, means lean towards the middle of the scale: whoever is
        high is predicted lower.
    """
    leak_free = predictions[(predictions["features"] == "all") & (predictions["protocol"] != Protocol.PAPER)]
    known = visits.set_index(names)
    rows = []
    for by in ("site", "sex", "disease_course", "edss"):
        if by == "edss":
            group = leak_free["observed"].map(_band)
        elif by in known:
            group = leak_free["visit"].map(known[by])
        else:
            continue
        keys = [leak_free["protocol"], leak_free["set"], leak_free["model"], group.rename("group")]
        for key, part in leak_free.groupby(keys, sort=False):
            if part["participant_id"].nunique() >= SMALLEST_GROUP:
                row = dict(zip(("protocol", "set", "model", "group"), key, strict=True))
                rows.append({"by": by} | row | _errors(part, seed))
    table = pd.DataFrame(rows)
    order = ["by", "protocol", "set", "model", "group"]
    return table.sort_values(order, kind="stable", ignore_index=True) if len(table) else table


def _band(edss: float) -> str:
    return next(name for name, (_, high) in BANDS.items() if edss <= high)


def _errors(part: pd.DataFrame, seed: int) -> dict[str, Any]:
    error = (part["predicted"] - part["observed"]).to_numpy(np.float64)
    patients = part["participant_id"].to_numpy()
    out: dict[str, Any] = {"n_visits": len(part), "n_patients": len(np.unique(patients))}
    for name, values in (("mae", np.abs(error)), ("mean_error", error)):

        def mean(rows: Any, values: Array = values) -> float:
            return float(np.mean(values[rows]))

        low, high = cluster_bootstrap(mean, patients, seed=seed, n=CURVE_BOOTSTRAPS)
        out |= {name: float(np.mean(values)), f"{name}_low": low, f"{name}_high": high}
    return out


def selection_stability(chosen: Sequence[Sequence[str]], candidates: int) -> dict[str, float]:
    """Return how alike selections are: Nogueira's index with its 95 % interval.

    Nogueira, Sechidis and Brown 2018, J Mach Learn Res 18:174: 1 where every selection is the same, 0 where they agree
    as much as random ones of their sizes do; above .75 is excellent, below .40 poor (their reading of Fleiss).

    Parameters
    ----------
    chosen : sequence of sequence of str
        Columns of each selection, at least two.
    candidates : int
        Columns that could be selected.
    """
    m, names = len(chosen), sorted({name for columns in chosen for name in columns})
    if m < 2 or candidates < len(names):
        return {"stability": float("nan"), "low": float("nan"), "high": float("nan"), "selections": m}
    Z = np.array([[name in set(columns) for name in names] for columns in chosen], dtype=np.float64)
    share, sizes = Z.mean(axis=0), Z.sum(axis=1)
    mean_size = sizes.mean()
    chance = mean_size / candidates * (1 - mean_size / candidates)
    if chance == 0:
        return {"stability": float("nan"), "low": float("nan"), "high": float("nan"), "selections": m}
    index = 1 - np.sum(m / (m - 1) * share * (1 - share)) / candidates / chance
    each = (
        Z @ share / candidates
        - sizes * mean_size / candidates**2
        + index / 2 * (2 * mean_size * sizes / candidates**2 - (sizes + mean_size) / candidates)
    ) / chance  # up to a constant, which the variance does not see
    half = 1.96 * np.sqrt(4 / m**2 * np.sum((each - each.mean()) ** 2))
    return {
        "stability": float(index),
        "low": float(index - half),
        "high": float(index + half),
        "selections": m,
    }

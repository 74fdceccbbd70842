"""Study A's tables: who was studied, which columns were selected and what they mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from bids_app.learn.edss.columns import TIV, clinical_columns
from bids_app.learn.edss.fitting import Fitted, Samples, parameters
from bids_app.learn.edss.meanings import VOLUMES, column_meaning
from bids_app.learn.edss.models import weights
from bids_app.learn.edss.protocols import Outer
from bids_app.learn.edss.scores import pearson
from bids_app.learn.edss.selection import STEPS
from bids_app.learn.statistics import ancova_adjusted_p, median_test
from bids_app.protocol import Protocol
from bids_app.spelling import percent

FISHER_TABLES = 9_999  # drawn for tables that are larger than 2 x 2: the smallest P is .0001


def demographics(visits: pd.DataFrame, features: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Compare sites (Table 1); volumes adjusted for age, sex and TIV. Shares and tests are of the known.

    Parameters
    ----------
    visits : DataFrame, (n, ...)
        One row per visit, values spelt one way; patients count once (their first row). Without a site, all are one
        group; those of unknown site are described, and take no part in the tests.
    features : DataFrame, (n, p)
        Candidates, volumes in mm3.
    seed : int
        Of Fisher's test where there are more than two sites or categories (Monte Carlo).

    Returns
    -------
    DataFrame
        One row per characteristic: a column per site, P and test: for two sites study A's, t test, Fisher's exact and
        median test; for more, analysis of variance, and Fisher's and the median test of all sites.
    """
    first = ~visits["participant_id"].duplicated()
    people, measures = visits[first.to_numpy()], features[first.to_numpy()]
    known = people["site"] if "site" in people else pd.Series("all", people.index)
    site = known.fillna("n/a").astype(str)
    heads = {name: f"{name} (n = {count})" for name, count in site.value_counts().sort_index().items()}
    site_known = site[known.notna()]
    rows: list[dict[str, Any]] = []

    def described(label: str, cell: Any, p: float, test: str) -> None:
        cells = {head: cell(site == name) for name, head in heads.items()}
        rows.append({"characteristic": label} | cells | {"p": p, "test": test if np.isfinite(p) else None})

    means = "t test" if site_known.nunique() == 2 else "analysis of variance"
    for name in ("age", "disease_duration"):
        if name in people and people[name].notna().any():
            values = people[name]
            p = _p(lambda parts: stats.f_oneway(*parts).pvalue, values, site_known)
            described(f"{name} (years), mean ± SD", _mean_sd(values), p, means)
    for name in ("sex", "disease_course"):
        if name in people and people[name].notna().any():
            p = _fisher(people[name], site_known, seed)
            for level in sorted(people[name].dropna().unique()):
                described(f"{name} {level}, n (%)", _share(people[name], level), p, "Fisher exact")
    edss = people["edss"]
    described("EDSS, median (IQR)", _median(edss), _p(_median_p, edss, site_known), "median test")
    clinical = clinical_columns(people)
    covariates = clinical[[c for c in ("age", "sex") if c in clinical]].join(
        measures[[TIV]] if TIV in measures else []
    )
    for name, label in VOLUMES.items():
        if name in measures and measures[name].notna().any():
            values = measures[name] / 1000
            p = _adjusted(values, site_known, covariates)
            described(f"{label} (mL), mean ± SD", _mean_sd(values), p, "ANCOVA")
    return pd.DataFrame(rows)


def _mean_sd(values: pd.Series) -> Any:
    return lambda of: f"{values[of].mean():.1f} ± {values[of].std():.1f}" + _known(values[of])


def _median(values: pd.Series) -> Any:
    return lambda of: (
        "{:.1f} ({:.1f}-{:.1f})".format(*values[of].quantile([0.5, 0.25, 0.75])) + _known(values[of])
    )


def _share(values: pd.Series, level: str) -> Any:
    def cell(of: pd.Series) -> str:
        known = values[of].dropna()
        share = f" ({percent((known == level).mean(), 1)})" if len(known) else ""
        return f"{int((known == level).sum())}{share}" + _known(values[of])

    return cell


def _known(values: pd.Series) -> str:
    """Return of how many a cell is, where it is not of everybody."""
    return "" if values.notna().all() else f" [n = {int(values.notna().sum())}]"


def _p(test: Any, values: pd.Series, site: pd.Series) -> float:
    parts = [part.dropna() for _, part in values[site.index].groupby(site)]
    if len(parts) < 2 or min(map(len, parts)) < 2:
        return float("nan")
    try:
        return float(test(parts))
    except ValueError:  # nothing varies
        return float("nan")


def _median_p(parts: list[pd.Series]) -> float:
    return median_test(*parts)


def _fisher(values: pd.Series, site: pd.Series, seed: int) -> float:
    """Return P of Fisher's exact test of a category between sites, of those whose category is known."""
    counts = pd.crosstab(values[site.index], site)
    if min(counts.shape) < 2:
        return float("nan")
    if counts.shape == (2, 2):
        return float(stats.fisher_exact(counts).pvalue)
    method = stats.MonteCarloMethod(n_resamples=FISHER_TABLES, rng=np.random.default_rng([seed, 75]))
    return float(stats.fisher_exact(counts.to_numpy(), method=method).pvalue)


def _adjusted(values: pd.Series, site: pd.Series, covariates: pd.DataFrame) -> float:
    known = values[site.index].notna() & covariates.loc[site.index].notna().all(axis=1)
    who = known[known].index
    if site[who].nunique() < 2 or len(who) < covariates.shape[1] + site.nunique() + 2:
        return float("nan")
    return ancova_adjusted_p(values[who], site[who], covariates.loc[who])


def selection_counts(published: Fitted, nested: list[Outer]) -> pd.DataFrame:
    """Return how many columns each step left and lost, in both protocols."""
    rows = []
    runs = [(Protocol.PAPER, 0, published.selected.counts)]
    runs += [(Protocol.NESTED, number, fold.counts) for number, fold in enumerate(nested, start=1)]
    for protocol, fold, counts in runs:
        before = counts[STEPS[0]]
        for step in STEPS:
            rows.append(
                {
                    "protocol": protocol,
                    "fold": fold,
                    "step": step,
                    "left": counts[step],
                    "lost": before - counts[step],
                }
            )
            before = counts[step]
    return pd.DataFrame(rows)


def selected_columns(data: Samples, rows: Any, fitted: Fitted, nested: list[Outer]) -> pd.DataFrame:
    """Describe the selected columns (Table 2): place, class, meaning, weight, how often folds chose them too.

    Parameters
    ----------
    data : Samples
        Columns, outcome and patient of every visit.
    rows : ndarray of int
        The training rows.
    fitted : Fitted
        The model that is served.
    nested : list of Outer
        What each outer fold selected.
    """
    about = data.about.set_index("column")
    ridge = fitted.searches.get(("all", "ridge"))
    weight = weights(ridge.best_estimator_, fitted.selected.columns) if ridge else {}
    behind = pd.Series(fitted.blind.steps[-1].representatives_, dtype=object).value_counts()
    out = []
    for name in fitted.selected.columns:
        row = about.loc[name]
        family, image_type, feature = (str(row[name]) for name in ("family", "image_type", "feature"))
        out.append(
            {
                "column": name,
                "family": family,
                "region": row["region"],
                "image_type": row["image_type"],
                "feature": row["feature"],
                "meaning": column_meaning(name, family, image_type, feature),
                "r_edss": pearson(data.y[rows], fitted.blind.training[name].to_numpy(np.float64)),
                "ridge_weight": weight.get(name, np.nan),
                "stands_for": int(behind.get(name, 0)),
                "outer_folds": sum(name in fold.columns for fold in nested),
            }
        )
    return pd.DataFrame(out)


def hyperparameters(published: Fitted, nested: list[Outer]) -> pd.DataFrame:
    """Return the tuned values of every model, once for `paper` and per outer fold for `nested`."""
    runs = [(Protocol.PAPER, 0, parameters(published))]
    runs += [(Protocol.NESTED, number, fold.parameters) for number, fold in enumerate(nested, start=1)]
    return pd.DataFrame(
        [
            {"protocol": protocol, "fold": fold, "model": model, "values": values}
            for protocol, fold, chosen in runs
            for model, values in chosen.items()
        ]
    )

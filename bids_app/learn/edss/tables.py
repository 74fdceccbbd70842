"""Study A's tables: who was studied, which columns were selected and what they mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from bids_app.learn.edss.columns import TIV, clinical_columns
from bids_app.learn.edss.fitting import Fitted, Table, parameters
from bids_app.learn.edss.meanings import VOLUMES, column_meaning
from bids_app.learn.edss.models import weights
from bids_app.learn.edss.protocols import Outer
from bids_app.learn.edss.scores import pearson
from bids_app.learn.edss.selection import STEPS
from bids_app.learn.statistics import ancova_adjusted_p, median_test
from bids_app.protocol import Protocol


def demographics(visits: pd.DataFrame, features: pd.DataFrame) -> pd.DataFrame:
    """Compare sites (Table 1): t test, Fisher's exact, median test; volumes adjusted for age, sex and TIV.

    Parameters
    ----------
    visits : DataFrame, (n, ...)
        One row per visit; patients count once (their first row). Without a site, all are one group.
    features : DataFrame, (n, p)
        Candidates, volumes in mm3.

    Returns
    -------
    DataFrame
        One row per characteristic: a column per site, P and test.
    """
    first = ~visits["participant_id"].duplicated()
    people, measures = visits[first.to_numpy()], features[first.to_numpy()]
    site = people["site"].fillna("n/a").astype(str) if "site" in people else pd.Series("all", people.index)
    heads = {name: f"{name} (n = {count})" for name, count in site.value_counts(sort=False).items()}
    rows: list[dict[str, Any]] = []

    def described(label: str, cell: Any, p: float, test: str) -> None:
        cells = {head: cell(site == name) for name, head in heads.items()}
        rows.append({"characteristic": label} | cells | {"p": p, "test": test})

    for name in ("age", "disease_duration"):
        if name in people:
            values = people[name]
            test = _p(lambda parts: stats.f_oneway(*parts).pvalue, values, site)
            described(f"{name} (years), mean ± SD", _mean_sd(values), test, "t test")
    for name in ("sex", "disease_course"):
        if name in people and people[name].notna().any():
            for level in sorted(people[name].dropna().unique()):
                share = people[name] == level
                described(f"{name} {level}, n (%)", _share(share), _fisher(share, site), "Fisher exact")
    described(
        "EDSS, median (IQR)", _median(people["edss"]), _p(_median_p, people["edss"], site), "median test"
    )
    clinical = clinical_columns(people)
    covariates = clinical[[c for c in ("age", "sex") if c in clinical]].join(
        measures[[TIV]] if TIV in measures else []
    )
    for name, label in VOLUMES.items():
        if name in measures and measures[name].notna().any():
            values = measures[name] / 1000
            described(
                f"{label} (mL), mean ± SD", _mean_sd(values), _adjusted(values, site, covariates), "ANCOVA"
            )
    return pd.DataFrame(rows)


def _mean_sd(values: pd.Series) -> Any:
    return lambda of: f"{values[of].mean():.1f} ± {values[of].std():.1f}"


def _median(values: pd.Series) -> Any:
    return lambda of: "{:.1f} ({:.1f}-{:.1f})".format(*values[of].quantile([0.5, 0.25, 0.75]))


def _share(is_it: pd.Series) -> Any:
    return lambda of: f"{int(is_it[of].sum())} ({is_it[of].mean():.1%})"


def _p(test: Any, values: pd.Series, site: pd.Series) -> float:
    parts = [part.dropna() for _, part in values.groupby(site)]
    if len(parts) < 2 or min(map(len, parts)) < 2:
        return float("nan")
    try:
        return float(test(parts))
    except ValueError:  # nothing varies
        return float("nan")


def _median_p(parts: list[pd.Series]) -> float:
    return median_test(*parts)


def _fisher(share: pd.Series, site: pd.Series) -> float:
    counts = pd.crosstab(share, site)
    return float(stats.fisher_exact(counts).pvalue) if counts.shape == (2, 2) else float("nan")


def _adjusted(values: pd.Series, site: pd.Series, covariates: pd.DataFrame) -> float:
    known = values.notna() & covariates.notna().all(axis=1)
    if site[known].nunique() < 2 or known.sum() < covariates.shape[1] + site.nunique() + 2:
        return float("nan")
    return ancova_adjusted_p(values[known], site[known], covariates[known])


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


def selected_columns(data: Table, rows: Any, fitted: Fitted, nested: list[Outer]) -> pd.DataFrame:
    """Describe the selected columns (Table 2): place, class, meaning, weight, how often folds chose them too."""
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

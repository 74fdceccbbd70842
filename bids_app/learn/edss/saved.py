"""EDSS models as they are saved: what predicts, what makes its interval, and the card that tells both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.learn.artifact import LICENCE, Model, training_ranges, versions
from bids_app.learn.edss.fitting import Samples
from bids_app.learn.edss.intervals import METHOD, NOMINAL
from bids_app.learn.edss.serving import Parts

UNITS = {
    "age": "years",
    "disease_duration": "years",
    "volume": "mm³",
    "chaco": "share",
    "radiomics": "pyradiomics' own",
}


def make_models(
    data: Samples,
    rows: npt.NDArray[np.intp],
    models: Mapping[tuple[str, str], Parts],
    covered: pd.DataFrame,
    about: Mapping[str, Any],
) -> dict[str, Model]:
    """Return the models with their cards.

    Parameters
    ----------
    data : Samples
    rows : ndarray of int
        Training rows.
    models : mapping of (features, model) to dict
        Of `with_intervals`.
    covered : DataFrame
        Coverage of their intervals on the held-out sets (see `coverage`).
    about : mapping
        Further entries of the cards: sites, metrics, settings.

    Returns
    -------
    dict
        By name: `ridge` on all columns, `ridge-clinical` on clinical ones.
    """
    out = {}
    for (features, name), parts in models.items():
        applicability = (
            covered[(covered["features"] == features) & (covered["model"] == name)]
            if len(covered)
            else covered
        )
        card = _card(data, rows, features, name, parts, applicability)
        out[name if features == "all" else f"{name}-{features}"] = Model(dict(parts), card | dict(about))
    return out


def _card(
    data: Samples,
    rows: npt.NDArray[np.intp],
    features: str,
    name: str,
    parts: Parts,
    covered: pd.DataFrame,
) -> dict[str, Any]:
    inputs = parts["inputs"]
    unknown = data.X.iloc[rows][inputs].isna().sum()
    half_width = parts["intervals"]["half_width"]
    return {
        "Kind": "edss",
        "Description": f"EDSS by {name} from {features} columns (study A).",
        "Outcome": "edss",
        "Inputs": inputs,
        "Units": {c: UNITS.get(c.split(".")[0], "1") for c in inputs},
        "Columns": parts["columns"],
        "Imputed": {c: int(n) for c, n in unknown.items() if n},
        "Ranges": training_ranges(parts["impute"].transform(data.X.iloc[rows][inputs])),
        "Interval": {
            "Method": METHOD,
            "Nominal": NOMINAL,
            "HalfWidth": round(half_width, 4),
            "Folds": parts["intervals"]["folds"],
            "OnSteps": parts["intervals"]["steps"],
            "Coverage": {row["set"]: round(row["coverage"], 4) for row in covered.to_dict("records")},
            "MeanWidth": {row["set"]: round(row["width"], 4) for row in covered.to_dict("records")},
        },
        "Versions": versions(),
        "Licence": LICENCE,
    }

"""Radiomics as a map of regions by families of features: where a brain's texture is unusual."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bids_app.derivatives.reader import VisitFiles
from bids_app.image.outliers import FEWEST, MAD_TO_SD
from bids_app.reports.connections import heat
from bids_app.reports.norms import others, read_once

DARKEST_Z = 3.0  # mean |z| of the darkest step
FILTERS = {"original": "Original", "log": "LoG", "wavelet": "Wavelet"}
CLASSES = {
    "firstorder": "first order",
    "glcm": "GLCM",
    "glrlm": "GLRLM",
    "glszm": "GLSZM",
    "gldm": "GLDM",
    "ngtdm": "NGTDM",
}
MAX_COMPARED = 30  # tables of a thousand columns: more take long and change the norms little


def texture_context(visit: VisitFiles) -> dict[str, Any] | None:
    """Return the map for the page; None where there are no radiomics.

    A cell is the mean over the family's features of |z|. z compares with the same region of other
    participants where there are enough, else with the other regions of this brain (median, 1.4826 MAD).

    Parameters
    ----------
    visit : VisitFiles
        The visit.
    """
    table = _features(visit.table("radiomics"))
    if table is None or table.empty:
        return None
    families = _families([str(name) for name in table.columns])
    if not families:
        return None
    paths = others(visit, "radiomics")[:MAX_COMPARED]
    z = _against_others(table, [_features(read_once(path)) for path in paths])
    compared = len(paths) if z is not None else 0
    if z is None:
        z = _robust(table, table.median(), 1.4826 * (table - table.median()).abs().median())
    cells = pd.DataFrame(
        {name: z[columns].abs().clip(upper=20).mean(axis=1) for name, columns in families.items()}
    )
    return {
        "compared": compared,
        "n_features": table.shape[1],
        "columns": ["Region", *({"label": name, "numeric": True} for name in families)],
        "rows": [
            [str(name), *map(_cell, row)] for name, row in zip(cells.index, cells.to_numpy(), strict=True)
        ],
    }


def _features(table: pd.DataFrame | None) -> pd.DataFrame | None:
    """Return the features by region, (regions, features)."""
    if table is None or "name" not in table:
        return None
    values = table.drop(columns=["index", "name"], errors="ignore").select_dtypes("number")
    values.index = pd.Index(table["name"].astype(str))
    return values[~values.index.duplicated()]


def _families(names: list[str]) -> dict[str, list[str]]:
    """Group feature names `<image type>_<class>_<feature>` by filter and class."""
    found: dict[str, list[str]] = {}
    for filtered, filter_name in FILTERS.items():
        for kind, kind_name in CLASSES.items():
            members = [
                name
                for name in names
                if name.startswith((f"{filtered}_", f"{filtered}-")) and f"_{kind}_" in name
            ]
            if members:
                found[f"{filter_name} {kind_name}"] = members
    return found


def _against_others(table: pd.DataFrame, found: list[pd.DataFrame | None]) -> pd.DataFrame | None:
    tables = [
        one.reindex(index=table.index, columns=table.columns).to_numpy() for one in found if one is not None
    ]
    if len(tables) < FEWEST:
        return None
    together = np.stack(tables)
    with np.errstate(all="ignore"):
        median = np.nanmedian(together, axis=0)
        spread = MAD_TO_SD * np.nanmedian(np.abs(together - median), axis=0)
    return _robust(table, median, spread)


def _robust(table: pd.DataFrame, median: Any, spread: Any) -> pd.DataFrame:
    z = (table - median) / spread
    return z.replace([np.inf, -np.inf], np.nan)


def _cell(value: float) -> Any:
    if np.isnan(value):
        return "n/a"
    return {"text": f"{value:.1f}", "value": round(float(value), 3), "heat": heat(float(value) / DARKEST_Z)}

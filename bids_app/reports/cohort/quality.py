"""Quality numbers of all visits: who stands out, as strips of points and a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bids_app.derivatives.reader import Derivatives
from bids_app.image.outliers import FEWEST, MAD_TO_SD, even, stands_out
from bids_app.image.quality import QUALITY, QualityNumber

STRIP_WIDTH, STRIP_HEIGHT, STRIP_MARGIN = 430.0, 44.0, 10.0  # of a strip's picture
WORSE = {"low": "Low is worse.", "high": "High is worse.", "either": "Low and high are worse."}
SHOWN = {
    name: number for name, number in QUALITY.items() if number.worse or number.skewed
}  # the others say what a visit is


def read_quality(output_dir: Path, visits: pd.DataFrame, names: pd.Series) -> pd.DataFrame:
    """Read the quality numbers of visits and mark those that stand out.

    Parameters
    ----------
    output_dir : Path
        Root of the derivatives.
    visits : DataFrame, (n, ...)
        Perhaps with column `site`: a visit is compared with those of its site where there are at least eight.
    names : Series of str, (n,)
        `sub-01_ses-1`.

    Returns
    -------
    DataFrame
        A row per visit that has them: visit, site, the numbers of `image.quality.QUALITY`, `outside` (numbers beyond
        the usual range) and `unlike` (numbers that stand out among their kind, see `image.outliers`), names separated
        by commas.
    """
    rows = []
    for place, name in enumerate(names):
        path = Derivatives(output_dir).visit(name).path("qc")
        if path.exists():
            header, values = path.read_text(encoding="utf-8").splitlines()[:2]
            row = dict(zip(header.split("\t"), values.split("\t"), strict=False))
            rows.append({"visit": name, "place": place} | row)
    if not rows:
        return pd.DataFrame()
    table = pd.DataFrame(rows).replace("n/a", None)
    site = visits["site"].to_numpy()[table.pop("place")] if "site" in visits else None
    numbers = [name for name in QUALITY if name in table]
    table[numbers] = table[numbers].apply(pd.to_numeric, errors="coerce")
    table = table[["visit", *numbers]].assign(outside=table.get("flags"))
    table.insert(1, "site", site)
    shown = [name for name in SHOWN if name in table and table[name].notna().any()]
    far = pd.DataFrame({name: _far(QUALITY[name], table) for name in shown})
    unlike = pd.Series(
        [",".join(far.columns[row]) or None for row in far.to_numpy()], table.index, dtype=object
    )
    return table.assign(unlike=unlike)


def _far(number: QualityNumber, table: pd.DataFrame) -> pd.Series:
    """Return which visits stand out in a number."""
    z = modified_z(even(table[number.name], number.skewed), table["site"])
    return z.map(lambda one: stands_out(one, number.worse))


def modified_z(values: pd.Series, site: pd.Series) -> pd.Series:
    """Return the modified z score within sites of at least eight visits, else among all; 0 where nothing varies."""
    site = site.fillna("")
    many = values.notna().groupby(site).transform("sum") >= FEWEST
    group = site.where(many, "\N{BULLET}all")
    median = values.groupby(group).transform("median").where(many, values.median())
    away = (values - median).abs()
    spread = away.groupby(group).transform("median").where(many, (values - values.median()).abs().median())
    return ((values - median) / (MAD_TO_SD * spread.where(spread > 0))).fillna(0.0)


def strips(table: pd.DataFrame, links: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return a strip of points per quality number, for the page.

    Parameters
    ----------
    table : DataFrame
        Of `read_quality`.
    links : mapping of str to str
        Address of each visit's page.
    """
    return [
        _strip(table, number, links)
        for name, number in SHOWN.items()
        if name in table and table[name].notna().any()
    ]


def _strip(table: pd.DataFrame, number: QualityNumber, links: Mapping[str, str]) -> dict[str, Any]:
    """Return where each visit's point lies, which stand out, and the usual range."""
    name = number.name
    known = table[table[name].notna()]
    values = known[name].to_numpy(np.float64)
    low, high = float(values.min()), float(values.max())
    width = high - low or 1.0

    def across(value: Any) -> Any:
        return np.round(STRIP_MARGIN + (STRIP_WIDTH - 2 * STRIP_MARGIN) * (value - low) / width, 1)

    x, middle = across(values), float(across(np.median(values)))
    y = STRIP_HEIGHT / 2 + np.random.default_rng(0).uniform(-15, 15, len(x))
    marked = known["unlike"].map(lambda names: name in _split(names)) | known["outside"].map(
        lambda names: name in _split(names)
    )
    points: list[dict[str, Any]] = []
    far: list[dict[str, Any]] = []
    for visit, value, px, py, odd in zip(known["visit"], values, x, y.round(1), marked, strict=True):
        point = {"x": px, "y": py, "visit": visit, "value": f"{value:.4g}", "href": links.get(visit)}
        (far if odd else points).append(point)
    usual = [
        {"x": float(across(bound)), "value": f"{bound:g}"}
        for bound in number.usual
        if np.isfinite(bound) and low <= bound <= high
    ]
    return {
        "name": name,
        "label": number.label,
        "about": number.about,
        "low": f"{low:.4g}",
        "median": f"{np.median(values):.4g}",
        "high": f"{high:.4g}",
        "middle": middle,
        "label_at": float(np.clip(middle, 110, STRIP_WIDTH - 110)),
        "width": STRIP_WIDTH,
        "points": points,
        "far": far,
        "usual": usual,
        "worse": WORSE.get(number.worse or "", ""),
        "n": len(values),
    }


def _split(names: object) -> list[str]:
    return names.split(",") if isinstance(names, str) else []


def _label(name: str) -> str:
    return QUALITY[name].label if name in QUALITY else name


def quality_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table for the page: visits that stand out first, their reasons in words."""
    reasons = []
    for outside, unlike in zip(table["outside"], table["unlike"], strict=True):
        words = [f"{_label(n)}: outside the usual range" for n in _split(outside)]
        words += [f"{_label(n)}: unlike the others" for n in _split(unlike) if n not in _split(outside)]
        reasons.append("; ".join(words))
    count = [
        len(set(_split(a)) | set(_split(b))) for a, b in zip(table["outside"], table["unlike"], strict=True)
    ]
    listed = table.drop(columns=["outside", "unlike"]).assign(why=reasons)
    listed.insert(1, "outliers", count)
    listed.insert(2, "why", listed.pop("why"))
    listed = listed.dropna(axis=1, how="all")
    return listed.sort_values("outliers", ascending=False, kind="stable", ignore_index=True)

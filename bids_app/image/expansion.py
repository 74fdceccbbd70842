"""Lesions that expand slowly: growth of present lesions by the Jacobian, constant in time and strongest at their core.

After Elliott et al. 2019 (Mult Scler 25:1915, doi:10.1177/1352458518814117): regions of present lesions that expand by
at least 12.5 % a year at their seed and 4 % a year around it, concentrically, and in every interval between visits.
From two visits there are only candidates: constancy cannot be seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cc3d
import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage

from bids_app.image.volume import resample

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SEED, EDGE = 12.5, 4.0  # percent a year (Elliott et al. 2019)
LEAST_MM3 = 30.0  # ten voxels, as there, of 1 x 1 x 3 mm
SHELL_MM = 2.0  # around a lesion, where concentric expansion has faded
FEWEST_PAIRS = 2  # three visits
EXPANSION_COLUMNS: dict[str, dict[str, object]] = {
    "expansion_percent_per_year": {
        "Description": "Mean local growth of a lesion that was there before, by the Jacobian of the deformation of "
        "one visit to the other; n/a where the visits are not dated.",
        "Units": "%/year",
    },
    "expanding_mm3": {
        "Description": f"Volume of its part that expands by {EDGE:g} % a year or more around a seed of {SEED:g} %.",
        "Units": "mm^3",
    },
    "concentricity": {
        "Description": "Expansion of its inner half minus that of its outer half and the "
        f"{SHELL_MM:g} mm around it, in percent a year: above 0, the core expands most.",
        "Units": "%/year",
    },
    "expansion_candidate": {
        "Description": f"1 where at least {LEAST_MM3:g} mm³ expand and the core expands most: a candidate for a slowly "
        "expanding lesion, which takes three visits or more to tell (Elliott et al. 2019).",
    },
}
OVER_VISITS: dict[str, dict[str, object]] = {
    "index": {"Description": "Row."},
    "name": {"Description": "Name of the lesion in the comparison of the last two visits."},
    "intervals": {"Description": "Intervals between visits over which the lesion was followed."},
    "mean_percent_per_year": {"Description": "Mean expansion over them.", "Units": "%/year"},
    "least_percent_per_year": {"Description": "Least expansion of an interval.", "Units": "%/year"},
    "concentricity": {"Description": "Mean over the intervals.", "Units": "%/year"},
    "slowly_expanding": {
        "Description": f"1 where every interval has at least {EDGE:g} % a year, one of them a candidate, and the core "
        "expands most; 0 where not.",
    },
}


def measure(
    jacobian: nib.Nifti1Image, labels: nib.Nifti1Image, table: pd.DataFrame, years: float | None
) -> pd.DataFrame:
    """Return the columns of `EXPANSION_COLUMNS` for the rows of a table of changes.

    Parameters
    ----------
    jacobian : Nifti1Image, (x, y, z)
        Half-way: local volume at the later visit over that at the earlier one, found with lesions counted.
    labels : Nifti1Image, (x, y, z), int
        The rows' index half-way.
    table : DataFrame
        Columns `index` and `volume_before_mm3`.
    years : float, optional
        Between the visits.
    """
    empty = dict.fromkeys(EXPANSION_COLUMNS, None)
    if not years:
        return pd.DataFrame([empty] * len(table), columns=list(EXPANSION_COLUMNS), index=table.index)
    ratio = np.asarray(resample(jacobian, labels, order=1).dataobj, dtype=np.float64)
    rate = 100 * (np.maximum(ratio, 0.1) ** (1 / years) - 1)
    label, size = np.asarray(labels.dataobj).astype(int), nib.affines.voxel_sizes(labels.affine)
    boxes = ndimage.find_objects(label)
    rows: list[Mapping[str, object]] = []
    for number, before in zip(table["index"], table["volume_before_mm3"], strict=True):
        box = boxes[number - 1] if number <= len(boxes) else None
        if box is None or not before > 0:
            rows.append(empty)
            continue
        more = np.ceil(2 * SHELL_MM / size).astype(int)
        wide = tuple(slice(max(one.start - n, 0), one.stop + n) for one, n in zip(box, more, strict=True))
        rows.append(_lesion(rate[wide], label[wide] == number, label[wide] > 0, size))
    return pd.DataFrame(rows, columns=list(EXPANSION_COLUMNS), index=table.index).round(4)


def _lesion(rate: Array, at: Mask, any_lesion: Mask, size: npt.NDArray[np.float64]) -> dict[str, float]:
    """Measure one lesion in a box around it."""
    depth = ndimage.distance_transform_edt(at, sampling=size)
    away = ndimage.distance_transform_edt(~at, sampling=size)
    inner = at & (depth >= np.median(depth[at]))
    outer = (at & ~inner) | ((away > 0) & (away <= SHELL_MM) & ~any_lesion)
    pieces = cc3d.connected_components(at & (rate >= EDGE), connectivity=26)
    seeded = np.unique(pieces[at & (rate >= SEED)])
    expanding = float(np.isin(pieces, seeded[seeded > 0]).sum() * np.prod(size))
    concentric = float(rate[inner].mean() - rate[outer].mean()) if outer.any() else float("nan")
    return {
        "expansion_percent_per_year": float(rate[at].mean()),
        "expanding_mm3": expanding,
        "concentricity": concentric,
        "expansion_candidate": int(expanding >= LEAST_MM3 and concentric > 0),
    }


def over_visits(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Follow lesions through consecutive comparisons and say which expand slowly.

    Parameters
    ----------
    tables : sequence of DataFrame
        Tables of changes from the first two visits on, with columns `lesions_before`, `lesions_after` (rows of the
        visits' lesion tables) and those of `EXPANSION_COLUMNS`.

    Returns
    -------
    DataFrame
        The columns of `OVER_VISITS`: a row for each lesion that was followed over all intervals; none for fewer than
        three visits.
    """
    rows = []
    for _, last in tables[-1].iterrows() if len(tables) >= FEWEST_PAIRS else ():
        chain, members = [last], _numbers(last["lesions_before"])
        for table in reversed(tables[:-1]):
            same = [row for _, row in table.iterrows() if members & _numbers(row["lesions_after"])]
            if not same:
                break
            # where lesions merged, the one that expanded most stands for all
            best = max(
                same, key=lambda row: float(np.nan_to_num(row["expansion_percent_per_year"], nan=-np.inf))
            )
            chain.append(best)
            members = _numbers(best["lesions_before"])
        rates = np.array([row["expansion_percent_per_year"] for row in chain], dtype=np.float64)
        if len(chain) < len(tables) or np.isnan(rates).any():
            continue
        concentric = float(np.mean([row["concentricity"] for row in chain]))
        candidate = any(row["expansion_candidate"] == 1 for row in chain)
        rows.append(
            {
                "name": last["name"],
                "intervals": len(chain),
                "mean_percent_per_year": float(rates.mean()),
                "least_percent_per_year": float(rates.min()),
                "concentricity": concentric,
                "slowly_expanding": int(candidate and bool((rates >= EDGE).all()) and concentric > 0),
            }
        )
    found = pd.DataFrame(rows, columns=list(OVER_VISITS)).assign(index=range(1, len(rows) + 1))
    return found.round(4)


def _numbers(cell: object) -> set[str]:
    """Return the lesions of a cell such as 3 or 3,5."""
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return set()
    text = f"{cell:g}" if isinstance(cell, float) else str(cell)
    return {part.strip() for part in text.split(",") if part.strip()}

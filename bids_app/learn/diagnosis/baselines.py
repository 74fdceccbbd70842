"""What could tell the classes apart without their disease: sites, scanners, intensity, quality, the lesion load."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.learn.lesion_maps import MapStore

Floats = npt.NDArray[np.float64]

SITE, SCANNER = "site alone", "scanner fields alone"
INTENSITY, QUALITY = "mean and SD of belief alone", "quality numbers alone"
LOAD = "number and volume of lesions alone"
THREATS = (SITE, SCANNER, INTENSITY, QUALITY)  # what says nothing of the disease
FIELDS = (
    "Manufacturer",
    "ManufacturersModelName",
    "MagneticFieldStrength",
    "EchoTime",
    "RepetitionTime",
    "InversionTime",
    "FlipAngle",
)
TELLING = 0.6  # AUC of a threat from which on a reader must know of it
UNEVEN = 0.2  # Cramer's V between sites and classes, patients counted


def categories(values: pd.Series) -> Floats:
    """Return one column per value, 1 where a scan has it; no column where all have the same or nothing is known."""
    texts = values.astype("string").fillna("n/a")
    return pd.get_dummies(texts).to_numpy(np.float64) if texts.nunique() > 1 else np.empty((len(values), 0))


def scanner_fields(maps: Sequence[Path], table: pd.DataFrame) -> Floats:
    """Return the fields that say on which scanner and how a scan was made, as numbers and categories.

    Parameters
    ----------
    maps : sequence of Path
        Images whose sidecars may hold the fields.
    table : DataFrame
        Scans; columns of the fields' names count too.
    """
    read = pd.DataFrame([_sidecar(path) for path in maps])
    columns = [categories(found) for name in FIELDS if (found := _field(name, read, table)) is not None]
    return np.hstack(columns) if columns else np.empty((len(maps), 0))


def _field(name: str, read: pd.DataFrame, table: pd.DataFrame) -> pd.Series | None:
    if name in read and read[name].notna().any():
        return read[name]
    return table[name].reset_index(drop=True) if name in table else None


def _sidecar(path: Path) -> dict[str, Any]:
    try:
        sidecar = json.loads(
            path.with_name(path.name.replace(".nii.gz", ".json")).read_text(encoding="utf-8")
        )
        return {name: sidecar.get(name) for name in FIELDS}
    except (OSError, ValueError, AttributeError):
        return {}


def quality_numbers(tables: Sequence[Path]) -> Floats:
    """Return the numbers of the visits' quality tables, (n, p), without those of lesions; NaN where unknown."""
    rows = []
    for path in tables:
        try:
            rows.append(pd.read_csv(path, sep="\t", na_values="n/a").iloc[0].to_dict())
        except (OSError, ValueError, IndexError):
            rows.append({})
    table = pd.DataFrame(rows, index=range(len(tables)))
    numbers = table.drop(columns=[c for c in table if "lesion" in str(c)]).apply(
        pd.to_numeric, errors="coerce"
    )
    return numbers.loc[:, numbers.nunique() > 1].to_numpy(np.float64)


def intensity(store: MapStore) -> Floats:
    """Return mean and standard deviation of belief over the brain, (n, 2)."""
    mean, square = np.asarray(store.sums, np.float64).T / store.n_voxels
    return np.column_stack([mean, np.sqrt(np.maximum(square - mean**2, 0))])


def lesion_load(counts: pd.DataFrame, store: MapStore) -> Floats:
    """Return the logarithms of number and volume of lesions and of lesion voxels, (n, p)."""
    columns = [counts[name].to_numpy(np.float64) for name in ("lesions", "volume_ml")]
    columns.append(store.lesions().sum(axis=1).astype(np.float64))
    known = [np.log1p(column) for column in columns if np.isfinite(column).any()]
    return np.column_stack(known)


def baselines(
    table: pd.DataFrame, store: MapStore, counts: pd.DataFrame, maps: Sequence[Path], quality: Sequence[Path]
) -> dict[str, Floats]:
    """Return the columns of each baseline that can be had, by name.

    Parameters
    ----------
    table : DataFrame
        Scans.
    store : MapStore
        Their maps.
    counts : DataFrame
        `lesion_counts` of them.
    maps, quality : sequence of Path
        Belief maps (for their sidecars) and quality tables.
    """
    found = {
        SITE: categories(table["site"]) if "site" in table else np.empty((len(table), 0)),
        SCANNER: scanner_fields(maps, table),
        INTENSITY: intensity(store),
        QUALITY: quality_numbers(quality),
        LOAD: lesion_load(counts, store),
    }
    return {name: values for name, values in found.items() if values.shape[1]}


def unevenness(site: pd.Series, label: npt.NDArray[Any], patient: npt.NDArray[Any]) -> float:
    """Return Cramer's V between sites and classes, each patient counted once per site; 0 with one site.

    Parameters
    ----------
    site : Series, (n,)
        Site of each scan.
    label : ndarray, (n,)
        Class of each scan.
    patient : ndarray, (n,)
        Patient of each scan.
    """
    from scipy.stats.contingency import association

    pairs = pd.DataFrame({"site": site.astype(str).to_numpy(), "label": label, "patient": patient})
    once = pairs.drop_duplicates()
    counts = pd.crosstab(once["site"], once["label"])
    return float(association(counts, method="cramer")) if min(counts.shape) > 1 else 0.0


def warnings(aucs: Mapping[str, float], machine: float, v: float = 0.0) -> list[str]:
    """Return what a reader must know of baselines; none waits for a small P.

    Parameters
    ----------
    aucs : mapping of str to float
        AUC of each baseline on the machine's folds.
    machine : float
        AUC of the lesion maps.
    v : float
        `unevenness` of sites.
    """
    found = []
    if v >= UNEVEN:
        found.append(
            f"classes are spread unevenly over sites (Cramer's V {v:.2f}): the classifier may distinguish "
            "scanners rather than diseases; read the row of leaving one site out"
        )
    for name, area in aucs.items():
        if name in THREATS and area >= TELLING:
            found.append(
                f"classes are told apart by {name} alone with an AUC of {area:.2f} (lesion maps {machine:.2f}): "
                "differences between scanners or acquisitions may be what is learned"
            )
        elif area >= machine:
            found.append(f"{name} does as well as the lesion maps: AUC {area:.2f} against {machine:.2f}")
    return found

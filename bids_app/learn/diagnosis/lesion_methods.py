"""What the way lesions were found does to the AUC: the study's threshold on belief, and each method of the masks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.learn.diagnosis.protocols import patient_table
from bids_app.learn.diagnosis.variants import LESION_MAPS, LESION_MASKS, Run

THRESHOLD = "belief above the threshold of training (study B)"
SUPPLIED, UNKNOWN = "supplied masks", "not said in the sidecars"
ABSENT = (
    "no mask by it here (a visit keeps those of one method): process into another folder, with --lesions {}"
)


def mask_methods(masks: Iterable[Path]) -> npt.NDArray[np.object_]:
    """Return which method made the lesion mask of each visit, from the masks' sidecars, (n,).

    Parameters
    ----------
    masks : iterable of Path
        Lesion masks in the space of the visit's images.

    Returns
    -------
    ndarray of str
        A name of `--lesions`, `supplied masks`, or `not said in the sidecars`.
    """
    from bids_app.image.lesions import METHODS

    by_words = {method.about: name for name, method in METHODS.items()}
    return np.array([_method(path, by_words) for path in masks], dtype=object)


def _method(mask: Path, by_words: Mapping[str, str]) -> str:
    try:
        sidecar = json.loads(
            mask.with_name(mask.name.replace(".nii.gz", ".json")).read_text(encoding="utf-8")
        )
        return SUPPLIED if "MaskSource" in sidecar else by_words.get(sidecar.get("Method"), UNKNOWN)
    except (OSError, ValueError, AttributeError, TypeError):
        return UNKNOWN


def compare_methods(
    y: npt.NDArray[np.bool_],
    runs: Mapping[str, Run],
    method: npt.NDArray[np.object_],
    patient: npt.NDArray[Any],
    seed: int,
) -> pd.DataFrame:
    """Return the leak-free AUC by how lesions were found, on the same outer folds.

    Parameters
    ----------
    y : ndarray of bool, (n,)
        Scans of the first class.
    runs : mapping of str to (decision, fold)
        Out-of-fold decisions of `lesion maps` and of `lesion masks as segmented`.
    method : ndarray of str, (n,)
        Of `mask_methods`.
    patient : ndarray, (n,)
    seed : int
        Of the bootstrap over patients.

    Returns
    -------
    DataFrame
        lesions, n_scans, n_patients, auc, low, high; without AUC, `why`. Where masks are of several methods, each one's
        AUC is that of its own scans, called by a classifier trained on all.
    """
    every = np.ones(len(y), bool)
    rows = [_row(THRESHOLD, every, y, runs[LESION_MAPS], patient, seed)]
    masks = runs[LESION_MASKS]
    rows += [_row(name, method == name, y, masks, patient, seed) for name in sorted(set(method))]
    if set(method) != {UNKNOWN}:
        rows += [{"lesions": name, "n_scans": 0, "why": ABSENT.format(of)} for name, of in _others(method)]
    columns = ["lesions", "n_scans", "n_patients", "auc", "low", "high", "why"]
    return pd.DataFrame(rows).reindex(columns=columns)


def _others(method: npt.NDArray[np.object_]) -> list[tuple[str, str]]:
    """Return the methods that made none of the masks, and what `--lesions` calls them."""
    from bids_app.image.lesions import METHODS
    from bids_app.settings import FROM_DERIVATIVES

    options = {name: name for name in METHODS} | {SUPPLIED: FROM_DERIVATIVES}
    return [(name, option) for name, option in options.items() if name not in set(method)]


def _row(
    name: str,
    of: npt.NDArray[np.bool_],
    y: npt.NDArray[np.bool_],
    run: Run,
    patient: npt.NDArray[Any],
    seed: int,
) -> dict[str, Any]:
    row = {"lesions": name, "n_scans": int(of.sum()), "n_patients": len(set(patient[of]))}
    if len(np.unique(y[of])) < 2:
        return row | {"why": "all of one class"}
    decision, fold = run
    table = patient_table(y[of], decision[of], fold[of], patient[of], seed).set_index("metric").loc["auc"]
    return row | {"auc": table["estimate"], "low": table["low"], "high": table["high"]}

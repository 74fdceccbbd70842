"""How well the radiomic features of a cohort repeat under small perturbations of the pipeline."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from bids_app.cohort.features import STABILITY
from bids_app.derivatives import load_image, write_json, write_table
from bids_app.derivatives.reader import Derivatives
from bids_app.errors import InputError
from bids_app.features.radiomics import PAPER_SETTINGS, RadiomicsSettings
from bids_app.features.stability import (
    STABILITY_COLUMNS,
    describe_perturbations,
    draw_perturbations,
    repeated_features,
    stability_table,
)
from bids_app.progress import say, track
from bids_app.visit_name import VisitName

REPETITIONS = 4  # of each visit: as it is, and three perturbations
NAWM = "NAWM"


def measure_stability(
    derivatives: Path,
    visits: pd.DataFrame,
    n: int,
    *,
    seed: int,
    settings_file: Path | None = None,
    n_jobs: int = 1,
) -> Path:
    """Repeat the radiomics of some visits under perturbations and write each feature's ICC(A,1).

    Parameters
    ----------
    derivatives : Path
        Root of Demyelin's derivatives.
    visits : DataFrame
        participant_id and session_id.
    n : int
        Visits drawn at random (study A: 30); all where there are fewer.
    seed : int
        Of the draw and the perturbations.
    settings_file : Path, optional
        pyradiomics parameter file. Default: study A's settings.
    n_jobs : int
        Visits at once.

    Returns
    -------
    Path
        `group/radiomics_stability.tsv`, which study A's selection then uses.

    Raises
    ------
    InputError
        If fewer than two visits have a T1w and parcels.
    """
    found = [files for row in visits.to_dict("records") if (files := _files(derivatives, row))]
    if len(found) < 2:
        raise InputError(
            f"{derivatives}: --stability needs two visits with T1w and parcels; found {len(found)}"
        )
    rng = np.random.default_rng(seed)
    drawn = [found[k] for k in np.sort(rng.permutation(len(found))[:n])]
    perturbations = draw_perturbations(REPETITIONS, seed)
    settings = RadiomicsSettings.from_file(settings_file) if settings_file else PAPER_SETTINGS
    say(f"stability: {len(drawn)} visits, {REPETITIONS} repetitions each")
    jobs = (delayed(_repeat)(files, perturbations, settings) for files in drawn)
    found_again = Parallel(n_jobs, return_as="generator")(jobs)
    table = stability_table(list(track(found_again, "stability of radiomics: visits", len(drawn))))
    path = write_table(table, derivatives / STABILITY)
    meta = STABILITY_COLUMNS | {
        "Visits": [files["t1w"].name for files in drawn],
        "Perturbations": describe_perturbations(perturbations),
        "RadiomicsSettings": settings.to_dict(),
        "Seed": seed,
    }
    write_json(meta, path.with_suffix(".json"))
    return path


def _files(derivatives: Path, visit: dict) -> dict[str, Path]:
    """Return a visit's T1w, parcels with their names, and NAWM; empty where one is missing."""
    files = Derivatives(derivatives).visit(VisitName.from_ids(visit["participant_id"], visit["session_id"]))
    parcels = files.find("parcels")
    if not parcels:
        return {}
    files.atlas = parcels[0].entities["atlas"]
    keys = {"t1w": "t1w", "nawm": "nawm", "parcels": "parcels", "names": "parcel_table"}
    return {name: files.path(key) for name, key in keys.items()} if files.has(*keys.values()) else {}


def _repeat(files: dict[str, Path], perturbations: list, settings: RadiomicsSettings) -> list[pd.DataFrame]:
    """Return the features of a visit's regions and NAWM under each perturbation."""
    image, parcels, nawm = (load_image(files[name]) for name in ("t1w", "parcels", "nawm"))
    rows = pd.read_csv(files["names"], sep="\t")
    names = dict(zip(rows["index"], rows["name"], strict=True))
    white = nib.Nifti1Image((np.asanyarray(nawm.dataobj) > 0).astype(np.int32), nawm.affine)
    grey, other = (
        repeated_features(image, labels, perturbations, label_names=some, settings=settings)
        for labels, some in ((parcels, names), (white, {1: NAWM}))
    )
    return [pd.concat(both) for both in zip(grey, other, strict=True)]

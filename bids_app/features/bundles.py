"""Damage to named bundles: a tractography atlas kept beside a connectome, which itself has no names."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import pandas as pd

from bids_app.features.chaco import bundle_damage, streamline_damage
from bids_app.features.connectome import CARD, Connectome

FOLDER = "bundles"
BUNDLE_COLUMNS: dict[str, dict[str, object]] = {
    "bundle": {"Description": "Bundle of the tractography atlas."},
    "n_streamlines": {"Description": "Streamlines of the bundle."},
    "chaco": {"Description": "Share of the bundle's streamlines that pass through lesions."},
}


def has_bundles(folder: str | Path) -> bool:
    """Return whether a connectome folder has streamlines with names."""
    card = json.loads(Path(folder, CARD).read_text(encoding="utf-8"))
    return bool(card["Bundles"]) or Path(folder, FOLDER, CARD).exists()


def open_bundles(folder: Path) -> Connectome | None:
    """Return the streamlines with names of a connectome folder: its own, or those in `bundles`; None without.

    Raises
    ------
    InputError
        If the folder holds no connectome, or a damaged one.
    """
    connectome = Connectome.open(folder)
    if connectome.card["Bundles"]:
        return connectome
    beside = Path(folder) / FOLDER
    return Connectome.open(beside) if (beside / CARD).exists() else None


def damage_by_bundle(lesion: nib.Nifti1Image, bundles: Connectome, *, weighted: bool = False) -> pd.DataFrame:
    """Return the share of each bundle's streamlines that lesions hit.

    Parameters
    ----------
    lesion : Nifti1Image, (x, y, z)
        Lesion mask or probability in template space.
    bundles : Connectome
        With names, as `open_bundles` returns it.
    weighted : bool
        Weigh a streamline by the largest lesion probability on its way.

    Returns
    -------
    DataFrame
        Columns as in `BUNDLE_COLUMNS`, in the order of the atlas.

    Raises
    ------
    InputError
        If the lesion image cannot be used (see `lesion_on_grid`).
    """
    return bundle_damage(bundles, streamline_damage(lesion, bundles, weighted=weighted))

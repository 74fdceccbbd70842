"""Steps of a visit: paths in, paths out, around the pure functions on images.

Each writes uncompressed files into the current folder and returns their paths; heavy libraries are imported
where they are used, so that building a graph stays quick.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import nibabel as nib
    import pandas as pd


def keep(image: nib.Nifti1Image, name: str, meta: dict[str, Any] | None = None) -> Path:
    """Write an image (and its metadata beside it) into the current folder."""
    from bids_app.derivatives import save_image

    if meta:
        _keep_meta(name, meta)
    return save_image(image, Path(f"{name}.nii").absolute())


def keep_table(table: pd.DataFrame, name: str, meta: dict[str, Any]) -> Path:
    """Write a table and the meaning of its columns into the current folder."""
    from bids_app.derivatives import write_table

    _keep_meta(name, meta)
    return write_table(table, Path(f"{name}.tsv").absolute())


def _keep_meta(name: str, meta: dict[str, Any]) -> None:
    Path(f"{name}.json").write_text(json.dumps(meta), encoding="utf-8")

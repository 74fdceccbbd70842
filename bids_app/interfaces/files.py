"""What every step does with files: uncompressed images and tables in the current folder."""

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

    _keep_meta(name, meta or {})
    return save_image(image, Path(f"{name}.nii").absolute())


def keep_table(table: pd.DataFrame, name: str, meta: dict[str, Any]) -> Path:
    """Write a table and the meaning of its columns into the current folder."""
    from bids_app.derivatives import write_table

    _keep_meta(name, meta)
    return write_table(table, Path(f"{name}.tsv").absolute())


def _keep_meta(name: str, meta: dict[str, Any]) -> None:
    Path(f"{name}.json").write_text(json.dumps(meta), encoding="utf-8")


def masked(image: nib.Nifti1Image, mask: nib.Nifti1Image) -> nib.Nifti1Image:
    """Return an image that is 0 outside a mask."""
    import nibabel as nib
    import numpy as np

    data = np.asarray(image.dataobj, dtype=np.float32) * (np.asanyarray(mask.dataobj) > 0)
    return nib.Nifti1Image(data, image.affine)


class Table(NamedTuple):
    """One table."""

    table: Path

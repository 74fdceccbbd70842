"""Writing one file so that it is either whole under its final name or not there at all."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import nibabel as nib
    import numpy.typing as npt
    import pandas as pd

PARTIAL = ".partial-"


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a name beside `path` to write to; rename it to `path` when the block ends well.

    Parameters
    ----------
    path : str or Path
        The final name. Its folder is made where it is missing.

    Yields
    ------
    Path
        A hidden name in the same folder with the same extensions; removed when the block raises.

    Raises
    ------
    OSError
        What the block raised, naming `path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{PARTIAL}{secrets.token_hex(4)}-{path.name}")
    try:
        yield aside
        with aside.open("rb") as written:
            os.fsync(written.fileno())
        aside.replace(path)
    except OSError as error:
        if error.filename in (None, str(aside)):  # a full disk names no file
            error.filename = str(path)
        raise
    finally:
        aside.unlink(missing_ok=True)


def write_text(text: str, path: str | Path) -> Path:
    """Write UTF-8 text atomically; return the path."""
    with atomic(path) as aside:
        aside.write_text(text, encoding="utf-8", newline="\n")
    return Path(path)


def write_json(content: Any, path: str | Path) -> Path:
    """Write a JSON file atomically; return the path.

    Raises
    ------
    ValueError
        If `content` holds NaN or infinity, which JSON cannot.
    """
    return write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", path)


def write_table(table: pd.DataFrame, path: str | Path) -> Path:
    """Write a BIDS table (tabs, `n/a` for what is missing, no index) atomically; return the path."""
    with atomic(path) as aside:
        table.to_csv(aside, sep="\t", na_rep="n/a", index=False, lineterminator="\n", encoding="utf-8")
    return Path(path)


def load_image(path: str | Path) -> nib.Nifti1Image:
    """Load a NIfTI image that Demyelin wrote."""
    import nibabel as nib

    return nib.load(path)  # type: ignore[return-value]


def save_image(image: nib.Nifti1Image, path: str | Path, dtype: npt.DTypeLike | None = None) -> Path:
    """Save a NIfTI image atomically, the same bytes for the same voxels; return the path.

    Parameters
    ----------
    image : Nifti1Image
        What to save.
    path : str or Path
        Final name, `.nii` or `.nii.gz`.
    dtype : dtype, optional
        On-disk type; by default uint8 for booleans, float32 for floats, else the array's own.
    """
    import nibabel as nib
    import numpy as np

    data = np.asanyarray(image.dataobj)
    if dtype is None:
        dtype = {"b": np.uint8, "f": np.float32}.get(data.dtype.kind, data.dtype)
    out = nib.Nifti1Image(data.astype(dtype), image.affine)
    out.header.set_xyzt_units("mm")
    out.set_sform(image.affine, code=int(image.header["sform_code"]) or 1)
    out.set_qform(image.affine, code=int(image.header["sform_code"]) or 1)
    with atomic(path) as aside:
        nib.save(out, aside)
    return Path(path)


def remove_partials(folder: Path, prefix: str) -> None:
    """Remove what a killed run left half-written for the files of one visit."""
    for left in folder.rglob(f"{PARTIAL}*-{prefix}*"):
        left.unlink(missing_ok=True)

"""What a step's annotations say of files: images and tables are read before it runs and written after it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType
from typing import Any, Generic, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import nibabel as nib
import numpy as np
import pandas as pd

from bids_app.derivatives import load_image, save_image, write_table

Image = nib.Nifti1Image
Table = pd.DataFrame
Data = TypeVar("Data")


class WithMeta(NamedTuple, Generic[Data]):
    """An image or a table of a step's result, and what its sidecar says beyond the usual."""

    data: Data
    meta: Mapping[str, Any]


def kind_of(annotation: Any) -> Any:
    """Return what a parameter or result holds, without `None` and metadata; `Any` for one of several kinds."""
    if annotation is Any or isinstance(annotation, type):
        return annotation
    if get_origin(annotation) is WithMeta:
        return get_args(annotation)[0]
    if get_origin(annotation) in (dict, list, tuple):
        return annotation
    kinds = [kind_of(one) for one in get_args(annotation) if one is not NoneType]
    return kinds[0] if len(kinds) == 1 else Any


def is_file(kind: Any) -> bool:
    """Whether a kind of parameter or result is a file between steps."""
    return kind in (Path, Image, Table)


def read(path: Path, kind: Any) -> Any:
    """Read a file as the kind that a parameter asks for; a path stays a path."""
    if kind is Image:
        return load_image(path)
    if kind is Table:
        return pd.read_csv(path, sep="\t", na_values=["n/a"], keep_default_na=False)
    return path


def call(function: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Run a step on files and values, in the current folder.

    Parameters
    ----------
    function : callable
        Its parameters annotated as images or tables are read from their paths; so are the values of a
        parameter annotated as a dict of them. Its result is a NamedTuple.
    values : mapping of str to object
        Arguments by name.

    Returns
    -------
    dict
        The result by field, without fields that are None. Images (`<field>.nii`, uncompressed) and tables
        (`<field>.tsv`) are written to the current folder, metadata beside them, and are their paths here.
    """
    hints = {name: kind_of(hint) for name, hint in get_type_hints(function).items()}
    arguments = {name: _read_all(value, hints[name]) for name, value in values.items()}
    result = function(**arguments)._asdict()
    return {name: _keep(name, value) for name, value in result.items() if value is not None}


def _read_all(value: Any, kind: Any) -> Any:
    if get_origin(kind) is dict:
        return {key: _read_all(one, get_args(kind)[1]) for key, one in value.items()}
    return read(value, kind) if isinstance(value, Path) else value


def _keep(name: str, value: Any) -> Any:
    """Write an image or table (and its metadata) to the current folder; return its path, other values as they are."""
    data, meta = value if isinstance(value, WithMeta) else (value, None)
    if isinstance(data, Path):
        return data.absolute()
    if not isinstance(data, Image | Table):
        return data
    if meta is not None:
        Path(f"{name}.json").write_text(json.dumps(meta), encoding="utf-8")
    if isinstance(data, Image):
        return save_image(data, Path(f"{name}.nii").absolute())
    return write_table(data, Path(f"{name}.tsv").absolute())


def masked(image: Image, mask: Image) -> Image:
    """Return an image that is 0 outside a mask."""
    data = np.asarray(image.dataobj, dtype=np.float32) * (np.asanyarray(mask.dataobj) > 0)
    return nib.Nifti1Image(data, image.affine)

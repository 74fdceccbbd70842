"""Networks that come with Demyelin, run by onnxruntime on the processor."""

from __future__ import annotations

import os
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


@cache
def session(model: str, folder: Path | None = None) -> InferenceSession:
    """Load a model once.

    Parameters
    ----------
    model : str
        File below `bids_app/data`, such as `lesions/network.onnx`.
    folder : Path, optional
        Where a file of that name is taken from instead, if it is there.

    Returns
    -------
    InferenceSession
        With as many threads as OMP_NUM_THREADS says, one where it does not. Memory is given back after a run.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    with as_file(files("bids_app").joinpath("data", *model.split("/"))) as path:
        other = folder / path.name if folder else path
        source = other if other.exists() else path
        return onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])

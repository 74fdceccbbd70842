"""Models on disk: skops with a fixed list of allowed types, and a JSON card that vouches for the file.

Never pickle: a model file may come from anybody.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app import __version__
from bids_app.derivatives import atomic, write_json
from bids_app.errors import InputError

ALLOWED = {
    "bids_app.learn.selection.CovariateZScore",
    "bids_app.learn.selection.MedianImpute",
    "sklearn.gaussian_process._gpr.GaussianProcessRegressor",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn.gaussian_process.kernels.Sum",
    "sklearn.gaussian_process.kernels.WhiteKernel",
    "sklearn.tree._tree.Tree",
}
FORMAT = 1
LOW_APPLICABILITY = 0.8


@dataclass(frozen=True)
class Model:
    """A fitted regressor with the steps before it.

    Attributes
    ----------
    parts : dict
        `impute` (MedianImpute), `adjust` (CovariateZScore or None), `model` (scikit-learn estimator).
    card : dict
        What a user must know: Inputs (columns needed, in order), Columns (those the estimator takes), Ranges of
        the inputs in training, Sites, Outcome, versions, metrics.
    """

    parts: dict[str, Any]
    card: dict[str, Any]

    def predict(self, table: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Return predictions for rows of a table with the card's inputs."""
        X = self.parts["impute"].transform(table[self.card["Inputs"]].astype(np.float32))
        if self.parts["adjust"] is not None:
            X = self.parts["adjust"].transform(X)
        return self.parts["model"].predict(X[self.card["Columns"]].to_numpy(np.float64))

    def applicability(self, table: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Return for each row the share of inputs that are known and inside the training range."""
        limits = np.array([self.card["Ranges"][name] for name in self.card["Inputs"]])
        values = table[self.card["Inputs"]].to_numpy(np.float64)
        slack = 1e-6 * (limits[:, 1] - limits[:, 0]) + 1e-12
        return ((values >= limits[:, 0] - slack) & (values <= limits[:, 1] + slack)).mean(axis=1)


def save_model(model: Model, stem: Path) -> list[Path]:
    """Write `<stem>.skops` and its card `<stem>.json`; return the paths."""
    from skops import io

    target, card = stem.with_suffix(".skops"), stem.with_suffix(".json")
    content = io.dumps(model.parts)
    with atomic(target) as aside:
        aside.write_bytes(content)
    write_json(
        model.card
        | {"Format": FORMAT, "DemyelinVersion": __version__, "Sha256": hashlib.sha256(content).hexdigest()},
        card,
    )
    return [target, card]


def load_model(stem: Path) -> Model:
    """Read a model that Demyelin wrote.

    Parameters
    ----------
    stem : Path
        Path of the `.skops` file, with or without its ending.

    Raises
    ------
    InputError
        If a file is missing or damaged, does not match its card, or holds types that no model of Demyelin has.
    """
    from skops import io

    path = stem.with_suffix(".skops")
    try:
        card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: model or its card is missing or damaged; use a folder written by group"
        ) from error
    if not isinstance(card, dict) or card.get("Format") != FORMAT:
        raise InputError(f"{path}: not a model of this version of Demyelin; train it again")
    if hashlib.sha256(content).hexdigest() != card.get("Sha256"):
        raise InputError(f"{path}: does not match its card (changed or damaged); train it again")
    try:
        foreign = set(io.get_untrusted_types(data=content)) - ALLOWED
        if foreign:
            raise InputError(
                f"{path}: holds {sorted(foreign)[0]}, which no model of Demyelin does; not opened"
            )
        parts = io.loads(content, trusted=sorted(ALLOWED))
    except InputError:
        raise
    except Exception as error:  # skops raises whatever the damaged archive leads to
        raise InputError(
            f"{path}: not readable as a model ({type(error).__name__}); train it again"
        ) from error
    return Model(parts, card)

"""Models on disk: skops with a fixed list of allowed types, and a JSON card that vouches for the file.

Never pickle: a model file may come from anybody. The hashes in the card find damage, of the file and of the card itself
(order of the columns, classes, ranges: other values would give other predictions); what keeps a forged file from doing
harm is that only the allowed types are ever built.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import sklearn

from bids_app import __version__
from bids_app.derivatives import atomic, write_json
from bids_app.errors import InputError
from bids_app.settings import STUDIES, digest

ALLOWED = {
    "bids_app.learn.ordinal.ProportionalOdds",
    "bids_app.learn.selection.blind.CovariateZScore",
    "bids_app.learn.selection.blind.MedianImpute",
    "bids_app.learn.selection.combat.Combat",
    "sklearn.gaussian_process._gpr.GaussianProcessRegressor",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn.gaussian_process.kernels.Sum",
    "sklearn.gaussian_process.kernels.WhiteKernel",
    "sklearn.tree._tree.Tree",
}
CARD_FORMAT = 5  # of the card: 2 added ComBat, 3 the hash of the card itself, 4 intervals, 5 their width
FREE = ("Description", "Licence")  # what the owner of a model may write anew
# share of inputs inside the training range below which a prediction is marked; chosen by hand
LOW_APPLICABILITY = 0.8
LICENCE = "The trained model belongs to whoever trained it; state the data it came from."


@dataclass(frozen=True)
class Model:
    """A fitted model with the steps before it.

    Attributes
    ----------
    parts : dict
        Fitted estimators and arrays.
    card : dict
        What a user must know: Kind (name of the study), Inputs (columns needed, in order), Ranges of the inputs in
        training, Sites, versions, metrics.
    """

    parts: dict[str, Any]
    card: dict[str, Any]

    def applicability(self, table: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Return for each row the share of inputs that are known and inside the training range."""
        limits = np.array([self.card["Ranges"][name] for name in self.card["Inputs"]])
        values = table[self.card["Inputs"]].to_numpy(np.float64)
        slack = 1e-6 * (limits[:, 1] - limits[:, 0]) + 1e-12
        return ((values >= limits[:, 0] - slack) & (values <= limits[:, 1] + slack)).mean(axis=1)

    def unseen_sites(self, visits: pd.DataFrame) -> list[str]:
        """Return the sites of visits that had none in training."""
        return sorted(set(site_names(visits)) - set(self.card["Sites"]))


def training_ranges(table: pd.DataFrame) -> dict[str, list[float]]:
    """Return lowest and highest known value of each column, for a card."""
    return {str(c): [float(table[c].min()), float(table[c].max())] for c in table}


def site_names(visits: pd.DataFrame) -> list[str]:
    """Return the sites of visits, each once."""
    return sorted(set(visits["site"].dropna().astype(str))) if "site" in visits else []


def versions() -> dict[str, str]:
    """Return what a card says of the software, beside Demyelin's version."""
    return {"python": platform.python_version(), "scikit-learn": sklearn.__version__}


def save_model(model: Model, stem: Path) -> list[Path]:
    """Write `<stem>.skops` and its card `<stem>.json`; return the paths."""
    from skops.io import dumps

    target, card_file = stem.with_suffix(".skops"), stem.with_suffix(".json")
    content = _reproducible(dumps(model.parts))
    with atomic(target) as aside:
        aside.write_bytes(content)
    card = _known(model.card) | {
        "Format": CARD_FORMAT,
        "DemyelinVersion": __version__,
        "Sha256": hashlib.sha256(content).hexdigest(),
    }
    write_json(card | {"CardSha256": _card_digest(card)}, card_file)
    return [target, card_file]


def _known(content: Any) -> Any:
    """Return a card's content with null for numbers that are not known: JSON has no NaN."""
    if isinstance(content, Mapping):
        return {name: _known(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_known(value) for value in content]
    return None if isinstance(content, float) and not np.isfinite(content) else content


def _card_digest(card: dict[str, Any]) -> str:
    """Return the hash of a card without what may be written anew."""
    return digest({name: value for name, value in card.items() if name not in (*FREE, "CardSha256")})


def _reproducible(content: bytes) -> bytes:
    """Return a skops archive, compressed, in which nothing depends on the hour or on addresses in memory.

    skops names objects, and the files of arrays, by `id()`.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = members.pop("schema.json").decode()
    numbers: dict[str, str] = {}
    for found in re.findall(r'"__id__": (\d+)|"(\d+)\.np[yz]"', schema):
        numbers.setdefault(found[0] or found[1], str(len(numbers) + 1))
    schema = re.sub(
        r'("__id__": )(\d+)|(")(\d+)(\.np[yz]")',
        lambda m: m[1] + numbers[m[2]] if m[1] else m[3] + numbers[m[4]] + m[5],
        schema,
    )
    renamed = {
        re.sub(r"^(\d+)(?=\.np[yz]$)", lambda m: numbers[m[1]], name): part for name, part in members.items()
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in [("schema.json", schema.encode()), *sorted(renamed.items())]:
            entry = zipfile.ZipInfo(name)  # 1980-01-01
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, part)
    return out.getvalue()


def load_models(folder: Path) -> list[tuple[str, Model]]:
    """Read every model of a folder; names are those of the files, in order.

    Raises
    ------
    InputError
        If there is none, or one cannot be trusted (see `load_model`).
    """
    paths = sorted(folder.glob("*.skops"))
    if not paths:
        raise InputError(f"--apply-model {folder}: no *.skops there; give group/models of a training run")
    return [(path.stem, load_model(path)) for path in paths]


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
    from skops.io import get_untrusted_types, loads

    path = stem.with_suffix(".skops")
    try:
        card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: model or its card is missing or damaged; use a folder written by group"
        ) from error
    if not _is_card(card):
        raise InputError(f"{path}: not a model of this version of Demyelin; train it again")
    if hashlib.sha256(content).hexdigest() != card.get("Sha256"):
        raise InputError(f"{path}: does not match its card (changed or damaged); train it again")
    if _card_digest(card) != card.get("CardSha256"):
        raise InputError(
            f"{path.with_suffix('.json')}: changed since it was written; only {' and '.join(FREE)} may be: put the "
            "original card back, or train the model again"
        )
    try:
        foreign = set(get_untrusted_types(data=content)) - ALLOWED
        if foreign:
            raise InputError(
                f"{path}: holds {sorted(foreign)[0]}, which no model of Demyelin does; not opened"
            )
        parts = loads(content, trusted=sorted(ALLOWED))
    except InputError:
        raise
    except Exception as error:  # skops raises whatever the damaged archive leads to
        raise InputError(
            f"{path}: not readable as a model ({type(error).__name__}); train it again"
        ) from error
    return Model(parts, card)


def _is_card(card: Any) -> bool:
    """Whether this is a card of this format, with what every model's card holds."""
    if not isinstance(card, dict) or card.get("Format") != CARD_FORMAT or card.get("Kind") not in STUDIES:
        return False
    inputs, ranges, sites = (card.get(name) for name in ("Inputs", "Ranges", "Sites"))
    return (
        isinstance(inputs, list)
        and isinstance(ranges, dict)
        and isinstance(sites, list)
        and all(np.shape(ranges.get(name, 0)) == (2,) for name in inputs)
    )

"""How an analysis hands on what it found: tidy tables, notes, settings, models, and a card that says what each is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from bids_app.derivatives import write_json, write_table
from bids_app.learn.artifact import Model, save_model


@dataclass(frozen=True, kw_only=True)
class StudyResult:
    """A study on one cohort.

    Attributes
    ----------
    tables : dict of str to DataFrame
        Tidy tables; `about` says what each holds.
    notes : list of str
        What a reader must know: exclusions, warnings, limits.
    settings : dict
        Seed, folds, thresholds: what the numbers depend on.
    models : dict of str to Model
        For new visits.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    about: ClassVar[Mapping[str, str]]

    tables: dict[str, pd.DataFrame]
    notes: list[str]
    settings: dict[str, Any]
    models: dict[str, Model] = field(default_factory=dict, repr=False)

    def write(self, folder: Path) -> list[Path]:
        """Write `<name>_<table>.tsv`, `<name>.json` and `models/<name>-<model>.skops`; return the paths."""
        card = {
            "Description": self.description,
            "Tables": {name: self.about[name] for name in self.tables},
            "Notes": self.notes,
            "Settings": self.settings,
        }
        written = write_tables(self.tables, folder, self.name, card)
        for name, model in self.models.items():
            written += save_model(model, folder / "models" / f"{self.name}-{name}")
        return written


def write_tables(
    tables: Mapping[str, pd.DataFrame],
    folder: Path,
    name: str,
    card: Mapping[str, Any],
    card_name: str | None = None,
) -> list[Path]:
    """Write `<name>_<table>.tsv` and the card that says what they hold; return the paths.

    Parameters
    ----------
    tables : mapping of str to DataFrame
    folder : Path
    name : str
        Of the study.
    card : mapping
        Description, Tables, Notes and what else there is to say, as JSON.
    card_name : str, optional
        Name of the card's file without its ending; `name` by default.
    """
    written = [write_table(table, folder / f"{name}_{key}.tsv") for key, table in tables.items()]
    return [*written, write_json(dict(card), folder / f"{card_name or name}.json")]


METRICS = {"auc": "AUC"}  # headings of metrics that are no words


def by_metric(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return a table with a column per metric, its bounds beside it, from one with a row per metric.

    Parameters
    ----------
    frame : DataFrame
        metric, estimate, low, high and `keys`.
    keys : list of str
        What names a row.
    """
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for one in frame.to_dict("records"):
        row = rows.setdefault(tuple(map(str, (one[key] for key in keys))), {key: one[key] for key in keys})
        name = METRICS.get(one["metric"], one["metric"])
        row |= {name: one["estimate"], f"{name}_low": one["low"], f"{name}_high": one["high"]}
    return pd.DataFrame(list(rows.values()))


@dataclass(frozen=True)
class Applied:
    """What saved models say of new visits.

    Attributes
    ----------
    tables : dict of str to DataFrame
        `applied`: a row per visit and model; `applied_performance`: where the outcome is known.
    notes : sequence of str
        Visits left out or out of range, sites and labels unseen in training.
    maps : mapping of visit to path
        The map that each call was made on, where calls are explained.
    """

    tables: dict[str, pd.DataFrame]
    notes: Sequence[str]
    maps: Mapping[str, Path] = field(default_factory=dict)


APPLIED = {
    "applied": "A row per visit and model: what the model says; applicability is the share of its inputs that are "
    "known and inside the training range; reason says why there is no prediction, or no interval.",
    "applied_left_out": "Visits whose files cannot be used or are not like those of training, and why.",
    "applied_voxels": "Voxels that decide over each scan: where, whether there is a lesion, and by how much the "
    "decision would change if it were the other way round.",
    "applied_neighbours": "Training scans most like each scan at the voxels that the model uses.",
    "applied_performance": "How well the models do on the visits whose outcome is known.",
}

"""How EDSS is learned beyond the study's own choices."""

from __future__ import annotations

from dataclasses import dataclass, field

from bids_app.learn.edss.selection import Rules
from bids_app.learn.study import StudyOptions


@dataclass(frozen=True)
class Options(StudyOptions):
    """How EDSS is learned beyond the study's own choices.

    Attributes
    ----------
    several : bool
        Use all visits of a patient, kept together, instead of one.
    combat : bool
        Take differences between sites out of radiomics and brain volume, inside the folds (see `Combat`).
    rules : Rules
        Thresholds of the selection.
    """

    several: bool = False
    combat: bool = False
    rules: Rules = field(default_factory=Rules)

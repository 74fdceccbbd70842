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
    candidates : tuple of str
        Candidates beyond study A's: `volumes` of the regions, or a user's own columns of participants.tsv.
    random_split : bool
        Draw the internal test at random, as published, instead of within bands of EDSS.
    repeats : int, optional
        Other random splits into training and internal test; default: 100, fewer where each takes long.
    interval_steps : bool
        Let prediction intervals end on steps of the scale.
    rules : Rules
        Thresholds of the selection.
    """

    several: bool = False
    combat: bool = False
    candidates: tuple[str, ...] = ()
    random_split: bool = False
    repeats: int | None = None
    interval_steps: bool = False
    rules: Rules = field(default_factory=Rules)

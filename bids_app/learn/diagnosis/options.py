"""How a diagnosis is learned; the defaults are study B's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bids_app.learn.diagnosis.grid import PAPER, Grid
from bids_app.learn.diagnosis.operating_point import Rule
from bids_app.learn.diagnosis.protocols import COMPACT
from bids_app.learn.diagnosis.variants import VARIANTS
from bids_app.learn.diagnosis.views import N_SD
from bids_app.learn.study import StudyOptions
from bids_app.settings import Order


@dataclass(frozen=True)
class Options(StudyOptions):
    """How a diagnosis is learned; the defaults are study B's.

    Attributes
    ----------
    classes : tuple of str, optional
        Labels to tell apart, the first one's share called right being the sensitivity. Default: all; more than
        two are learned one against the rest.
    acute : str, optional
        Column that marks (or counts days since) a relapse: only scans within three months of one are used.
    threshold : "train" or float
        Belief above which a voxel is a lesion; `train` learns it.
    n_sd : float
        Standard deviations above the mean for `train`.
    order : {"published", "averaged"}
        What the published protocol does first: threshold belief on the scan's grid, as study B, or average it to 3 mm,
        as the leak-free one.
    grid : Grid
        Numbers of voxels, C, gamma and its scale.
    null_grid : Grid
        The smaller grid of the permutations.
    cv : int
        Inner folds.
    last_diagnosis : bool
        Whether a patient's last diagnosis holds for all scans.
    normal : str, optional
        Column that marks scans without lesions (yes or no); by default the lesion table tells.
    rule : Rule
        How the leak-free protocol goes from decisions to calls.
    variants : tuple of str
        Further features and models to compare, among `VARIANTS`.
    """

    outer: int = 5
    classes: tuple[str, ...] | None = None
    acute: str | None = None
    threshold: Literal["train"] | float = "train"
    n_sd: float = N_SD
    order: Order = "published"
    grid: Grid = PAPER
    null_grid: Grid = COMPACT
    cv: int = 10
    last_diagnosis: bool = False
    normal: str | None = None
    rule: Rule = field(default_factory=Rule)
    variants: tuple[str, ...] = VARIANTS

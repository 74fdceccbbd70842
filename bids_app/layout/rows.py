"""What became of each image of a dataset, and the visits that a run would process."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bids_app.layout.masks import MaskFolder
from bids_app.layout.visit import Visit


@dataclass(frozen=True)
class Row:
    """One image of a dataset: what became of it, and why.

    Attributes
    ----------
    visit : str
        The visit in whose folder it lies, e.g. `sub-01_ses-1`; empty outside participants.
    role : str
        `t1w`, `flair` or `lesions`; empty for an image that is none of them.
    image : str
        Path relative to its dataset.
    used : bool
        Whether the visit is made from it.
    reason : str
        Why.
    kind : str
        Word by which the console counts it: `used`, `remark` (used, with a drawback), `absent` (chosen, but its
        content is not there), `choice`, `name` (left out by its name's place in the alphabet), `filter`, `near` (not
        read, but probably meant), `mask`, `other`.
    """

    visit: str
    role: str
    image: str
    used: bool
    reason: str
    kind: str


@dataclass
class Plan:
    """What a run would process.

    Attributes
    ----------
    visits : list of Visit
        Sorted by participant and session; those that cannot be processed have `left_out`.
    rows : list of Row
        A row for each image.
    empty : list of str
        Folders of participants and sessions in which there is neither a T1w nor a FLAIR image, nor one that may be
        meant.
    masks : MaskFolder or None
        What was found in the folder given with `--derivatives lesions=`.
    alike : list of list of str
        Groups of participants or visits whose labels differ in case, punctuation or leading zeros alone.
    lent : list of (str, bool, str)
        Visits without a T1w image where `--t1w-from` was given: name, whether one was found, why.
    elsewhere : list of str
        Visits with FLAIR alone whose participant has a T1w image in another session.
    twins : list of (str, str)
        Images in use whose content is that of another in use, and of which.
    stopped : list of str
        Folders with too many images to look at all.
    nothing : list of str
        Queries of a filter for which there is no image at all.
    """

    visits: list[Visit] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    masks: MaskFolder | None = None
    alike: list[list[str]] = field(default_factory=list)
    lent: list[tuple[str, bool, str]] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    twins: list[tuple[str, str]] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    nothing: list[str] = field(default_factory=list)

    @property
    def table(self) -> list[Row]:
        """The rows, those of visits that are left out not used."""
        out = {visit.name: visit.left_out for visit in self.visits if visit.left_out}
        return [
            replace(row, used=False, reason=f"its visit is left out: {out[row.visit]}", kind="left out")
            if row.used and row.visit in out
            else row
            for row in self.rows
        ]

"""A visit: one participant at one session, and the images that it is made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bids_app.lesion_masks import DatasetMask
from bids_app.visit_name import VisitName


@dataclass(frozen=True)
class Visit:
    """One participant at one session: the images that Demyelin reads.

    Attributes
    ----------
    participant, session : str, str or None
        Labels without `sub-` and `ses-`; None where the images lie in no session's folder.
    flair : Path or None
        FLAIR image; None leaves the visit out, or limits it to what the T1w image alone gives.
    t1w : Path or None
        T1w image; None limits the visit to study B's outputs.
    supplied : DatasetMask or None
        Lesion mask brought by the dataset or by `--derivatives lesions=DIR`.
    notes : tuple of str
        What was decided while reading, for the report.
    left_out : str
        Why the visit cannot be processed, whatever happens; empty where it can.
    """

    participant: str
    session: str | None
    flair: Path | None
    t1w: Path | None = None
    supplied: DatasetMask | None = None
    notes: tuple[str, ...] = ()
    left_out: str = ""

    @property
    def visit_name(self) -> VisitName:
        """What the visit is called."""
        return VisitName(self.participant, self.session)

    @property
    def name(self) -> str:
        """File name prefix: `sub-01` or `sub-01_ses-1`."""
        return self.visit_name.prefix

    @property
    def folder(self) -> Path:
        """Folder of the visit inside a dataset: `sub-01` or `sub-01/ses-1`."""
        return self.visit_name.folder

    @property
    def lesions(self) -> Path | None:
        """The file of the lesion mask that came with the data."""
        return self.supplied.path if self.supplied else None

    @property
    def images(self) -> tuple[Path, ...]:
        """The files that this visit is made from."""
        return tuple(path for path in (self.t1w, self.flair, self.lesions) if path is not None)

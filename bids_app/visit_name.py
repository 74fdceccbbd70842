"""What a visit is called in BIDS: its prefix, its folder, its identifiers in tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering
from pathlib import Path

PARTICIPANT, SESSION = "sub-", "ses-"
FORM = re.compile(rf"{PARTICIPANT}(?P<participant>[^_/.]+)(?:_{SESSION}(?P<session>[^_/.]+))?(?=[_.]|$)")


def bare(label: str, prefix: str) -> str:
    """Return a label without its `sub-` or `ses-` prefix."""
    return label.strip().removeprefix(prefix)


@total_ordering
@dataclass(frozen=True)
class VisitName:
    """One participant at one session.

    Visits sort by participant, then session, with the numbers in labels as numbers: `ses-2` before `ses-10`.

    Attributes
    ----------
    participant : str
        Label without `sub-`.
    session : str or None
        Label without `ses-`; None where the dataset has no sessions.
    """

    participant: str
    session: str | None = None

    @classmethod
    def parse(cls, text: str) -> VisitName:
        """Read a visit's name from the start of a prefix or of a file's name.

        Parameters
        ----------
        text : str
            `sub-01`, `sub-01_ses-1`, or a name that goes on after that with `_` or `.`.

        Raises
        ------
        ValueError
            If it does not start like that.
        """
        found = FORM.match(text)
        if not found:
            raise ValueError(f"{text}: does not start with sub-<label> or sub-<label>_ses-<label>")
        return cls(found["participant"], found["session"])

    @classmethod
    def from_ids(cls, participant_id: str, session_id: str | None = None) -> VisitName:
        """Make a name from the identifiers of a table, with or without `sub-` and `ses-`."""
        session = bare(session_id, SESSION) if isinstance(session_id, str) else None
        return cls(bare(participant_id, PARTICIPANT), session or None)

    @property
    def participant_id(self) -> str:
        """Participant as tables and folders name it: `sub-01`."""
        return PARTICIPANT + self.participant

    @property
    def session_id(self) -> str | None:
        """Session as tables and folders name it: `ses-1`; None where there is none."""
        return SESSION + self.session if self.session else None

    @property
    def prefix(self) -> str:
        """Start of the names of the visit's files: `sub-01` or `sub-01_ses-1`."""
        return "_".join(part for part in (self.participant_id, self.session_id) if part)

    @property
    def folder(self) -> Path:
        """Folder of the visit inside a dataset: `sub-01` or `sub-01/ses-1`."""
        return Path(*(part for part in (self.participant_id, self.session_id) if part))

    @property
    def sessions_table(self) -> Path:
        """Place of the table of the participant's sessions inside a raw dataset."""
        return Path(self.participant_id, f"{self.participant_id}_sessions.tsv")

    def __str__(self) -> str:
        return self.prefix

    def __lt__(self, other: VisitName) -> bool:
        return self._order() < other._order()

    def _order(self) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
        return _numbered(self.participant), _numbered(self.session or "")


def _numbered(label: str) -> list[tuple[int, str]]:
    """Return a label's parts with numbers as numbers; equal numbers sort by how they are written."""
    return [(int(part) if part.isdecimal() else -1, part) for part in re.split(r"(\d+)", label)]

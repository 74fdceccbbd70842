"""How an estimate was made: as published, with everything that learns inside the folds, or on held-out patients."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from bids_app.errors import InputError
from bids_app.settings import BOTH, PROTOCOLS


class Protocol(StrEnum):
    """How an estimate was made; the values of column `protocol` in every table of results."""

    PAPER = PROTOCOLS[0]
    NESTED = PROTOCOLS[1]
    HELD_OUT = "held out"


LABELS: dict[str, str] = {  # what readers are shown
    Protocol.PAPER: "as published",
    Protocol.NESTED: "leak-free",
    Protocol.HELD_OUT: "held out",
}
CROSS_VALIDATED = (Protocol.PAPER, Protocol.NESTED)  # the two that are compared


def check_choices(what: str, chosen: Sequence[str], known: Sequence[str]) -> None:
    """Refuse names that mean nothing.

    Parameters
    ----------
    what : str
        What is chosen, for the message.
    chosen, known : sequence of str

    Raises
    ------
    InputError
        If nothing is chosen, or something that is not known.
    """
    wrong = [name for name in chosen if name not in known]
    if wrong or not chosen:
        raise InputError(f"{what} {', '.join(map(repr, wrong)) or 'is empty'}: choose of {', '.join(known)}")


def requested(protocol: str) -> tuple[Protocol, ...]:
    """Return the protocols that `both`, `paper` or `nested` asks for.

    Raises
    ------
    InputError
        If it is none of the three.
    """
    check_choices("protocol", [protocol], (BOTH, *PROTOCOLS))
    return CROSS_VALIDATED if protocol == BOTH else (Protocol(protocol),)

"""The two ways to evaluate: as published, and with everything that learns inside the folds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from bids_app.errors import InputError

Protocol = Literal["both", "paper", "nested"]


def check_choices(what: str, chosen: Sequence[str], known: Sequence[str]) -> None:
    """Refuse names that mean nothing.

    Raises
    ------
    InputError
        If nothing is chosen, or something that is not known.
    """
    wrong = [name for name in chosen if name not in known]
    if wrong or not chosen:
        raise InputError(f"{what} {', '.join(map(repr, wrong)) or 'is empty'}: choose of {', '.join(known)}")


def check_protocol(protocol: str) -> None:
    """Refuse a protocol that there is not."""
    check_choices("protocol", [protocol], get_args(Protocol))

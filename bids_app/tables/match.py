"""Rows of tables to visits, whatever form their identifiers have."""

from __future__ import annotations

import re
from collections.abc import Collection

from bids_app.visit_name import PARTICIPANT, SESSION


def with_prefix(cell: str, prefix: str) -> str:
    """Return an identifier with its prefix: `01`, `SUB-01` and `sub-01` are `sub-01`; Excel's `1.0` is `sub-1`."""
    text = re.sub(r"^(\d+)\.0$", r"\1", cell.strip())
    return prefix + re.sub(rf"^{prefix[:-1]}[-_ ]", "", text, flags=re.IGNORECASE)


def match_ids(found: Collection[str], known: Collection[str], prefix: str) -> dict[str, str]:
    """Return which known identifier each one that was found is.

    One that is there as it is written counts first. Else one that differs in leading zeros or case alone, as a
    spreadsheet leaves them, counts where just one known identifier and one found does.

    Parameters
    ----------
    found, known : collection of str
        Identifiers with their prefix.
    prefix : str
        `sub-` or `ses-`.
    """
    exact = set(found) & set(known)
    open_known: dict[str, list[str]] = {}
    for one in sorted(set(known) - exact):
        open_known.setdefault(_bare(one, prefix), []).append(one)
    open_found: dict[str, list[str]] = {}
    for one in sorted(set(found) - exact):
        open_found.setdefault(_bare(one, prefix), []).append(one)
    close = {
        some[0]: open_known[key][0]
        for key, some in open_found.items()
        if len(some) == 1 and len(open_known.get(key, [])) == 1
    }
    return {one: one for one in exact} | close


def _bare(identifier: str, prefix: str) -> str:
    label = identifier.removeprefix(prefix).casefold().removeprefix(prefix[:-1])  # sub07 is 07
    return re.sub(r"(?<!\d)0+(?=\d)", "", label)


PREFIXES = {"participant_id": PARTICIPANT, "session_id": SESSION}

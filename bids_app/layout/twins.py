"""Images of the same content under two names: a copy of somebody else's scan, or of another kind of image."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import replace
from pathlib import Path

from bids_app.layout.headers import ANNEX
from bids_app.layout.rows import Plan

END_BYTES = 65_536  # of a file without a checksum


def tell_twins(plan: Plan, root: Path) -> None:
    """Tell of images in use whose content is that of an image of another visit, or of the visit's other image.

    Which of the two is in its right place nobody can tell from here, so that both stay in use.
    """
    places: dict[str, list[Path]] = {}
    for visit in plan.visits:
        for path in (visit.t1w, visit.flair):
            if path and not visit.left_out and (print_ := content_print(path)):
                places.setdefault(print_, []).append(path)
    copies: dict[str, str] = {}
    foreign: dict[str, str] = {}
    for some in map(sorted, map(set, places.values())):
        names = [path.relative_to(root).as_posix() for path in some]
        for name in names if len(names) > 1 else ():
            strangers = [one for one in names if one.partition("/")[0] != name.partition("/")[0]]
            other = (strangers or [one for one in names if one != name])[0]
            copies[name] = f"the same content as {other}"
            if strangers:
                foreign[name] = copies[name]
    plan.twins = list((foreign or copies).items())
    plan.rows = [
        replace(row, reason=f"{row.reason}; {foreign[row.image]}")
        if row.used and row.image in foreign
        else row
        for row in plan.rows
    ]


def content_print(path: Path) -> str:
    """Return what two files of the same content share, from a few bytes; empty where nothing can be read.

    A link or pointer of git-annex has the content's key in its name; a gzip file ends in the checksum and the length of
    what it holds (RFC 1952); of another file, its length and its last bytes in the middle and at the end count.
    """
    try:
        key = re.search(r"annex/objects/.*/([^/]+)$", Path(os.path.realpath(path)).as_posix())
        if key and ANNEX.search(key[0]):
            return key[1]
        with path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            if path.name.endswith(".gz"):
                stream.seek(max(0, size - 8))
                return f"{size} {stream.read(8).hex()}" if size else ""
            parts = []
            for start in (size // 2, max(0, size - END_BYTES)):
                stream.seek(start)
                parts.append(stream.read(END_BYTES))
            return f"{size} {hashlib.sha256(b''.join(parts)).hexdigest()}" if size else ""
    except OSError:
        return ""

"""Which of several images of one kind comes first, and in what the others differ from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bids_app.layout.files import Found
from bids_app.layout.headers import Header, absence, read_header
from bids_app.layout.names import Name, parse

BY_NAME = "two alike: chosen by name; choose with --bids-filter-file"
NATIVE = re.compile(
    r"pre|non?(?=gd|gad|ce|contrast|enh|km)|without|native|(?:high|low|multi|double)contrast", re.IGNORECASE
)
SEQUENCES = r"(?:t1w?|mprage|ir|tse|fse|se|2d|3d|t2|flair|ax|sag|cor|\d+)"
CONTRAST = re.compile(
    r"gd(?!t)|gad(?!get)|post(?!erior|proc|op)|contrast|enhanced|km$|withc"
    rf"|^ce(?:\d+$|$|{SEQUENCES})|^{SEQUENCES}+(?:ce\d?|c|pc|plusc)$",
    re.IGNORECASE,
)
SAID_NONE = re.compile(r"|none|no|n/?a|null|nil|0|false|unknown|without.*", re.IGNORECASE)
IN_WORDS = re.compile(
    r"\bpost[ _-]?(?:gd|gad\w*|contrast|ce|km|inj\w*|c)\b|\+ ?(?:c|gd|km)\b|\bgd\b|gadolin|mit ?km\b",
    re.IGNORECASE,
)
ONE_OF_A_SERIES = ("echo", "inv", "flip", "mt", "chunk", "split")
SERIES_WORDS = {
    "echo": "one echo",
    "inv": "one inversion",
    "flip": "one flip angle",
    "mt": "one of a pair (mt-)",
}
# the third value of DICOM's image type and its vendors' additions
DERIVED_KINDS = {"MPR": "reformatted"}
UNUSABLE_KINDS = {
    **{"PHASE": "a phase image", "P": "a phase image", "PHASE MAP": "a phase image"},
    **{
        "REAL": "a real image",
        "R": "a real image",
        "IMAGINARY": "an imaginary image",
        "I": "an imaginary image",
    },
    **{"SUB": "a difference of images", "SUBTRACTION": "a difference of images"},
    **{"MIP": "a projection", "PROJECTION IMAGE": "a projection", "MNIP": "a projection"},
}
CORRECTED = re.compile(r"moco(?!off)|mocorr|motioncor|pmc(?!off)(?:on)?|vnav(?!off)|navig", re.IGNORECASE)
MOVING = re.compile(r"motion|moving|moved|nod(?:ding)?(?=$|\d)|shak", re.IGNORECASE)


MOVED = 2  # of a rank's motion: 0 corrected, 1 nothing said


class Rank(NamedTuple):
    """What images are compared by, in this order; smaller comes first."""

    absent: bool
    contrast: bool
    series: bool
    missing_head: float
    fewer_slices: int
    motion: int
    thickness: float
    name: str


@dataclass(frozen=True)
class Candidate:
    """An image that may be used, with what its name, sidecar and header tell.

    Attributes
    ----------
    found : Found
        The file.
    name : Name
        Its parts.
    contrast : str
        What says that it was made after contrast agent; empty for a native image.
    series : str
        What says that it is one of several that belong together; empty otherwise.
    unusable : str
        What says that it is no magnitude image of a head; empty otherwise.
    absent : str
        Why its content is not there; empty otherwise.
    link : str
        The visit whose image it is a link to; empty otherwise.
    header : Header or None
        None where it cannot be read.
    """

    found: Found
    name: Name
    contrast: str
    series: str
    unusable: str
    absent: str
    link: str
    header: Header | None

    @property
    def path(self) -> Path:
        """The file."""
        return self.found.path

    @property
    def rank(self) -> Rank:
        """The key of the order of preference."""
        said = " ".join(self.name.entities.get(key, "") for key in ("acq", "rec"))
        head = self.header
        return Rank(
            bool(self.absent),
            bool(self.contrast),
            bool(self.series),
            round(1 - head.head, 1) if head else 1.0,
            -head.slices if head else 0,
            0 if CORRECTED.search(said) else MOVED if MOVING.search(said) else 1,
            round(head.thickness, 2) if head else float("inf"),
            self.path.name,
        )


def examine(found: Found, said: dict[str, Any], link: str = "") -> Candidate:
    """Gather what an image's name, sidecar and header tell of it.

    Parameters
    ----------
    found : Found
        The file.
    said : dict
        Its metadata, from `Sidecars.of`.
    link : str
        The visit whose image it is a link to, if any.
    """
    name = parse(found.path.name)
    kinds = _image_types(said)
    unusable = next((UNUSABLE_KINDS[kind] for kind in kinds if kind in UNUSABLE_KINDS), "")
    if unusable and "M" in kinds and not set(kinds) & {"PHASE", "P", "MIP", "SUB", "SUBTRACTION"}:
        unusable = ""
    return Candidate(
        found,
        name,
        _contrast(name, said),
        _series(name, kinds),
        f"{unusable} by its sidecar (ImageType)" if unusable else "",
        absence(found.path),
        link,
        read_header(found.path),
    )


def _contrast(name: Name, said: dict[str, Any]) -> str:
    """Return what says that an image was made after contrast agent."""
    agent = name.entities.get("ce")
    if agent and not SAID_NONE.fullmatch(agent) and not NATIVE.match(agent):
        return f"ce-{agent}"
    for key in ("acq", "rec"):
        value = name.entities.get(key, "")
        if CONTRAST.search(value) and not NATIVE.search(value):
            return f"{key}-{value}"
    for key in ("ContrastBolusIngredient", "ContrastBolusAgent"):
        given = said.get(key)
        text = ", ".join(map(str, given)) if isinstance(given, list) else str(given or "")
        if not SAID_NONE.fullmatch(text.strip()):
            return f"{key} {text.strip()} in its sidecar"
    for key in ("SeriesDescription", "ProtocolName"):
        text = str(said.get(key) or "")
        if IN_WORDS.search(text) and not NATIVE.search(text):
            return f"{key} {text} in its sidecar"
    return ""


def _series(name: Name, kinds: Sequence[str]) -> str:
    for key in ONE_OF_A_SERIES:
        if key in name.entities:
            return f"{SERIES_WORDS.get(key, 'one part')} ({key}-{name.entities[key]})"
    return next((f"{DERIVED_KINDS[kind]} (ImageType)" for kind in kinds if kind in DERIVED_KINDS), "")


def _image_types(said: dict[str, Any]) -> list[str]:
    value = said.get("ImageType")
    return [str(kind).upper() for kind in value] if isinstance(value, list) else []


def compare(other: Candidate, used: Candidate) -> str:
    """Tell why an image was left out for another: the first point of the order in which they differ."""
    one, two, header = other.rank, used.rank, other.header
    moved = one.motion == MOVED
    told = {
        "absent": other.absent,
        "contrast": f"made after contrast agent ({other.contrast}); a native image was used",
        "series": f"{other.series}; a whole image was used",
        "missing_head": f"covers {header.size if header else 'an unknown part'}; the one used covers more of a head",
        "fewer_slices": f"{-one.fewer_slices} slices; the one used has {-two.fewer_slices}",
        "motion": "the head moved, by its name; the one used is not said to"
        if moved
        else "not corrected for motion",
        "thickness": f"voxels of {one.thickness:g} mm; the one used has {two.thickness:g} mm",
        "name": BY_NAME,
    }
    return next(told[point] for point in Rank._fields if getattr(one, point) != getattr(two, point))


def remarks(used: Candidate) -> list[str]:
    """Tell what is amiss with an image that is used for lack of a better one."""
    found = []
    if used.absent:
        found.append(used.absent)
    if used.link:
        found.append(f"a link to an image of {used.link}")
    if used.contrast:
        found.append(f"made after contrast agent ({used.contrast}): no native image is there")
    if used.series:
        found.append(f"{used.series}: no whole image is there")
    if used.header and used.rank.missing_head > 0:
        found.append(f"its field of view, {used.header.size}, is smaller than a head")
    if used.rank.motion == MOVED:
        found.append("the head moved, by its name")
    return found

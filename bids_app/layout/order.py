"""Which of several images of one kind comes first, and in what the others differ from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bids_app.layout.files import Found
from bids_app.layout.headers import Header, absence, read_header
from bids_app.layout.names import RAW, Name, parse

BY_NAME = "two alike: chosen by name; choose with --bids-filter-file"
AGENTS = (
    "gadovist|dotarem|clariscan|magnevist|omniscan|pro-?hance|multi-?hance|primovist|vueway|elucirem|ferumox"
)
# what says of itself that no agent was given, as a whole word or several run together
NATIVE = re.compile(
    r"(?:ax|sag|cor|tra|t1w?|[23]d|mprage|flair)*pre(?:gd|gad\w*|c|ce|km|con\w*|inj\w*)?"
    r"|(?:non?|un|wo|ohne|sans|sin|without)(?:gd|gad\w*|c|ce|con\w*|km|enh\w*|post|inj\w*)|without\w*|nativ\w*"
    r"|(?:high|low|multi|double|soft|hard|tissue)contrast",
    re.IGNORECASE,
)
WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")  # of acq-MPRAGEpostGd: MPRAGE, post, Gd
SEQUENCES = r"(?:t1w?|mprage|ir|tse|fse|se|2d|3d|t2|flair|ax|sag|cor|\d+)"
CONTRAST = re.compile(
    rf"gd(?!t)|gad(?!get)|post(?!erior|proc|op|surg|treat|stroke)|contrast|enhanced|km$|withc|inject|{AGENTS}"
    rf"|^ce(?:\d+$|$|{SEQUENCES})|^{SEQUENCES}+(?:ce\d?|c|pc|plusc)$",
    re.IGNORECASE,
)
SAID_NONE = re.compile(r"|none|no|n/?a|null|nil|0(?:\.0+)?|false|unknown|without.*", re.IGNORECASE)
IN_WORDS = re.compile(  # of a description whose underscores and hyphens are blanks
    rf"\bpost\b(?! ?(?:op|surg|proc|treat|stroke|ictal))|\bpost(?:gd|gad|contrast|ce|km|inj)|\+ ?(?:c|gd|gad|km)\b"
    rf"|\bgd\b|\bgad\b|gadolin|\bkm\b|\bce\b|c\+|\bwith contrast|\bcontrast enh|{AGENTS}",
    re.IGNORECASE,
)
ONE_OF_A_SERIES = ("echo", "inv", "flip", "mt", "chunk", "split")
SERIES_WORDS = {
    "echo": "one echo",
    "inv": "one inversion",
    "flip": "one flip angle",
    "mt": "one of a pair (mt-)",
}
# words in acq- and rec- for images that show something else than a whole head
PART = re.compile(
    r"locali[sz]er|scout|survey|spine|spinal|(?<![a-z])cord|neck|hippo|orbit|optic|pituitar|hypophys|abdom|knee|slab|"
    r"posteriorfossa|innerear|smallfov|reducedfov|rfov",
    re.IGNORECASE,
)
# the third value of DICOM's image type and its vendors' additions, and of ComplexImageComponent
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
MOVING = re.compile(
    r"(?<!no)(?<!non)(?<!without)(?:motion|movement)(?!free)|moving|moved|nod(?:ding)?(?=$|\d)|shak|art[ei]fact|blur|"
    r"(?<![a-z])bad|poor|reject|discard|unusable|failed",
    re.IGNORECASE,
)
MOVED = 2  # of a rank's motion: 0 corrected, 1 nothing said


class Rank(NamedTuple):
    """What images are compared by, in this order; smaller comes first."""

    contrast: bool
    series: bool
    absent: bool
    missing_head: float
    fewer_slices: int
    motion: int
    thickness: float
    name: tuple[tuple[str, int], ...]


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
        What says that it is one of several that belong together, or shows a part; empty for a whole image.
    unusable : str
        What says that it is no magnitude image of a head; empty otherwise.
    absent : str
        Why its content is not there or no single volume; empty otherwise.
    link : str
        The visit or file whose image it is a link to; empty otherwise.
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
            bool(self.contrast),
            bool(self.series),
            bool(self.absent),
            round(1 - head.head, 1) if head else 1.0,
            -head.slices if head else 0,
            0 if CORRECTED.search(said) else MOVED if MOVING.search(said) else 1,
            round(head.thickness, 2) if head else float("inf"),
            _natural(self.path.name),
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
        The visit or file whose image it is a link to, if any.
    """
    name, header = parse(found.path.name), read_header(found.path)
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
        absence(found.path) or (header.trouble if header else "its header cannot be read"),
        link,
        header,
    )


def _natural(name: str) -> tuple[tuple[str, int], ...]:
    """Return a key by which run-2 comes before run-10."""
    return tuple((text, int(digits or 0)) for text, digits in re.findall(r"(\D*)(\d*)", name))


def _contrast(name: Name, said: dict[str, Any]) -> str:
    """Return what says that an image was made after contrast agent."""
    agent = name.entities.get("ce")
    if agent and not SAID_NONE.fullmatch(agent) and not _native(agent):
        return f"ce-{agent}"
    for key in ("acq", "rec"):
        value = name.entities.get(key, "")
        if CONTRAST.search(value) and not _native(value):
            return f"{key}-{value}"
    for key in sorted(key for key in said if key.startswith("ContrastBolus")):
        cell = said[key]
        text = ", ".join(map(str, cell)) if isinstance(cell, list) else str(cell or "")
        if not SAID_NONE.fullmatch(text.strip()):
            return f"{key} {text.strip()} in its sidecar"
    for key in ("SeriesDescription", "ProtocolName"):
        text = str(said.get(key) or "")
        words = re.sub(r"[\s_-]+", " ", text)
        if IN_WORDS.search(words) and not _native(words):
            return f"{key} {text} in its sidecar"
    return ""


def _native(text: str) -> bool:
    """Tell whether a name or a description says that no contrast agent was given."""
    words = WORDS.findall(text)
    runs = ["".join(words[first : first + many]) for many in (1, 2, 3) for first in range(len(words))]
    return any(NATIVE.fullmatch(run) for run in [text, *runs])


def _series(name: Name, kinds: Sequence[str]) -> str:
    for key in ONE_OF_A_SERIES:
        if key in name.entities:
            return f"{SERIES_WORDS.get(key, 'one part')} ({key}-{name.entities[key]})"
    for key in ("acq", "rec"):
        if PART.search(name.entities.get(key, "")):
            return f"a part or a scout by its name ({key}-{name.entities[key]})"
    if odd := [key for key in name.entities if key.lower() not in RAW]:
        return f"{odd[0]}- is no BIDS entity of raw images"
    return next((f"{DERIVED_KINDS[kind]} (ImageType)" for kind in kinds if kind in DERIVED_KINDS), "")


def _image_types(said: dict[str, Any]) -> list[str]:
    value = said.get("ImageType")
    kinds = value if isinstance(value, list) else str(value or "").split("\\")
    return [str(kind).strip().upper() for kind in [*kinds, said.get("ComplexImageComponent", "")]]


def compare(other: Candidate, used: Candidate) -> str:
    """Tell why an image was left out for another: the first point of the order in which they differ."""
    one, two, header = other.rank, used.rank, other.header
    moved = one.motion == MOVED
    reasons = {
        "absent": other.absent,
        "contrast": f"made after contrast agent ({other.contrast}); a native image was used",
        "series": f"{other.series}; a whole image was used",
        "missing_head": f"covers {header.size if header else 'an unknown part'}; the one used covers more of a head",
        "fewer_slices": f"{-one.fewer_slices} slices; the one used has {-two.fewer_slices}",
        "motion": "the head moved or it is a poor image, by its name; the one used is not said to"
        if moved
        else "not corrected for motion",
        "thickness": f"voxels of {one.thickness:g} mm; the one used has {two.thickness:g} mm",
        "name": BY_NAME,
    }
    return next(reasons[point] for point in Rank._fields if getattr(one, point) != getattr(two, point))


def remarks(used: Candidate) -> list[str]:
    """Tell what is amiss with an image that is used for lack of a better one."""
    found = []
    if used.absent:
        found.append(used.absent)
    if used.link:
        found.append(f"a link to {'' if '.' in used.link else 'an image of '}{used.link}")
    if used.contrast:
        found.append(f"made after contrast agent ({used.contrast}): no native image is there")
    if used.series:
        found.append(f"{used.series}: no whole image is there")
    if used.header and used.rank.missing_head > 0:
        found.append(f"its field of view, {used.header.size}, is smaller than a head")
    if used.rank.motion == MOVED:
        found.append("the head moved or it is a poor image, by its name")
    return found

"""What an image file is, judged by its name and the folders that it lies in."""

from __future__ import annotations

import re
from typing import NamedTuple

from bids_app.layout.files import LABEL, READ, Found
from bids_app.visit_name import PARTICIPANT, SESSION, VisitName

T1W, FLAIR, LESIONS = "t1w", "flair", "lesions"
NO_FLAIR = "no FLAIR image"  # why a visit is left out
SUFFIXES = {T1W: "T1w", FLAIR: "FLAIR"}
MASKS = ("mask", "roi", "defacemask")
# entities that BIDS gives to processed images alone
PROCESSED = (
    "space",
    "desc",
    "res",
    "den",
    "label",
    "seg",
    "hemi",
    "from",
    "to",
    "mode",
    "atlas",
    "stat",
    "cohort",
)
# those that raw anatomical images may have (BIDS 1.10, Anatomy imaging data)
RAW = (
    *("sub", "ses", "sample", "task", "acq", "ce", "rec", "dir", "run", "mod"),
    *("echo", "flip", "inv", "mt", "part", "chunk", "split"),
)
NOISY = ("unit1", "mp2rage", "uni")
NEVER = {"phase", "real", "imag"}  # of part-
LIKE_FLAIR = re.compile(r"flair|tirm|dark-?fluid", re.IGNORECASE)
LIKE_T1W = re.compile(
    r"(t1|t1w|t1weighted|t1mprage|mp-?rage|me-?mp-?rage|mp2rage|unit1|uni|spgr|bravo|ir-?spgr|fspgr|tfl)\d*",
    re.IGNORECASE,
)
BEGINS = re.compile(
    r"(t1w|flair)(?![a-z0-9])", re.IGNORECASE
)  # `T1w (1)`, as a browser names a second download
SPM_PREFIX = re.compile(r"([a-z][a-z0-9]*)sub$")  # rsub-01, wc1sub-01: SPM puts letters before what it made
MASK_LIKE = re.compile(r"lesion|wmh|mask|roi|seg", re.IGNORECASE)
WHAT_IS_READ = "only NIfTI files, .nii or .nii.gz, are read"


class Name(NamedTuple):
    """The parts of a BIDS file name: entities in the order of their appearance, suffix, ending."""

    entities: dict[str, str]
    loose: tuple[str, ...]
    suffix: str
    ending: str


class Judged(NamedTuple):
    """What a file is taken for.

    Attributes
    ----------
    role : str
        `t1w`, `flair`, `lesions`, or empty where it is none of them, nor meant to be.
    trouble : str
        Why it cannot be used; empty where it can.
    near : bool
        Whether a researcher may well have meant it to be used.
    """

    role: str
    trouble: str = ""
    near: bool = False


class Wanted(NamedTuple):
    """What a filter asks for beyond T1w and FLAIR images in `anat`.

    Attributes
    ----------
    suffixes : dict of str to str
        Role by further suffix.
    places : frozenset of str
        Further data types, as folders' names.
    entities : frozenset of str
        BIDS keys of entities, such as `space`, whose images then count although they are processed.
    """

    suffixes: dict[str, str] = {}  # noqa: RUF012
    places: frozenset[str] = frozenset()
    entities: frozenset[str] = frozenset()


def parse(name: str) -> Name:
    """Split a file's name at its underscores and dots; `loose` are parts that are no entity (`key-value`)."""
    stem, dot, ending = name.partition(".")
    *parts, suffix = stem.split("_")
    entities, loose = {}, []
    for part in parts:
        key, dash, value = part.partition("-")
        if dash and LABEL.fullmatch(value) and key not in entities:
            entities[key] = value
        else:
            loose.append(part)
    return Name(entities, tuple(loose), suffix, dot + ending)


def judge(found: Found, wanted: Wanted = Wanted()) -> Judged:  # noqa: B008
    """Tell what an image is by its name, and whether it may be used for the visit in whose folder it lies.

    Parameters
    ----------
    found : Found
        The file.
    wanted : Wanted
        What a filter asks for beyond the usual.
    """
    name = parse(found.path.name)
    role = _role(name, wanted.suffixes)
    if found.path.name.startswith("."):
        return Judged("", "a hidden file, as systems leave them behind")
    if trouble := _misplaced(found, name, role):
        return Judged(role, trouble, near=bool(role))
    if role == LESIONS:
        return _mask(found, name)
    return _scan(found, name, role, wanted) if role else Judged("", _unread(found, name))


def _mask(found: Found, name: Name) -> Judged:
    if name.suffix == "defacemask":
        return Judged("", "a mask for defacing, not of lesions")
    if found.place != ("anat",):
        return Judged(LESIONS, f"lies in {_where(found)}: move it to anat", near=True)
    return Judged(LESIONS)


def _role(name: Name, wanted: dict[str, str]) -> str:
    """Return what an image is meant to be."""
    known = {suffix.lower(): role for role, suffix in SUFFIXES.items()} | dict.fromkeys(MASKS, LESIONS)
    begins = BEGINS.match(name.suffix)
    plain = begins[1] if begins else name.suffix
    if role := wanted.get(name.suffix) or known.get(plain.lower()):
        return role
    said = "_".join([*name.loose, name.entities.get("acq", ""), name.suffix])
    if MASK_LIKE.search(name.suffix):
        return LESIONS if re.search(r"lesion|wmh|seg-lst", said, re.IGNORECASE) else ""
    if LIKE_FLAIR.search(said):
        return FLAIR
    return T1W if any(LIKE_T1W.fullmatch(part) for part in (name.suffix, *name.loose)) else ""


def _misplaced(found: Found, name: Name, role: str) -> str:
    """Tell where a file's name and the folders that it lies in are not of one visit."""
    if found.participant is None:
        top = found.relative.partition("/")[0] if found.place else "the dataset's own folder"
        return f"lies in {top}: only folders sub-<label> of the dataset are read"
    for prefix, label in ((PARTICIPANT, found.participant), (SESSION, found.session)):
        if label is not None and not LABEL.fullmatch(label):
            fixed = re.sub(r"[^0-9A-Za-z]", "", label) or "01"
            return (
                f"the folder {prefix}{label} is not a BIDS label, which has letters and digits only: rename the folder "
                f"and its files to {prefix}{fixed}"
            )
    labels = "_".join(f"{key}-{name.entities[key]}" for key in ("sub", "ses") if key in name.entities)
    again = [part for part in name.loose if part.partition("-")[0].lower() in ("sub", "ses")]
    if labels == found.folder and not again:
        return ""
    rest = [
        f"{key}-{value}" for key, value in name.entities.items() if not key.lower().endswith(("sub", "ses"))
    ]
    better = "_".join([found.folder, *rest, SUFFIXES.get(role, name.suffix)]) + name.ending.lower()
    made = SPM_PREFIX.match(next(iter(name.entities), ""))
    if made:
        return f"begins with {made[1]!r} before sub-, as SPM names what it made: rename it to {better} if it is raw"
    if labels and again:
        whose = f"is named for {labels} and for {again[0]}"
    else:
        whose = f"is named for {labels}" if labels else "does not begin with its participant"
    return f"{whose} but lies in {_visit_folder(found)}: rename it to {better} if it is of that visit, else move it"


def _scan(found: Found, name: Name, role: str, wanted: Wanted) -> Judged:
    """Judge a file that is, or is meant to be, a T1w or FLAIR image of its visit."""
    keys = {key.lower(): key for key in name.entities}
    if processed := [keys[key] for key in PROCESSED if key in keys and key not in wanted.entities]:
        entity = f"{processed[0]}-{name.entities[processed[0]]}"
        return Judged(role, f"a processed image ({entity}): only raw ones are read")
    if name.entities.get(keys.get("part", ""), "").lower() in NEVER:
        return Judged(role, f"part-{name.entities[keys['part']]}: only magnitude images are read")
    meant = _nearly(found, name, role, wanted)
    return Judged(role, meant, near=bool(meant))


def _unread(found: Found, name: Name) -> str:
    if found.place and found.place != ("anat",):
        return f"in {'/'.join(found.place)}: not read"
    return f"suffix {name.suffix}: not read" if name.entities else "not named as BIDS names images: not read"


def _where(found: Found) -> str:
    return "/".join(found.place) if found.place else _visit_folder(found)


def _visit_folder(found: Found) -> str:
    return VisitName(found.participant or "", found.session).folder.as_posix()


def _nearly(found: Found, name: Name, role: str, wanted: Wanted) -> str:
    """Tell what keeps an image that is meant to be read from it, and what to do."""
    right = "_".join([*(f"{key.lower()}-{value}" for key, value in name.entities.items()), SUFFIXES[role]])
    if name.ending.lower() not in READ:
        fault = f"its ending is {name.ending}: {WHAT_IS_READ}; convert it"
    elif name.ending not in READ:
        fault = f"its ending is {name.ending}: rename it to {right}{name.ending.lower()}"
    elif wrong := _wrong_part(name, role):
        fault = f"{wrong}: rename it to {right}{name.ending} if it is the raw image"
    elif len(found.place) != 1 or found.place[0] not in {"anat", *wanted.places}:
        fault = f"lies in {_where(found)}: move it to anat"
    elif name.suffix in {*SUFFIXES.values(), *wanted.suffixes}:
        fault = ""
    elif name.suffix.lower() in NOISY:
        fault = (
            f"suffix {name.suffix}: not read as T1w, for the noise around the head of such images; denoise it and "
            f'name it {right}, or choose it with --bids-filter-file, {{"t1w": {{"suffix": "{name.suffix}"}}}}'
        )
    else:
        fault = f"suffix {name.suffix}: if it is a {SUFFIXES[role]} image, rename it to {right}{name.ending}"
    return fault


def _wrong_part(name: Name, role: str) -> str:
    """Tell which part of a name is no entity as BIDS writes them; empty where all are."""
    if SUFFIXES[role].lower() in {part.lower() for part in name.loose}:
        return f"something follows {SUFFIXES[role]} in its name"
    if name.loose:
        key = name.loose[0].partition("-")[0]
        if key in name.entities:
            return f"{key}- is twice in its name"
        return f"{name.loose[0] or 'a second underscore'} in its name is no BIDS entity"
    capital = next((key for key in name.entities if key != key.lower() and key.lower() in RAW), "")
    return f"{capital}- in its name is {capital.lower()}- in BIDS" if capital else ""

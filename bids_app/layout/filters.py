"""`--bids-filter-file`: entities that narrow which images are read, by pybids' names of entities."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from bids_app.errors import InputError
from bids_app.layout.names import SUFFIXES, Wanted
from bids_app.visit_name import PARTICIPANT, SESSION

KEYS = {"resolution": "res", "density": "den"}  # as file names have what pybids calls otherwise
SHORT = {  # BIDS' keys for what pybids calls otherwise
    **{"sub": "subject", "ses": "session", "acq": "acquisition", "ce": "ceagent", "rec": "reconstruction"},
    **{"dir": "direction", "seg": "segmentation", "mod": "modality"},
}
NOTHING = ("Query.NONE", "<Query.NONE: 1>")
ANYTHING = ("Query.ANY", "<Query.ANY: 2>", "Query.REQUIRED", "*")
OPTIONAL = ("Query.OPTIONAL", "<Query.OPTIONAL: 3>")
VALUES_SHOWN = 8  # known values in a message; more make it longer than a line


class Filters:
    """The entities asked for, by role (`t1w`, `flair`).

    Parameters
    ----------
    path : Path or None
        JSON file, an object of objects; None lets all images through.

    Raises
    ------
    InputError
        If it cannot be read, names an unknown query or entity, or a value is neither text, number, list nor null.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.queries = _read(path) if path else {}

    @property
    def wanted(self) -> Wanted:
        """What is asked for beyond T1w and FLAIR images in `anat`."""
        suffixes: dict[str, str] = {}
        places: set[str] = set()
        entities: set[str] = set()
        for role, query in self.queries.items():
            further = [str(one) for one in _listed(query.get("suffix", [])) if one not in SUFFIXES.values()]
            suffixes |= dict.fromkeys(further, role)
            places |= {str(one) for one in _listed(query.get("datatype", []))}
            entities |= {
                KEYS.get(name, name) for name, value in query.items() if value not in (None, *NOTHING)
            }
        return Wanted(suffixes, frozenset(places), frozenset(entities))

    def mismatch(self, role: str, path: str) -> str | None:
        """Return the entity for which an image (relative path) is left out, as `acquisition mprage`, or None."""
        query = self.queries.get(role)
        if not query:
            return None
        known = _parse(path)
        return next(
            (
                f"{name} {_word(known.get(name))}"
                for name, value in query.items()
                if not _fits(known.get(name), value)
            ),
            None,
        )

    def values(self, role: str, paths: Iterable[str]) -> str:
        """Return the values that images have of the entities asked for, in words."""
        known = [_parse(path) for path in paths]
        values_found = []
        for name in self.queries.get(role, {}):
            values = sorted({_word(one.get(name)) for one in known})
            values_found.append(
                f"{name} {', '.join(values[:VALUES_SHOWN])}{' ...' if len(values) > VALUES_SHOWN else ''}"
            )
        return "; ".join(values_found)


def _read(path: Path) -> dict[str, dict[str, Any]]:
    where = f"--bids-filter-file {path}"
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{where}: not a readable JSON file ({error})") from error
    if not isinstance(content, dict) or not all(isinstance(v, dict) for v in content.values()):
        raise InputError(f"{where}: must be an object of objects, e.g. {{'t1w': {{}}}}")
    if unknown := sorted(set(content) - set(SUFFIXES)):
        raise InputError(f"{where}: unknown query {unknown[0]!r}; use t1w and flair")
    content = {
        role: {SHORT.get(name, name): value for name, value in query.items()}
        for role, query in content.items()
    }
    names = _known_entities() if any(content.values()) else set()
    for role, query in content.items():
        for name, value in query.items():
            if name not in names:
                raise InputError(
                    f"{where}: {role}: unknown entity {name!r}; known: {', '.join(sorted(names))}"
                )
            if any(isinstance(one, dict | list) for one in _listed(value)):
                raise InputError(f"{where}: {role}: {name} must be a text, a number, null or a list of these")
    return content


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _word(value: Any) -> str:
    return "none" if value is None else str(value)


def _fits(have: Any, query: Any) -> bool:
    """Tell whether an entity's value is one of those asked for; numbers need no padding, endings no dot."""
    for one in _listed(query):
        if one is None or one in NOTHING:
            if have is None:
                return True
        elif one in OPTIONAL:
            return True
        elif one in ANYTHING:
            if have is not None:
                return True
        elif have is not None and _same(str(have), str(one)):
            return True
    return False


def _same(have: str, query: str) -> bool:
    if have.isdigit() and query.isdigit():
        return int(have) == int(query)
    return have.lstrip(".") == query.strip().removeprefix(PARTICIPANT).removeprefix(SESSION).lstrip(".")


@lru_cache(maxsize=1)
def _configs() -> tuple[Any, ...]:
    from bids.layout.models import Config

    return Config.load("bids"), Config.load("derivatives")


def _known_entities() -> set[str]:
    return {name for config in _configs() for name in config.entities}


@lru_cache(maxsize=65_536)
def _parse(path: str) -> dict[str, Any]:
    """Return an image's entities as pybids reads them from its path in the dataset."""
    from bids.layout import parse_file_entities

    return dict(parse_file_entities(f"/{path}", entities=_entities()))


@lru_cache(maxsize=1)
def _entities() -> Sequence[Any]:
    return list({name: entity for config in _configs() for name, entity in config.entities.items()}.values())

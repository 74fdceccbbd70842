"""The tables of all visits as one matrix: read once from TSV files, then from a columnar cache."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.derivatives import atomic, write_json, write_table
from bids_app.derivatives.reader import Derivatives, read_meta
from bids_app.errors import InputError
from bids_app.image.coverage import SHOWN_WITHOUT_FLAIR, WHOLE
from bids_app.visit_name import VisitName

Singles = npt.NDArray[np.float32]

CACHE = Path("group/cache")
STABILITY = Path("group/radiomics_stability.tsv")
VERSION = 2  # of the cache's layout: columns in the order of their names
FAMILIES = {  # family of columns -> its output, measures (all where None)
    "volume": ("volumes", ("volume_mm3",)),
    "chaco": ("chaco", ("chaco",)),
    "radiomics": ("radiomics", None),
}


@dataclass(frozen=True)
class FeatureTable:
    """Measures of all visits.

    Attributes
    ----------
    values : DataFrame, (visits, columns), float32
        NaN where a visit lacks a measure. Columns are `volume.<region>` (mm3), `chaco.<region>` and
        `radiomics.<region>.<feature>`.
    columns : DataFrame
        A row per column: column, family, region, image_type and feature (radiomics), icc (NaN where unknown).
    notes : list of str
        What was missing, unreadable or read anew.
    """

    values: pd.DataFrame
    columns: pd.DataFrame
    notes: list[str] = field(default_factory=list)


def read_features(derivatives: Path, visits: pd.DataFrame, *, synthetic: bool = False) -> FeatureTable:
    """Read the volumes, disconnection and radiomics of visits.

    What was read before and has not changed on disk comes from `group/cache` in the derivatives.

    Parameters
    ----------
    derivatives : Path
        Root of Demyelin's derivatives.
    visits : DataFrame
        Columns participant_id and session_id (missing where there are no sessions).
    synthetic : bool
        Whether to take disconnection from synthetic connectomes too.

    Returns
    -------
    FeatureTable
        Rows in the order of `visits`.

    Raises
    ------
    InputError
        If no visit has any table.
    """
    keys = [
        _key(person, session)
        for person, session in zip(visits["participant_id"], visits["session_id"], strict=True)
    ]
    files, notes = _files(derivatives, keys, synthetic)
    prints = {key: [_fingerprint(path) for path in files[key].values()] for key in keys}
    cached = _open_cache(derivatives / CACHE, notes)
    known = cached.prints if cached else {}
    fresh = [key for key in keys if known.get(key) != prints[key]]
    store = cached
    if fresh or store is None:
        read = _read_visits({key: files[key] for key in fresh}, notes)
        store = _merged(cached, read, {key: prints[key] for key in fresh})
        _save_cache(store, derivatives / CACHE, notes)
    if not store.names:
        raise InputError(
            f"{derivatives}: no visit has volumes, radiomics or disconnection; run the participant level with T1w"
        )
    rows = [store.keys.index(key) for key in keys]
    values = np.ascontiguousarray(store.values[rows])
    present = np.atleast_1d(~np.isnan(values).all(axis=0))
    names = [name for name, is_there in zip(store.names, present, strict=True) if is_there]
    table = pd.DataFrame(values if present.all() else values[:, present], visits.index, names, copy=False)
    return FeatureTable(table, column_table(names, _stability(derivatives / STABILITY)), notes)


def column_table(names: list[str], icc: dict[str, float] | None = None) -> pd.DataFrame:
    """Return what each column is: column, family, region, image_type, feature, icc.

    Parameters
    ----------
    names : list of str
        `<family>.<region>[.<image type>_<class>_<feature>]`.
    icc : dict, optional
        Intraclass correlation by column.
    """
    rows = []
    for name in names:
        family, region, *rest = name.split(".", 2)
        image_type, feature = rest[0].split("_", 1) if rest and "_" in rest[0] else (None, None)
        rows.append((name, family, region, image_type, feature))
    table = pd.DataFrame(rows, columns=["column", "family", "region", "image_type", "feature"])
    return table.assign(icc=table["column"].map(icc or {}).astype(np.float64))


def _key(participant: str, session: Any) -> str:
    return VisitName.from_ids(participant, session).prefix


def _files(
    derivatives: Path, keys: list[str], synthetic: bool
) -> tuple[dict[str, dict[str, Path]], list[str]]:
    """Return the files of each visit by family, and notes on what is missing."""
    found: dict[str, dict[str, Path]] = {}
    atlases = set()
    made_up = []
    shown: dict[str, float] = {}  # share of the brain in the FLAIR, where the tables say it
    for key in keys:
        visit = Derivatives(derivatives).visit(key)
        found[key] = {}
        for family, (output, _) in FAMILIES.items():
            files = visit.find(output)
            atlases |= {file.entities["atlas"] for file in files}
            if files and family == "volume":
                shown[key] = read_meta(files[0].path).get("FlairCoverage", 1.0)
            if files and (synthetic or family != "chaco" or not _is_synthetic(files[0].path)):
                found[key][family] = files[0].path
            elif files:
                made_up.append(key)
    if len(atlases) > 1:
        raise InputError(
            f"{derivatives}: regions of several atlases ({', '.join(sorted(atlases))}); keep the derivatives of each "
            "atlas in a folder of its own"
        )
    notes = []
    if made_up:
        notes.append(
            f"disconnection of {len(made_up)} visits is from a synthetic connectome and left out ({made_up[0]} ...); "
            "--allow-synthetic-connectome takes it"
        )
    notes += _lower_bounds(shown)
    for family in FAMILIES:
        without = [key for key in keys if family not in found[key]]
        if without:
            notes.append(f"{len(without)} of {len(keys)} visits have no {family} table ({without[0]} ...)")
    return found, notes


def _lower_bounds(shown: Mapping[str, float]) -> list[str]:
    """Tell of visits in which lesions were missed for want of a FLAIR, or of a part of it."""
    alone = [key for key, share in shown.items() if share == SHOWN_WITHOUT_FLAIR]
    partly = [key for key, share in shown.items() if SHOWN_WITHOUT_FLAIR < share < WHOLE]
    notes = []
    if alone:
        notes.append(
            f"lesions of {len(alone)} of {len(shown)} visits were found by the T1w alone, which shows few "
            f"({alone[0]} ...): their volumes and disconnection are lower bounds"
        )
    if partly:
        notes.append(
            f"the FLAIR of {len(partly)} of {len(shown)} visits shows a part of the brain ({partly[0]} ...): volumes "
            "of lesions and disconnection are lower bounds"
        )
    return notes


def _is_synthetic(table: Path) -> bool:
    """Whether a disconnection table says in its sidecar that its connectome is no anatomy."""
    connectome = read_meta(table).get("Connectome")
    return isinstance(connectome, dict) and bool(connectome.get("Synthetic"))


def _fingerprint(path: Path) -> list[Any]:
    stat = path.stat()
    return [path.name, stat.st_size, stat.st_mtime_ns]


@dataclass(frozen=True)
class _Store:
    """The matrix as cached: visits by columns, with the fingerprints of the files that each visit came from."""

    values: Singles
    keys: list[str]
    names: list[str]
    prints: dict[str, list[list[Any]]]


def _read_visits(files: dict[str, dict[str, Path]], notes: list[str]) -> _Store:
    """Read the tables of visits; visits need not have the same columns."""
    columns: dict[str, int] = {}
    seen: dict[tuple[str, ...], npt.NDArray[np.intp]] = {}
    rows = []
    for paths in files.values():
        row = []
        for family, path in paths.items():
            head, values = _read_table(path, family, notes)
            if head not in seen:
                names = _names(family, head)
                seen[head] = np.array([columns.setdefault(n, len(columns)) for n in names], dtype=np.intp)
            row.append((seen[head], values))
        rows.append(row)
    names = sorted(columns, key=_rank)
    place = np.empty(len(names), dtype=np.intp)
    place[[columns[name] for name in names]] = np.arange(len(names))
    matrix = np.full((len(files), len(columns)), np.nan, np.float32)
    for visit, row in enumerate(rows):
        for places, values in row:
            matrix[visit, place[places]] = values
    return _Store(matrix, list(files), names, {})


def _rank(name: str) -> tuple[int, str]:
    """Return what orders columns, whatever the order of tables and of runs before: the family, then the name."""
    return list(FAMILIES).index(name.split(".", 1)[0]), name


def _names(family: str, head: tuple[str, ...]) -> list[str]:
    """Return the names of a table's cells, region by region, from its regions and measures."""
    split = head.index("")
    regions, measures = head[:split], head[split + 1 :]
    if FAMILIES[family][1]:  # one measure, which the family's name says
        return [f"{family}.{region}" for region in regions]
    return [f"{family}.{region}.{measure}" for region in regions for measure in measures]


def _read_table(path: Path, family: str, notes: list[str]) -> tuple[tuple[str, ...], Singles]:
    """Return a table's regions, an empty text and its measures; and its values, region by region.

    Raises
    ------
    InputError
        If the file is no table with regions.
    """
    try:
        header, *lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: empty or unreadable; delete it and run the visit again") from error
    columns = header.split("\t")
    wanted = FAMILIES[family][1] or tuple(columns[2:])
    if columns[:2] != ["index", "name"] or not set(wanted) <= set(columns):
        raise InputError(
            f"{path}: needs columns index, name, {', '.join(wanted[:3])}; delete it and run the visit again"
        )
    places = [columns.index(name) - 2 for name in wanted]
    cells = [line.split("\t", 2) for line in lines]
    if any(len(row) != 3 for row in cells):
        raise InputError(f"{path}: a row is cut short; delete the file and run the visit again")
    with np.errstate(over="ignore"):  # too large for single precision is taken as missing below
        values = np.array([_numbers(path, row[2], columns[2:], notes) for row in cells], np.float32)
    values = values.reshape(len(cells), len(columns) - 2)[:, places]
    values[~np.isfinite(values)] = np.nan
    return (*(row[1] for row in cells), "", *wanted), values.ravel()


def _numbers(path: Path, text: str, columns: list[str], notes: list[str]) -> npt.NDArray[np.float64]:
    """Return the numbers of a row; text among them is noted and missing.

    Raises
    ------
    InputError
        If the row has more or fewer cells than the header.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of text, which is noted below
        try:
            numbers = np.fromstring(text.replace("n/a", "nan"), sep="\t")
        except ValueError:
            numbers = np.empty(0)
    if len(numbers) == len(columns):
        return numbers
    cells = pd.Series(text.split("\t"), dtype=object)
    if len(cells) != len(columns):
        raise InputError(f"{path}: a row is cut short; delete the file and run the visit again")
    parsed: pd.Series = pd.to_numeric(cells, errors="coerce")
    for place in np.flatnonzero(parsed.isna() & (cells != "n/a")):
        notes.append(
            f"{path}: column {columns[place]} holds {cells[place]!r}, not a number; taken as missing"
        )
    return parsed.to_numpy(dtype=np.float64)


def _merged(cached: _Store | None, read: _Store, prints: dict[str, list[list[Any]]]) -> _Store:
    """Put newly read visits behind the cached ones, over them where they were read again."""
    if cached is None:
        return _Store(read.values, read.keys, read.names, prints)
    kept = [row for row, key in enumerate(cached.keys) if key not in prints]
    names = sorted({*cached.names, *read.names}, key=_rank)
    place = {name: number for number, name in enumerate(names)}
    values = np.full((len(kept) + len(read.keys), len(names)), np.nan, np.float32)
    values[: len(kept), [place[name] for name in cached.names]] = cached.values[kept]
    values[len(kept) :, [place[name] for name in read.names]] = read.values
    keys = [cached.keys[row] for row in kept] + read.keys
    return _Store(values, keys, names, {**{k: cached.prints[k] for k in keys[: len(kept)]}, **prints})


def _save_cache(store: _Store, folder: Path, notes: list[str]) -> None:
    """Write values and names, then the index that vouches for them."""
    try:
        with atomic(folder / "features.npy") as aside, aside.open("wb") as stream:
            np.save(stream, store.values, allow_pickle=False)
        write_table(pd.DataFrame({"column": store.names}), folder / "features.tsv")
        index = {
            "Description": "Cache of all visits' tables; safe to delete.",
            "Version": VERSION,
            "Sha256": _digest(folder),
            "Visits": {key: store.prints[key] for key in store.keys},
        }
        write_json(index, folder / "features.json")
    except OSError as error:
        notes.append(f"{folder}: not writable ({error.strerror}); tables will be read anew next time")


def _open_cache(folder: Path, notes: list[str]) -> _Store | None:
    """Return the cached matrix, or None where there is none or it is damaged."""
    index_file = folder / "features.json"
    if not index_file.exists():
        return None
    try:
        index = json.loads(index_file.read_text(encoding="utf-8"))
        if index["Version"] != VERSION:  # of an earlier Demyelin: nothing is wrong with it
            return None
        if index["Sha256"] != _digest(folder):
            raise ValueError("contents and index disagree")
        values = np.load(folder / "features.npy", mmap_mode="r", allow_pickle=False)
        names = (folder / "features.tsv").read_text(encoding="utf-8").splitlines()[1:]
        visits = index["Visits"]
        if values.shape != (len(visits), len(names)):
            raise ValueError("contents and index disagree")
    except (OSError, ValueError, KeyError, TypeError) as error:
        notes.append(f"{folder}: damaged cache ({error}); tables were read anew")
        return None
    return _Store(values, list(visits), names, visits)


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in ("features.npy", "features.tsv"):
        with (folder / name).open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _stability(path: Path) -> dict[str, float]:
    """Return the intraclass correlation of each radiomics column, where it was measured."""
    if not path.exists():
        return {}
    try:
        table = pd.read_csv(path, sep="\t", na_values=["n/a"])
        names = "radiomics." + table["region"].astype(str) + "." + table["feature"].astype(str)
        return dict(zip(names, pd.to_numeric(table["icc"]), strict=True))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: needs columns region, feature and icc ({error})") from error

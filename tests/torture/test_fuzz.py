"""Hundreds of made-up headers, JSON files, tables and TOML files: one line each, never a traceback or a stray write."""

from __future__ import annotations

import gzip
import json
import os
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bids_app import cli
from bids_app.cohort import read_cohort
from bids_app.derivatives.dataset import read_description
from bids_app.derivatives.records import is_done, read_record, record_path
from bids_app.errors import DemyelinError, InputError, VisitError
from bids_app.features.connectome import CARD, Connectome
from bids_app.image.volume import conform, read_mask, read_scan
from bids_app.layout import check_description
from bids_app.learn.artifact import load_model
from bids_app.settings import Settings, read_config
from bids_app.workflows.plugin import _read_plugin_file

EXAMPLES = int(os.environ.get("DEMYELIN_FUZZ", "50"))
fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)

SHAPE = (12, 13, 10)
HEADER = 352  # bytes before the voxels
NUMBER = st.one_of(
    st.integers(-(2**70), 2**70), st.floats(), st.sampled_from([0, -1, 1e308, 2**31, "n/a", "89+", ""])
)
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def valid_header() -> bytes:
    data = np.random.default_rng(0).integers(1, 200, SHAPE).astype(np.int16)
    return nib.Nifti1Image(data, np.diag([4.0, 4, 4, 1])).to_bytes()


WHOLE = valid_header()


@st.composite
def niftis(draw: Callable[..., Any]) -> bytes:
    """Draw an image file: some bytes of the header are others, perhaps cut short, perhaps not compressed."""
    content = bytearray(WHOLE)
    for place in draw(st.lists(st.integers(0, HEADER - 1), min_size=1, max_size=8)):
        content[place] = draw(st.integers(0, 255))
    if draw(
        st.booleans()
    ):  # whole fields with values that hurt: dim, datatype, bitpix, pixdim, scaling, affine
        field = draw(
            st.sampled_from([40, 42, 44, 46, 48, 70, 72, 76, 80, 84, 108, 112, 116, 252, 254, 280, 284])
        )
        kind = draw(st.sampled_from(["<i2", "<f4"]))
        value = draw(st.sampled_from([0, -1, 1, 32767, np.nan, np.inf, 1e-30, 1e30]))
        with np.errstate(all="ignore"):
            raw = np.array(0 if kind == "<i2" and not np.isfinite(value) else value).astype(kind).tobytes()
        content[field : field + len(raw)] = raw
    cut = draw(st.integers(0, len(content))) if draw(st.integers(0, 4)) == 0 else len(content)
    return gzip.compress(bytes(content[:cut]), 1) if draw(st.integers(0, 9)) else bytes(content[:cut])


@fuzz
@given(content=niftis())
def test_nifti_headers(tmp_path_factory, only_below, content):
    folder = tmp_path_factory.getbasetemp() / "nifti"
    folder.mkdir(exist_ok=True)
    path = folder / "sub-01_FLAIR.nii.gz"
    path.write_bytes(content)
    with only_below(folder):
        try:
            image, _ = read_scan(path)
            if np.prod(nib.affines.voxel_sizes(image.affine)) * image.get_fdata().size < 1e8:
                conform(image, 8.0)
        except VisitError as error:
            assert path.name in str(error)
        try:
            read_mask(path, {"FLAIR": nib.Nifti1Image(np.ones(SHAPE, np.int16), np.diag([4.0, 4, 4, 1]))})
        except VisitError as error:
            assert path.name in str(error)


def _texts(valid: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """Return files near a valid JSON object, far from one, and of any bytes."""
    changed = st.tuples(st.sampled_from(sorted(valid) or ["a"]), JSON).map(
        lambda pair: valid | {pair[0]: pair[1]}
    )
    return st.one_of(
        changed.map(lambda value: json.dumps(value).encode()),
        JSON.map(lambda value: json.dumps(value).encode()),
        st.binary(max_size=60),
        st.integers(0, 200).map(lambda cut: json.dumps(valid).encode()[:cut]),
    )


RECORD = {
    "version": "0.1.0",
    "level": "full",
    "settings": {},
    "inputs": {"a": {}},
    "outputs": {"b": 1},
    "notes": [],
}
MADE_BY = {"Name": "a", "BIDSVersion": "1.10.0", "GeneratedBy": [{"Name": "Demyelin"}]}
MODEL = {"Format": 1, "Sha256": "0" * 64, "Inputs": ["a"], "Columns": ["a"]}
CONNECTOME = {"Format": 1, "Affine": np.eye(4).tolist(), "Shape": [2, 2, 2], "Sizes": {}, "Bundles": []}


def _open_record(folder: Path) -> None:
    read_record(folder, "sub-01")
    assert not is_done(folder, "sub-01", [folder / "a"], {"fast": True})


READERS: dict[str, tuple[dict[str, Any], str, Callable[[Path], object]]] = {
    "description": (MADE_BY, "dataset_description.json", check_description),
    "own description": (MADE_BY, "dataset_description.json", read_description),
    "done record": (RECORD, "logs/done/sub-01.json", _open_record),
    "model card": (MODEL, "edss.json", lambda folder: load_model(folder / "edss")),
    "connectome card": (CONNECTOME, CARD, Connectome.open),
    "plugin": (
        {"plugin": "SLURM", "plugin_args": {}},
        "plugin.json",
        lambda f: _read_plugin_file(f / "plugin.json"),
    ),
}


@pytest.mark.parametrize("kind", READERS)
def test_json_files(tmp_path_factory, only_below, kind):
    valid, name, read = READERS[kind]
    folder = tmp_path_factory.mktemp("json")
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    assert record_path(folder, "sub-01") == folder / READERS["done record"][1]

    @fuzz
    @given(content=_texts(valid))
    def check(content: bytes) -> None:
        path.write_bytes(content)
        with only_below(folder):
            try:
                read(folder)
            except DemyelinError as error:
                assert str(folder) in str(error)

    check()


CELL = st.one_of(NUMBER.map(str), TEXT, st.sampled_from(["sub-01", "MS", "NMOSD", "F", "M", "\t", "ses-1"]))
COLUMN = st.sampled_from(
    [
        "participant_id",
        "session_id",
        "age",
        "sex",
        "edss",
        "diagnosis",
        "site",
        "disease_duration",
        "volume",
        "",
    ]
)


@st.composite
def tables(draw: Callable[..., Any]) -> bytes:
    """Draw a table with tabs that is hardly ever one."""
    if draw(st.integers(0, 7)) == 0:
        return draw(st.binary(max_size=80))
    columns = ["participant_id", *draw(st.lists(COLUMN, max_size=6))]
    rows = draw(st.lists(st.lists(CELL, max_size=8), max_size=4))
    people = [[f"sub-0{number}", *row] for number, row in enumerate(rows, 1)]
    lines = ["\t".join(row) for row in [columns, *people]]
    return draw(st.sampled_from(["\n", "\r\n", "\n\n"])).join(lines).encode("utf-8", "replace")


def _derivatives(root: Path) -> Path:
    """Write what the group level needs of two visits."""
    out = root / "out"
    for name in ("sub-01", "sub-02"):
        stem = out / name / "anat" / name
        stem.parent.mkdir(parents=True)
        lesions = pd.DataFrame({"index": [1], "name": ["Lesion"], "volume_mm3": [12.0]})
        lesions.to_csv(f"{stem}_seg-lesions_dseg.tsv", sep="\t", index=False)
        regions = pd.DataFrame(
            {"index": [1001, 1], "name": ["TIV", "Hippocampus_L"], "volume_mm3": [1e6, 3e3]}
        )
        regions.to_csv(f"{stem}_atlas-AAL_desc-volumes_dseg.tsv", sep="\t", index=False)
    (out / "dataset_description.json").write_text(json.dumps(MADE_BY))
    return out


@pytest.mark.parametrize("name", ["participants.tsv", "phenotype/edss.tsv", "sub-01/sub-01_sessions.tsv"])
def test_tables_of_participants(tmp_path_factory, only_below, name):
    root = tmp_path_factory.mktemp("tsv")
    out = _derivatives(root)
    (root / "participants.tsv").write_text("participant_id\tage\nsub-01\t30\nsub-02\t40\n")
    (root / name).parent.mkdir(exist_ok=True)

    @fuzz
    @given(content=tables())
    def check(content: bytes) -> None:
        (root / name).write_bytes(content)
        with only_below(root):
            try:
                read_cohort(out, root / "participants.tsv")
            except InputError as error:
                assert str(root) in str(error)

    check()


def test_tables_of_measures(tmp_path_factory, only_below):
    root = tmp_path_factory.mktemp("measures")
    out = _derivatives(root)
    (root / "participants.tsv").write_text("participant_id\tage\nsub-01\t30\nsub-02\t40\n")
    target = out / "sub-01/anat/sub-01_atlas-AAL_desc-volumes_dseg.tsv"

    @fuzz
    @given(content=tables().map(lambda text: text.replace(b"participant_id", b"index\tname\tvolume_mm3")))
    def check(content: bytes) -> None:
        target.write_bytes(content)
        with only_below(root):
            try:
                assert len(read_cohort(out, root / "participants.tsv").features) == 2
            except InputError as error:
                assert str(root) in str(error)

    check()


OPTION = st.sampled_from(sorted(f.replace("_", "-") for f in Settings.__dataclass_fields__))
VALUE = st.one_of(
    st.integers(-(2**65), 2**65).map(str),
    st.sampled_from(
        ["true", "false", "nan", "inf", "[]", "[1, 'a']", "{a = 1}", "'SLURM'", "'/'", "'..'", "''"]
    ),
    st.floats().map(str),
    st.text(string.printable, max_size=8),
    TEXT.map(json.dumps),
)


@fuzz
@given(
    content=st.one_of(
        st.binary(max_size=60),
        st.lists(st.tuples(OPTION, VALUE), max_size=3).map(
            lambda pairs: "\n".join(f"{key} = {value}" for key, value in pairs).encode("utf-8", "replace")
        ),
    )
)
def test_toml_files(tmp_path_factory, only_below, content):
    """Through the command itself, with a dataset that has no participant: nothing is processed."""
    root = tmp_path_factory.getbasetemp() / "toml"
    (root / "bids").mkdir(parents=True, exist_ok=True)
    (root / "bids" / "dataset_description.json").write_text(json.dumps(MADE_BY))
    config = root / "config.toml"
    config.write_bytes(content)
    with only_below(root):
        try:
            read_config(config)
            settings = cli.parse(
                [str(root / "bids"), str(root / "out"), "participant", "--config-file", str(config)]
            )
        except InputError as error:
            assert "\n" not in str(error)[:40]
        else:
            assert settings.results()

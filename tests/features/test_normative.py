"""Which connectome a run uses."""

from __future__ import annotations

import numpy as np
import pytest

from bids_app.errors import InputError
from bids_app.features import normative
from bids_app.features.connectome import CARD, Connectome
from bids_app.features.normative import MISSING_NOTE, SYNTHETIC_NOTE, cache_folder, choose_connectome

LINES = [np.array([[1.0, 1, 1], [4, 1, 1]])]


def make(folder, **about):
    Connectome.from_streamlines(LINES, affine=np.eye(4), shape=(6, 3, 3), about=about).save(folder)
    return folder


@pytest.fixture(autouse=True)
def bare_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("DEMYELIN_CONNECTOME", raising=False)


def test_nothing_there_is_none_with_a_note_that_says_how_to_get_one():
    assert choose_connectome(None, print) == (None, MISSING_NOTE)
    assert "demyelin-connectome fetch" in MISSING_NOTE


def test_the_users_cache_then_the_image_then_what_is_asked_for(tmp_path, monkeypatch):
    cached, baked, users = make(cache_folder()), make(tmp_path / "baked"), make(tmp_path / "own")
    assert choose_connectome(None, print) == (cached, None)
    monkeypatch.setenv("DEMYELIN_CONNECTOME", str(baked))
    assert choose_connectome(None, print) == (baked, None)
    assert choose_connectome(str(users), print) == (users, None)
    assert choose_connectome("none", print) == (None, None)
    monkeypatch.setenv("DEMYELIN_CONNECTOME", str(tmp_path / "an image without one"))
    assert choose_connectome(None, print) == (cached, None)


@pytest.mark.parametrize("source", ["--connectome", "DEMYELIN_CONNECTOME", "demyelin-connectome fetch"])
def test_a_damaged_one_is_told_with_its_source(tmp_path, monkeypatch, source):
    folder = make(cache_folder() if source.endswith("fetch") else tmp_path / "c")
    (folder / "ends.npy").write_bytes(b"")
    if source == "DEMYELIN_CONNECTOME":
        monkeypatch.setenv(source, str(folder))
    with pytest.raises(InputError, match=f"^{source}: .*damaged.*--connectome none"):
        choose_connectome(str(folder) if source == "--connectome" else None, print)


def test_a_synthetic_folder_is_told_as_such(tmp_path):
    assert choose_connectome(str(make(tmp_path / "c", Synthetic=True)), print)[1] == SYNTHETIC_NOTE


def test_synthetic_is_made_once_and_says_what_it_is(monkeypatch):
    monkeypatch.setattr(normative, "STREAMLINES", 40)
    notes: list[str] = []
    folder, note = choose_connectome("synthetic", notes.append)
    assert (note, Connectome.open(folder).card["Synthetic"]) == (SYNTHETIC_NOTE, True)
    assert any("once" in line for line in notes) and any("75 %" in line for line in notes)
    made = (folder / CARD).stat().st_mtime_ns
    notes.clear()
    assert choose_connectome("synthetic", notes.append) == (folder, SYNTHETIC_NOTE)
    assert (notes, (folder / CARD).stat().st_mtime_ns) == ([], made)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_cache_that_cannot_be_is_told(tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(InputError, match="XDG_CACHE_HOME"):
        choose_connectome("synthetic", print)

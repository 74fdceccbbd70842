"""demyelin-connectome: build, fetch and info, and what it refuses."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from tracts import by_name

from bids_app.features import connectome_cli
from bids_app.features.bundles import damage_by_bundle, open_bundles
from bids_app.features.chaco import chaco
from bids_app.features.connectome import Connectome
from bids_app.features.connectome_cli import main
from bids_app.features.normative import choose_connectome
from bids_app.features.streamlines import read_streamlines
from bids_app.features.synthetic import synthetic_streamlines
from bids_app.image.atlas import load_atlas


def printed(capsys, *arguments):
    """Run the command and return what it prints."""
    assert main([str(a) for a in arguments]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def refused(capsys, *arguments):
    assert main([str(a) for a in arguments]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    return message


@pytest.fixture(scope="module")
def tck(tmp_path_factory):
    """Paths through white matter as a tractogram file."""
    lines = synthetic_streamlines(load_atlas(), n_streamlines=60, seed=2)
    path = tmp_path_factory.mktemp("lines") / "some.tck"
    streamlines = np.split(lines.points, lines.offsets[1:-1])
    nib.streamlines.save(nib.streamlines.Tractogram(streamlines, affine_to_rasmm=np.eye(4)), path)
    return path


def test_build_and_info_tell_the_same(tmp_path, tck, capsys):
    built = printed(capsys, "build", tmp_path / "c", "--source", tck, "--licence", "test only")
    assert built == printed(capsys, "info", tmp_path / "c")
    assert built["Licence"] == "test only"
    assert built["Space"] == "MNI152NLin6Asym"
    assert built["Source"] == [f"some.tck, sha256 {hashlib.sha256(tck.read_bytes()).hexdigest()}"]
    assert (built["Synthetic"], built["GroupAverage"], built["NStreamlines"]) == (False, True, 60)


def test_several_files_are_reference_subjects(tmp_path, tck, capsys):
    built = printed(capsys, "build", tmp_path / "c", "--source", tck, tck)
    assert (built["GroupAverage"], built["NStreamlines"]) == (False, 120)
    lesion = np.zeros(load_atlas().image.shape, np.uint8)
    lesion[60:120, 70:150, 60:110] = 1
    image = nib.Nifti1Image(lesion, load_atlas().image.affine)
    regions = by_name(chaco(image, Connectome.open(tmp_path / "c"), load_atlas()))
    assert regions["chaco"].max() > 0
    assert regions["chaco_sd"].dropna().eq(0).all()  # the same subject twice


def test_synthetic_says_so_and_repeats_itself(tmp_path, capsys):
    for folder in ("a", "b"):
        built = printed(capsys, "build", tmp_path / folder, "--source", "synthetic", "--streamlines", 40)
        assert built["Synthetic"] is True
        assert "synthetic" in built["Source"][0]
    for name in ("streamlines.npy", "ends.npy"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_refusals(tmp_path, tck, capsys):
    assert "no connectome here" in refused(capsys, "info", tmp_path)
    assert "none.tck" in refused(capsys, "build", tmp_path / "c", "--source", "none.tck")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("x")
    assert "holds other files" in refused(capsys, "build", tmp_path / "full", "--source", tck)
    assert "is a file" in refused(capsys, "build", tck, "--source", tck)
    assert "at least 1" in refused(capsys, "build", tmp_path / "c", "--source", tck, "--streamlines", 0)
    assert "has no names" in refused(capsys, "build", tmp_path / "c", "--source", tck, "--bundles", tck)
    assert not (tmp_path / "c").exists()


def test_other_spaces_are_refused_unless_told(tmp_path, tck, capsys):
    lines = nib.streamlines.load(tck).streamlines
    mirrored = [line * [1, -1, 1] for line in lines]
    path = tmp_path / "mirrored.tck"
    nib.streamlines.save(nib.streamlines.Tractogram(mirrored, affine_to_rasmm=np.eye(4)), path)
    assert "white matter" in refused(capsys, "build", tmp_path / "c", "--source", path)
    assert printed(capsys, "build", tmp_path / "c", "--source", path, "--any-space")["NStreamlines"] == 60


@pytest.fixture
def served(tck):
    """Address of the tractogram on a server."""
    return serve(tck.parent) + "/some.tck"


def serve(folder):
    """Serve a folder on this machine until the tests end; return its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def test_fetch_checks_what_it_gets(tmp_path, tck, served, capsys, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    right = hashlib.sha256(tck.read_bytes()).hexdigest()
    assert printed(capsys, "fetch", tmp_path / "c", "--url", served, "--sha256", right)["NStreamlines"] == 60
    assert "another file" in refused(capsys, "fetch", tmp_path / "d", "--url", served, "--sha256", "0" * 64)
    assert "64 hexadecimal" in refused(capsys, "fetch", tmp_path / "d", "--url", served, "--sha256", "12")
    gone = served.replace("some", "none")
    assert "cannot be had" in refused(capsys, "fetch", tmp_path / "d", "--url", gone, "--sha256", "0" * 64)
    assert not (tmp_path / "d").exists()


def test_fetch_by_itself_gets_the_1065_people_into_the_cache(tmp_path, shared, capsys, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(connectome_cli, "REPOSITORY", serve(shared / "data" / "hcp1065") + "/")
    made = printed(capsys, "fetch", "--streamlines", 200)
    assert (made["NStreamlines"], made["Bundles"], made["Synthetic"]) == (200, 106, False)
    assert "HCP Open Access" in made["Licence"]
    assert choose_connectome(None, print) == (Path(made["Folder"]), None)


def test_bundles_beside_a_connectome(tmp_path, tck, shared, capsys):
    atlas = shared / "data" / "hcp1065" / "ICBM152_adult.tt.gz"
    built = printed(capsys, "build", tmp_path / "c", "--source", tck, "--bundles", atlas)
    assert (built["Bundles"], built["NStreamlines"]) == (106, 60)
    bundles = open_bundles(tmp_path / "c")
    lesion = np.zeros(bundles.shape, np.uint8)
    at = np.rint(nib.affines.apply_affine(np.linalg.inv(bundles.affine), [0, 28, 5])).astype(int)  # genu
    lesion[tuple(slice(k - 4, k + 5) for k in at)] = 1
    table = damage_by_bundle(nib.Nifti1Image(lesion, bundles.affine), bundles).set_index("bundle")
    assert len(table) == 106
    assert table["n_streamlines"].sum() == 10_403
    assert "Callosum" in table["chaco"].idxmax()
    assert table["chaco"]["Association_ArcuateFasciculusL"] == 0
    assert open_bundles(tmp_path / "c" / "bundles").card["Bundles"] == read_streamlines(atlas).bundles


def test_without_bundles_there_are_none(tmp_path, tck, capsys):
    printed(capsys, "build", tmp_path / "c", "--source", tck)
    assert open_bundles(tmp_path / "c") is None

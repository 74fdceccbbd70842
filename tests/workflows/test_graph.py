"""The graph of a visit: which steps it has, built without running any."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bids_app import cli
from bids_app.features.connectome import Connectome
from bids_app.features.streamlines import from_list
from bids_app.layout import find_visits
from bids_app.workflows.visit import init_visit_wf

LINES = from_list([np.array([[1.0, 1, 1], [4, 1, 1]])])


@pytest.fixture
def build(bids, add_scan, tmp_path):
    """Return a function that builds the graph of a visit with the scans named, and returns its nodes by name."""

    def make(*scans: str, connectome: str | None = None):
        for scan in scans:
            add_scan(f"sub-01_{scan}.nii.gz")
        settings = cli.parse([str(bids), str(tmp_path / "out"), "participant"])
        (visit,) = find_visits(bids)
        graph = init_visit_wf(visit, settings=replace(settings, connectome=connectome))
        return graph, {node.name: node for node in graph._graph.nodes}

    return make


def inputs_of(graph, nodes, name):
    """Return the names of the steps whose results a step takes."""
    return {before.name for before, _ in graph._graph.in_edges(nodes[name])}


def test_nothing_is_compared_or_disconnected_where_there_is_nothing(build):
    graph, nodes = build("T1w", "FLAIR")
    assert {"check_lesions", "take_lesions", "measure_disconnection"}.isdisjoint(nodes)
    assert "find_lesions" in inputs_of(graph, nodes, "fill")


@pytest.mark.parametrize("scans", [("T1w", "FLAIR"), ("FLAIR",)])
def test_a_mask_that_came_is_checked_before_any_head_and_compared_with_our_own(build, scans):
    graph, nodes = build(*scans, "label-L_mask")
    assert "check_lesions" in inputs_of(graph, nodes, "prepare_head")
    assert {"take_lesions", "find_lesions"} <= inputs_of(graph, nodes, "assess")
    assert "find_lesions" not in inputs_of(graph, nodes, "describe_lesions")


@pytest.mark.parametrize("names", [(), ("left", "right")])
def test_bundles_where_the_connectome_names_them(build, tmp_path, names):
    lines = LINES._replace(bundle=np.zeros(1, np.int16), bundles=names) if names else LINES
    folder = Connectome.from_streamlines(lines, affine=np.eye(4), shape=(6, 3, 3)).save(tmp_path / "c")
    _, nodes = build("T1w", "FLAIR", connectome=str(folder))
    taken = nodes["finish"].inputs.copyable_trait_names()
    assert "files__chaco" in taken
    assert ("files__chaco_bundles" in taken) == bool(names)

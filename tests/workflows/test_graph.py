"""The graph of a visit: which steps it has, built without running any."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from inspect import isfunction
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pytest
from nipype import Workflow

from bids_app import cli, steps
from bids_app.derivatives.names import OUTPUTS
from bids_app.features.connectome import Connectome
from bids_app.features.streamlines import from_list
from bids_app.layout import find_visits
from bids_app.workflows.step import GraphError, Handle, add_step, check_inputs
from bids_app.workflows.visit import check_files, init_visit_wf

SCAN = Path(__file__)  # any file: graphs are built, not run
LINES = from_list([np.array([[1.0, 1, 1], [4, 1, 1]])])


@pytest.fixture
def build(bids, add_scan, tmp_path):
    """Return a function that builds the graph of a visit with the scans named, and returns its nodes by name."""

    def make(*scans: str, **chosen: str | bool):
        for scan in scans:
            add_scan(f"sub-01_{scan}.nii.gz")
        settings = cli.parse([str(bids), str(tmp_path / "out"), "participant"])
        (visit,) = find_visits(bids)
        graph = init_visit_wf(visit, settings=replace(settings, **chosen))
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


def head_of(graph: Workflow) -> Handle:
    return add_step(graph, steps.prepare_head, scan=SCAN, voxel_size=2.0)


WRONG = {
    "a misspelt input": (lambda head: {"imgae": head.image}, "imgae"),
    "an input that is too many": (lambda head: {"voxel_size": 1.0}, "voxel_size"),
    "a missing input": (lambda head: {"brain": ...}, "brain"),
    "a number in place of an image": (
        lambda head: {"brain": head.stripped},
        "brain takes Nifti1Image, not bool",
    ),
    "a list in place of a name": (lambda head: {"template": head.notes}, "template takes str"),
    "nothing where an image is needed": (lambda head: {"brain": None}, "brain takes Nifti1Image"),
    "a text in place of a number": (lambda head: {"seed": "1"}, "seed takes int, not str"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_step_that_is_called_wrongly_fails_when_the_graph_is_built(wrong):
    graph = Workflow("visit")
    head = head_of(graph)
    right = {"image": head.image, "brain": head.brain, "template": "T", "resolution": 2.0, "seed": 1}
    change, words = WRONG[wrong]
    inputs = {name: value for name, value in (right | change(head)).items() if value is not ...}
    with pytest.raises(GraphError, match=f"step align_to_template: .*{words}"):
        add_step(graph, steps.align_to_template, **inputs)
    add_step(graph, steps.align_to_template, **right)


def parameter_kinds():
    """Return every annotation of a parameter of any step."""
    functions = [one for one in vars(steps).values() if isfunction(one)]
    return {
        str(hint): hint for one in functions for name, hint in get_type_hints(one).items() if name != "return"
    }


@pytest.mark.parametrize("kind", parameter_kinds().values(), ids=parameter_kinds())
def test_a_value_of_any_kind_is_taken_or_refused(kind):
    """A parameter of `dict[str, Any]` once ended the whole run."""

    def made_up(one):
        raise AssertionError

    made_up.__annotations__ = {"one": kind}
    taken = []
    for value in (1, 0.5, "a", True, None, SCAN, [1], [SCAN], {"a": 1}, {"a": SCAN}, np.zeros(2)):
        with suppress(GraphError):
            check_inputs(made_up, {"one": value})
            taken.append(value)
    assert 0 < len(taken) < 11


def test_a_misspelt_result_fails_when_the_graph_is_built():
    with pytest.raises(AttributeError, match="prepare_head has no result brian"):
        _ = head_of(Workflow("visit")).brian


def test_a_function_that_is_not_declared_as_a_step_is_none():
    def made_up(scan: Path) -> steps.ComparedFiles:
        raise AssertionError

    with pytest.raises(GraphError, match="step made_up: is not declared"):
        add_step(Workflow("visit"), made_up, scan=SCAN)


@pytest.mark.parametrize(("key", "words"), [("volums", "not a key"), ("volumes", "cannot be")])
def test_what_the_table_of_outputs_lacks_is_not_published(key, words):
    head = head_of(Workflow("visit"))
    check_files({"brain": head.brain})
    with pytest.raises(GraphError, match=f"published as {key}: .*{words}"):
        check_files({key: head.brain})


@pytest.mark.parametrize(
    ("chosen", "calibrated"),
    [
        ({}, True),
        ({"skip_calibration": True}, False),
        ({"fast": True}, False),
        ({"fast": True, "calibrate": True}, True),
    ],
)
def test_a_scan_is_told_its_detection_limit_unless_speed_is_asked(build, chosen, calibrated):
    _, nodes = build("T1w", "FLAIR", **chosen)
    assert ("calibrate_lesions" in nodes) == calibrated


@pytest.mark.parametrize("scans", [("T1w", "FLAIR"), ("FLAIR",), ("T1w", "FLAIR", "label-L_mask")])
def test_what_is_published_is_what_the_table_of_outputs_says(build, tmp_path, scans):
    lines = LINES._replace(bundle=np.zeros(1, np.int16), bundles=("left", "right"))
    folder = Connectome.from_streamlines(lines, affine=np.eye(4), shape=(6, 3, 3)).save(tmp_path / "c")
    _, nodes = build(*scans, connectome=str(folder))
    taken = nodes["finish"].inputs.copyable_trait_names()
    published = {name.removeprefix("files__") for name in taken if name.startswith("files__")}
    without_t1w = {key for key, output in OUTPUTS.items() if output.flair_only and not output.pair}
    of_flair_alone = {"flair_native", "flair_to_template"}
    if "label-L_mask" in scans:  # there is nothing to calibrate in a mask that came with the data
        published |= {"detection_limits", "calibration_lesions"}
    assert published == (
        {key for key, output in OUTPUTS.items() if not output.pair} - of_flair_alone
        if "T1w" in scans
        else without_t1w
    )

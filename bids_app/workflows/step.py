"""Plain functions of paths and values as nipype nodes, connected by handing results on."""

from __future__ import annotations

import contextlib
import inspect
import json
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from nipype import Node, Workflow
from nipype.interfaces.base import (
    BaseInterface,
    DynamicTraitedSpec,
    File,
    Undefined,
    isdefined,
    specs,
    traits,
)
from nipype.utils import filemanip

from bids_app.errors import DemyelinError, file_reason
from bids_app.steps.files import call, is_file, kind_of
from bids_app.steps.record import STEPS

FAILURE = "failure.json"
GROUPED = "__"


@lru_cache(maxsize=10_000)
def _digest(path: str, size: int, changed: int) -> str:
    return str(filemanip.hash_infile(path, chunk_len=2**20))


def _hash_once(path: str) -> str:
    """Return the hash of a file's content, which is read once while size and time of change stay."""
    found = Path(path).stat()
    return _digest(path, found.st_size, found.st_mtime_ns)


# nipype reads a file again for each step that takes it: a tenth of a visit's time
specs.hash_infile = _hash_once


class GraphError(TypeError):
    """A step gets what it does not take, or a result goes where it does not fit: an error of Demyelin."""


class Step(BaseInterface):
    """Run a function whose annotations say which parameters and results are files (`steps.files.call`).

    nipype hashes the files' content, so that a kept work folder is used again only for the same bytes.
    A failure leaves its reason as `failure.json` in the node's folder: the main process, whichever
    plugin ran the node, reads it there.

    Parameters
    ----------
    function : callable
        Module-level function with annotated parameters; its result is a NamedTuple.
    **inputs
        Values that are known when the graph is built, or `Result`s of steps before; None leaves an input undefined.
        A dict's entries are inputs of their own, so that each can come from another step.

    Raises
    ------
    GraphError
        If an input is missing, is none of the function's parameters, or is not of its kind.
    """

    input_spec = DynamicTraitedSpec
    output_spec = DynamicTraitedSpec

    def __init__(self, function: Callable[..., Any], **inputs: Any) -> None:
        super().__init__()
        check_inputs(function, inputs)
        self.function = function
        hints = {name: kind_of(hint) for name, hint in get_type_hints(function).items()}
        self.kinds = {name: kind_of(hint) for name, hint in get_type_hints(hints.pop("return")).items()}
        self._files: set[str] = set()
        self._groups: dict[str, list[str]] = {}
        for name, kind in hints.items():
            value = inputs.get(name)
            if isinstance(value, dict):
                self._groups[name] = list(value)
                for key, one in value.items():
                    self._add_input(f"{name}{GROUPED}{key}", get_args(kind)[1], one)
            else:
                self._add_input(name, kind, value)
        self._results: dict[str, Any] = {}

    def _add_input(self, name: str, kind: Any, value: Any) -> None:
        self.inputs.add_trait(name, File(exists=True) if is_file(kind) else traits.Any())
        if is_file(kind):
            self._files.add(name)
        known = value is not None and not isinstance(value, Result)
        setattr(self.inputs, name, (str(value) if is_file(kind) else value) if known else Undefined)

    def _values(self) -> dict[str, Any]:
        """Return the function's arguments: files as paths, grouped inputs as dicts again."""
        values = {
            name: Path(value) if name in self._files else value
            for name, value in self.inputs.get().items()
            if isdefined(value)
        }
        for group, keys in self._groups.items():
            named = {key: f"{group}{GROUPED}{key}" for key in keys}
            values[group] = {key: values.pop(name) for key, name in named.items() if name in values}
        return values

    def _add_output_traits(self, base: Any) -> Any:
        for name in self.kinds:
            base.add_trait(name, traits.Any())
        return base

    def _outputs(self) -> Any:
        return self._add_output_traits(super()._outputs())

    def _run_interface(self, runtime: Any) -> Any:
        try:
            with _temporary_folder(Path(runtime.cwd)):
                result = call(self.function, self._values())
        except Exception as error:
            _write_failure(Path(runtime.cwd), self.function.__name__, error)
            raise
        self._results = {
            name: str(value) if isinstance(value, Path) else value for name, value in result.items()
        }
        return runtime

    def _list_outputs(self) -> dict[str, Any]:
        outputs = self._outputs().get()
        return outputs | self._results


def check_inputs(function: Callable[..., Any], inputs: Mapping[str, Any]) -> None:
    """Check a step's inputs against its signature, without running it.

    Raises
    ------
    GraphError
        If an input is missing, is none of the function's parameters, or is not of its kind.
    """
    name = function.__name__
    try:
        bound = inspect.signature(function).bind(**inputs)
    except TypeError as error:
        raise GraphError(f"step {name}: {error}") from error
    for parameter, hint in get_type_hints(function).items():
        if parameter in bound.arguments:
            value, kind = bound.arguments[parameter], kind_of(hint)
            entries = value.values() if isinstance(value, dict) and get_origin(kind) is dict else [value]
            wanted = get_args(kind)[1] if isinstance(value, dict) and get_origin(kind) is dict else kind
            for one in entries:
                if not _fits(one, wanted, optional=NoneType in get_args(hint)):
                    got = one.kind if isinstance(one, Result) else type(one)
                    raise GraphError(f"step {name}: {parameter} takes {_called(wanted)}, not {_called(got)}")


def _fits(value: Any, kind: Any, *, optional: bool) -> bool:
    """Whether a value or another step's result can be a parameter of a kind."""
    if value is None:
        return optional
    if isinstance(value, Result):
        as_file = kind is Path and is_file(value.kind)
        return kind is Any or value.kind is Any or as_file or value.kind == kind
    if is_file(kind):
        return isinstance(value, Path)
    if kind is float:
        return isinstance(value, int | float)
    plain = get_origin(kind) or kind
    return kind is Any or not isinstance(plain, type) or isinstance(value, plain)


def _called(kind: Any) -> str:
    return getattr(kind, "__name__", str(kind))


@contextlib.contextmanager
def _temporary_folder(folder: Path) -> Iterator[None]:
    """Let libraries that leave temporary files behind leave them where they are removed."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(dir=folder) as inside:
        tempfile.tempdir = inside
        try:
            yield
        finally:
            tempfile.tempdir = before


def _write_failure(folder: Path, step: str, error: Exception) -> None:
    """Leave the reason of a failure for the main process, in one line, with the details beside it."""
    if isinstance(error, DemyelinError):
        reason = str(error)
    elif isinstance(error, OSError) and error.strerror:
        reason = file_reason(error, "a file")
    elif isinstance(error, MemoryError):
        reason = "out of memory; give --mem and fewer --nprocs, or try --fast"
    else:
        reason = f"unexpected {type(error).__name__}: {error}"
    words = STEPS[step].words if step in STEPS else step.replace("_", " ")
    content = {"step": words, "reason": " ".join(reason.split()), "traceback": traceback.format_exc()}
    with contextlib.suppress(OSError):  # a full disk: the failure is then reported without its reason
        (folder / FAILURE).write_text(json.dumps(content), encoding="utf-8")


def read_failure(folder: Path) -> dict[str, str] | None:
    """Return what a failed step of a visit left behind."""
    for path in sorted(folder.rglob(FAILURE)):
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
    return None


def node_name(name: str) -> str:
    """Return a visit's name as nipype accepts it: letters, digits and underscores."""
    return "".join(c if c.isalnum() and c.isascii() else "_" if c in "-_" else f"x{ord(c):x}" for c in name)


@dataclass(frozen=True)
class Result:
    """One output of a step that has not run yet; as an input of another step it becomes a connection."""

    node: Node
    name: str
    kind: Any


class Handle:
    """A step in a graph: its attributes are the results that it will have."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def __getattr__(self, name: str) -> Result:
        kinds = {} if name.startswith("_") else self._node.interface.kinds
        if name not in kinds:
            raise AttributeError(f"{self._node.name} has no result {name}")
        return Result(self._node, name, kinds[name])


def add_step(graph: Workflow, function: Callable[..., Any], *, always: Any = False, **inputs: Any) -> Handle:
    """Add a function to a graph as the node of its name.

    Parameters
    ----------
    graph : Workflow
        Graph that the step becomes part of.
    function : callable
        See `Step`; declared with `steps.record.step`.
    always : bool
        Run it in every run, also where a kept work folder holds its result: what it writes lies elsewhere.
    **inputs
        Values, or `Result`s of steps added before.

    Raises
    ------
    GraphError
        If the function is not declared as a step, or its inputs do not fit it.
    """
    record = STEPS.get(function.__name__)
    if record is None:
        raise GraphError(f"step {function.__name__}: is not declared with steps.record.step")
    step = Step(function, **inputs)
    node = Node(step, function.__name__, mem_gb=record.mem_gb, n_procs=1, overwrite=always or None)
    graph.add_nodes([node])
    for name, value in inputs.items():
        entries = (
            {f"{name}{GROUPED}{key}": one for key, one in value.items()} if isinstance(value, dict) else {}
        )
        for target, one in (entries or {name: value}).items():
            if isinstance(one, Result):
                graph.connect(one.node, one.name, node, target)
    return Handle(node)

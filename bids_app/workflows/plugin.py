"""Plugins of nipype as Demyelin uses them: a killed process is a failed step, never a hang."""

from __future__ import annotations

import ctypes
import json
import logging
import multiprocessing
import multiprocessing.forkserver
import os
import signal
import time
import tomllib
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

from nipype.pipeline import plugins
from nipype.pipeline.plugins import base
from nipype.pipeline.plugins.multiproc import MultiProcPlugin, run_node

from bids_app.errors import InputError
from bids_app.settings import Settings
from bids_app.workflows.resources import memory_gb, processors

PR_SET_PDEATHSIG = 1  # from Linux' sys/prctl.h
KILLED = "a step was ended by the system, most likely out of memory; give --mem and fewer --nprocs, or --fast"

# its loop sleeps until a time of day: set back by an hour meanwhile, a run would stand still for an hour
base.time = time.monotonic


def _start_worker(folder: str, log_level: int) -> None:
    """Prepare a worker: it ends with its parent, so that a killed run leaves nothing that still writes."""
    logging.getLogger("nipype.workflow").setLevel(log_level)
    logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)  # read_scan tells bad headers
    os.chdir(folder)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    _let_fork_server_end()


def _let_fork_server_end() -> None:
    """Close this worker's copy of the pipe that tells the fork server that the run is alive.

    multiprocessing gives one to every worker; with it, server and workers would outlive a killed run and
    go on writing.
    """
    server: Any = multiprocessing.forkserver._forkserver
    os.close(server._forkserver_alive_fd)
    server._forkserver_alive_fd = None


def _pool(workers: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("forkserver")
    about = (str(Path.cwd()), logging.getLogger("nipype.workflow").level)
    return ProcessPoolExecutor(workers, initializer=_start_worker, initargs=about, mp_context=context)


class SafeMultiProcPlugin(MultiProcPlugin):
    """MultiProc that survives the death of a worker (nipype waits for its result for ever).

    When a worker dies, every step that ran beside it is lost with the pool: each is run once more in a
    pool of its own, and a step that dies there too is the one that failed.
    """

    def __init__(self, plugin_args: dict[str, Any] | None = None) -> None:
        super().__init__(plugin_args=plugin_args)
        self.pool = _pool(self.processors)
        self.stopped = False

    def _submit_job(self, node: Any, updatehash: bool = False) -> int:
        self._taskid += 1
        taskid = self._taskid
        if getattr(self.pool, "_broken", False):
            self.pool = _pool(self.processors)
        future = self.pool.submit(run_node, node, updatehash, taskid)
        future.add_done_callback(lambda done: self._receive(done, taskid, node, updatehash))
        self._task_obj[taskid] = future
        return taskid

    def _receive(self, future: Future, taskid: int, node: Any, updatehash: bool) -> None:
        """Keep a step's result; run it again, alone, where its process died."""
        if future.exception() is None:
            self._taskresult[taskid] = future.result()
            return
        if self.stopped:
            return
        alone = _pool(1)
        again = alone.submit(run_node, node, updatehash, taskid)
        again.add_done_callback(lambda done: self._receive_last(done, taskid))
        alone.shutdown(wait=False)

    def _receive_last(self, future: Future, taskid: int) -> None:
        """Keep the result of the second try, or the fact that it died again."""
        dead = {"result": None, "traceback": [KILLED], "taskid": taskid}
        self._taskresult[taskid] = future.result() if future.exception() is None else dead


class _AsLines:
    """A plugin of nipype that outlives a step which left no result, as one that the system killed.

    nipype tells of it in a string and then adds lines to it as to a list, which ends the run of all visits.
    """

    def _report_crash(self, node: Any, result: dict[str, Any] | None = None) -> Any:
        trace = result["traceback"] if result else None
        if result and isinstance(trace, str):
            result = result | {"traceback": trace.splitlines(keepends=True)}
        return super()._report_crash(node, result=result)  # type: ignore[misc]


def choose_plugin(settings: Settings) -> tuple[type, dict[str, Any]]:
    """Return the nipype plugin to run with and its arguments.

    Raises
    ------
    InputError
        If the file of `--use-plugin` cannot be used.
    """
    if settings.use_plugin:
        content = _read_plugin_file(settings.use_plugin)
        found = _plugin_named(content["plugin"], settings.use_plugin)
        return found, dict(content.get("plugin_args", {}))
    arguments = {
        "n_procs": settings.nprocs or processors(),
        "memory_gb": settings.mem or 0.9 * memory_gb(),
        "raise_insufficient": False,
    }
    return SafeMultiProcPlugin, arguments


def _plugin_named(name: str, file: Path) -> type:
    """Return a plugin of nipype by the name that nipype's documentation calls it."""
    found = getattr(plugins, f"{name}Plugin", None)
    if found is None:
        known = ", ".join(
            sorted(one.removesuffix("Plugin") for one in vars(plugins) if one.endswith("Plugin"))
        )
        raise InputError(f"--use-plugin {file}: nipype has no plugin {name!r}; it has {known}")
    if issubclass(found, base.DistributedPluginBase):
        return type(found.__name__, (_AsLines, found), {})
    return found


def _read_plugin_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise InputError(f"--use-plugin {path}: not a readable TOML or JSON file ({error})") from error
    if not isinstance(content, dict) or not isinstance(content.get("plugin"), str):
        raise InputError(f'--use-plugin {path}: needs a line such as plugin = "SLURM"')
    return content

"""Running a nipype graph: its work folder, configuration, progress and ending."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing.resource_tracker
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from nipype import config

from bids_app import __version__
from bids_app.errors import InputError
from bids_app.progress import polling, say
from bids_app.settings import Settings
from bids_app.workflows.plugin import SafeMultiProcPlugin, choose_plugin
from bids_app.workflows.step import FAILURE
from bids_app.workflows.watch import Watch


@contextmanager
def work_folder(settings: Settings) -> Iterator[Path]:
    """Yield the folder for intermediate files; a temporary one is removed at the end.

    Where everybody may make files (a sticky folder such as `/scratch`), it is `demyelin-UID` in there.

    Raises
    ------
    InputError
        If the given one cannot be written to, or belongs to somebody else: nipype reads pickles from it.
    """
    if settings.work_dir is None:
        folder = Path(tempfile.mkdtemp(prefix="demyelin-work-"))
        try:
            yield folder
        finally:
            if not settings.debug:
                shutil.rmtree(folder, ignore_errors=True)
        return
    folder = settings.work_dir
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if folder.stat().st_mode & (stat.S_ISVTX | stat.S_IWOTH) == stat.S_ISVTX | stat.S_IWOTH:
            folder /= f"demyelin-{os.geteuid()}"  # such as /tmp or /scratch: a folder of one's own in it
            folder.mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        raise InputError(f"--work-dir {folder}: cannot be made ({error.strerror})") from error
    found = folder.lstat()
    private = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    if not private or found.st_mode & stat.S_IWOTH or not os.access(folder, os.W_OK):
        raise InputError(f"--work-dir {folder}: must be yours and writable by you alone (chmod 700)")
    yield folder


def run_graph(
    build: Callable[[str], Any], name: str, settings: Settings, work: Path, watch: Watch | None = None
) -> Path:
    """Build a graph in its folder of the work folder and run it, without the failures that an earlier run left.

    Parameters
    ----------
    build : callable
        From the graph's name to the nipype workflow.
    name : str
        What the graph's folder is called, after the version.
    settings : Settings
    work : Path
        Folder for intermediate files.
    watch : Watch, optional
        Who is told of the steps.

    Returns
    -------
    Path
        The graph's folder, where failed steps left their reasons.
    """
    name = f"demyelin_{__version__.replace('.', '_')}_{name}"
    for left in (work / name).rglob(FAILURE):
        left.unlink()
    configure(settings, work)
    workflow = build(name)
    workflow.base_dir = str(work)
    execute(workflow, settings, watch)
    return work / name


def execute(workflow: Any, settings: Settings, watch: Watch | None = None) -> None:
    """Run a nipype graph; failed visits are found afterwards, so its summary error is not needed.

    Parameters
    ----------
    workflow : Workflow
        The graph.
    settings : Settings
        Processes, memory and where they run.
    watch : Watch, optional
        Is told of each step, for the progress display.
    """
    plugin, arguments = choose_plugin(settings)
    if settings.write_graph:
        graph = settings.output_dir / "logs" / "graph.dot"
        with contextlib.suppress(OSError):  # without graphviz the .dot file is written and no picture
            workflow.write_graph(graph2use="colored", dotfilename=str(graph), format="svg")
        say(f"graph: {graph} (and .svg where graphviz is installed)")
    watch = watch or Watch({})
    watch.expect(workflow.list_node_names())
    arguments["status_callback"] = watch
    runner = plugin(plugin_args=arguments)
    try:
        with polling(watch.refresh):
            workflow.run(plugin=runner)
    except KeyboardInterrupt:
        if isinstance(runner, SafeMultiProcPlugin):
            runner.stopped = True  # the steps ended below are not run again
        _end_children()
        raise
    except RuntimeError as error:
        if settings.debug:
            print(error, file=sys.stderr)


def _end_children() -> None:
    """End all processes of this run but multiprocessing's tracker, which then tidies up after them."""
    tracker = multiprocessing.resource_tracker._resource_tracker._pid  # type: ignore[attr-defined]
    for child in psutil.Process().children(recursive=True):
        if child.pid != tracker:
            child.kill()


def configure(settings: Settings, work: Path) -> None:
    """Configure nipype; a graph keeps the configuration from when it was made."""
    config.update_config(
        {
            "execution": {
                "poll_sleep_duration": "0.1",
                "hash_method": "content",
                "crashfile_format": "txt",
                "crashdump_dir": str(work),
                "stop_on_first_crash": str(settings.stop_on_first_crash).lower(),
                "remove_unnecessary_outputs": "false",
                "check_version": "false",
            }
        }
    )
    level = {0: logging.CRITICAL, 1: logging.WARNING}.get(settings.verbose, logging.INFO)
    for name in ("nipype.workflow", "nipype.utils", "nipype.interface"):
        logging.getLogger(name).setLevel(level)

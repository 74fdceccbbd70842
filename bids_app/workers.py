"""Workers on other machines for the group level: a dask cluster at an address, or started by Slurm."""

from __future__ import annotations

import _thread
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from bids_app.errors import DemyelinError, InputError
from bids_app.progress import say

MEMORY_GB = 4.0  # of a worker where --mem does not say: what cluster partitions commonly grant a core
WORKERS = (
    16  # where --nprocs does not say: the 10 outer folds of study A at once, and permutations beside them
)
ANSWER_SECONDS = 60  # seconds that running workers may take to answer
QUEUED = 7 * 86400  # seconds that Slurm may take to start a worker; joblib gives up after 10
HALF_AN_HOUR = "#SBATCH -t 00:30:00"  # dask-jobqueue's default; the partition's own limit is better
KILLED = "workers were ended by the system, most likely out of memory; give --mem with more GB a worker"


@contextmanager
def spread(dask: str | None, logs: Path, *, memory_gb: float = 0.0, workers: int = 0) -> Iterator[None]:
    """Let joblib work on a dask cluster while inside; do nothing where none was asked for.

    Parameters
    ----------
    dask : str or None
        A scheduler's address, or `slurm` to start workers by Slurm, which are ended on leaving.
    logs : Path
        Folder on a disk that every node sees: for workers' logs and, while it runs, the certificates by which
        scheduler and workers know each other.
    memory_gb : float
        Memory of a worker that Slurm starts (default: 4).
    workers : int
        How many Slurm starts (default: 16).

    Raises
    ------
    InputError
        If dask or Slurm is not installed, or no scheduler with a worker answers.
    DemyelinError
        If the system ended worker after worker at the same task.
    """
    if dask is None:
        yield
        return
    from joblib import parallel_config

    with ExitStack() as stack:
        try:
            from distributed import Client

            place: Any = dask
            if dask == "slurm":
                place = stack.enter_context(_slurm(logs, memory_gb or MEMORY_GB, workers or WORKERS))
            client = stack.enter_context(Client(place, timeout="60s"))
            client.wait_for_workers(1, timeout=QUEUED if dask == "slurm" else ANSWER_SECONDS)
            if dask == "slurm":
                _wait_for_more(client, workers or WORKERS)
        except ImportError as error:
            raise InputError(
                f"--dask: {error.name} is not installed; pip install 'demyelin[dask]'"
            ) from error
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(
                f"--dask {dask}: no scheduler with workers answers there ({type(error).__name__})"
            ) from error
        stack.enter_context(parallel_config(backend="dask", wait_for_workers_timeout=QUEUED))
        with _watched(client):
            yield


@contextmanager
def _watched(client: Any) -> Iterator[None]:
    """Turn workers that were ended again and again into an error: joblib would wait for them for ever."""
    from distributed import KilledWorker

    ended, over = threading.Event(), threading.Event()

    def watch() -> None:
        while not over.wait(1):
            if any(isinstance(future.exception, KilledWorker) for future in list(client.futures.values())):
                ended.set()
                _thread.interrupt_main()
                return

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    except (
        BaseException
    ) as error:  # the interrupt arrives as KeyboardInterrupt or, by dask's own hand, SystemExit
        if isinstance(error, KilledWorker) or ended.is_set():
            raise DemyelinError(f"--dask: {KILLED}") from error
        raise
    finally:
        over.set()


def _wait_for_more(client: Any, workers: int) -> None:
    """Wait for two workers, as joblib works alone where there is one; and a little for all of them."""
    client.wait_for_workers(min(2, workers), timeout=QUEUED)
    with suppress(TimeoutError):
        client.wait_for_workers(workers, timeout=ANSWER_SECONDS)


@contextmanager
def _slurm(logs: Path, memory_gb: float, workers: int) -> Iterator[Any]:
    """Start a scheduler here and workers by Slurm, kept at their number.

    dask sends pickles, so scheduler and workers speak TLS with certificates made for this run alone.

    Raises
    ------
    InputError
        If there is no `sbatch`.
    """
    if shutil.which("sbatch") is None:
        raise InputError("--dask slurm: there is no sbatch here; start it where jobs are sent from")
    from dask_jobqueue import SLURMCluster

    folder = logs / "dask"
    folder.mkdir(parents=True, exist_ok=True)
    cluster = SLURMCluster(
        cores=1,
        processes=1,
        memory=f"{memory_gb:g}GB",
        job_directives_skip=[HALF_AN_HOUR],
        job_script_prologue=["export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1"],
        log_directory=str(folder),
        local_directory=os.environ.get("TMPDIR", "/tmp"),  # noqa: S108 - the node's own disk
        shared_temp_directory=str(
            folder
        ),  # certificates, readable by their owner alone, gone with this process
        security=True,
        scheduler_options={"dashboard": False},
    )
    with cluster:
        cluster.adapt(minimum=workers, maximum=workers)  # those that end are started again
        say(f"{workers} workers by Slurm, {memory_gb:g} GB each (squeue shows them); logs in {folder}")
        yield cluster

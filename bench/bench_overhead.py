"""What a visit costs: CPU time and peak memory of each step, and what the program around the steps adds.

    python bench/bench_overhead.py [--quick] [--fast] [--real BIDS_DIR PARTICIPANT]

One process of one thread on a phantom visit, or on a participant's first visit of a dataset. `--quick` makes the
phantom at 4 mm, where the steps are so short that everything around them weighs most.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

ROWS = "DEMYELIN_BENCH_ROWS"
TOOL = Path(sys.executable).parent


def main() -> None:
    """Print the table, the sums, the overhead and the time of a second run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--real", nargs=2, metavar=("BIDS_DIR", "PARTICIPANT"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        bids = _real(root, *args.real) if args.real else _phantom(root, "4" if args.quick else "1")
        command = [bids, root / "out", "participant", "--nprocs", "1", "-w", root / "work"]
        command += ["--skip-bids-validation", *(["--fast"] if args.fast or args.quick else [])]
        (root / "plugin.toml").write_text(
            'plugin = "Linear"'
        )  # steps in this process, where they are measured
        measured = [sys.executable, __file__, "--inside", *command, "--use-plugin", root / "plugin.toml"]
        wall, cpu = seconds(measured, {ROWS: str(root / "rows.tsv")})
        again, _ = seconds([TOOL / "demyelin", *command])
        rows = pd.read_csv(root / "rows.tsv", sep="\t", names=["step", "cpu_s", "wall_s", "peak_gb"])
    table = rows.groupby("step").agg(
        runs=("cpu_s", "size"), cpu_s=("cpu_s", "sum"), peak_gb=("peak_gb", "max")
    )
    print(table.sort_values("cpu_s", ascending=False).round(2).to_string())
    steps = rows["wall_s"].sum()
    print(
        f"{len(rows)} steps, CPU {rows['cpu_s'].sum():.1f} s; the whole visit: CPU {cpu:.1f} s, wall {wall:.1f} s"
    )
    print(
        f"peak memory {rows['peak_gb'].max():.2f} GB; overhead over the steps' wall time {wall / steps - 1:.1%}"
    )
    print(f"second run of the finished dataset: {again:.1f} s")


def _phantom(root: Path, resolution: str) -> Path:
    make = [TOOL / "demyelin-phantom", root / "bids", "--participants", "1", "--resolution", resolution]
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
    return root / "bids"


def _real(root: Path, source: str, participant: str) -> Path:
    """Copy one visit of a dataset."""
    folder = Path(source) / participant
    visit = next((one for one in sorted(folder.glob("ses-*"))), folder)
    shutil.copytree(visit, root / "bids" / visit.relative_to(source))
    shutil.copy(Path(source) / "dataset_description.json", root / "bids")
    return root / "bids"


def seconds(command: list, more: dict[str, str] | None = None) -> tuple[float, float]:
    """Run a command on one thread; return its wall and CPU time."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"), "1")
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    words = [str(part) for part in command]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env=os.environ | one | (more or {}))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, cpu


def inside(words: list[str]) -> int:
    """Run Demyelin with each step measured; a step's peak memory is the process's since the step began (Linux)."""
    from bids_app import cli
    from bids_app.workflows import step

    call = step.call

    def measured(function, values):
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
        cpu, wall = time.process_time(), time.perf_counter()
        try:
            return call(function, values)
        finally:
            peak = Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
            took = f"{time.process_time() - cpu}\t{time.perf_counter() - wall}"
            with Path(os.environ[ROWS]).open("a") as stream:
                stream.write(f"{function.__name__}\t{took}\t{int(peak) / 1e6}\n")

    step.call = measured
    return cli.main(words)


if __name__ == "__main__":
    sys.exit(inside(sys.argv[2:]) if sys.argv[1:2] == ["--inside"] else main())
